//! What no output may have in it, whoever names himself how: what a terminal acts on, and kernel
//! addresses.

use anyhow::{Result, ensure};
use tracer_common::kind::NsKind::{Pid, User};

use crate::{
    daemon::{Daemon, socket_of},
    expect::same,
    puppet::Puppet,
    world::World,
};

/// Where the daemon listens.
const PORT: u16 = 19642;

/// A name that clears the screen, ends lines and strings, and turns the direction of writing.
const HOSTILE: &str = "\u{1b}[2J\n\"\\'\u{202e}x";

/// It, for a terminal and in JSON.
const SHOWN: &str = r#"\x1b[2J\n"\\'\u{202e}x["#;
const WRITTEN: &str = r#""\u001b[2J\n\"\\'\u202ex""#;

/// The digits of an address, and with what those of the kernel's half begin.
const DIGITS: usize = 16;
const KERNEL: &str = "ffff";

/// The first of them, as a decimal number.
const FIRST: u64 = 0xffff_8000_0000_0000;

/// Somebody with such a name makes namespaces: it is shown, and does no harm anywhere.
pub(super) fn hostile_names(world: &World) -> Result<()> {
    let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
    let puppet = Puppet::start("harmless")?;
    puppet.rename(HOSTILE)?;
    puppet.unshare(&[User, Pid])?;
    let init = puppet.clone_into("init", &[])?;
    init.rename(HOSTILE)?;
    world.barrier()?;
    let socket = socket_of(PORT);
    let asking = ["--from", "daemon", "--control-socket", &socket];
    for (arguments, name) in [
        (&["list"][..], ""),
        (&["list", "--ns-type", "pid", "--output", "tree"], SHOWN),
        (&["list", "--output", "json"], WRITTEN),
        (&["audit"], ""),
        (&["audit", "--output", "json"], ""),
    ] {
        let ran = world.nslife.run(&[arguments, &asking].concat())?;
        same("its status", Some(0), ran.code)?;
        let verb = arguments.join(" ");
        ensure!(
            ran.stdout.contains(name),
            "{verb} does not say {name}: {ran}"
        );
        is_harmless(&verb, &ran.stdout)?;
        is_harmless(&verb, &ran.stderr)?;
    }
    let traced = world.trace.log.look(0, |lines| {
        lines
            .iter()
            .filter(|line| line.text.contains(WRITTEN))
            .count()
    });
    ensure!(traced > 0, "the trace does not name who made them");
    init.exit()?;
    puppet.reap_child(&init)?;
    is_harmless("the metrics", &daemon.get("/metrics")?.body)?;
    is_harmless("the daemon's log", &daemon.log()?)?;
    puppet.end()?;
    same("the daemon's end", Some(0), daemon.stop()?.code())
}

/// In all that was said in the whole run there is nothing of the kind.
pub(super) fn outputs_are_harmless(world: &World) -> Result<()> {
    world.trace.log.look(0, |lines| {
        lines
            .iter()
            .try_for_each(|line| is_harmless("the trace", &line.text))
    })?;
    for document in world.nslife.documents() {
        is_harmless(document.schema, &document.text)?;
    }
    let daemon = world.daemon();
    is_harmless("the metrics", &daemon.get("/metrics")?.body)?;
    is_harmless("the daemon's log", &daemon.log()?)
}

/// Fails unless a text has neither what a terminal acts on, line ends apart, nor a kernel address.
fn is_harmless(what: &str, text: &str) -> Result<()> {
    for line in text.lines() {
        let acts = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        ensure!(!line.contains(acts), "{what} has {line:?}");
        for word in line.split(|c: char| !c.is_ascii_alphanumeric()) {
            let digits = word.strip_prefix("0x").unwrap_or(word);
            let is_address = digits.len() == DIGITS
                && digits.starts_with(KERNEL)
                && digits.chars().all(|c| c.is_ascii_hexdigit());
            let is_number = word.parse::<u64>().is_ok_and(|number| number >= FIRST);
            ensure!(!is_address && !is_number, "{what} has an address: {line}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harm_is_recognized() {
        for harmless in ["net 4026531840\n", "ffff 0xffff", "\\x1b[2J", "föö"] {
            is_harmless("it", harmless).unwrap();
        }
        for harmful in [
            "a\u{1b}[2J",
            "\u{202e}",
            "r1 = 0xffff888100a3b000 ;",
            "key=ffffffff81000000",
            "{\"key\":18446612682070798336}",
        ] {
            is_harmless("it", harmful).unwrap_err();
        }
    }
}

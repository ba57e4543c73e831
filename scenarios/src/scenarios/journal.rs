//! The daemon's log where a journal reads it.

use std::{
    fs::{self, File},
    io::ErrorKind,
    os::{linux::fs::MetadataExt as _, unix::net::UnixDatagram},
    path::Path,
    process::Child,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    PATIENCE,
    expect::same,
    process::{end_of, poll_until, terminate},
    world::{SCRATCH, World},
};

/// Where the journal takes entries.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The daemon tells the journal, field by field, and says more or less when it is told to.
pub(super) fn log_goes_to_the_journal(world: &World) -> Result<()> {
    ensure!(!Path::new(JOURNAL).exists(), "this machine has a journal");
    fs::create_dir_all(Path::new(JOURNAL).parent().context("no folder")?)?;
    let journal = UnixDatagram::bind(JOURNAL).context("cannot be the journal")?;
    let ended = with_journal(world, &journal);
    fs::remove_file(JOURNAL)?;
    ended
}

fn with_journal(world: &World, journal: &UnixDatagram) -> Result<()> {
    journal.set_read_timeout(Some(Duration::from_millis(200)))?;
    let log = world.results.join("journal.log");
    let stderr = File::create(&log)?;
    let file = stderr.metadata()?;
    let control = format!("{SCRATCH}/control-journal.sock");
    let mut command = world.nslife.command(&["daemon"]);
    command
        .args(["--web.listen-address", "127.0.0.1:0"])
        .args(["--control-socket", &control])
        .env(
            "JOURNAL_STREAM",
            format!("{}:{}", file.st_dev(), file.st_ino()),
        )
        .stderr(stderr);
    let mut daemon = Running(command.spawn().context("cannot start nslife daemon")?);
    world.nslife.started(&daemon.0);

    let ready = wait_for(journal, "ready")?;
    for (field, value) in [("PRIORITY", "6"), ("SYSLOG_IDENTIFIER", "nslife")] {
        same(field, Some(value), ready.get(field))?;
    }
    let count = ready
        .get("NSLIFE_NAMESPACES")
        .context("no number of namespaces")?;
    ensure!(
        count.parse::<u32>()? >= 8,
        "expected 8 namespaces or more, saw {count}"
    );
    let written = fs::read_to_string(&log)?;
    ensure!(
        written.is_empty(),
        "expected nothing as text, saw {written}"
    );

    // An audit that finds nothing is worth a word only when everything is.
    let audit = || {
        let arguments = ["audit", "--from", "daemon", "--control-socket", &control];
        same("the audit", Some(0), world.nslife.run(&arguments)?.code)
    };
    daemon.signal(Signal::USR1)?;
    wait_for(journal, "the log level is another one")?;
    audit()?;
    same(
        "its priority",
        Some("7"),
        wait_for(journal, "audited")?.get("PRIORITY"),
    )?;
    daemon.signal(Signal::USR2)?;
    wait_for(journal, "the log level is another one")?;
    audit()?;
    terminate(&daemon.0)?;
    let until_the_end = entries_until(journal, "stopping")?;
    let quiet = !until_the_end
        .iter()
        .any(|entry| entry.get("MESSAGE") == Some("audited"));
    ensure!(quiet, "expected no word of an audit, saw {until_the_end:?}");
    same(
        "the daemon's end",
        Some(0),
        end_of(&mut daemon.0, PATIENCE)?.code(),
    )
}

struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.0), signal).context("cannot send a signal")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Fields and their values.
#[derive(Debug)]
struct Entry(Vec<(String, String)>);

impl Entry {
    fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| &**value)
    }

    /// What goes over the journal's socket: `FIELD=value` on a line, or `FIELD` on a line, then
    /// the length of the value, the value and the end of a line.
    fn parse(mut bytes: &[u8]) -> Result<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let end = bytes
                .iter()
                .position(|&byte| byte == b'\n')
                .context("no end of a line")?;
            let line = &bytes[..end];
            bytes = &bytes[end + 1..];
            if let Some(equals) = line.iter().position(|&byte| byte == b'=') {
                fields.push((text(&line[..equals])?, text(&line[equals + 1..])?));
                continue;
            }
            let (length, rest) = bytes.split_first_chunk().context("no length")?;
            let length = usize::try_from(u64::from_le_bytes(*length))?;
            fields.push((text(line)?, text(rest.get(..length).context("no value")?)?));
            bytes = rest.get(length + 1..).context("no end of a value")?;
        }
        Ok(Self(fields))
    }
}

fn text(bytes: &[u8]) -> Result<String> {
    Ok(String::from_utf8(bytes.to_vec())?)
}

fn wait_for(journal: &UnixDatagram, message: &str) -> Result<Entry> {
    entries_until(journal, message)?.pop().context("no entry")
}

/// All that come, up to one with this message.
fn entries_until(journal: &UnixDatagram, message: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut bytes = vec![0; 1 << 16];
    let found = poll_until(PATIENCE, || {
        let length = match journal.recv(&mut bytes) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let entry = Entry::parse(&bytes[..length])?;
        let is_it = entry.get("MESSAGE") == Some(message);
        entries.push(entry);
        Ok(is_it.then_some(()))
    })?;
    found.with_context(|| format!("expected {message:?} in the journal, saw {entries:?}"))?;
    Ok(entries)
}

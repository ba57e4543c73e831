//! A recording as text, a frame on each line, so that its changes can be read.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use nslife::model::{Config, Walk};
use rustix::system::uname;
use tracer_common::kind::NsKind;

use crate::{
    redact::Redactor,
    session::{Said, Session},
};

/// Explains the rest.
const HEADER: &str = "\
# What the kernel programs said during a fixed play: made by `cargo xtask record`, never by hand.
# walk, record: a record of tracer-common, as 32-bit words in hexadecimal.
# merge: when the walk above started and ended, in nanoseconds, and what it met all of.
";

/// Redacts a recording and writes it down.
pub(crate) fn write(session: Session) -> Result<String> {
    let mut text = HEADER.to_owned();
    writeln!(text, "kernel {}", uname().release().to_string_lossy())?;
    writeln!(text, "offers{}", offers(session.config))?;
    let mut redactor = Redactor::new(session.started_at);
    for frame in session.frames {
        match frame {
            Said::Walk(mut bytes) => {
                for record in redactor.walk(&mut bytes)? {
                    writeln!(text, "walk{}", words(&record)?)?;
                }
            }
            Said::Record(mut bytes) => {
                redactor.record(&mut bytes)?;
                writeln!(text, "record{}", words(&bytes)?)?;
            }
            Said::Merge(walk) => {
                let started_at = redactor.time(walk.started_at)?;
                let ended_at = redactor.time(walk.ended_at)?;
                writeln!(text, "merge {started_at} {ended_at}{}", met_all_of(&walk))?;
            }
        }
    }
    Ok(text)
}

fn offers(config: Config) -> String {
    listed([("ids", config.kernel_ids), ("counts", config.kernel_counts)])
}

fn met_all_of(walk: &Walk) -> String {
    let types = NsKind::ALL.map(|kind| (kind.name(), walk.all_of[kind as usize]));
    let others = [
        ("tasks", walk.all_tasks),
        ("superblocks", walk.all_superblocks),
    ];
    listed(others.into_iter().chain(types))
}

/// The names of what is true.
fn listed(facts: impl IntoIterator<Item = (&'static str, bool)>) -> String {
    let names = facts.into_iter().filter(|(_, is_true)| *is_true);
    names.map(|(name, _)| format!(" {name}")).collect()
}

fn words(bytes: &[u8]) -> Result<String> {
    let (words, rest) = bytes.as_chunks::<4>();
    ensure!(rest.is_empty(), "a record does not consist of words");
    let mut text = String::new();
    for word in words {
        write!(text, " {:x}", u32::from_ne_bytes(*word))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short() {
        let bytes = [1_u32, 0, u32::MAX].map(u32::to_ne_bytes).concat();
        assert_eq!(words(&bytes).unwrap(), " 1 0 ffffffff");
        assert!(words(&bytes[1..]).is_err());
    }

    #[test]
    fn only_what_is_complete_is_listed() {
        let mut walk = Walk {
            all_superblocks: true,
            ..Walk::default()
        };
        walk.all_of[NsKind::Net as usize] = true;
        assert_eq!(met_all_of(&walk), " superblocks net");
        assert_eq!(met_all_of(&Walk::default()), "");
    }
}

//! The daemon's log: to the journal, field by field, where that reads standard
//! error anyway, otherwise to standard error as text.

use std::{convert::Infallible, env, io};

use rustix::fs::fstat;
use tracing::{info, warn};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{
    Layer, Registry, filter::LevelFilter, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

use crate::signals::{LevelSignals, Loudness};

/// In front of the names of fields in the journal, which is full of others'.
const PREFIX: &str = "NSLIFE";

/// What is logged, to be changed while it is.
#[derive(Debug)]
pub struct LogLevel {
    usual: LevelFilter,
    handle: reload::Handle<LevelFilter, Registry>,
}

/// Logs from now on. To be called once.
pub fn start(level: LevelFilter) -> LogLevel {
    let (filter, handle) = reload::Layer::new(level);
    let (output, problem) = match journal() {
        Some(Ok(journal)) => (journal.boxed(), None),
        Some(Err(error)) => (text().boxed(), Some(error)),
        None => (text().boxed(), None),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(output)
        .init();
    if let Some(error) = problem {
        warn!(%error, "the journal takes no fields, only text");
    }
    LogLevel {
        usual: level,
        handle,
    }
}

impl LogLevel {
    /// Does as the signals say, for ever.
    pub async fn follow(&mut self, mut asked: LevelSignals) -> Infallible {
        loop {
            let level = match asked.recv().await {
                Loudness::Everything => LevelFilter::DEBUG,
                Loudness::Usual => self.usual,
            };
            match self.handle.reload(level) {
                Ok(()) => info!(%level, "the log level is another one"),
                Err(error) => warn!(%error, "the log level stays"),
            }
        }
    }
}

fn text<S>() -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
}

/// The journal, if it is what reads standard error.
fn journal() -> Option<io::Result<tracing_journald::Layer>> {
    let stream = env::var("JOURNAL_STREAM").ok()?;
    let stderr = fstat(io::stderr()).ok()?;
    names(&stream, stderr.st_dev, stderr.st_ino).then(|| {
        let layer = tracing_journald::layer()?
            .with_syslog_identifier("nslife".to_owned())
            .with_field_prefix(Some(PREFIX.to_owned()))
            .with_priority_mappings(PriorityMappings {
                info: Priority::Informational,
                debug: Priority::Debug,
                ..PriorityMappings::new()
            });
        Ok(layer)
    })
}

/// Whether this is how systemd calls that file: the variable may be somebody
/// else's, from before standard error was redirected.
fn names(stream: &str, device: u64, inode: u64) -> bool {
    stream == format!("{device}:{inode}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_file_is_the_journals() {
        assert!(names("8:123", 8, 123));
        for other in ["", "8", "8:12", "8:1234", "9:123", "8:123:", "x"] {
            assert!(!names(other, 8, 123), "{other}");
        }
    }
}

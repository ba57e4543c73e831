//! The side of those who ask.

use std::{
    io::{self, ErrorKind, Read, Write as _},
    net::Shutdown,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::{DeserializeOwned, IgnoredAny};

use super::{Answer, Audited, Document, PROTOCOL, Question, Snapshot, socket::connect_to};
use crate::version;

/// The longest answer that is read, bytes: some 400,000 namespaces.
const LONGEST: u64 = 1 << 28;

/// Why there is no answer. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no daemon, or it has no socket there.
    #[error("no daemon answers at {}: {error}", path.display())]
    Nobody {
        /// Where.
        path: PathBuf,
        /// Whether there is a socket at all.
        error: io::Error,
    },
    /// There is one, and it cannot be reached.
    #[error("cannot ask the daemon at {}: {error}", path.display())]
    Unreachable {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It says nothing, or stops in the middle.
    #[error("the daemon at {} does not answer within {} s", path.display(), patience.as_secs())]
    Silent {
        /// Where.
        path: PathBuf,
        /// How long it was given.
        patience: Duration,
    },
    /// It is of another version, which may know other things.
    #[error(
        "the daemon at {} is nslife {daemon}, this is nslife {}",
        path.display(),
        version::NUMBER
    )]
    Version {
        /// Where.
        path: PathBuf,
        /// Its version.
        daemon: String,
    },
    /// The answer ends early, or is none.
    #[error("the daemon at {} gives an answer that makes no sense: {error}", path.display())]
    Garbled {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// It says why it gives none.
    #[error("the daemon at {} gives no answer: {because}", path.display())]
    Refused {
        /// Where.
        path: PathBuf,
        /// In its words.
        because: String,
    },
}

impl AskError {
    /// What an error at the socket means.
    pub(super) fn of(path: &Path, patience: Duration, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Self::Nobody { path, error },
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Silent { path, patience },
            _ => Self::Unreachable { path, error },
        }
    }

    /// There is no socket: no daemon was expected to be there either.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Nobody { error, .. } if error.kind() == ErrorKind::NotFound)
    }
}

/// Asks the daemon at this socket for its picture. It may be silent for as
/// long as `patience`.
pub fn ask(path: &Path, patience: Duration) -> Result<Snapshot, AskError> {
    answer(path, patience, Question::Snapshot)
}

/// Asks the daemon at this socket to audit itself: to compare its picture with
/// the kernel, and put right what is wrong in it. That takes some seconds if
/// they differ.
pub fn ask_for_audit(path: &Path, patience: Duration) -> Result<Audited, AskError> {
    answer(path, patience, Question::Audit)
}

fn answer<T: DeserializeOwned>(
    path: &Path,
    patience: Duration,
    question: Question,
) -> Result<T, AskError> {
    let text = exchange(path, patience, question);
    let text = text.map_err(|error| AskError::of(path, patience, error))?;
    understand(path, &text)
}

/// What an answer says.
pub(super) fn understand<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, AskError> {
    let garbled = |error| AskError::Garbled {
        path: path.to_owned(),
        error,
    };
    // First only what any version understands.
    let about: Document<IgnoredAny> = serde_json::from_slice(text).map_err(garbled)?;
    if about.protocol != PROTOCOL || about.version != version::NUMBER {
        return Err(AskError::Version {
            path: path.to_owned(),
            daemon: about.version,
        });
    }
    let document: Document<Answer<T>> = serde_json::from_slice(text).map_err(garbled)?;
    match document.answer {
        Answer::Given(answer) => Ok(answer),
        Answer::Refused(because) => Err(AskError::Refused {
            path: path.to_owned(),
            because,
        }),
    }
}

/// A question as it is asked.
pub(super) fn open(question: Question) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&question)?;
    line.push(b'\n');
    Ok(line)
}

fn exchange(path: &Path, patience: Duration, question: Question) -> io::Result<Vec<u8>> {
    let mut stream = connect_to(path, patience)?;
    stream.set_read_timeout(Some(patience))?;
    // Whoever answers without having listened is found out by the answer.
    let _ = stream.write_all(&open(question)?);
    let _ = stream.shutdown(Shutdown::Write);
    let mut text = Vec::new();
    stream.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

//! Standard output.

use std::{
    future::pending,
    io::{self, ErrorKind, IsTerminal as _},
    os::fd::{AsFd, OwnedFd},
};

use anstream::{AutoStream, ColorChoice};
use tokio::io::{Interest, unix::AsyncFd};

use crate::view::text::style::Palette;

/// Whether to colour standard output: on a terminal, unless `NO_COLOR` or
/// the like asks not to.
pub(super) fn palette() -> Palette {
    Palette {
        on: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
    }
}

/// Whether a person looks at standard output.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whoever reads an output.
pub(super) struct Reader(Option<AsyncFd<OwnedFd>>);

impl Reader {
    /// The one at the other end, if the output is a pipe. Needs a tokio
    /// runtime.
    pub(super) fn of(output: impl AsFd) -> Self {
        let output = output.as_fd().try_clone_to_owned().ok();
        Self(output.and_then(|output| {
            // SAFETY: an owned descriptor stays open and the same until it is
            // dropped, which is when the `AsyncFd` that owns it is.
            unsafe { AsyncFd::register_with_interest(output, Interest::ERROR) }.ok()
        }))
    }

    /// Waits until it goes away. Otherwise that would be noticed with the next
    /// line, for which there may be no reason for a long time. Cancel-safe.
    pub(super) async fn gone(&self) {
        match &self.0 {
            // A pipe that nobody reads is in error from then on.
            Some(output) if output.ready(Interest::ERROR).await.is_ok() => {}
            _ => pending().await,
        }
    }
}

/// Writes to standard output. False if nobody reads it any more, which is no
/// failure: whoever did has seen enough.
pub(super) fn show(write: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
    match write() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn a_reader_is_missed_when_it_goes_away_and_not_before() {
        let (reader, writer) = io::pipe().unwrap();
        let watched = Reader::of(&writer);
        let mut gone = Box::pin(watched.gone());
        let poll = gone.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll, Poll::Pending);
        drop(reader);
        gone.await;
    }

    #[tokio::test]
    async fn a_file_has_no_reader_to_miss() {
        let file = tempfile::tempfile().unwrap();
        assert!(Reader::of(&file).0.is_none());
    }

    #[test]
    fn only_a_reader_that_has_gone_away_is_no_failure() {
        let fail = |kind: ErrorKind| move || Err(kind.into());
        assert!(show(|| Ok(())).unwrap());
        assert!(!show(fail(ErrorKind::BrokenPipe)).unwrap());
        assert!(show(fail(ErrorKind::StorageFull)).is_err());
    }
}

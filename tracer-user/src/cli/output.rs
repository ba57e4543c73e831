//! Standard output.

use std::{
    future::pending,
    io::{self, ErrorKind, IsTerminal as _},
    os::fd::{AsFd as _, OwnedFd},
};

use anstream::{AutoStream, ColorChoice};
use nslife::view::text::style::Palette;
use tokio::io::{Interest, unix::AsyncFd};

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

/// Whoever reads standard output.
pub(super) struct Reader(Option<AsyncFd<OwnedFd>>);

impl Reader {
    /// The one at the other end of the pipe, if it is one. Needs a tokio
    /// runtime.
    pub(super) fn new() -> Self {
        let stdout = io::stdout().as_fd().try_clone_to_owned().ok();
        Self(stdout.and_then(|stdout| {
            // SAFETY: an owned descriptor stays open and the same until it is
            // dropped, which is when the `AsyncFd` that owns it is.
            unsafe { AsyncFd::register_with_interest(stdout, Interest::ERROR) }.ok()
        }))
    }

    /// Waits until it goes away. Otherwise that would be noticed with the next
    /// line, for which there may be no reason for a long time. Cancel-safe.
    pub(super) async fn gone(&self) {
        match &self.0 {
            // A pipe that nobody reads is in error from then on.
            Some(stdout) if stdout.ready(Interest::ERROR).await.is_ok() => {}
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

//! Standard output.

use std::io::{self, ErrorKind, IsTerminal as _};

use anstream::{AutoStream, ColorChoice};
use nslife::view::text::style::Palette;

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

/// Writes to standard output. False if nobody reads it any more, which is no
/// failure: whoever did has seen enough.
pub(super) fn show(write: impl FnOnce() -> io::Result<()>) -> io::Result<bool> {
    match write() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

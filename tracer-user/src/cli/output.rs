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

/// Whether this is about nobody reading the output any more.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

//! Where a daemon is asked, and what is said of its answers.

use std::{path::PathBuf, time::Duration};

use jiff::tz::TimeZone;

use super::say;
use crate::{
    control,
    engine::Limits,
    view::{
        clock::{Clock, boottime},
        text::words::Span,
    },
};

/// How long a daemon may be silent if nothing but its answer will do. Its walk
/// takes a few seconds where there are very many namespaces.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How long it may be silent if nslife can look for itself.
pub(super) const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// Where to ask.
#[derive(clap::Args, Debug)]
pub(super) struct Place {
    /// Where the daemon answers
    #[arg(
        long,
        env = control::VARIABLE,
        value_name = "PATH",
        default_value = control::DEFAULT_PATH
    )]
    pub(super) control_socket: PathBuf,
}

/// Says on standard error who answers, and since when it knows what happens.
pub(super) fn remark(pid: u32, watching_since: u64) {
    let from = Clock::sample()
        .wall(watching_since)
        .to_zoned(TimeZone::system());
    eprintln!(
        "nslife: from the daemon (process {pid}), which has been watching since {} ({})",
        from.strftime("%F %T"),
        Span(boottime().saturating_sub(watching_since)),
    );
}

/// Says on standard error what is missing.
pub(super) fn admit(limits: &Limits) {
    if !limits.because.is_empty() {
        say(&format!(
            "not the whole picture: {}",
            limits.because.join("; ")
        ));
    }
}

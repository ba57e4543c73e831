//! Shows nslife at work: a daemon, a live trace, and things that happen to
//! real namespaces. Run as root; `cargo xtask demo` runs it in a virtual
//! machine where the host cannot trace.

mod acts;
mod stage;

use std::{env, process::ExitCode};

use anyhow::{Context as _, Result};

use stage::Stage;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("nslife-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let nslife = env::args_os().nth(1).unwrap_or_else(|| "nslife".into());
    let mut stage = Stage::open(&nslife).context("cannot start nslife")?;
    for act in acts::ALL {
        stage.heading(act.title);
        (act.play)(&mut stage).with_context(|| act.title)?;
        stage.settle();
    }
    stage.heading("What the daemon's metrics say now (GET /metrics)");
    stage.show_metrics()?;
    stage.close()
}

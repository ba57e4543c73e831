//! `nslife trace`

mod followed;
mod printer;
mod session;

use std::{ffi::OsString, process::ExitCode, time::Duration};

use anyhow::bail;
use clap::ValueEnum;
use tokio::time::Instant;
use tracer_common::kind::NsKind;

use super::{
    command::{self, Inherited},
    from_the_daemon::Place,
    target::Process,
    values,
};
use crate::{
    engine::in_initial_pid_namespace,
    model::NsId,
    view::filter::{EventName, Filter, NsNumber},
};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only namespaces of these types, and switches that change them
    #[arg(long, value_name = "T,…", value_delimiter = ',', value_parser = values::ns_type())]
    ns_type: Vec<NsKind>,

    /// Only these events; `exited` and `reaped`, the ends of tasks, are shown
    /// only if they are named here
    #[arg(long, value_name = "E,…", value_delimiter = ',', value_parser = values::event())]
    event: Vec<EventName>,

    /// Only what this process does, and what becomes of its namespaces
    #[arg(long, value_name = "P", conflicts_with = "command")]
    pid: Option<u32>,

    /// Only this namespace, by its inode number or its id
    #[arg(long, value_name = "INUM|ID")]
    ns: Option<NsNumber>,

    /// How to show it
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,

    /// Stop showing after this time, such as 10s or 2m; COMMAND runs on
    #[arg(long, value_name = "D", value_parser = values::duration)]
    duration: Option<Duration>,

    /// When COMMAND or the process of --pid has ended, wait at most so long
    /// for the namespaces that it created to be freed
    #[arg(long, value_name = "D", default_value = "2s", value_parser = values::duration)]
    linger: Duration,

    /// Show the whole system, not only what COMMAND or the process of --pid
    /// does
    #[arg(long)]
    all: bool,

    /// Show what a running daemon knows to have happened last, and then what
    /// happens. nslife itself loads nothing into the kernel for that, and needs
    /// no privileges but those to open the daemon's socket
    #[arg(long, conflicts_with_all = ["pid", "command"])]
    daemon: bool,

    #[command(flatten)]
    place: Place,

    /// Run this, show what it and its descendants do, and exit with its
    /// status
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Output {
    /// For people: one aligned line per event
    Text,
    /// As docs/schema/trace.schema.json describes it: one object per line
    Json,
}

impl Args {
    /// What is asked for, where these are the initial namespaces.
    fn filter(&self, initial: impl Iterator<Item = NsId>) -> Filter {
        Filter {
            kinds: self.ns_type.clone(),
            events: self.event.clone(),
            ns: self.ns,
            initial: initial.collect(),
        }
    }

    /// When to stop showing, counted from now. A time too far off to be
    /// expressed never comes.
    fn deadline(&self) -> Option<Instant> {
        let duration = self.duration?;
        Instant::now().checked_add(duration)
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if args.daemon {
        if let Some(event) = args.event.iter().find(|event| event.is_task_end()) {
            bail!(
                "a daemon is not told of the ends of tasks: `nslife trace --event {}` without \
                 --daemon is",
                event.name()
            );
        }
        runtime.block_on(followed::run(&args))?;
        return Ok(ExitCode::SUCCESS);
    }
    let inherited = Inherited::now()?;
    // What the user got wrong comes before what the system refuses.
    if let Some(name) = args.command.first() {
        command::check(name)?;
    }
    let process = args.pid.map(Process::find).transpose()?;
    let selecting = process.is_some() || !args.command.is_empty();
    if selecting && !in_initial_pid_namespace() {
        bail!(
            "cannot tell tasks apart from within a pid namespace: leave out COMMAND and --pid, or \
             run nslife in the initial pid namespace"
        );
    }
    let code = runtime.block_on(session::run(&args, process, &inherited))?;
    Ok(ExitCode::from(code))
}

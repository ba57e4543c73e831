//! One trace, from start to end.

use std::{future::pending, io, process::ExitStatus};

use anyhow::Context as _;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{
        command::{Held, Inherited},
        output::{Reader, show},
        target::{Process, Target, exit_code},
        waiting::while_starting,
    },
    Args, Output,
    printer::Printer,
};
use crate::{
    engine::{Engine, Options, Selection, in_initial_pid_namespace},
    signals::StopSignals,
    view::scope::Scope,
};

/// Traces, and returns the status to exit with.
pub(super) async fn run(
    args: &Args,
    process: Option<Process>,
    inherited: &Inherited,
) -> anyhow::Result<u8> {
    let mut signals = StopSignals::new().context("cannot handle signals")?;
    let selecting = process.is_some() || !args.command.is_empty();
    let options = Options {
        selecting,
        task_ends: args.event.iter().any(|event| event.is_task_end()),
        ..Options::default()
    };
    let mut engine = while_starting(args.output == Output::Json, |progress| {
        Engine::start(&options, progress)
    })?;
    if engine.limits().partial_activity {
        eprintln!(
            "nslife: activity is partial on this kernel: `nslife doctor` says what is not counted"
        );
    }
    if let Some(number) = args.ns
        && !engine.tracker().namespaces().any(|ns| number.is(&ns))
    {
        eprintln!(
            "nslife: no namespace has this number now (`nslife list` shows those there are): \
             waiting for one"
        );
    }
    let mut printer = Printer::new(
        args.output,
        args.filter(engine.tracker().initial()),
        Scope::new(args.all || !selecting, own_tgid()),
    );
    let mut target = select(args, process, inherited, &mut engine).await?;
    let mut status = None;
    let traced = watch(
        args,
        &mut engine,
        &mut target,
        &mut signals,
        &mut printer,
        &mut status,
    )
    .await;
    if status.is_some() && engine.has_selected()? {
        eprintln!("nslife: descendants of COMMAND live on, unwatched (--linger watches longer)");
    }
    // Nothing is watched any more, but COMMAND runs on as if nobody had ever
    // watched.
    engine.end();
    if status.is_none() {
        status = wait(&mut target, &mut signals).await?;
    }
    if traced? {
        eprintln!("nslife: {}", printer.summary());
    }
    Ok(status.map_or(0, exit_code))
}

/// nslife's own process as the kernel programs see it: not to be had from
/// within a pid namespace, where the number is somebody else's.
pub(super) fn own_tgid() -> Option<u32> {
    in_initial_pid_namespace().then(std::process::id)
}

/// Tells the kernel programs whom to report, and starts it if it is COMMAND.
async fn select(
    args: &Args,
    process: Option<Process>,
    inherited: &Inherited,
    engine: &mut Engine,
) -> anyhow::Result<Target> {
    if let Some(process) = process {
        engine.select(Selection::Process(process.tgid()))?;
        return Ok(Target::process(process)?);
    }
    if args.command.is_empty() {
        return Ok(Target::System);
    }
    let held = Held::start(&args.command, inherited).await?;
    engine.select(Selection::Tree(held.pid()))?;
    Ok(Target::Command(held.release().await?))
}

/// Shows what happens, until there is nothing more to wait for. False if it
/// ended because nobody reads any more.
async fn watch(
    args: &Args,
    engine: &mut Engine,
    target: &mut Target,
    signals: &mut StopSignals,
    printer: &mut Printer,
    status: &mut Option<ExitStatus>,
) -> anyhow::Result<bool> {
    let (mut transitions, mut notices) = (Vec::new(), Vec::new());
    let reader = Reader::of(io::stdout());
    let mut deadline = args.deadline();
    let mut ended = false;
    if !show(|| printer.header())? {
        return Ok(false);
    }
    loop {
        tokio::select! {
            result = engine.next(&mut transitions, &mut notices) => result?,
            result = target.ended(), if !ended => {
                *status = result?;
                ended = true;
                engine.poll_now(&mut transitions, &mut notices)?;
                let patience = Instant::now().checked_add(args.linger);
                deadline = [deadline, patience].into_iter().flatten().min();
            }
            () = until(deadline) => break,
            () = reader.gone() => return Ok(false),
            stop = signals.recv() => {
                if !target.forward(stop) {
                    break;
                }
            }
        }
        if !show(|| printer.show(&mut transitions, &mut notices))? {
            return Ok(false);
        }
        if ended && printer.scope.remaining().is_empty() && !engine.has_selected()? {
            break;
        }
    }
    engine.poll_now(&mut transitions, &mut notices)?;
    Ok(show(|| printer.show(&mut transitions, &mut notices))?)
}

/// Waits for COMMAND, if there is one, passing signals on.
async fn wait(
    target: &mut Target,
    signals: &mut StopSignals,
) -> anyhow::Result<Option<ExitStatus>> {
    if !matches!(target, Target::Command(_)) {
        return Ok(None);
    }
    loop {
        tokio::select! {
            result = target.ended() => return Ok(result?),
            stop = signals.recv() => {
                target.forward(stop);
            }
        }
    }
}

pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

//! A trace that a daemon makes.

use std::io;

use anyhow::{Context as _, bail};

use super::{
    super::{
        from_the_daemon,
        output::{Reader, show},
    },
    Args,
    printer::Printer,
    session::{own_tgid, until},
};
use crate::{
    control::{Beginning, Followed, follow},
    signals::StopSignals,
    view::scope::Scope,
};

/// Shows what the daemon remembers, then what it tells, until there is a
/// reason to stop. That the daemon stops is an error.
pub(super) async fn run(args: &Args) -> anyhow::Result<()> {
    let mut signals = StopSignals::new().context("cannot handle signals")?;
    let socket = &args.place.control_socket;
    let (beginning, mut followed) = follow(socket, from_the_daemon::PATIENCE).await?;
    from_the_daemon::remark(beginning.pid, beginning.watching_since);
    from_the_daemon::admit(&beginning.limits);
    let mut printer = Printer::new(
        args.output,
        args.filter(beginning.initial.iter().copied()),
        Scope::new(true, own_tgid()),
    );
    if watch(args, &beginning, &mut followed, &mut signals, &mut printer).await? {
        eprintln!("nslife: {}", printer.summary());
    }
    Ok(())
}

/// False if it ended because nobody reads any more.
async fn watch(
    args: &Args,
    beginning: &Beginning,
    followed: &mut Followed,
    signals: &mut StopSignals,
    printer: &mut Printer,
) -> anyhow::Result<bool> {
    let reader = Reader::of(io::stdout());
    let deadline = args.deadline();
    let told = show(|| {
        printer.header()?;
        let mut past = beginning.past.iter();
        past.try_for_each(|happening| printer.happening(happening))?;
        printer.flush()
    })?;
    if !told {
        return Ok(false);
    }
    loop {
        tokio::select! {
            next = followed.next() => {
                let Some(happening) = next? else {
                    bail!("the daemon has ended, and with it the trace");
                };
                let told = show(|| {
                    printer.happening(&happening)?;
                    printer.flush()
                })?;
                if !told {
                    return Ok(false);
                }
            }
            () = until(deadline) => return Ok(true),
            () = reader.gone() => return Ok(false),
            _ = signals.recv() => return Ok(true),
        }
    }
}

//! `nslife audit`

mod witnesses;

use std::{
    io::{self, BufWriter, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::ValueEnum;
use tokio::time::sleep;

use super::{
    from_the_daemon::Place,
    output::{palette, show},
    say,
    waiting::{Waiting, while_asking},
};
use crate::{
    control::{self, Audited, Snapshot},
    daemon::AUDIT_GAP,
    engine::{Begun, Engine, Options, StartStep},
    model::audit::Findings,
    view::{
        audit::{Check, Report, WALK},
        json::{self, Source},
        text::audit::write_audit,
    },
};

/// Exit status if the picture was wrong.
const DRIFT: u8 = 3;

/// How long a daemon may be silent: it walks twice, some seconds apart.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a picture that keeps being renewed is compared again.
const ATTEMPTS: usize = 5;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// How to show it
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,

    /// Whose picture to compare: that of a running daemon, or one that is made
    /// for it
    #[arg(long, value_enum, default_value_t = Origin::Auto)]
    from: Origin,

    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Origin {
    /// The daemon's if one answers, otherwise one that is made for it
    Auto,
    /// The daemon's
    Daemon,
    /// One that is made for it: nslife watches for some seconds
    Watch,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// As docs/schema/audit.schema.json describes it
    Json,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = audit(args)?;
    show(|| {
        let mut out = BufWriter::new(io::stdout().lock());
        match args.output {
            Output::Text => write_audit(&mut out, palette(), &report)?,
            Output::Json => json::write_pretty(&mut out, &json::audit(&report))?,
        }
        out.flush()
    })?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DRIFT)
    })
}

fn audit(args: &Args) -> anyhow::Result<Report> {
    let for_programs = args.output == Output::Json;
    if args.from != Origin::Watch {
        let socket = &args.place.control_socket;
        match while_asking(for_programs, || control::ask_for_audit(socket, PATIENCE)) {
            Ok(audited) => {
                let witnesses = while_asking(for_programs, || {
                    witnesses::ask(|| Ok(control::ask(socket, PATIENCE)?))
                })?;
                return Ok(report(audited, Source::Daemon, witnesses));
            }
            Err(error) if args.from == Origin::Daemon => {
                anyhow::bail!("{error} (--from watch does without it)")
            }
            // Nobody said that there would be one.
            Err(error) if error.is_absence() => {}
            Err(error) => say(&format!("{error}; this is about what nslife sees itself")),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let waiting = Waiting::begin(for_programs);
    let (mut engine, findings) = runtime.block_on(watch(&waiting))?;
    let witnesses = witnesses::ask(|| {
        engine.walk(&mut Vec::new())?;
        Ok(Snapshot::take(&engine, None))
    })?;
    engine.end();
    drop(waiting);
    Ok(report(Audited::new(findings), Source::Walk, witnesses))
}

/// Watches for a while, then compares.
async fn watch(waiting: &Waiting) -> anyhow::Result<(Engine, Findings)> {
    let mut engine = Engine::start(&Options::default(), &|step| {
        // There is more to wait for than the start.
        if step != StartStep::Done {
            waiting.at(step);
        }
    })?;
    waiting.say("watching, to compare with what a walk finds");
    let (mut transitions, mut notices) = (Vec::new(), Vec::new());
    for _ in 0..ATTEMPTS {
        sleep(AUDIT_GAP).await;
        engine.poll_now(&mut transitions, &mut notices)?;
        let audit = match engine.begin_audit(&mut transitions)? {
            Begun::Ended(findings) => return Ok((engine, findings)),
            Begun::Differs(audit) => audit,
        };
        sleep(AUDIT_GAP).await;
        engine.poll_now(&mut transitions, &mut notices)?;
        if let Some(findings) = engine.end_audit(&audit, &mut transitions)? {
            return Ok((engine, findings));
        }
        transitions.clear();
        notices.clear();
    }
    anyhow::bail!(
        "events were lost again and again, so the picture could not be compared (`nslife daemon` \
         says which)"
    )
}

fn report(audited: Audited, source: Source, witnesses: Vec<Check>) -> Report {
    let Audited {
        kernel,
        pid,
        findings,
    } = audited;
    let creds = findings.creds;
    let walk = Check {
        against: WALK,
        outcome: Ok(findings.into()),
    };
    Report {
        kernel,
        source,
        pid,
        creds,
        checks: std::iter::once(walk).chain(witnesses).collect(),
    }
}

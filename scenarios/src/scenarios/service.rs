//! The daemon: its pages, its metrics, its beginning and end.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind;

use super::{control::USUAL, input::fails_clearly};
use crate::{
    daemon::{Daemon, Response},
    expect::same,
    metrics::{Series, series},
    trace::{Line, Step, What},
    world::World,
};

/// Where daemons of their own listen.
const PORT: u16 = 19620;

/// The steps that are counted, by the word in the metric's name.
const STEPS: [(&str, Step); 6] = [
    ("created", Step::Created),
    ("activated", Step::Activated),
    ("deactivated", Step::Deactivated),
    ("resurrected", Step::Resurrected),
    ("destroyed", Step::Destroyed),
    ("freed", Step::Freed),
];

/// A daemon comes up, says so to whoever started it, answers, and goes when it is told to.
pub(super) fn daemon_from_start_to_end(world: &World) -> Result<()> {
    let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
    is_page(&daemon.get("/healthz")?, 200, "text/plain")?;
    is_page(&daemon.get("/readyz")?, 200, "text/plain")?;
    is_page(&daemon.get("/metrics")?, 200, "text/plain; version=0.0.4")?;
    is_page(&daemon.get("/elsewhere")?, 404, "")?;
    // Names of processes are not for everybody who reaches a port.
    is_page(&daemon.get("/api/v1/namespaces")?, 403, "text/plain")?;
    let landing = daemon.get("/")?;
    is_page(&landing, 200, "text/html")?;
    ensure!(
        landing.body.contains("/metrics"),
        "no link to the metrics: {}",
        landing.body
    );

    let second = ["daemon", "--web.listen-address", &daemon.address];
    let ran = world.nslife.run(&second)?;
    fails_clearly(&ran, 1, &["cannot listen on", &daemon.address, "in use"])?;

    let status = daemon.stop()?;
    same("the exit status after SIGTERM", Some(0), status.code())
}

fn is_page(page: &Response, status: u16, content_type: &str) -> Result<()> {
    same("the status of a page", status, page.status)?;
    ensure!(
        page.content_type.starts_with(content_type),
        "expected {content_type}, saw {}",
        page.content_type
    );
    Ok(())
}

/// Whatever can be counted is there from the first scrape on, at zero if it did not happen; a control
/// socket is not, if none is wanted.
pub(super) fn metrics_are_complete_from_the_start(world: &World) -> Result<()> {
    let unasked = ["--no-control-socket"];
    let daemon = Daemon::start_with(&world.nslife, &world.results, PORT, &unasked)?;
    ensure!(!Path::new(USUAL).exists(), "{USUAL} is there unasked");
    let metrics = daemon.scrape()?;
    let is_zero = |series: &Series| {
        let value = metrics.get(series)?;
        same(&series.to_string(), 0.0, value)
    };
    for kind in NsKind::ALL {
        for state in ["active", "inactive", "destroyed"] {
            let labels = [("ns_type", kind.name()), ("state", state)];
            metrics.get(&series("nslife_namespaces", &labels))?;
        }
        for (step, _) in STEPS {
            let by_cause = metrics.having(&steps_of(step, kind));
            ensure!(!by_cause.is_empty(), "{kind:?} cannot be {step}");
            by_cause.into_iter().try_for_each(is_zero)?;
        }
    }
    for reason in ["clone", "unshare", "setns", "exec"] {
        is_zero(&series(
            "nslife_nsproxy_switches_total",
            &[("reason", reason)],
        ))?;
    }
    metrics.get(&series(
        "nslife_nsproxy_switches_total",
        &[("reason", "exit")],
    ))?;
    for cause in [
        "ring_full",
        "map_full",
        "read_failed",
        "recursion",
        "undecodable",
    ] {
        is_zero(&series("nslife_events_lost_total", &[("cause", cause)]))?;
    }
    is_zero(&series("nslife_hooks", &[("state", "missing")]))?;
    let attached = metrics.get(&series("nslife_hooks", &[("state", "attached")]))?;
    ensure!(attached > 0.0, "no hook is attached");
    for name in [
        "nslife_nsproxies",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
    ] {
        ensure!(metrics.plain(name)? > 0.0, "{name} is not above zero");
    }
    let status = daemon.stop()?;
    same("the exit status after SIGTERM", Some(0), status.code())
}

/// Two that watch the same system count the same steps, for the same causes.
pub(super) fn daemon_counts_what_the_trace_shows(world: &World) -> Result<()> {
    let daemon = world.daemon();
    world.barrier()?;
    let before = daemon.scrape()?;
    let from = world.trace.log.len();
    super::lives::all_types_at_once(world)?;
    world.barrier()?;
    for kind in NsKind::ALL {
        for (word, step) in STEPS {
            let is_step = |line: &&Line| matches!(&line.what, What::Step(taken, ns, _) if *taken == step && ns.ns_type == kind.name());
            for series in before.having(&steps_of(word, kind)) {
                let cause = series.label("cause").filter(|&cause| cause != "unknown");
                let shown = world.trace.log.look(from, |lines| {
                    let steps = lines.iter().filter(is_step);
                    steps.filter(|line| line.cause.as_deref() == cause).count()
                });
                let expected = before.get(series)? + shown as f64;
                daemon
                    .wait_for(series, &expected.to_string(), |value| value == expected)
                    .context("as the trace showed")?;
            }
        }
    }
    Ok(())
}

fn steps_of(step: &str, kind: NsKind) -> Series {
    series(
        &format!("nslife_namespace_{step}_total"),
        &[("ns_type", kind.name())],
    )
}

//! Dashboards and alerts ask a real Prometheus, which has scraped a real daemon.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use dashboards::{grafana, query, rules};
use serde::Serialize;
use tracer_common::kind::NsKind::{Cgroup, Ipc, Mnt, Net, Pid, Time, User, Uts};

use crate::{
    PATIENCE,
    daemon::Daemon,
    expect::same,
    process::{Finally, poll_until},
    prometheus::{Course, Prometheus, job},
    puppet::Puppet,
    world::World,
};

/// Where the daemon listens.
const PORT: u16 = 19631;

/// The kernel counts what its programs take while this is 1.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Network namespaces that go at once.
const CROWD: u32 = 200;

/// How long they may take to come.
const LONGEST: Duration = Duration::from_secs(120);

/// Lives from beginning to end.
const LIVES: u32 = 10;

/// Over how long rates are taken: scrapes are a second apart.
const RATE_INTERVAL: &str = "5s";

/// What the overview showed, for whoever draws it.
const DRAWN_FROM: &str = "overview.data.json";

/// What a dashboard asked for and got.
#[derive(Serialize)]
struct Shown {
    from: f64,
    to: f64,
    panels: Vec<Vec<Vec<Course>>>,
}

/// Each panel's queries and each part of an alert's condition find something in what Prometheus has
/// scraped while namespaces came, went, leaked, lingered and hung.
pub(super) fn they_find_something(world: &World) -> Result<String> {
    let before = fs::read_to_string(STATISTICS).context(STATISTICS)?;
    fs::write(STATISTICS, "1").context(STATISTICS)?;
    let restore = Finally(|| {
        // Nothing else that is checked depends on it.
        let _ = fs::write(STATISTICS, &before);
    });
    let options = ["--audit.interval", "2"];
    let daemon = Daemon::start_tuned(&world.nslife, &world.results, PORT, &options)?;
    let prometheus = Prometheus::start_with_rules(&job(&daemon.address), &rules::FILES)?;
    prometheus.answers(r#"up{job="nslife"}"#, 1.0)?;
    let from = now()?;
    workload(&prometheus)?;
    let to = now()?;

    let mut asked = 0;
    let mut silent = Vec::new();
    let mut ask = |name: &str, query: &str| {
        let found = prometheus.ask_over(query, from, to)?;
        asked += 1;
        if found.is_empty() {
            silent.push(format!("{name}: {query}"));
        }
        anyhow::Ok(found)
    };
    for dashboard in grafana::all()? {
        let mut panels = Vec::new();
        for panel in &dashboard.panels {
            let targets = panel.targets.iter();
            let courses = targets.map(|target| ask(&panel.title, &target.filled(RATE_INTERVAL)));
            panels.push(courses.collect::<Result<_>>()?);
        }
        if dashboard.uid == grafana::OVERVIEW {
            let shown = Shown { from, to, panels };
            let path = world.results.join(DRAWN_FROM);
            fs::write(path, serde_json::to_string(&shown)?)?;
        }
    }
    for alert in rules::alerts()? {
        for selection in query::selections(&alert.expr)? {
            // Nobody waits here for a day to be over.
            ask(&alert.alert, &selection.replace(" offset 1d", ""))?;
        }
    }
    ensure!(
        silent.is_empty(),
        "nothing is found by {}",
        silent.join("; ")
    );
    drop(restore);
    prometheus.stop()?;
    let status = daemon.stop()?;
    same("the exit status after SIGTERM", Some(0), status.code())?;
    Ok(format!("{asked} queries over {:.0} s", to - from))
}

fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// Has happen what dashboards show, each until Prometheus has seen it.
fn workload(prometheus: &Prometheus) -> Result<()> {
    let sees = |query: &str| -> Result<()> {
        let seen = poll_until(PATIENCE, || {
            Ok(prometheus.ask(query)?.filter(|&value| value > 0.0))
        })?;
        seen.map(drop)
            .with_context(|| format!("never seen: {query}"))
    };
    // A socket alone keeps a network namespace, a file another one.
    let (maker, sitter) = (Puppet::start("maker")?, Puppet::start("sitter")?);
    maker.unshare(&[User, Net])?;
    let socket = sitter.socket_in(&maker)?;
    maker.end()?;
    let (maker, keeper) = (Puppet::start("maker")?, Puppet::start("keeper")?);
    maker.unshare(&[Net])?;
    let file = keeper.open(&maker.link("net"))?;
    maker.end()?;
    // Nobody reaps one, and another one is reaped by nobody else before its tracer goes.
    let parent = Puppet::start("parent")?;
    let zombie = parent.clone_into("zombie", &[User])?;
    zombie.exit()?;
    let init = parent.clone_into("init", &[Pid])?;
    let child = init.clone_into("child", &[])?;
    let tracer = Puppet::start("tracer")?;
    tracer.seize(&child)?;
    init.exit()?;
    for query in [
        "instance_ns_type:nslife_namespace_inactive_age_seconds:max{ns_type=\"net\"}",
        "nslife_namespaces_kept_by_files{ns_type=\"net\"}",
        "nslife_zombies{ns_type=\"user\"}",
        "instance:nslife_pid_namespaces_dying_age_seconds:max",
    ] {
        sees(query)?;
    }
    for _ in 0..LIVES {
        let puppet = Puppet::start("passer-by")?;
        puppet.unshare(&[User, Mnt, Uts, Ipc, Pid, Net, Cgroup, Time])?;
        puppet.end()?;
    }
    // They wait for each other to be freed, for so long that Prometheus sees it, sooner or later.
    let waiting = "instance_ns_type:nslife_namespace_destroyed_age_seconds:max{ns_type=\"net\"}";
    let seen = poll_until(LONGEST, || {
        let hoarder = Puppet::start("hoarder")?;
        hoarder.hoard(Net, CROWD, LONGEST)?;
        hoarder.end()?;
        let over = format!("max_over_time({waiting}[10s])");
        poll_until(Duration::from_secs(5), || prometheus.ask(&over))
    })?;
    seen.context("no namespace was seen to await its freeing")?;

    sitter.close(socket)?;
    keeper.close(file)?;
    tracer.end()?;
    parent.reap_child(&init)?;
    parent.reap_child(&zombie)?;
    sees("nslife_namespace_inactive_seconds_count{ns_type=\"net\"}")?;
    for puppet in [sitter, keeper, parent] {
        puppet.end()?;
    }
    // Rates take two scrapes.
    let gone = r#"sum(nslife_pid_namespaces_dying) + sum(nslife_zombies{ns_type="user"})"#;
    prometheus.answers(gone, 0.0)
}

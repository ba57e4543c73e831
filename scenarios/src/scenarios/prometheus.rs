//! A real Prometheus scrapes the real daemon.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::Net;

use super::{holders, lives::WHOLE};
use crate::{
    process::run,
    prometheus::{Prometheus, job, tool},
    stage::Stage,
    world::World,
};

/// Active network namespaces.
const ACTIVE: &str = r#"nslife_namespaces{ns_type="net",state="active"}"#;
/// Inactive ones.
const INACTIVE: &str = r#"nslife_namespaces{ns_type="net",state="inactive"}"#;
/// All that were created.
const CREATED: &str = r#"nslife_namespace_created_total{ns_type="net"}"#;

/// Its own tool finds nothing to complain about in a scrape.
pub(super) fn promtool_is_content(world: &World) -> Result<()> {
    let scrape = world.daemon().get("/metrics")?.body;
    let mut promtool = Command::new(tool("promtool")?);
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    let ran = run(&mut promtool, |process| {
        let mut stdin = process.stdin.take().context("no standard input")?;
        Ok(stdin.write_all(scrape.as_bytes())?)
    })?;
    let is_clean = ran.code == Some(0) && ran.stdout.is_empty() && ran.stderr.is_empty();
    ensure!(is_clean, "expected that promtool says nothing, saw {ran}");
    Ok(())
}

/// What was done is what queries find.
pub(super) fn prometheus_finds_what_was_done(world: &World) -> Result<()> {
    let prometheus = Prometheus::start(&job(&world.daemon().address))?;
    prometheus.answers(r#"up{job="nslife"}"#, 1.0)?;
    let active = prometheus
        .ask(ACTIVE)?
        .context("nothing is known of active ones")?;
    let inactive = prometheus
        .ask(INACTIVE)?
        .context("nothing is known of inactive ones")?;
    let created = prometheus
        .ask(CREATED)?
        .context("nothing is known of new ones")?;

    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    maker.unshare(&[Net])?;
    let net = stage.born(&maker, Net)?;
    let sitter = stage.puppet("sitter")?;
    let socket = holders::socket_in(&mut stage, &sitter, &maker)?;
    prometheus.answers(ACTIVE, active + 1.0)?;
    prometheus.answers(INACTIVE, inactive)?;
    prometheus.answers(CREATED, created + 1.0)?;

    holders::end_maker(&mut stage, maker)?;
    prometheus.answers(ACTIVE, active)?;
    prometheus.answers(INACTIVE, inactive + 1.0)?;
    sitter.close(socket)?;
    stage.lives(&net, WHOLE)?;
    prometheus.answers(INACTIVE, inactive)?;
    prometheus.answers(CREATED, created + 1.0)?;
    holders::end_sitter(&mut stage, sitter)?;
    stage.close()?;
    prometheus.stop()
}

//! A real Prometheus scrapes the real daemon.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tracer_common::kind::NsKind::Net;

use super::{holders, lives::WHOLE};
use crate::{
    PATIENCE,
    daemon::get,
    expect::same,
    process::{end_of, poll_until, run, terminate},
    scenario::CannotRun,
    stage::Stage,
    world::{SCRATCH, World},
};

/// The folder with `prometheus` and `promtool`.
const VARIABLE: &str = "NSLIFE_PROMETHEUS";

/// Where Prometheus listens.
const ADDRESS: &str = "127.0.0.1:9090";

/// Active network namespaces.
const ACTIVE: &str = r#"nslife_namespaces{ns_type="net",state="active"}"#;
/// Inactive ones.
const INACTIVE: &str = r#"nslife_namespaces{ns_type="net",state="inactive"}"#;
/// All that were created.
const CREATED: &str = r#"nslife_namespace_created_total{ns_type="net"}"#;

/// Its own tool finds nothing to complain about in a scrape.
pub(super) fn promtool_is_content(world: &World) -> Result<()> {
    let scrape = world.daemon()?.get("/metrics")?.body;
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
    let prometheus = Prometheus::start(&format!(
        "- job_name: nslife\n  static_configs: [{{targets: ['{}']}}]\n",
        world.daemon()?.address
    ))?;
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

/// A program of Prometheus.
pub(super) fn tool(name: &str) -> Result<PathBuf> {
    match env::var_os(VARIABLE) {
        Some(folder) => Ok(PathBuf::from(folder).join(name)),
        None => Err(CannotRun(format!("{VARIABLE} does not name the folder of {name}")).into()),
    }
}

/// A running Prometheus that scrapes every second.
pub(super) struct Prometheus {
    process: Child,
}

impl Prometheus {
    /// One with these entries under `scrape_configs`.
    pub(super) fn start(jobs: &str) -> Result<Self> {
        let folder = PathBuf::from(SCRATCH).join("prometheus");
        fs::create_dir_all(&folder)?;
        let configuration = folder.join("prometheus.yml");
        let text = format!("global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}");
        fs::write(&configuration, text)?;
        let log = folder.join("log");
        let process = Command::new(tool("prometheus")?)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={ADDRESS}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start Prometheus")?;
        let prometheus = Self { process };
        let ready = poll_until(PATIENCE, || {
            let page = get(&format!("http://{ADDRESS}/-/ready"));
            Ok(page.is_ok_and(|page| page.status == 200).then_some(()))
        })?;
        ready.with_context(|| fs::read_to_string(log).unwrap_or_default())?;
        Ok(prometheus)
    }

    /// The value of the one series that a query finds.
    fn ask(&self, query: &str) -> Result<Option<f64>> {
        let mut url = format!("http://{ADDRESS}/api/v1/query?query=");
        for byte in query.bytes() {
            url.push_str(&format!("%{byte:02X}"));
        }
        let page = get(&url)?;
        same("the status of a query", 200, page.status).context(page.body.clone())?;
        let answer: Value = serde_json::from_str(&page.body)?;
        let result = &answer["data"]["result"];
        let found = result.as_array().with_context(|| page.body.clone())?;
        match &found[..] {
            [] => Ok(None),
            [series] => {
                let value = series["value"][1]
                    .as_str()
                    .with_context(|| page.body.clone())?;
                Ok(Some(value.parse()?))
            }
            _ => anyhow::bail!("{query}: expected one series, saw {result}"),
        }
    }

    /// Asks until the answer is as expected.
    pub(super) fn answers(&self, query: &str, expected: f64) -> Result<()> {
        let mut last = None;
        let found = poll_until(PATIENCE, || {
            last = self.ask(query)?;
            Ok((last == Some(expected)).then_some(()))
        })?;
        found.with_context(|| format!("{query}: expected {expected}, saw {last:?} in the end"))
    }

    /// Ends it.
    pub(super) fn stop(mut self) -> Result<()> {
        terminate(&self.process)?;
        let status = end_of(&mut self.process, PATIENCE)?;
        same("the exit status of Prometheus", Some(0), status.code())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

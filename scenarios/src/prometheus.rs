//! A running Prometheus, and what it answers.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    PATIENCE,
    daemon::get,
    expect::same,
    process::{end_of, poll_until, terminate},
    scenario::CannotRun,
    world::SCRATCH,
};

/// The folder with `prometheus` and `promtool`.
const VARIABLE: &str = "NSLIFE_PROMETHEUS";

/// Where Prometheus listens.
const ADDRESS: &str = "127.0.0.1:9090";

/// An entry under `scrape_configs` for a daemon at this address, over plain HTTP.
pub(crate) fn job(address: &str) -> String {
    format!("- job_name: nslife\n  static_configs: [{{targets: ['{address}']}}]\n")
}

/// A program of Prometheus.
pub(crate) fn tool(name: &str) -> Result<PathBuf> {
    match env::var_os(VARIABLE) {
        Some(folder) => Ok(PathBuf::from(folder).join(name)),
        None => Err(CannotRun(format!("{VARIABLE} does not name the folder of {name}")).into()),
    }
}

/// What its programming interface answers.
#[derive(Deserialize)]
struct Answer<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    result: T,
}

/// A moment, and a number as text.
#[derive(Debug, Deserialize)]
struct Value(f64, String);

fn number(value: &Value) -> Result<f64> {
    value
        .1
        .parse()
        .with_context(|| format!("no number: {value:?}"))
}

/// A series at one moment.
#[derive(Debug, Deserialize)]
struct Sample {
    value: Value,
}

/// A series over some time.
#[derive(Deserialize)]
struct Samples {
    metric: BTreeMap<String, String>,
    values: Vec<Value>,
}

/// How a series went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Course {
    /// What it is told apart by.
    pub(crate) labels: BTreeMap<String, String>,
    /// Moments and values.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A running Prometheus that scrapes every second.
pub(crate) struct Prometheus {
    process: Child,
}

impl Prometheus {
    /// One with these entries under `scrape_configs`.
    pub(crate) fn start(jobs: &str) -> Result<Self> {
        Self::start_with_rules(jobs, &[])
    }

    /// As [`Self::start`], with these files of rules, by name.
    pub(crate) fn start_with_rules(jobs: &str, rules: &[(&str, &str)]) -> Result<Self> {
        let folder = PathBuf::from(SCRATCH).join("prometheus");
        fs::create_dir_all(&folder)?;
        let configuration = folder.join("prometheus.yml");
        // What one scenario has left behind is nothing to the next.
        let data = folder.join("data");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        for (name, content) in rules {
            fs::write(folder.join(name), content)?;
        }
        let names: Vec<_> = rules.iter().map(|(name, _)| *name).collect();
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{}]\nscrape_configs:\n{jobs}",
            names.join(", ")
        );
        fs::write(&configuration, text)?;
        let log = folder.join("log");
        let process = Command::new(tool("prometheus")?)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
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
    pub(crate) fn ask(&self, query: &str) -> Result<Option<f64>> {
        let found: Vec<Sample> = Self::fetch("query", &[("query", query)])?;
        ensure!(
            found.len() < 2,
            "{query}: expected one series, saw {found:?}"
        );
        found
            .first()
            .map(|sample| number(&sample.value))
            .transpose()
    }

    /// All series that a query finds between two moments, each with a value a second; what is no
    /// number is left out.
    pub(crate) fn ask_over(&self, query: &str, from: f64, to: f64) -> Result<Vec<Course>> {
        let (from, to) = (from.to_string(), to.to_string());
        let parameters = [
            ("query", query),
            ("start", &from),
            ("end", &to),
            ("step", "1"),
        ];
        let found: Vec<Samples> = Self::fetch("query_range", &parameters)?;
        let courses = found.into_iter().map(|samples| {
            let mut points = Vec::new();
            for sample in &samples.values {
                let value = number(sample)?;
                if value.is_finite() {
                    points.push((sample.0, value));
                }
            }
            Ok(Course {
                labels: samples.metric,
                points,
            })
        });
        courses
            .filter(|course| !course.as_ref().is_ok_and(|course| course.points.is_empty()))
            .collect()
    }

    /// Asks for something of its programming interface.
    fn fetch<T: DeserializeOwned>(what: &str, parameters: &[(&str, &str)]) -> Result<T> {
        let mut url = format!("http://{ADDRESS}/api/v1/{what}?");
        for (name, value) in parameters {
            url.push_str(&format!("{name}="));
            for byte in value.bytes() {
                url.push_str(&format!("%{byte:02X}"));
            }
            url.push('&');
        }
        let page = get(&url)?;
        same("the status of a query", 200, page.status)
            .with_context(|| format!("{parameters:?}: {}", page.body))?;
        let answer: Answer<T> =
            serde_json::from_str(&page.body).with_context(|| page.body.clone())?;
        Ok(answer.data.result)
    }

    /// Asks until the answer is as expected.
    pub(crate) fn answers(&self, query: &str, expected: f64) -> Result<()> {
        let mut last = None;
        let found = poll_until(PATIENCE, || {
            last = self.ask(query)?;
            Ok((last == Some(expected)).then_some(()))
        })?;
        found.with_context(|| format!("{query}: expected {expected}, saw {last:?} in the end"))
    }

    /// Ends it.
    pub(crate) fn stop(mut self) -> Result<()> {
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

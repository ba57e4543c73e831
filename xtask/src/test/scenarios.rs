//! The scenarios and the churn: what nslife is to see and say on a live kernel, run in a virtual
//! machine of it.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::report::{Entry, Verdict};
use crate::{
    build, churn, install,
    kernels::{Kernel, Series},
    process::{Chatter, run},
    project::Project,
    prometheus,
    scenario_program::{self, NAME},
    vm::{Errand, Hardware, Outcome, Workshop, variable},
};

/// The suite of all scenarios.
const SCENARIOS: &str = "scenarios";

/// What the program is asked for in one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    name: &'static str,
    arguments: Vec<OsString>,
}

impl Suite {
    /// These scenarios; all if there are none.
    pub(super) fn scenarios(names: &[String]) -> Self {
        let named = names.iter().flat_map(|name| ["--only", name.as_str()]);
        Self {
            name: SCENARIOS,
            arguments: named.map(OsString::from).collect(),
        }
    }

    /// A short churn of each seed on record.
    pub(super) fn churn() -> Self {
        Self {
            name: "churn",
            arguments: churn::short(&churn::seeds()),
        }
    }

    /// What is asked for on a kernel: on the newest everything, on others what each does in its own way.
    /// None if there is nothing.
    fn on(&self, kernel: Series, is_newest: bool) -> Option<Self> {
        let mut suite = self.clone();
        if self.name != SCENARIOS {
            let seeds = churn::seeds_of(kernel, is_newest);
            if seeds.is_empty() {
                return None;
            }
            suite.arguments = churn::short(&seeds);
        } else if !is_newest && suite.arguments.is_empty() {
            suite.arguments.push("--kernel-only".into());
        }
        Some(suite)
    }

    /// The folder below that of all results.
    fn folder(&self, kernel: Series) -> String {
        match self.name {
            SCENARIOS => kernel.to_string(),
            name => format!("{name}-{kernel}"),
        }
    }
}

/// What to run, and how.
#[derive(Debug)]
pub(super) struct Plan {
    /// On each kernel, the longest first.
    pub(super) suites: Vec<Suite>,
    /// The kernels to run on.
    pub(super) kernels: Vec<Series>,
    /// Those of them that may be missing.
    pub(super) allow_missing: Vec<Series>,
    /// Whether everything is run on every kernel.
    pub(super) everywhere: bool,
    /// Machines at the same time.
    pub(super) jobs: usize,
    /// How long each may take.
    pub(super) timeout: Duration,
    /// What each is made of.
    pub(super) hardware: Hardware,
}

/// A line that the program prints: how one scenario came out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct ScenarioResult {
    name: String,
    status: Status,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Passed,
    Failed,
    /// It could have run on this kernel, but did not.
    Skipped,
    /// There is nothing to test on this kernel.
    NotApplicable,
}

/// Runs what is planned on every kernel of the plan.
pub(super) fn run_all(project: Project, plan: &Plan) -> Result<Vec<Entry>> {
    install::workload_programs()?;
    let mut entries = Vec::new();
    let mut kernels = Vec::new();
    for &series in &plan.kernels {
        match Kernel::get(&project.cache, series) {
            Ok(kernel) => kernels.push(kernel),
            Err(error) => entries.push(missing_kernel(series, &error, &plan.allow_missing)),
        }
    }
    let program = scenario_program::build(&project)?;
    for suite in &plan.suites {
        check_names(&program, suite)?;
    }
    // A scenario looks for it beside nslife.
    build::program(&project, "faults", "nslife-faults", Chatter::OnFailure)?;
    let workshop = Workshop::fresh(project, &plan.hardware)?;

    // The longest first, which is the newest, so that no machine is left to run alone for long.
    let jobs = plan
        .suites
        .iter()
        .flat_map(|suite| kernels.iter().rev().map(move |kernel| (kernel, suite)));
    let newest = kernels.last().map(|kernel| kernel.series);
    let queue = Mutex::new(jobs.collect::<VecDeque<_>>());
    // A thread cannot leave the queue in a bad state, whatever becomes of it.
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let work = || {
        let mut entries = Vec::new();
        while let Some((kernel, suite)) = next() {
            let suite = if plan.everywhere {
                Some(suite.clone())
            } else {
                suite.on(kernel.series, Some(kernel.series) == newest)
            };
            if let Some(suite) = suite {
                entries.extend(run_on(&workshop, &program, kernel, &suite, plan)?);
            }
        }
        Ok(entries)
    };
    let results: Vec<Result<Vec<Entry>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.jobs).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    for result in results {
        entries.extend(result?);
    }
    let position = |entry: &Entry| {
        plan.kernels
            .iter()
            .position(|k| entry.place == k.to_string())
    };
    entries.sort_by_key(position);
    Ok(entries)
}

/// Fails if the program does not know what it will be asked for: it says so sooner
/// than a machine boots.
fn check_names(program: &Path, suite: &Suite) -> Result<()> {
    if suite.name != SCENARIOS || suite.arguments.is_empty() {
        return Ok(());
    }
    let mut list = Command::new(program);
    run(
        list.args(&suite.arguments).arg("--list"),
        Chatter::OnFailure,
    )
}

fn missing_kernel(series: Series, error: &anyhow::Error, allowed: &[Series]) -> Entry {
    let mut entry = Entry::failed(&series.to_string(), "the kernel", error);
    if allowed.contains(&series) {
        entry.verdict = Verdict::NotCounted;
        entry.detail.insert_str(0, "missing, which is allowed: ");
    }
    entry
}

/// Runs a suite on one kernel. Fails only if nothing more should be run.
fn run_on(
    workshop: &Workshop,
    program: &Path,
    kernel: &Kernel,
    suite: &Suite,
    plan: &Plan,
) -> Result<Vec<Entry>> {
    let series = kernel.series;
    let name = suite.name;
    eprintln!("xtask: {name} on {series} ({})", kernel.package);
    let start = Instant::now();
    let machine = |error: anyhow::Error| Entry {
        duration: start.elapsed(),
        ..Entry::failed(
            &series.to_string(),
            &format!("the machine for {name}"),
            &error,
        )
    };
    match run_suite(workshop, program, kernel, suite, plan) {
        Ok((results, Outcome::Interrupted(_))) => {
            bail!(
                "{name} on {series}: interrupted after {} results",
                results.len()
            )
        }
        Ok((results, outcome)) => {
            let mut entries: Vec<_> = results.iter().map(|result| entry(series, result)).collect();
            entries.extend(complaint(&results, &outcome).map(machine));
            Ok(entries)
        }
        Err(error) => Ok(vec![machine(error)]),
    }
}

/// Boots the machine, has the suite run in it and reads the results.
fn run_suite(
    workshop: &Workshop,
    program: &Path,
    kernel: &Kernel,
    suite: &Suite,
    plan: &Plan,
) -> Result<(Vec<ScenarioResult>, Outcome)> {
    let series = kernel.series;
    let folder = workshop
        .project
        .target
        .join("nslife-results")
        .join(suite.folder(series));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let prometheus = prometheus::find_or_fetch(&workshop.project.cache)?;
    let mut command = vec![program.into()];
    command.extend(suite.arguments.iter().cloned());
    command.extend(["--output".into(), "json".into()]);
    let errand = Errand {
        command,
        variables: &[
            variable(scenario_program::RESULTS, &folder)?,
            variable(scenario_program::PROMETHEUS, &prometheus)?,
        ],
        shares: std::slice::from_ref(&folder),
        folder: workshop.project.root.clone(),
        kernel_arguments: "",
        timeout: plan.timeout,
    };
    let mut stdout = Vec::new();
    let mut stderr = File::create(folder.join(format!("{}.stderr", suite.name)))?;
    let outcome = errand.run(workshop, kernel, &plan.hardware, &mut stdout, &mut stderr)?;
    File::create(folder.join(format!("{}.json", suite.name)))?.write_all(&stdout)?;
    Ok((parse_results(&String::from_utf8_lossy(&stdout))?, outcome))
}

fn parse_results(text: &str) -> Result<Vec<ScenarioResult>> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            serde_json::from_str(line)
                .with_context(|| format!("{NAME} printed something other than a result: {line}"))
        })
        .collect()
}

/// What is wrong with a run beyond what its results say.
fn complaint(results: &[ScenarioResult], outcome: &Outcome) -> Option<anyhow::Error> {
    let has_failure = results.iter().any(|result| result.status == Status::Failed);
    match outcome {
        Outcome::Exited(0) if results.is_empty() => Some(anyhow::anyhow!("there is no result")),
        Outcome::Exited(0) | Outcome::Interrupted(_) => None,
        Outcome::Exited(_) if has_failure => None,
        Outcome::Exited(status) => Some(anyhow::anyhow!(
            "{NAME} ended with status {status}, though nothing failed"
        )),
        Outcome::TimedOut(logs) => Some(anyhow::anyhow!("the time was up{logs}")),
        Outcome::Died(logs) => Some(anyhow::anyhow!("it died{logs}")),
    }
}

fn entry(series: Series, result: &ScenarioResult) -> Entry {
    let ScenarioResult {
        name,
        status,
        detail,
        seconds,
    } = result;
    let (verdict, remark) = match status {
        Status::Passed => (Verdict::PASSED, ""),
        Status::Failed => (Verdict::FAILED, ""),
        Status::Skipped => (Verdict::FAILED, "skipped: "),
        Status::NotApplicable => (Verdict::NotCounted, "not on this kernel: "),
    };
    Entry {
        place: series.to_string(),
        name: name.clone(),
        verdict,
        duration: Duration::try_from_secs_f64(*seconds).unwrap_or_default(),
        detail: format!("{remark}{detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::machine::Logs;

    fn results(text: &str) -> Vec<ScenarioResult> {
        parse_results(text).unwrap()
    }

    #[test]
    fn results_are_lines_of_json() {
        let results = results(
            "{\"name\":\"clone\",\"status\":\"passed\",\"seconds\":1.5}\n\n\
             {\"name\":\"iter\",\"status\":\"not_applicable\",\"detail\":\"before 6.18\"}\n",
        );
        assert_eq!(results.len(), 2);
        assert_eq!(results[0].seconds, 1.5);
        assert_eq!(results[1].status, Status::NotApplicable);
        assert!(parse_results("thread main panicked").is_err());
        assert!(parse_results(r#"{"name":"a","status":"ignored"}"#).is_err());
    }

    #[test]
    fn only_what_does_not_apply_may_be_left_out() {
        let series: Series = "6.1".parse().unwrap();
        let verdict = |status: &str| {
            let line = format!(r#"{{"name":"a","status":"{status}","detail":"why"}}"#);
            entry(series, &results(&line)[0]).verdict
        };
        assert_eq!(verdict("passed"), Verdict::PASSED);
        assert_eq!(verdict("failed"), Verdict::FAILED);
        assert_eq!(verdict("skipped"), Verdict::FAILED);
        assert_eq!(verdict("not_applicable"), Verdict::NotCounted);
    }

    #[test]
    fn a_run_that_proves_nothing_is_complained_about() {
        let passed = results(r#"{"name":"a","status":"passed"}"#);
        let failed = results(r#"{"name":"a","status":"failed"}"#);
        assert!(complaint(&passed, &Outcome::Exited(0)).is_none());
        assert!(complaint(&failed, &Outcome::Exited(1)).is_none());
        assert!(complaint(&[], &Outcome::Exited(0)).is_some());
        assert!(complaint(&passed, &Outcome::Exited(1)).is_some());
        assert!(complaint(&passed, &Outcome::Died(Logs::default())).is_some());
        assert!(complaint(&passed, &Outcome::TimedOut(Logs::default())).is_some());
    }

    #[test]
    fn a_missing_kernel_fails_unless_that_is_allowed() {
        let (old, new) = ("6.1".parse().unwrap(), "7.3".parse().unwrap());
        let gone = anyhow::anyhow!("gone");
        assert_eq!(missing_kernel(old, &gone, &[new]).verdict, Verdict::FAILED);
        let allowed = missing_kernel(old, &gone, &[new, old]);
        assert_eq!(allowed.verdict, Verdict::NotCounted);
        assert_eq!(allowed.detail, "missing, which is allowed: gone");
    }
}

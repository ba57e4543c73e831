//! The checks that need no virtual machine.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use super::{
    Part, dashboards, packaging,
    report::{Entry, Verdict},
};
use crate::{
    bench, ebpf, fuzz,
    process::{Chatter, describe, host_cargo, run as run_command},
    project::Project,
    vm::Hardware,
};

const PLACE: &str = "host";

/// Runs the checks of one part, which is neither the scenarios nor churn.
pub(super) fn run(project: &Project, object: &Path, part: Part, hardware: &Hardware) -> Vec<Entry> {
    let cargo = |arguments: &[&str]| {
        let mut cargo = host_cargo(&project.root);
        cargo.args(arguments);
        ebpf::put_into(&mut cargo, project, object);
        cargo
    };
    let show = |mut command: Command| run_command(&mut command, Chatter::Show);
    match part {
        Part::Fmt => vec![
            check("fmt", || show(cargo(&["fmt", "--all", "--check"]))),
            check("fmt of the kernel programs", || ebpf::fmt(project)),
            check("fmt of the fuzzers", || fuzz::fmt(project)),
        ],
        Part::Clippy => vec![
            check("clippy", || {
                show(cargo(&[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "--deny",
                    "warnings",
                ]))
            }),
            check("clippy of the kernel programs", || ebpf::clippy(project)),
            check("clippy of the fuzzers", || fuzz::clippy(project)),
        ],
        Part::Unit => vec![tests(
            "unit, property and documentation tests",
            cargo(&["test", "--workspace", "--no-fail-fast"]),
        )],
        Part::Doc => vec![check("doc", || {
            let mut doc = cargo(&[
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ]);
            // The readers of these pages have the private items before them.
            let flags = "--deny warnings --allow rustdoc::private_intra_doc_links";
            doc.env("RUSTDOCFLAGS", flags);
            show(doc)
        })],
        Part::Packaging => packaging::run(project, hardware),
        Part::Dashboards => vec![
            check("the rules, by promtool", || {
                dashboards::rules_are_valid(project)
            }),
            check("the cases of the alerts, by promtool", || {
                dashboards::cases_hold(project)
            }),
        ],
        Part::Fuzz => fuzzing(project),
        Part::Bench => vec![check("what nslife costs", || bench::check(project))],
        Part::Scenarios | Part::Churn => Vec::new(),
    }
}

/// The fuzzers, built and run one after the other.
fn fuzzing(project: &Project) -> Vec<Entry> {
    let built = check("building the fuzzers", || {
        fuzz::build(project, Chatter::Show)
    });
    if built.verdict != Verdict::PASSED {
        return vec![built];
    }
    let runs = fuzz::Target::ALL.map(|target| {
        check(&format!("fuzzing {}", target.name()), || {
            fuzz::run(project, target, target.short(), Chatter::OnFailure)
        })
    });
    [built].into_iter().chain(runs).collect()
}

/// A check that passes or fails as a whole.
pub(super) fn check(name: &str, body: impl FnOnce() -> Result<()>) -> Entry {
    timed(name, || body().map(|()| Verdict::PASSED))
}

fn timed(name: &str, body: impl FnOnce() -> Result<Verdict>) -> Entry {
    eprintln!("xtask: {name}");
    let start = Instant::now();
    let result = body();
    let entry = match result {
        Ok(verdict) => Entry {
            place: PLACE.to_owned(),
            name: name.to_owned(),
            verdict,
            duration: start.elapsed(),
            detail: String::new(),
        },
        Err(error) => Entry::failed(PLACE, name, &error),
    };
    Entry {
        duration: start.elapsed(),
        ..entry
    }
}

/// `cargo test`, whose tests count one by one.
fn tests(name: &str, mut command: Command) -> Entry {
    timed(name, || {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", describe(&command)))?;
        let stdout = child.stdout.take().context("the output is not piped")?;
        let (mut passed, mut failed) = (0, 0);
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            eprintln!("{line}");
            if let Some(counts) = parse_test_result(&line) {
                passed += counts.0;
                failed += counts.1;
            }
        }
        let status = child.wait()?;
        if !status.success() && failed == 0 {
            bail!("{} failed: {status}", describe(&command));
        }
        Ok(Verdict::Counted { passed, failed })
    })
}

/// How many tests passed and failed, out of a line such as
/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn parse_test_result(line: &str) -> Option<(usize, usize)> {
    let counts = line.strip_prefix("test result: ")?;
    let number_before = |word: &str| {
        let (before, _) = counts.split_once(word)?;
        before.split_whitespace().next_back()?.parse().ok()
    };
    Some((number_before(" passed;")?, number_before(" failed;")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_counts_of_cargo_test() {
        let ok = "test result: ok. 27 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(parse_test_result(ok), Some((27, 0)));
        let failed = "test result: FAILED. 3 passed; 12 failed; 0 ignored";
        assert_eq!(parse_test_result(failed), Some((3, 12)));
        assert_eq!(parse_test_result("test result of a test ... ok"), None);
        assert_eq!(parse_test_result("running 3 tests"), None);
    }

    #[test]
    fn a_check_that_fails_says_why() {
        let entry = check("broken", || bail!("no luck"));
        assert_eq!(
            (entry.verdict, entry.detail.as_str()),
            (Verdict::FAILED, "no luck")
        );
        assert_eq!(check("fine", || Ok(())).verdict, Verdict::PASSED);
    }
}

//! `cargo xtask bench`: what nslife costs, in instructions, compared with what it cost before.

mod budget;
mod figure;
mod host;
mod kept;
mod machine;

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Args;

use self::{
    figure::{Figure, Tables},
    kept::Results,
};
use crate::{
    kernels::{Kernel, Series},
    process::stdout_of,
    project::Project,
    vm::Builds,
};

/// The kernel that is measured on, if nobody chooses.
const DEFAULT_KERNEL: &str = "7.3";

/// Measure what nslife costs, in instructions of a virtual machine that counts them, and compare
/// it with what it cost before and with what it may cost.
///
/// Fails if a budget is exceeded.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernel to measure on.
    #[arg(long, value_name = "SERIES", default_value = DEFAULT_KERNEL)]
    kernel: Series,
    /// Less of everything, in about three minutes.
    #[arg(long)]
    short: bool,
    /// How often everything is measured anew.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 2,
        conflicts_with = "short"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Keep what is measured in the repository, in place of what was kept before.
    #[arg(long, conflicts_with = "short")]
    save: bool,
    /// Build nothing that runs in the machine but the bench: take nslife as it was built last.
    #[arg(long)]
    no_build: bool,
}

/// Measures.
pub(crate) fn run_verb(options: &Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let builds = if options.no_build {
        Builds::Last
    } else {
        Builds::Fresh
    };
    let extent = if options.short {
        Extent::Short
    } else {
        Extent::Rounds(options.rounds)
    };
    let outcome = run(&project, options.kernel, extent, builds)?;
    print!("{}", outcome.results.text());
    if options.save {
        let path = outcome.results.write(&project, options.kernel)?;
        eprintln!("xtask: kept in {}", path.display());
    } else {
        println!("\n{}", outcome.comparison);
    }
    if outcome.exceeded.is_empty() {
        println!("\nall budgets are met");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nOVER BUDGET:");
    for line in &outcome.exceeded {
        println!("  {line}");
    }
    Ok(ExitCode::FAILURE)
}

/// The short form, which fails if a budget is exceeded.
pub(crate) fn check(project: &Project) -> Result<()> {
    let kernel = DEFAULT_KERNEL.parse()?;
    let outcome = run(project, kernel, Extent::Short, Builds::Fresh)?;
    eprint!("{}\n{}\n", outcome.results.text(), outcome.comparison);
    if !outcome.exceeded.is_empty() {
        bail!("over budget:\n{}", outcome.exceeded.join("\n"));
    }
    Ok(())
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Less of everything.
    Short,
    /// Everything, so often.
    Rounds(u32),
}

/// What a run has shown.
struct Outcome {
    results: Results,
    /// What has changed since the run that is kept, for people.
    comparison: String,
    /// Budgets that were exceeded.
    exceeded: Vec<String>,
}

fn run(project: &Project, series: Series, extent: Extent, builds: Builds) -> Result<Outcome> {
    let short = extent == Extent::Short;
    let kernel = Kernel::get(&project.cache, series)?;
    let tracker = host::build(project)?;
    let mut figures = machine::measure(project, &kernel, &tracker, extent, builds)?;
    figures.extend(host::measure(tracker, short)?);
    let comparison = match Results::read(project, series)? {
        None => format!("nothing is kept of {series} to compare with; --save keeps this"),
        Some(kept) => compare(&kept, &figures),
    };
    Ok(Outcome {
        exceeded: budget::exceeded(&figures, series, short),
        comparison,
        results: Results {
            kernel: kernel.package,
            date: stdout_of(Command::new("date").args(["--utc", "+%F"]))?
                .trim()
                .to_owned(),
            commit: commit(project),
            figures,
        },
    })
}

fn compare(kept: &Results, figures: &[Figure]) -> String {
    let (date, commit) = (&kept.date, &kept.commit);
    let changes = kept.changes(figures);
    if changes.is_empty() {
        return format!("nothing has changed since {date} ({commit}) by more than noise");
    }
    format!(
        "changed since {date} ({commit}) by more than noise:\n  {}",
        changes.join("\n  ")
    )
}

impl Results {
    /// For people.
    fn text(&self) -> String {
        let Self {
            kernel,
            date,
            commit,
            figures,
        } = self;
        format!("{kernel}, {date}, {commit}\n{}", Tables(figures))
    }
}

/// The commit that is checked out, if that can be told.
fn commit(project: &Project) -> String {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        stdout_of(git.arg("-C").arg(&project.root).args(arguments))
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    match (git(&["rev-parse", "--short=12", "HEAD"]), changed) {
        (Ok(commit), Ok(changed)) if changed.is_empty() => commit.trim().to_owned(),
        (Ok(commit), _) => format!("{}+", commit.trim()),
        (Err(_), _) => "unknown".to_owned(),
    }
}

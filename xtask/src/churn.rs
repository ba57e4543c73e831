//! `cargo xtask churn`: namespaces that come and go at random, on a kernel of your choice.

use std::{
    ffi::OsString,
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::{Args, value_parser};

use crate::{
    kernels::{Kernel, Series},
    project::Project,
    scenario_program,
    vm::{Errand, HardwareOptions, Outcome, Workshop, variable},
};

/// What `cargo xtask test` plays on the newest kernel. It has found a last reference that was reported
/// with a time after the freeing.
const SEED: u64 = 1;

/// Seeds that have found something, and on which kernel: it plays those there. Add yours with what it
/// found.
/// - 3: a freeing that was skipped in the middle of another stayed unknown for ever.
/// - 6: an inode number was given back, and another's, before its namespace was off the list.
const SEEDS: [(&str, u64); 2] = [("6.12", 3), ("6.18", 6)];

/// How many namespaces it makes of each.
const SHORT: u32 = 200;

/// Processors: with fewer, tasks that are preempted in the middle of a program pile up, and programs
/// are skipped along with their twins.
const CPUS: u32 = 16;

/// Make namespaces of all types come and go at random while a daemon watches, and compare what it
/// knows with what there is.
///
/// The first line names the seed: it gives the same steps again. The exit status is 0 if nothing
/// was lost and nothing differed at any rest, and the daemon's memory is back where it began.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernel's series, such as 6.12.
    #[arg(long, value_name = "SERIES", default_value = "7.3")]
    kernel: Series,
    /// How many namespaces, at the least.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = value_parser!(u32).range(1..))]
    namespaces: u32,
    /// What to do: the same steps for the same number [default: any].
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Processes that play at the same time; others get other steps.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    workers: u32,
    /// Losses are told, and are no failure; what nslife knows has to be right all the same.
    #[arg(long)]
    allow_losses: bool,
    /// Seconds until the machine is stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 7200)]
    timeout: u64,
    #[command(flatten)]
    hardware: HardwareOptions,
}

/// All seeds.
pub(crate) fn seeds() -> Vec<u64> {
    let found = SEEDS.iter().map(|(_, seed)| *seed);
    [SEED].into_iter().chain(found).collect()
}

/// Those that are for one kernel: what it has found, and on the newest another one.
pub(crate) fn seeds_of(kernel: Series, is_newest: bool) -> Vec<u64> {
    let found = SEEDS.iter().filter(|(on, _)| kernel.to_string() == *on);
    let found = found.map(|(_, seed)| *seed);
    is_newest.then_some(SEED).into_iter().chain(found).collect()
}

/// What `cargo xtask test` asks the program for. Losses are the emulation's, most of the time: what it
/// takes a processor microseconds for takes it a tick of the clock.
pub(crate) fn short(seeds: &[u64]) -> Vec<OsString> {
    let seeds: Vec<_> = seeds.iter().map(u64::to_string).collect();
    let arguments = [
        "churn".to_owned(),
        format!("--seed={}", seeds.join(",")),
        format!("--namespaces={SHORT}"),
        "--allow-losses".to_owned(),
    ];
    arguments.map(OsString::from).to_vec()
}

/// Plays.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    let Options {
        kernel: series,
        namespaces,
        workers,
        timeout,
        allow_losses,
        ..
    } = options;
    let seed = options
        .seed
        // The standard library takes its keys from the system.
        .unwrap_or_else(|| RandomState::new().hash_one(()));
    let mut what = format!("--namespaces {namespaces} --workers {workers} --seed {seed}");
    if allow_losses {
        what.push_str(" --allow-losses");
    }
    println!("seed {seed}");

    let project = Project::open()?;
    let hardware = options.hardware.with_processors(CPUS);
    let program = scenario_program::build(&project)?;
    let workshop = Workshop::fresh(project, &hardware)?;
    let kernel = Kernel::get(&workshop.project.cache, series)?;
    let folder = workshop
        .project
        .target
        .join(format!("nslife-results/churn-{series}"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut command = vec![program.into(), "churn".into()];
    command.extend(what.split(' ').map(OsString::from));
    let errand = Errand {
        command,
        variables: &[variable(scenario_program::RESULTS, &folder)?],
        shares: std::slice::from_ref(&folder),
        folder: workshop.project.root.clone(),
        kernel_arguments: "",
        timeout: Duration::from_secs(timeout),
    };
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    match errand.run(&workshop, &kernel, &hardware, &mut stdout, &mut stderr)? {
        Outcome::Exited(0) => return Ok(ExitCode::SUCCESS),
        Outcome::Exited(_) => {}
        Outcome::Interrupted(signal) => return Ok(ExitCode::from(128 + signal)),
        Outcome::TimedOut(logs) => eprintln!("xtask: not done after {timeout} seconds{logs}"),
        Outcome::Died(logs) => {
            eprintln!("xtask: the machine died ({}){logs}", kernel.package);
        }
    }
    eprintln!(
        "xtask: what the daemon said is in {}; the same steps again: cargo xtask churn --kernel {series} {what}",
        folder.display()
    );
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_one_plays_the_seeds_on_record() {
        let of = |kernel: &str, is_newest| seeds_of(kernel.parse().unwrap(), is_newest);
        assert_eq!(of("6.12", false), [3]);
        assert_eq!(of("6.18", true), [1, 6]);
        assert!(of("6.1", false).is_empty());
        let arguments = short(&seeds());
        assert_eq!(arguments[1], "--seed=1,3,6");
        assert_eq!(arguments[2], format!("--namespaces={SHORT}").as_str());
    }
}

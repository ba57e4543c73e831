//! `nslife-scenarios`: what nslife is to see and say on a live kernel.
//!
//! It needs root and the initial namespaces of a system that it may play with, so `cargo xtask
//! test` runs it in a virtual machine. Each scenario makes real system calls through puppets
//! ([`puppet`]) while the real `nslife` watches ([`world`]), and compares what that says with what
//! is expected ([`stage`]).

mod channel;
mod churn;
mod daemon;
mod expect;
mod held;
mod kernel;
mod metrics;
mod nslife;
mod play;
mod process;
mod prometheus;
mod puppet;
mod scenario;
mod scenarios;
mod schema;
mod stage;
mod sys;
mod trace;
mod world;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};

use self::{
    scenario::{On, Outcome, Scenario, Status},
    scenarios::ALL,
    world::World,
};

/// How long anything that is bound to happen may take, on a machine that is emulated and shared.
const PATIENCE: Duration = Duration::from_secs(60);

/// What nslife is to see and say on a live kernel.
#[derive(Debug, Parser)]
#[command(name = "nslife-scenarios", args_conflicts_with_subcommands = true)]
struct Cli {
    /// How to show the results.
    #[arg(long, value_enum, default_value_t = Output::Text, global = true)]
    output: Output,
    /// Run these only.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave those to another kernel that are the same on every one.
    #[arg(long)]
    kernel_only: bool,
    /// Name all scenarios, and run none.
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: a line for each.
    Text,
    /// An object on a line for each.
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Churn(churn::Options),
    /// Do what the channel that is standard input says.
    #[command(hide = true)]
    Puppet,
    /// Play what is to be recorded.
    #[command(hide = true)]
    Play,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(verb) = cli.verb {
        match verb {
            Verb::Churn(options) => return churn(&options, cli.output),
            Verb::Puppet => puppet::main()?,
            Verb::Play => play::main()?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = select(&cli.only)?;
    if cli.list {
        for scenario in wanted {
            println!("{}", scenario.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    run(&wanted, cli.kernel_only, cli.output)
}

/// The scenarios of these names, or all.
fn select(names: &[String]) -> Result<Vec<&'static Scenario>> {
    for name in names {
        if !ALL.iter().any(|scenario| scenario.name == name) {
            bail!("there is no scenario {name}: --list names them all");
        }
    }
    let wanted =
        |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(ALL.iter().filter(wanted).collect())
}

/// Plays each seed.
fn churn(options: &churn::Options, output: Output) -> Result<ExitCode> {
    reporting(output, |report| churn::main(options, report))
}

/// Runs them one after the other, and says at once how each came out.
fn run(wanted: &[&Scenario], kernel_only: bool, output: Output) -> Result<ExitCode> {
    reporting(output, |report| run_all(wanted, kernel_only, report))
}

/// Does something that comes out in several ways, of which any may be a failure.
fn reporting(
    output: Output,
    act: impl FnOnce(&mut dyn FnMut(Outcome) -> Result<()>) -> Result<()>,
) -> Result<ExitCode> {
    let mut failures = 0;
    act(&mut |outcome: Outcome| {
        failures += usize::from(matches!(outcome.status, Status::Failed | Status::Skipped));
        show(&outcome, output)
    })?;
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_all(
    wanted: &[&Scenario],
    kernel_only: bool,
    report: &mut dyn FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    match World::set_up() {
        Ok(world) => {
            for scenario in wanted {
                report(match scenario.on {
                    On::Any if kernel_only => scenario.leave(),
                    _ => scenario.run(&world),
                })?;
            }
        }
        Err(error) => {
            for scenario in wanted {
                report(scenario.fail(format!("nothing can be watched: {error:#}")))?;
            }
        }
    }
    Ok(())
}

fn show(outcome: &Outcome, output: Output) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match output {
        Output::Text => writeln!(stdout, "{outcome}"),
        Output::Json => writeln!(stdout, "{}", serde_json::to_string(outcome)?),
    }
    .and_then(|()| stdout.flush())
    .context("cannot say how a scenario came out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_snake_case() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), ALL.len());
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(names.iter().all(|name| name.chars().all(fits)));
    }

    #[test]
    fn what_is_not_there_cannot_be_selected() {
        assert_eq!(select(&[]).unwrap().len(), ALL.len());
        assert_eq!(select(&["life_of_net".to_owned()]).unwrap().len(), 1);
        assert!(select(&["life".to_owned()]).is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}

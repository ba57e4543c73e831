//! The command line: one file per verb.

mod audit;
mod command;
mod daemon;
mod doctor;
mod from_the_daemon;
mod list;
mod output;
mod target;
mod trace;
mod values;
mod waiting;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::command::CommandError;
use crate::{
    engine::{StartError, without_addresses},
    version::Version,
    view::escape::Told,
};

/// What happens to Linux namespaces, since when, and because of whom.
#[derive(Parser, Debug)]
#[command(
    name = "nslife",
    version,
    propagate_version = true,
    after_help = "Exit status: 0 if all went well, 1 if not, 2 if the command line makes no \
                  sense. `nslife audit` exits with 3 if the picture was wrong. `nslife trace -- COMMAND` exits with the status of COMMAND, with 128 and \
                  the signal's number if one killed it, with 127 if it is not found and with 126 \
                  if it cannot be executed."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Show what happens to namespaces, as it happens
    Trace(trace::Args),
    /// Show all namespaces there are now
    List(list::Args),
    /// Find out whether nslife's picture is the kernel's
    Audit(audit::Args),
    /// Watch namespaces and export metrics to Prometheus
    Daemon(daemon::Args),
    /// Find out what nslife can and cannot tell on this system
    Doctor(doctor::Args),
}

/// What the command line takes, of a program that says this of itself.
pub fn command(version: String) -> clap::Command {
    Cli::command().version(version)
}

/// Runs the command line.
pub fn run(version: Version) -> ExitCode {
    let matches = command(version.to_string()).get_matches();
    let verb = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.verb,
        Err(error) => error.exit(),
    };
    let ended = match verb {
        Verb::Trace(args) => trace::run(args),
        Verb::List(args) => list::run(&args),
        Verb::Audit(args) => audit::run(&args),
        Verb::Daemon(args) => daemon::run(args, version),
        Verb::Doctor(args) => doctor::run(&args, version),
    };
    ended.unwrap_or_else(|error| {
        complain(&error);
        let status = error
            .downcast_ref::<CommandError>()
            .map_or(1, CommandError::status);
        ExitCode::from(status)
    })
}

/// Says what went wrong in one line, and where to look in another if it is
/// this system that nslife cannot start on.
fn complain(error: &anyhow::Error) {
    let message = error.to_string();
    // What the kernel's verifier has to say goes on for pages, and `doctor`
    // shows it.
    let line = message.lines().next().unwrap_or_default();
    say(line);
    if error.chain().any(|cause| cause.is::<StartError>()) {
        say("`nslife doctor` shows what this system offers and what is missing");
    }
}

/// Says something on standard error, in one line. It may have paths in it, and
/// words of whoever answers at a socket.
fn say(message: &str) {
    eprintln!("nslife: {}", Told(&without_addresses(message)));
}

#[cfg(test)]
mod tests;

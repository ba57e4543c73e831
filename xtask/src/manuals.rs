//! `cargo xtask manuals`: manual pages and completions for shells, out of the command line itself.

use std::{
    fs, io,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    build,
    process::{Chatter, run},
    project::Project,
};

/// The package that writes them, and its program.
const PACKAGE: &str = "manuals";
const WRITER: &str = "nslife-manuals";

/// Write the manual pages and the completions for shells, and print where they are.
#[derive(Debug, Args)]
pub(crate) struct Options {}

/// What people read, and what shells do.
#[derive(Clone, Debug)]
pub(crate) struct Manuals {
    /// The folder with `nslife.8` and a page for each verb.
    pub(crate) pages: PathBuf,
    /// The folder with a file for each shell.
    pub(crate) completions: PathBuf,
}

/// Writes them and prints where they are.
pub(crate) fn run_verb(_: &Options) -> Result<ExitCode> {
    let manuals = write(&Project::open()?, Chatter::Show)?;
    println!("{}", manuals.pages.display());
    println!("{}", manuals.completions.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes them anew.
pub(crate) fn write(project: &Project, chatter: Chatter) -> Result<Manuals> {
    let folder = project.target.join("manuals");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", folder.display()));
        }
        _ => {}
    }
    let writer = build::program(project, PACKAGE, WRITER, Chatter::OnFailure)?;
    run(Command::new(writer).arg(&folder), chatter)?;
    Ok(Manuals {
        pages: folder.join("man"),
        completions: folder.join("completions"),
    })
}

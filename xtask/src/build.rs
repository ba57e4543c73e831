//! `cargo xtask build`: the kernel programs, then nslife with them inside.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;

use crate::{
    ebpf,
    process::{Chatter, host_cargo, run},
    project::Project,
};

/// Build the kernel programs and nslife.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Optimise nslife (the kernel programs always are).
    #[arg(long)]
    release: bool,
}

/// How much the compiler optimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Cargo's `dev`.
    Dev,
    /// Cargo's `release`.
    Release,
}

impl Profile {
    /// The profile's name on Cargo's command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }

    /// The folder in the target folder that Cargo puts its output into.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds nslife and prints where it is.
pub(crate) fn run_verb(options: &Options) -> Result<ExitCode> {
    let profile = if options.release {
        Profile::Release
    } else {
        Profile::Dev
    };
    let binary = nslife(&Project::open()?, profile, Chatter::Show)?;
    println!("{}", binary.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the kernel programs, then nslife with them inside, and returns its path.
pub(crate) fn nslife(project: &Project, profile: Profile, chatter: Chatter) -> Result<PathBuf> {
    let object = ebpf::build(project, chatter)?;
    let mut cargo = host_cargo(&project.root);
    cargo
        .args(["build", "--package", "tracer-user", "--bins"])
        .args(["--profile", profile.name()])
        .arg("--target-dir")
        .arg(&project.target);
    ebpf::put_into(&mut cargo, project, &object);
    run(&mut cargo, chatter)?;
    Ok(nslife_path(project, profile))
}

/// Builds a program of the workspace that has nslife's library in it, and returns its path.
pub(crate) fn program(project: &Project, package: &str, name: &str) -> Result<PathBuf> {
    let object = ebpf::build(project, Chatter::OnFailure)?;
    let mut cargo = host_cargo(&project.root);
    cargo
        .args(["build", "--release", "--package", package, "--bin", name])
        .arg("--target-dir")
        .arg(&project.target);
    ebpf::put_into(&mut cargo, project, &object);
    run(&mut cargo, Chatter::OnFailure)?;
    Ok(project.target.join(Profile::Release.folder()).join(name))
}

/// Where nslife is once it has been built.
pub(crate) fn nslife_path(project: &Project, profile: Profile) -> PathBuf {
    project.target.join(profile.folder()).join("nslife")
}

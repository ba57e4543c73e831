//! The package for Debian, by cargo-deb, as `tracer-user/Cargo.toml` describes it.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::{
    install,
    process::{Chatter, host_cargo, run, stdout_of},
    project::Project,
};

/// The version of cargo-deb that is built where another one, or none, is installed.
const VERSION: &str = "3.8.0";

/// Packs what is in `target` into `path`.
pub(super) fn build(
    project: &Project,
    target: &Path,
    version: &str,
    path: &Path,
    chatter: Chatter,
) -> Result<()> {
    // cargo-deb without its own copy of the library.
    install::program("xz", "xz-utils")?;
    let mut cargo_deb = cargo_deb(project)?;
    cargo_deb
        .current_dir(&project.root)
        // The program is stripped of what is of no use to anybody already.
        .args(["--no-build", "--no-strip", "--package", "tracer-user"])
        .args(["--deb-version", version])
        .arg("--output")
        .arg(path)
        .env("CARGO_TARGET_DIR", target);
    run(&mut cargo_deb, chatter)
}

/// cargo-deb, which is built and kept.
fn cargo_deb(project: &Project) -> Result<Command> {
    let folder = project
        .cache
        .entry(&format!("cargo-deb-{VERSION}"), |folder| {
            eprintln!("xtask: building cargo-deb {VERSION}");
            let mut install = host_cargo(&project.root);
            install
                .args(["install", "cargo-deb", "--locked", "--no-track"])
                .args(["--version", &format!("={VERSION}"), "--no-default-features"])
                .arg("--root")
                .arg(folder)
                // Not the target folder of this checkout, whatever the environment says.
                .env("CARGO_TARGET_DIR", folder.join("target"));
            run(&mut install, Chatter::OnFailure)?;
            Ok(fs::remove_dir_all(folder.join("target"))?)
        })?;
    let program = folder.join("bin/cargo-deb");
    let version = stdout_of(Command::new(&program).arg("--version"))?;
    ensure!(
        version.trim_end().ends_with(VERSION),
        "{} is of version {version}",
        program.display()
    );
    Ok(Command::new(program))
}

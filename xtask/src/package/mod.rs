//! `cargo xtask package`: what people install.

mod deb;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};
use clap::Args;
use sha2::{Digest as _, Sha256};

use crate::{
    build, install, manuals,
    process::{Chatter, run},
    project::Project,
};

/// nslife's version, which all packages of the workspace have.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Build a package for Debian and a static program, and say what they are.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which package of this version it is, for Debian.
    #[arg(long, value_name = "N", default_value_t = 1)]
    revision: u32,
}

/// What is packed, put together in one folder.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// The folder that cargo-deb takes for Cargo's target folder.
    target: PathBuf,
    /// The static program.
    pub(crate) program: PathBuf,
}

/// Builds all and prints what there is.
pub(crate) fn run_verb(options: &Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let stage = Stage::set_up(&project, Chatter::Show)?;
    let output = project.target.join("package");
    let deb = stage.deb(&project, options.revision, &output, Chatter::Show)?;
    let program = stage.publish(&output)?;
    for file in [deb, program] {
        println!("{}", describe(&file)?);
    }
    Ok(ExitCode::SUCCESS)
}

impl Stage {
    /// Builds everything that goes into packages.
    pub(crate) fn set_up(project: &Project, chatter: Chatter) -> Result<Self> {
        let target = project.target.join("package/build");
        let folder = target.join("release");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let pages = folder.join("man");
        let completions = folder.join("completions");
        for folder in [&pages, &completions] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let manuals = manuals::write(project, chatter)?;
        copy_all(&manuals.completions, &completions)?;
        copy_all(&manuals.pages, &pages)?;
        compress(&pages, chatter)?;
        let program = folder.join("nslife");
        fs::copy(build::nslife(project, chatter)?, &program)?;
        Ok(Self { target, program })
    }

    /// Builds the package for Debian in a folder.
    pub(crate) fn deb(
        &self,
        project: &Project,
        revision: u32,
        folder: &Path,
        chatter: Chatter,
    ) -> Result<PathBuf> {
        let version = format!("{VERSION}-{revision}");
        let path = folder.join(format!("nslife_{version}_amd64.deb"));
        deb::build(project, &self.target, &version, &path, chatter)?;
        Ok(path)
    }

    /// Puts the static program into a folder.
    pub(crate) fn publish(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("nslife-{VERSION}-linux-amd64"));
        fs::copy(&self.program, &path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }
}

/// As Debian wants manual pages.
fn compress(pages: &Path, chatter: Chatter) -> Result<()> {
    install::program("gzip", "gzip")?;
    let mut gzip = Command::new("gzip");
    gzip.args(["--best", "--no-name"]);
    for page in fs::read_dir(pages)? {
        gzip.arg(page?.path());
    }
    run(&mut gzip, chatter)
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// The path of a file, its size and its hash.
fn describe(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let hash: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let size = bytes.len();
    Ok(format!("{}  {size} bytes  sha256:{hash}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_described_by_size_and_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "abc").unwrap();
        let expected =
            "  3 bytes  sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(describe(&path).unwrap().ends_with(expected));
        assert!(describe(&folder.path().join("b")).is_err());
    }
}

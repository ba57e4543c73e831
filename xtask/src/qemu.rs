//! QEMU and virtiofsd: those of this machine, or a copy of Debian's in the cache.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    apt::{Archive, Index},
    cache::Cache,
    packages::Candidate,
    process::{on_path, stdout_of},
};

const QEMU: &str = "qemu-system-x86_64";
/// Where Debian keeps libraries.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Where distributions keep the program that is not meant to be on `PATH`.
const VIRTIOFSD_PLACES: [&str; 3] = [
    "/usr/libexec/virtiofsd",
    "/usr/lib/virtiofsd",
    "/usr/lib/qemu/virtiofsd",
];

/// What it takes to run a virtual machine.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The emulator.
    pub(crate) qemu: Tool,
    /// The file server.
    pub(crate) virtiofsd: Tool,
    /// Which of the two programs of that name it is.
    pub(crate) virtiofsd_kind: VirtiofsdKind,
}

/// A program, and what it needs when it is not installed but merely unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    program: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    arguments: Vec<OsString>,
}

/// There are two programs called virtiofsd, with different arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VirtiofsdKind {
    /// The one that was part of QEMU until 7.2.
    OfQemu,
    /// The one in Rust that replaced it.
    InRust,
}

impl Tool {
    /// Starts a command line.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_remove("LD_LIBRARY_PATH")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn installed(program: PathBuf) -> Self {
        Self {
            program,
            environment: Vec::new(),
            arguments: Vec::new(),
        }
    }
}

impl Tools {
    /// Finds both programs, fetching what this machine lacks.
    pub(crate) fn find_or_fetch(cache: &Cache, accelerator: &str) -> Result<Self> {
        let minimum = minimum_version(accelerator);
        let qemu = on_path(QEMU)
            .map(Tool::installed)
            .filter(|qemu| version_of(qemu).is_some_and(|version| version >= minimum))
            .filter(serves_virtiofs);
        let virtiofsd = on_path("virtiofsd")
            .or_else(|| {
                let mut places = VIRTIOFSD_PLACES.iter().map(PathBuf::from);
                places.find(|path| path.exists())
            })
            .map(Tool::installed);
        let needs = || {
            format!(
                "running virtual machines takes {QEMU} {minimum} or newer, with the device \
                 vhost-user-fs-pci, and virtiofsd; they are not both installed, and Debian's \
                 packages could not be used instead"
            )
        };
        let qemu = match qemu {
            Some(qemu) => qemu,
            None => debian_qemu(cache, minimum).with_context(needs)?,
        };
        let virtiofsd = match virtiofsd {
            Some(virtiofsd) => virtiofsd,
            None => debian_virtiofsd(cache).with_context(needs)?,
        };
        let version = stdout_of(virtiofsd.command().arg("--version"))?;
        Ok(Self {
            qemu,
            virtiofsd,
            virtiofsd_kind: virtiofsd_kind(&version),
        })
    }
}

/// The oldest major version of QEMU that will do.
///
/// QEMU 7.2 emulates x86 well enough until the kernel patches its own code, which it does at every
/// boot and whenever a kernel program is attached: then flags and registers are corrupted now and
/// again, and the kernel panics. Version 10 was seen to withstand it. KVM leaves that to hardware.
fn minimum_version(accelerator: &str) -> u32 {
    if accelerator.starts_with("kvm") {
        5
    } else {
        10
    }
}

fn version_of(qemu: &Tool) -> Option<u32> {
    parse_qemu_version(&stdout_of(qemu.command().arg("--version")).ok()?)
}

/// The major version out of `QEMU emulator version 10.0.2 (Debian …)`.
fn parse_qemu_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("version ")?;
    version.split('.').next()?.parse().ok()
}

fn serves_virtiofs(qemu: &Tool) -> bool {
    stdout_of(qemu.command().args(["-device", "help"]))
        .is_ok_and(|devices| devices.contains("vhost-user-fs-pci"))
}

/// QEMU's own says `virtiofsd version 7.2.22 (Debian …)`, the other `virtiofsd 1.13.0`.
fn virtiofsd_kind(version: &str) -> VirtiofsdKind {
    if version.contains("virtiofsd version") {
        VirtiofsdKind::OfQemu
    } else {
        VirtiofsdKind::InRust
    }
}

/// QEMU from the backports to this machine's release of Debian.
fn debian_qemu(cache: &Cache, minimum: u32) -> Result<Tool> {
    let root = cache.entry("qemu", |folder| {
        let archive = Archive::discover(cache)?;
        let release = release_of(&archive)?;
        let backports = format!("{release}-backports");
        let index = archive.index(&[release, &format!("{release}-security"), &backports])?;
        let packages = index.missing_for("qemu-system-x86", &backports)?;
        unpack(&index, &packages, folder)?;
        let version = version_of(&unpacked_qemu(folder)?);
        if version.is_none_or(|version| version < minimum) {
            bail!(
                "the newest QEMU in {} is too old, or does not run",
                index.name()
            );
        }
        Ok(())
    })?;
    unpacked_qemu(&root)
}

fn unpacked_qemu(root: &Path) -> Result<Tool> {
    let mut tool = unpacked_tool(root, &["usr/bin/qemu-system-x86_64"])?;
    for folder in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
        tool.arguments.push("-L".into());
        tool.arguments.push(root.join(folder).into());
    }
    let modules = root.join(LIBRARIES).join("qemu");
    tool.environment.push(("QEMU_MODULE_DIR", modules.into()));
    Ok(tool)
}

/// virtiofsd from this machine's release of Debian: a package of its own, or part of QEMU's.
fn debian_virtiofsd(cache: &Cache) -> Result<Tool> {
    let root = cache.entry("virtiofsd", |folder| {
        let archive = Archive::discover(cache)?;
        let release = release_of(&archive)?;
        let index = archive.index(&[release, &format!("{release}-security")])?;
        let package = if index.search("^virtiofsd$")?.is_empty() {
            "qemu-system-common"
        } else {
            "virtiofsd"
        };
        unpack(&index, &index.missing_for(package, release)?, folder)
    })?;
    unpacked_tool(&root, &["usr/lib/qemu/virtiofsd", "usr/libexec/virtiofsd"])
}

fn release_of(archive: &Archive) -> Result<&str> {
    archive
        .codename()
        .context("this is not a Debian machine, whose libraries Debian's programs would use")
}

/// Unpacks packages that are not installed, because installing them would remove from the machine
/// whatever conflicts with them.
fn unpack(index: &Index, packages: &[Candidate], folder: &Path) -> Result<()> {
    let names: Vec<_> = packages.iter().map(|package| &*package.name).collect();
    eprintln!("xtask: fetching {} from {}", names.join(", "), index.name());
    index.unpack(packages, folder)
}

/// A program out of unpacked packages, with the libraries that came along.
fn unpacked_tool(root: &Path, places: &[&str]) -> Result<Tool> {
    let program = places
        .iter()
        .map(|place| root.join(place))
        .find(|path| path.exists())
        .ok_or_else(|| {
            let (places, root) = (places.join(" or "), root.display());
            anyhow!("there is no {places} among the packages unpacked in {root}")
        })?;
    let libraries = [root.join(LIBRARIES), root.join("lib/x86_64-linux-gnu")];
    Ok(Tool {
        program,
        environment: vec![("LD_LIBRARY_PATH", env::join_paths(libraries)?)],
        arguments: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kvm_makes_do_with_an_old_qemu() {
        let version = |text| parse_qemu_version(text).unwrap();
        let old = version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\n");
        let new = version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n");
        assert!(old >= minimum_version("kvm"));
        assert!(old < minimum_version("tcg,thread=multi"));
        assert!(new >= minimum_version("tcg,thread=multi"));
        assert_eq!(parse_qemu_version("bash: no such program"), None);
    }

    #[test]
    fn the_two_virtiofsds_are_told_apart() {
        let of_qemu = "virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(virtiofsd_kind(of_qemu), VirtiofsdKind::OfQemu);
        assert_eq!(virtiofsd_kind("virtiofsd 1.13.0\n"), VirtiofsdKind::InRust);
    }
}

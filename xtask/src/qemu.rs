//! QEMU and virtiofsd: those of this machine, or a copy of Debian's in the cache.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    apt::Archive,
    cache::Cache,
    process::{on_path, stdout_of},
};

const QEMU: &str = "qemu-system-x86_64";
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
    pub(crate) fn find_or_fetch(cache: &Cache) -> Result<Self> {
        let qemu = on_path(QEMU).map(Tool::installed).filter(serves_virtiofs);
        let virtiofsd = on_path("virtiofsd")
            .or_else(|| {
                let mut places = VIRTIOFSD_PLACES.iter().map(PathBuf::from);
                places.find(|path| path.exists())
            })
            .map(Tool::installed);
        let (qemu, virtiofsd) = match (qemu, virtiofsd) {
            (Some(qemu), Some(virtiofsd)) => (qemu, virtiofsd),
            (qemu, virtiofsd) => {
                let copy = DebianCopy::get(cache).context(format!(
                    "{QEMU} (with the device vhost-user-fs-pci) and virtiofsd are needed to run \
                     virtual machines, and are not both installed here: install them, or see why \
                     Debian's could not be fetched"
                ))?;
                (
                    qemu.map_or_else(|| copy.qemu(), Ok)?,
                    virtiofsd.map_or_else(|| copy.virtiofsd(), Ok)?,
                )
            }
        };
        let version = stdout_of(virtiofsd.command().arg("--version"))?;
        Ok(Self {
            qemu,
            virtiofsd,
            virtiofsd_kind: virtiofsd_kind(&version),
        })
    }
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

/// Debian's packages of QEMU, unpacked but not installed.
///
/// Installing them would remove whatever conflicts with them from the machine.
struct DebianCopy {
    root: PathBuf,
}

impl DebianCopy {
    fn get(cache: &Cache) -> Result<Self> {
        let root = cache.entry("qemu", |folder| fetch(cache, folder))?;
        Ok(Self { root })
    }

    fn qemu(&self) -> Result<Tool> {
        let mut tool = self.tool(&["usr/bin/qemu-system-x86_64"])?;
        for folder in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
            tool.arguments.push("-L".into());
            tool.arguments.push(self.root.join(folder).into());
        }
        let modules = self.library_folder().join("qemu");
        tool.environment.push(("QEMU_MODULE_DIR", modules.into()));
        Ok(tool)
    }

    fn virtiofsd(&self) -> Result<Tool> {
        self.tool(&["usr/lib/qemu/virtiofsd", "usr/libexec/virtiofsd"])
    }

    fn tool(&self, places: &[&str]) -> Result<Tool> {
        let program = places
            .iter()
            .map(|place| self.root.join(place))
            .find(|path| path.exists())
            .ok_or_else(|| {
                let (places, root) = (places.join(" or "), self.root.display());
                anyhow!("Debian's packages of QEMU have no {places} (see {root})")
            })?;
        let folders = [
            self.library_folder(),
            self.root.join("lib/x86_64-linux-gnu"),
        ];
        Ok(Tool {
            program,
            environment: vec![("LD_LIBRARY_PATH", env::join_paths(folders)?)],
            arguments: Vec::new(),
        })
    }

    fn library_folder(&self) -> PathBuf {
        self.root.join("usr/lib/x86_64-linux-gnu")
    }
}

fn fetch(cache: &Cache, folder: &Path) -> Result<()> {
    let archive = Archive::discover(cache)?;
    let Some(codename) = archive.codename() else {
        bail!("this is not a Debian machine, whose libraries a copy of Debian's QEMU would use");
    };
    let index = archive.index(&[codename, &format!("{codename}-security")])?;
    let mut names = vec!["qemu-system-x86"];
    // Newer releases have it as a package of its own.
    if !index.search("^virtiofsd$")?.is_empty() {
        names.push("virtiofsd");
    }
    let packages = index.missing_for(&names)?;
    eprintln!(
        "xtask: fetching QEMU ({} packages) from {}",
        packages.len(),
        index.name()
    );
    index.unpack(&packages, folder)?;
    Ok(fs::remove_dir_all(folder.join("usr/share/doc"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_virtiofsds_are_told_apart() {
        let of_qemu = "virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(virtiofsd_kind(of_qemu), VirtiofsdKind::OfQemu);
        assert_eq!(virtiofsd_kind("virtiofsd 1.13.0\n"), VirtiofsdKind::InRust);
    }
}

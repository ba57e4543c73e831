//! What has to be there before a virtual machine can be started, and the jobs that it gets.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use vm_init::{Job, SCRATCH_FOLDERS, Share};

use super::Hardware;
use crate::{
    build,
    initramfs::{build_vm_init, vm_init_path},
    kernels::Series,
    process::{Chatter, is_root},
    project::Project,
    qemu::Tools,
};

/// What every machine needs, whatever its kernel and its command.
pub(crate) struct Workshop {
    /// The checkout.
    pub(crate) project: Project,
    /// The emulator and the file server.
    pub(crate) tools: Tools,
    /// nslife, as it is shipped.
    pub(crate) nslife: PathBuf,
    /// PID 1 of the machines.
    pub(crate) vm_init: PathBuf,
}

/// Where what runs in the machines comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builds {
    /// Built now.
    Fresh,
    /// Built some time ago, where that has been done.
    Last,
}

impl Workshop {
    /// One for machines like this, with everything built now; only what goes wrong is shown.
    pub(crate) fn fresh(project: Project, hardware: &Hardware) -> Result<Self> {
        let accelerator = &hardware.accelerator;
        Self::set_up(project, accelerator, Builds::Fresh, Chatter::OnFailure)
    }

    /// Builds and fetches whatever is not there.
    pub(crate) fn set_up(
        project: Project,
        accelerator: &str,
        builds: Builds,
        chatter: Chatter,
    ) -> Result<Self> {
        ensure!(
            is_root(),
            "virtual machines take root, to serve them this machine's files as they are"
        );
        let tools = Tools::find_or_fetch(&project.cache, accelerator)?;
        let nslife_path = match builds {
            Builds::Fresh => build::nslife(&project, chatter)?,
            Builds::Last => build::path(&project, "nslife"),
        };
        let vm_init = match builds {
            Builds::Last if vm_init_path(&project).exists() => vm_init_path(&project),
            _ => build_vm_init(&project, chatter)?,
        };
        Ok(Self {
            project,
            tools,
            nslife: nslife_path,
            vm_init,
        })
    }

    /// A job that runs `command` with nslife on its `PATH`.
    pub(crate) fn job(
        &self,
        kernel: Series,
        command: Vec<OsString>,
        environment: &[(String, String)],
        shares: &[PathBuf],
        working_folder: PathBuf,
    ) -> Result<Job> {
        let nslife_folder = self.nslife.parent().context("nslife is in no folder")?;
        let mut variables = vec![
            ("PATH".into(), path_variable(nslife_folder)),
            ("HOME".into(), "/root".into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("USER".into(), "root".into()),
        ];
        let given = environment.iter();
        variables.extend(given.map(|(name, value)| (name.into(), value.into())));
        let wanted = [&self.project.root, &self.project.target, &working_folder];
        Ok(Job {
            host_name: format!("nslife-{kernel}"),
            system: None,
            visible: hidden_folders(wanted.map(PathBuf::as_path)),
            shares: resolve_shares(shares)?,
            command,
            environment: variables,
            working_folder,
        })
    }
}

fn path_variable(first: &Path) -> OsString {
    let mut path = first.as_os_str().to_owned();
    path.push(":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    path
}

/// Those folders that the guest would not see because it has an empty one above them.
fn hidden_folders<'a>(wanted: impl IntoIterator<Item = &'a Path>) -> Vec<PathBuf> {
    let mut hidden: Vec<PathBuf> = Vec::new();
    for path in wanted {
        let is_hidden = SCRATCH_FOLDERS
            .iter()
            .any(|scratch| path.starts_with(scratch) && path != Path::new(scratch));
        if is_hidden && !hidden.iter().any(|known| path.starts_with(known)) {
            hidden.push(path.to_owned());
        }
    }
    hidden
}

/// Absolute paths of existing folders, outer ones before inner ones.
fn resolve_shares(folders: &[PathBuf]) -> Result<Vec<Share>> {
    let mut paths = folders
        .iter()
        .map(|folder| {
            let path = fs::canonicalize(folder)
                .with_context(|| format!("cannot share {}", folder.display()))?;
            if !path.is_dir() || path == Path::new("/") {
                bail!(
                    "cannot share {}: it is not a folder below the root",
                    path.display()
                );
            }
            Ok(path)
        })
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.dedup();
    let numbered = paths.into_iter().enumerate();
    Ok(numbered
        .map(|(number, path)| Share {
            tag: format!("nslife-share{number}"),
            path,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scratch_folders_hide_is_shown_once() {
        let hidden = |paths: &[&str]| hidden_folders(paths.iter().map(Path::new));
        assert_eq!(
            hidden(&["/srv/a", "/tmp", "/tmpfs/a"]),
            Vec::<PathBuf>::new()
        );
        assert_eq!(
            hidden(&["/tmp/a", "/tmp/a/target", "/var/tmp/b"]),
            [PathBuf::from("/tmp/a"), PathBuf::from("/var/tmp/b")]
        );
    }

    #[test]
    fn shares_are_existing_folders_in_order() {
        let parent = tempfile::tempdir().unwrap();
        let inner = parent.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let outer = parent.path().to_owned();
        let shares = resolve_shares(&[inner.clone(), outer.clone(), inner.clone()]).unwrap();
        let paths: Vec<_> = shares.iter().map(|share| share.path.clone()).collect();
        assert_eq!(paths, [outer, inner.clone()]);
        assert_ne!(shares[0].tag, shares[1].tag);

        assert!(resolve_shares(&[inner.join("missing")]).is_err());
        assert!(resolve_shares(&["/".into()]).is_err());
    }
}

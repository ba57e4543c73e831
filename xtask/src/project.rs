//! This checkout and where its output goes.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{cache::Cache, process::stdout_of};

/// The checkout that xtask was built from.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// What is fetched or built once.
    pub(crate) cache: Cache,
}

impl Project {
    /// Finds the checkout, its target folder and its cache.
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is not in a workspace")?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(path) => std::path::absolute(path)?,
            None => root.join("target"),
        };
        let cache = Cache::open(&target)?;
        Ok(Self {
            root,
            target,
            cache,
        })
    }

    /// The commit that is checked out, with `-dirty` behind it if any of its files has been
    /// changed. `None` where that cannot be known, as in an unpacked archive: git's words are
    /// passed on then.
    pub(crate) fn commit(&self) -> Option<String> {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.root).args(["describe", "--always"]);
        // Tags would stand for commits.
        git.args(["--dirty", "--abbrev=12", "--exclude=*"]);
        // A repository that this folder merely lies in is another's.
        if let Some(parent) = self.root.parent() {
            git.env("GIT_CEILING_DIRECTORIES", parent);
        }
        match stdout_of(&mut git) {
            Ok(commit) => Some(commit.trim_end().to_owned()),
            Err(error) => {
                eprintln!("xtask: nslife will not know its commit: {error:#}");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Stdio};

    use super::*;

    fn commit_of(root: &Path) -> Option<String> {
        let project = Project {
            root: root.to_owned(),
            target: root.join("target"),
            cache: Cache::open(&root.join("target")).unwrap(),
        };
        project.commit()
    }

    fn git(root: &Path, arguments: &[&str]) {
        let status = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(["-c", "user.name=a", "-c", "user.email=a@localhost"])
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}");
    }

    #[test]
    fn a_commit_is_known_in_its_own_repository_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(commit_of(root), None);
        git(root, &["init", "--quiet"]);
        fs::write(root.join("a"), "1").unwrap();
        git(root, &["add", "a"]);
        git(root, &["commit", "--quiet", "--message=a"]);
        git(root, &["tag", "-a", "-m", "a", "v1"]);
        let clean = commit_of(root).unwrap();
        assert_eq!(clean.len(), 12, "{clean}");
        fs::write(root.join("a"), "2").unwrap();
        assert_eq!(commit_of(root), Some(format!("{clean}-dirty")));
        let inside = root.join("unpacked");
        fs::create_dir(&inside).unwrap();
        assert_eq!(commit_of(&inside), None);
    }
}

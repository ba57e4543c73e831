//! Everything that xtask fetches or builds once and keeps.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};

/// The folder of kept things: `$NSLIFE_CACHE`, or `nslife-cache` in the target folder.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this checkout, whose build output goes to `target`.
    pub(crate) fn open(target: &Path) -> Result<Self> {
        let root = match env::var_os("NSLIFE_CACHE") {
            Some(path) => PathBuf::from(path),
            None => target.join("nslife-cache"),
        };
        Self::at(&root)
    }

    fn at(root: &Path) -> Result<Self> {
        fs::create_dir_all(root)
            .with_context(|| format!("cannot create the cache folder {}", root.display()))?;
        let root = fs::canonicalize(root)?;
        Ok(Self { root })
    }

    /// A folder that lives in the cache and that its user manages.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }

    /// The folder `name`, filled by `fill` if it is not there yet.
    ///
    /// It appears under its name only once `fill` has succeeded, so an interrupted download never
    /// passes for a complete one. Whoever asks at the same time waits.
    pub(crate) fn entry(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let _lock = self.lock(name)?;
        let path = self.root.join(name);
        if path.exists() {
            return Ok(path);
        }
        let partial = sibling(&path, "partial");
        remove_if_there(&partial)?;
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot create {}", partial.display()))?;
        fill(&partial)?;
        fs::rename(&partial, &path)
            .with_context(|| format!("cannot complete {}", path.display()))?;
        Ok(path)
    }

    /// Forgets the folder `name`.
    pub(crate) fn discard(&self, name: &str) -> Result<()> {
        let _lock = self.lock(name)?;
        remove_if_there(&self.root.join(name))
    }

    /// Excludes every other user of `name`, in this process or another, until it is dropped.
    pub(crate) fn lock(&self, name: &str) -> Result<File> {
        let path = sibling(&self.root.join(name), "lock");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = File::create(&path)
            .with_context(|| format!("cannot create the lock {}", path.display()))?;
        flock(&file, FlockOperation::LockExclusive)
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

/// `path` with `.suffix` added to its last component, which may itself contain dots.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_failed_fill_leaves_nothing_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();

        let failed = cache.entry("kernels/6.1", |path| {
            fs::write(path.join("half"), "")?;
            bail!("interrupted")
        });
        assert!(failed.is_err());
        assert!(!folder.path().join("kernels/6.1").exists());

        let path = cache
            .entry("kernels/6.1", |path| Ok(fs::write(path.join("whole"), "")?))
            .unwrap();
        assert!(path.join("whole").exists());
        assert!(!path.join("half").exists());
    }

    #[test]
    fn a_filled_entry_is_kept_until_discarded() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();

        cache.entry("a.b", |_| Ok(())).unwrap();
        cache.entry("a.b", |_| bail!("filled twice")).unwrap();
        cache.discard("a.b").unwrap();
        assert!(cache.entry("a.b", |_| bail!("asked again")).is_err());
    }
}

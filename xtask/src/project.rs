//! This checkout and where its output goes.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::cache::Cache;

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
}

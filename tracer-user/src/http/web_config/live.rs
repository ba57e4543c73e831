//! The file as it is now: it is read again when it changes, and so are the
//! certificates that it names.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{info, warn};

use super::{WebConfig, WebConfigError};

/// What tells that a file is another one than before.
type Stamp = (u64, u64, u64, i64, i64);

/// What is to be done now.
#[derive(Debug)]
pub struct LiveConfig {
    path: PathBuf,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    config: Arc<WebConfig>,
    /// The files when they were looked at last.
    files: Vec<(PathBuf, Option<Stamp>)>,
}

impl LiveConfig {
    /// Reads it for the first time.
    pub fn open(path: &Path) -> Result<Self, WebConfigError> {
        // Before reading: what changes meanwhile is read again.
        let stamp = stamp(path);
        let config = WebConfig::read(path)?;
        let mut files = stamps(&config.read);
        if let Some((_, first)) = files.first_mut() {
            *first = stamp;
        }
        Ok(Self {
            path: path.to_owned(),
            now: Mutex::new(Now {
                config: Arc::new(config),
                files,
            }),
        })
    }

    /// What the files say. As long as they make no sense, as while somebody
    /// replaces one after the other, it is what they said last.
    pub fn now(&self) -> Arc<WebConfig> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.files.iter().all(|(path, was)| stamp(path) == *was) {
            return Arc::clone(&now.config);
        }
        let known: Vec<_> = now.files.iter().map(|(path, _)| path.clone()).collect();
        let before = stamps(&known);
        match WebConfig::read(&self.path) {
            Ok(config) => {
                info!(file = %self.path.display(), "the web configuration is read again");
                let new = config.read.iter().filter(|path| !known.contains(path));
                let new: Vec<_> = new.cloned().collect();
                now.files = before;
                now.files.retain(|(path, _)| config.read.contains(path));
                now.files.extend(stamps(&new));
                now.config = Arc::new(config);
            }
            Err(error) => {
                warn!("the web configuration stays as it was: {error}");
                now.files = before;
            }
        }
        Arc::clone(&now.config)
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<(PathBuf, Option<Stamp>)> {
    let one = |path: &PathBuf| (path.clone(), stamp(path));
    paths.iter().map(one).collect()
}

/// `None` for a file that is not there.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some((
        file.dev(),
        file.ino(),
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
    ))
}

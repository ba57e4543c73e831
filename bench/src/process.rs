//! What other processes have taken.

use std::fs;

use anyhow::{Context as _, Result};

/// Instructions that the threads of a process have executed, the kernel's on their behalf included:
/// nanoseconds on a processor.
pub(crate) fn spent(pid: u32) -> Result<u64> {
    let mut sum = 0;
    let tasks = format!("/proc/{pid}/task");
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
        let path = task?.path().join("schedstat");
        let text = fs::read_to_string(&path)?;
        let first = text.split_whitespace().next();
        sum += first
            .and_then(|first| first.parse::<u64>().ok())
            .with_context(|| format!("{} holds no time", path.display()))?;
    }
    Ok(sum)
}

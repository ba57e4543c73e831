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

/// Resident memory of a process, in bytes.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let kibi = parse_resident(&text).with_context(|| format!("{path} holds no size"))?;
    Ok(kibi * 1024)
}

fn parse_resident(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_in_kibibytes() {
        let text = "55d0-7ffd ---p 0 00:00 0 [rollup]\nRss:                1212 kB\nPss: 9 kB\n";
        assert_eq!(parse_resident(text), Some(1212));
        assert_eq!(parse_resident("Pss: 9 kB\n"), None);
    }
}

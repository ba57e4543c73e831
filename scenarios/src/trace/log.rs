//! All lines so far, for one who adds and others who wait.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::Line;

/// The lines.
#[derive(Debug, Default)]
pub(crate) struct Log {
    content: Mutex<Content>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Content {
    lines: Vec<Line>,
    /// Why there will be no more.
    ended: Option<String>,
}

impl Log {
    /// Adds lines.
    pub(super) fn push(&self, lines: Vec<Line>) {
        self.content().lines.extend(lines);
        self.news.notify_all();
    }

    /// There will be no more lines, for this reason.
    pub(super) fn end(&self, because: String) {
        self.content().ended = Some(because);
        self.news.notify_all();
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.content().lines.len()
    }

    /// Looks at the lines from a certain one on.
    pub(crate) fn look<T>(&self, from: usize, look: impl FnOnce(&[Line]) -> T) -> T {
        look(self.content().lines.get(from..).unwrap_or_default())
    }

    /// Looks at the lines from a certain one on, whenever there are more of them, until that
    /// leads to something. `None` when the time is up.
    pub(crate) fn wait<T>(
        &self,
        from: usize,
        patience: Duration,
        mut look: impl FnMut(&[Line]) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + patience;
        let mut content = self.content();
        loop {
            if let Some(found) = look(content.lines.get(from..).unwrap_or_default())? {
                return Ok(Some(found));
            }
            if let Some(because) = &content.ended {
                bail!("nslife trace: {because}");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            content = self
                .news
                .wait_timeout(content, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// A line is added in one step, so whoever panicked left the lines as they have to be.
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The processor time that programs take on their way into the kernel.

use std::{
    ops::AddAssign,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// Processor time of all threads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// To load programs.
    pub(super) loading: Duration,
    /// To attach them.
    pub(super) attaching: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.loading += more.loading;
        self.attaching += more.attaching;
    }
}

/// Clocks that several threads add to.
#[derive(Debug, Default)]
pub(super) struct Clocks(Mutex<Spent>);

impl Clocks {
    /// The calling thread has loaded since `begun`, a [`thread_time`].
    pub(super) fn loaded(&self, begun: Duration) {
        self.add(Spent {
            loading: thread_time().saturating_sub(begun),
            ..Spent::default()
        });
    }

    /// It has attached since then.
    pub(super) fn attached(&self, begun: Duration) {
        self.add(Spent {
            attaching: thread_time().saturating_sub(begun),
            ..Spent::default()
        });
    }

    /// What all threads have added.
    pub(super) fn into_spent(self) -> Spent {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, more: Spent) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += more;
    }
}

/// The processor time that the calling thread has taken, the kernel's on its
/// behalf included.
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

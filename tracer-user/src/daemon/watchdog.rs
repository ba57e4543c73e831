//! Signs of life for a service manager that wants some (`WatchdogSec`). They
//! come from the loop that has the engine: if that hangs there are none, however
//! well the web server answers.

use std::{future::pending, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::notify;

/// Signs within the time after which the service manager gives up: one may be
/// late.
const SIGNS: u32 = 3;

/// When the next sign is due.
pub(super) struct Watchdog {
    /// `None` if nobody wants any.
    due: Option<Interval>,
}

impl Watchdog {
    /// As the service manager has asked in the environment. Needs a tokio
    /// runtime context.
    pub(super) fn wanted() -> Self {
        Self::every(sd_notify::watchdog_enabled())
    }

    fn every(patience: Option<Duration>) -> Self {
        let pause = patience.map(|patience| patience / SIGNS);
        Self {
            // An interval of no time at all is none.
            due: pause.filter(|pause| !pause.is_zero()).map(|pause| {
                let mut due = interval(pause);
                due.set_missed_tick_behavior(MissedTickBehavior::Delay);
                due
            }),
        }
    }

    /// Waits until a sign is due. Cancel-safe.
    pub(super) async fn is_due(&mut self) {
        match &mut self.due {
            Some(due) => {
                due.tick().await;
            }
            None => pending().await,
        }
    }

    /// Gives one.
    pub(super) fn sign(&self) {
        notify(&[NotifyState::Watchdog]);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn signs_come_three_times_as_often_as_needed() {
        let mut watchdog = Watchdog::every(Some(Duration::from_secs(30)));
        watchdog.is_due().await;
        let ten = Duration::from_secs(10);
        let early = timeout(ten - Duration::from_millis(2), watchdog.is_due()).await;
        assert!(early.is_err());
        timeout(ten, watchdog.is_due()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_who_does_not_want_them_gets_any() {
        for patience in [None, Some(Duration::ZERO)] {
            let mut watchdog = Watchdog::every(patience);
            assert!(timeout(LONG, watchdog.is_due()).await.is_err());
        }
    }
}

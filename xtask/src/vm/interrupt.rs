//! Signals that ask xtask to stop, as something to poll for.

use std::{
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use signal_hook::{
    SigId,
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag, low_level,
};

/// Notices the signals that arrive during its life, instead of their ending the process.
pub(super) struct Interrupt {
    wakeup: UnixStream,
    signal: Arc<AtomicUsize>,
    registrations: Vec<SigId>,
}

impl Interrupt {
    /// Starts to take notice.
    pub(super) fn new() -> Result<Self> {
        let (wakeup, sender) = UnixStream::pair()?;
        let signal = Arc::new(AtomicUsize::new(0));
        let mut registrations = Vec::new();
        for number in [SIGINT, SIGTERM, SIGHUP] {
            let value = usize::try_from(number)?;
            // The flag first: it has to be set when the wakeup comes.
            registrations.push(flag::register_usize(number, Arc::clone(&signal), value)?);
            registrations.push(low_level::pipe::register(number, sender.try_clone()?)?);
        }
        Ok(Self {
            wakeup,
            signal,
            registrations,
        })
    }

    /// The number of a signal that has arrived.
    pub(super) fn signal(&self) -> Option<u8> {
        let number = self.signal.load(Ordering::SeqCst);
        u8::try_from(number).ok().filter(|&number| number != 0)
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for &registration in &self.registrations {
            low_level::unregister(registration);
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[test]
    fn a_signal_is_noticed_by_everyone_who_listens() {
        let listeners = [Interrupt::new().unwrap(), Interrupt::new().unwrap()];
        assert!(listeners.iter().all(|listener| listener.signal().is_none()));
        kill_process(getpid(), Signal::HUP).unwrap();
        for listener in &listeners {
            let mut byte = [0];
            std::io::Read::read_exact(&mut &listener.wakeup, &mut byte).unwrap();
            assert_eq!(listener.signal(), Some(1));
        }
    }
}

//! The signals that ask nslife to end, and the daemon to say more or less.

use std::{future::pending, io};

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};

/// SIGTERM and SIGINT, from now on.
#[derive(Debug)]
pub struct StopSignals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// SIGTERM
    Terminate,
    /// SIGINT, which a terminal sends to everybody in the foreground.
    Interrupt,
}

impl Stop {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// The signal.
    pub const fn signal(self) -> Signal {
        match self {
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
        }
    }
}

impl StopSignals {
    /// Catches them. Needs a tokio runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn recv(&mut self) -> Stop {
        tokio::select! {
            Some(()) = self.terminate.recv() => Stop::Terminate,
            Some(()) = self.interrupt.recv() => Stop::Interrupt,
            else => pending().await,
        }
    }
}

/// SIGUSR1 and SIGUSR2, from now on.
#[derive(Debug)]
pub struct LevelSignals {
    more: unix::Signal,
    usual: unix::Signal,
}

/// How much is to be logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loudness {
    /// Everything.
    Everything,
    /// What was asked for at the start.
    Usual,
}

impl LevelSignals {
    /// Catches them. Needs a tokio runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            more: unix::signal(SignalKind::user_defined1())?,
            usual: unix::signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn recv(&mut self) -> Loudness {
        tokio::select! {
            Some(()) = self.more.recv() => Loudness::Everything,
            Some(()) = self.usual.recv() => Loudness::Usual,
            else => pending().await,
        }
    }
}

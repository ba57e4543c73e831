//! Small processes that do what is measured, so that a fork always copies the same.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, set_parent_process_death_signal};
use tracer_common::kind::NsKind;

use crate::{
    operation::{ALL, Operation, Place, Stage, reap},
    sys,
};

/// A process that does what it is told: which operation, and how often.
pub(crate) struct Worker {
    orders: UnixStream,
    pid: Pid,
}

/// The order to end.
const END: Order = [0xff; 8];
/// Number of the operation, and how often.
type Order = [u8; 8];

impl Worker {
    /// Starts one there.
    pub(crate) fn start(place: Place) -> Result<Self> {
        let (orders, mut theirs) = UnixStream::pair()?;
        let kinds: &[NsKind] = match place {
            Place::Initial => &[],
            Place::Inside => &[NsKind::User, NsKind::Pid],
        };
        let pid = sys::fork(kinds, || match serve(&mut theirs) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("nslife-bench: a worker: {error:#}");
                1
            }
        })
        .context("cannot start a worker")?;
        Ok(Self { orders, pid })
    }

    /// Has an operation done so often, and waits until it is.
    pub(crate) fn perform(&mut self, operation: &Operation, count: u32) -> Result<()> {
        let number = ALL.iter().position(|other| other == operation);
        let number = u32::try_from(number.context("an operation of no list")?)?;
        let mut order = END;
        order[..4].copy_from_slice(&number.to_ne_bytes());
        order[4..].copy_from_slice(&count.to_ne_bytes());
        self.orders.write_all(&order)?;
        let mut done = [0];
        self.orders
            .read_exact(&mut done)
            .with_context(|| format!("a worker gave up in the middle of {}", operation.name))
    }

    /// Ends it.
    pub(crate) fn end(mut self) -> Result<()> {
        self.orders.write_all(&END)?;
        reap(self.pid)
    }
}

/// Does what it is told until it is to end.
fn serve(orders: &mut UnixStream) -> Result<()> {
    // It has a copy of the other end, so it would never see that one closed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let stage = Stage::open()?;
    loop {
        let mut order = END;
        orders.read_exact(&mut order)?;
        if order == END {
            return Ok(());
        }
        let [a, b, c, d, count @ ..] = order;
        let number = usize::try_from(u32::from_ne_bytes([a, b, c, d]))?;
        let operation = ALL.get(number);
        ensure!(operation.is_some(), "there is no operation {number}");
        if let Some(operation) = operation {
            stage.act(operation.act, u32::from_ne_bytes(count))?;
        }
        orders.write_all(&[0])?;
    }
}

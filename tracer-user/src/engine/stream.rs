//! What keeps coming from the kernel, and how much of it did not arrive.

use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use tokio::{
    io::unix::AsyncFd,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    EngineError, Frame, KernelTotals, Notice, RingSize, Tap, losses::Losses, resync::Resync,
};
use crate::{
    decode,
    model::{Tracker, Transition},
};

/// How often the kernel's loss counters are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Records taken from the ring buffer before others get a turn.
const BATCH: usize = 4096;

/// What the kernel puts before each record in the ring buffer, and to what it
/// rounds its length up, bytes.
const RECORD_HEADER: usize = 8;

/// The ring buffer, and what is known of losses.
pub(super) struct Stream {
    ring: AsyncFd<RingBuf<MapData>>,
    pub(super) size: RingSize,
    check: Interval,
    losses: Losses,
    /// Records that made no sense, ever.
    pub(super) undecodable: u64,
    pub(super) resync: Resync,
}

/// What was taken from the ring buffer.
#[derive(Default)]
struct Drained {
    records: usize,
    /// The room that they took there, bytes.
    bytes: usize,
}

impl Stream {
    /// Of a ring buffer of this size. Needs a tokio runtime context.
    pub(super) fn new(ring: RingBuf<MapData>, size: RingSize) -> Result<Self, EngineError> {
        let mut check = interval(CHECK_EVERY);
        // Checks that a long walk has held up need not be made up for.
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            // SAFETY: the ring buffer owns its descriptor, names the same one
            // each time, and closes it when it is dropped, not before.
            ring: unsafe { AsyncFd::register(ring) }
                .map_err(|error| EngineError::Read(error.into()))?,
            size,
            check,
            losses: Losses::default(),
            undecodable: 0,
            resync: Resync::default(),
        })
    }

    /// Waits until there are records, and takes some, or until it is time for a
    /// check: then it returns true. Cancel-safe.
    pub(super) async fn next(
        &mut self,
        tap: &mut Tap,
        tracker: &mut Tracker,
        transitions: &mut Vec<Transition>,
    ) -> Result<bool, EngineError> {
        tokio::select! {
            ready = self.ring.readable_mut() => {
                let mut ready = ready?;
                let ring = ready.get_inner_mut();
                let drained = drain(ring, tap, tracker, &mut self.undecodable, transitions);
                if drained.records < BATCH {
                    ready.clear_ready();
                }
                Ok(false)
            }
            _ = self.check.tick() => Ok(true),
        }
    }

    /// Takes all that is on the ring buffer now, and perhaps some of what comes
    /// meanwhile: where records come as fast as they are taken, there is no end
    /// to wait for.
    pub(super) fn drain_all(
        &mut self,
        tap: &mut Tap,
        tracker: &mut Tracker,
        transitions: &mut Vec<Transition>,
    ) {
        let mut bytes = 0;
        while bytes < self.size.bytes() as usize {
            let ring = self.ring.get_mut();
            let drained = drain(ring, tap, tracker, &mut self.undecodable, transitions);
            if drained.records < BATCH {
                break;
            }
            bytes += drained.bytes;
        }
    }

    /// Says what was lost since the last check, and that a walk is owed if
    /// anything was.
    pub(super) fn notice(&mut self, now: KernelTotals, notices: &mut Vec<Notice>) {
        let already = notices.len();
        notices.extend(self.losses.since(now, self.undecodable));
        if notices.len() > already {
            self.resync.lost();
        }
    }
}

/// Takes up to [`BATCH`] records.
fn drain(
    ring: &mut RingBuf<MapData>,
    tap: &mut Tap,
    tracker: &mut Tracker,
    undecodable: &mut u64,
    transitions: &mut Vec<Transition>,
) -> Drained {
    let mut drained = Drained::default();
    while drained.records < BATCH
        && let Some(record) = ring.next()
    {
        drained.records += 1;
        drained.bytes += (record.len() + RECORD_HEADER).next_multiple_of(RECORD_HEADER);
        tap(Frame::Record(&record));
        match decode::event(&record) {
            Ok(event) => tracker.apply(&event, transitions),
            Err(_) => *undecodable += 1,
        }
    }
    drained
}

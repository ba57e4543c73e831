//! Pictures for those who ask at the control socket.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use crate::{
    control::{Reply, Snapshot},
    engine::Engine,
    model::Transition,
};

/// How long a picture is good for: whoever asks more often gets the same one
/// again, so that asking cannot keep the daemon walking.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Takes pictures, but not too many.
pub(super) struct Pictures {
    watching_since: u64,
    last: Option<(Instant, Arc<Snapshot>)>,
}

impl Pictures {
    /// None yet, of what is watched since then (`CLOCK_BOOTTIME`).
    pub(super) fn new(watching_since: u64) -> Self {
        Self {
            watching_since,
            last: None,
        }
    }

    /// Answers a request, and appends what a walk for that put right.
    pub(super) fn answer(
        &mut self,
        request: Reply<Arc<Snapshot>>,
        engine: &mut Engine,
        transitions: &mut Vec<Transition>,
    ) {
        if request.is_closed() {
            return;
        }
        let picture = match &self.last {
            Some((taken, picture)) if taken.elapsed() < GOOD_FOR => Ok(Arc::clone(picture)),
            _ => self.take(engine, transitions),
        };
        if request.send(picture).is_err() {
            debug!("whoever asked at the control socket has gone");
        }
    }

    /// Walks, so that counts and tasks are as they are now. A walk that fails
    /// leaves the picture as it was.
    fn take(
        &mut self,
        engine: &mut Engine,
        transitions: &mut Vec<Transition>,
    ) -> Result<Arc<Snapshot>, String> {
        let corrections = engine.walk(transitions).map_err(|error| {
            warn!(%error, "no picture for whoever asked at the control socket");
            error.to_string()
        })?;
        if corrections > 0 {
            info!(
                corrections,
                "walked for whoever asked at the control socket"
            );
        }
        let picture = Arc::new(Snapshot::take(engine, Some(self.watching_since)));
        self.last = Some((Instant::now(), Arc::clone(&picture)));
        Ok(picture)
    }
}

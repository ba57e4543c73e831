//! The daemon's audits of itself: regularly, after a resync, and when somebody
//! asks.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::{
    control::{Audited, Reply},
    engine::{Audit, Begun, Engine, EngineError},
    model::{
        Transition,
        audit::{Difference, Findings},
    },
};

/// Between the two samples: far longer than a namespace takes to come or go.
pub const AUDIT_GAP: Duration = Duration::from_secs(2);

/// After a resync: what was in the middle of a fork then can be told now.
const AFTER_RESYNC: Duration = Duration::from_secs(2);

/// Differences that are logged one by one, per audit.
const LOGGED: usize = 20;

/// When to audit, and how far an audit has come.
pub(super) struct Audits {
    every: Option<Duration>,
    next: Option<Instant>,
    begun: Option<Audit>,
    /// Who asked for the next one to end.
    asked: Vec<Reply<Arc<Audited>>>,
}

impl Audits {
    /// The first one is due in `every`; `None` for only when there is a reason.
    pub(super) fn new(every: Option<Duration>) -> Self {
        Self {
            every,
            next: every.map(|every| Instant::now() + every),
            begun: None,
            asked: Vec::new(),
        }
    }

    /// Waits until there is something to do. Cancel-safe.
    pub(super) async fn due(&self) {
        match self.next {
            Some(next) => sleep_until(next).await,
            None => pending().await,
        }
    }

    /// Whether there is a first sample that waits for a second: a walk that is
    /// merged meanwhile would hide what is wrong.
    pub(super) fn is_under_way(&self) -> bool {
        self.begun.is_some()
    }

    /// Somebody wants to know.
    pub(super) fn ask(&mut self, reply: Reply<Arc<Audited>>) {
        self.asked.push(reply);
        if !self.is_under_way() {
            self.next = Some(Instant::now());
        }
    }

    /// The picture was renewed.
    pub(super) fn after_resync(&mut self) {
        let soon = Instant::now() + AFTER_RESYNC;
        if !self.is_under_way() && self.next.is_none_or(|next| soon < next) {
            self.next = Some(soon);
        }
    }

    /// Does what is due. Says what was found when an audit ends.
    pub(super) fn go_on(
        &mut self,
        engine: &mut Engine,
        transitions: &mut Vec<Transition>,
    ) -> Result<Option<Findings>, EngineError> {
        let findings = match self.begun.take() {
            Some(audit) => engine.end_audit(&audit, transitions)?,
            None => None,
        };
        let findings = match findings {
            Some(findings) => findings,
            None => match engine.begin_audit(transitions)? {
                Begun::Ended(findings) => findings,
                Begun::Differs(audit) => {
                    self.begun = Some(audit);
                    self.next = Some(Instant::now() + AUDIT_GAP);
                    return Ok(None);
                }
            },
        };
        self.next = self.every.map(|every| Instant::now() + every);
        explain(&findings);
        let audited = Arc::new(Audited::new(findings.clone()));
        for reply in self.asked.drain(..) {
            if reply.send(Ok(Arc::clone(&audited))).is_err() {
                debug!("whoever asked for an audit has gone");
            }
        }
        Ok(Some(findings))
    }
}

/// Says in what the picture was wrong.
fn explain(findings: &Findings) {
    let &Findings {
        compared,
        moving,
        creds,
        ref drift,
    } = findings;
    for &Difference {
        kind,
        inum,
        id,
        field,
        picture,
        kernel,
    } in drift.iter().take(LOGGED)
    {
        warn!(
            ns_type = kind.name(),
            inum,
            id = id.map(|id| id.0),
            field = field.name(),
            picture = %picture,
            kernel = %kernel,
            "the picture was wrong, and is put right"
        );
    }
    if findings.are_clean() {
        debug!(compared, moving, "audited");
    } else {
        warn!(
            compared,
            drift = drift.len(),
            creds,
            moving,
            "audited: the picture had drifted, events must have been missed"
        );
    }
    if creds > 0 {
        info!(
            creds,
            "tasks whose credentials were not counted, or too long"
        );
    }
}

//! Audits: the picture against what a walk finds, in two samples.

use super::{Engine, EngineError, walk::Depth};
use crate::model::{
    Transition,
    audit::{Findings, Sample},
};

/// An audit whose first sample showed differences, which prove nothing yet.
#[derive(Debug)]
pub struct Audit {
    first: Sample,
    /// Of [`super::KernelTotals::creds_corrected`], before it began.
    creds: u64,
    /// How many walks had been merged.
    merges: u64,
}

/// What the first sample of an audit shows.
#[derive(Debug)]
pub enum Begun {
    /// That the picture is right.
    Ended(Findings),
    /// Differences: [`Engine::end_audit`] tells, a while later, which of them
    /// are drift.
    Differs(Audit),
}

impl Engine {
    /// Begins an audit: compares the picture with the kernel, and corrects
    /// nothing. Holds no file and no namespace.
    pub fn begin_audit(&mut self, transitions: &mut Vec<Transition>) -> Result<Begun, EngineError> {
        let creds = self.kernel.totals()?.creds_corrected;
        self.drain_all(transitions);
        let walk = self.look(Depth::NoFiles)?;
        // Before what the walk itself makes the kernel programs say.
        let first = self.tracker.compare(&walk);
        self.drain_all(transitions);
        self.tracker.tidy(walk.started_at);
        if first.agrees() {
            let corrected = self.kernel.totals()?.creds_corrected;
            return Ok(Begun::Ended(Findings {
                creds: corrected - creds,
                ..first.alone()
            }));
        }
        Ok(Begun::Differs(Audit {
            first,
            creds,
            merges: self.merges,
        }))
    }

    /// Ends an audit: takes the second sample, says what is drift, and puts it
    /// right. `None` if a walk has been merged since it began, which may have
    /// put things right already.
    pub fn end_audit(
        &mut self,
        audit: &Audit,
        transitions: &mut Vec<Transition>,
    ) -> Result<Option<Findings>, EngineError> {
        if audit.merges != self.merges {
            return Ok(None);
        }
        self.drain_all(transitions);
        let mut walk = self.look(Depth::NoFiles)?;
        let second = self.tracker.compare(&walk);
        self.merge(&mut walk, transitions)?;
        let corrected = self.kernel.totals()?.creds_corrected;
        Ok(Some(Findings {
            creds: corrected - audit.creds,
            ..audit.first.confirmed_by(&second)
        }))
    }
}

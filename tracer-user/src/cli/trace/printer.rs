//! From transitions to lines on standard output.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    super::output::{is_terminal, palette},
    Output,
};
use crate::{
    engine::Notice,
    model::Transition,
    view::{
        clock::Clock,
        filter::{EventName, Filter},
        json,
        scope::Scope,
        text::trace::TraceText,
    },
};

/// Shows what is asked for, and counts.
pub(super) struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    /// `None` for JSON.
    text: Option<TraceText>,
    clock: Clock,
    filter: Filter,
    /// Whose doings are shown.
    pub(super) scope: Scope,
    /// Lines shown.
    pub(super) shown: u64,
    /// Records lost.
    pub(super) lost: u64,
}

impl Printer {
    pub(super) fn new(output: Output, filter: Filter, scope: Scope) -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            text: (output == Output::Text).then(|| TraceText {
                palette: palette(),
                zone: TimeZone::system(),
                initial: filter.initial.clone(),
            }),
            clock: Clock::sample(),
            filter,
            scope,
            shown: 0,
            lost: 0,
        }
    }

    /// Names the columns, if a person looks on.
    pub(super) fn header(&mut self) -> io::Result<()> {
        if let Some(text) = self.text.as_ref().filter(|_| is_terminal()) {
            writeln!(self.out, "{}", text.header())?;
        }
        self.out.flush()
    }

    /// Shows a batch, and empties it.
    pub(super) fn show(
        &mut self,
        transitions: &mut Vec<Transition>,
        notices: &mut Vec<Notice>,
    ) -> io::Result<()> {
        self.clock.refresh();
        for transition in transitions.drain(..) {
            // The scope learns from all of them.
            if self.scope.admits(&transition) && self.filter.wants(&transition) {
                self.transition(&transition)?;
            }
        }
        for notice in notices.drain(..) {
            self.notice(&notice)?;
        }
        self.out.flush()
    }

    fn transition(&mut self, transition: &Transition) -> io::Result<()> {
        self.shown += 1;
        match &self.text {
            Some(text) => writeln!(self.out, "{}", text.transition(transition, &self.clock)),
            None => json::write_line(&mut self.out, &json::transition(transition, &self.clock)),
        }
    }

    fn notice(&mut self, notice: &Notice) -> io::Result<()> {
        let name = match notice {
            Notice::Lost { count, .. } => {
                self.lost += count;
                EventName::Lost
            }
            Notice::Resync { .. } => EventName::Resync,
        };
        if !self.filter.wants_event(name) {
            return Ok(());
        }
        self.shown += 1;
        let now = Timestamp::now();
        match &self.text {
            Some(text) => writeln!(self.out, "{}", text.notice(notice, now)),
            None => json::write_line(&mut self.out, &json::notice(notice, now)),
        }
    }

    /// What was shown, in one line.
    pub(super) fn summary(&self) -> String {
        let plural = if self.shown == 1 { "" } else { "s" };
        let mut summary = format!("{} event{plural} shown, {} lost", self.shown, self.lost);
        let created = self.scope.ever_created();
        if created > 0 {
            let remaining = self.scope.remaining().len();
            summary += &format!("; namespaces created: {created}, not yet freed: {remaining}");
        }
        summary
    }
}

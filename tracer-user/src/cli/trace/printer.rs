//! From transitions to lines on standard output.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    super::output::{is_terminal, palette},
    Output,
};
use crate::{
    engine::Notice,
    feed::Happening,
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
            self.consider(&transition)?;
        }
        for notice in notices.drain(..) {
            self.notice(&notice, Timestamp::now())?;
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

    /// Shows what a daemon tells. [`Self::flush`] has to follow.
    pub(super) fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        self.clock.refresh();
        match happening {
            Happening::Transition(transition) => self.consider(transition),
            Happening::Notice { notice, at } => self.notice(notice, self.clock.wall(*at)),
        }
    }

    /// Hands over what was shown.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn consider(&mut self, transition: &Transition) -> io::Result<()> {
        // The scope learns from all of them.
        if self.scope.admits(transition) && self.filter.wants(transition) {
            self.transition(transition)?;
        }
        Ok(())
    }

    fn notice(&mut self, notice: &Notice, at: Timestamp) -> io::Result<()> {
        if let Notice::Lost { count, .. } = notice {
            self.lost += count;
        }
        if !self.filter.wants_event(EventName::of_notice(notice)) {
            return Ok(());
        }
        self.shown += 1;
        match &self.text {
            Some(text) => writeln!(self.out, "{}", text.notice(notice, at)),
            None => json::write_line(&mut self.out, &json::notice(notice, at)),
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

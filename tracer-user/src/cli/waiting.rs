//! What nslife is doing, on the terminal, while a person waits for its first
//! output.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    fs::{FileType, fstat},
    process::getpgrp,
    termios::tcgetpgrp,
};

use crate::{
    engine::{Progress, StartStep},
    privileges,
};

/// A wait that is over sooner is not worth a word.
const UNNOTICED: Duration = Duration::from_millis(500);

/// How often the line is written anew, at most.
const TICK: Duration = Duration::from_millis(50);

/// To the beginning of the line, and nothing in it.
const CLEAR: &str = "\r\x1b[K";

/// A line on standard error that says what is going on, from half a second on,
/// until this is dropped.
pub(super) struct Waiting(Option<Line>);

struct Line {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    text: String,
    is_over: bool,
}

impl Waiting {
    /// Shows what is going on if a person looks: standard error is a terminal on
    /// which this is the job in front, standard output is no pipe, and is not for
    /// programs (`for_programs`).
    pub(super) fn begin(for_programs: bool) -> Self {
        let shown = !for_programs && is_in_front() && !is_pipe();
        Self(shown.then(|| Line::begin(io::stderr(), UNNOTICED)))
    }

    /// Says what is going on now.
    pub(super) fn say(&self, text: impl Into<String>) {
        if let Some(line) = &self.0 {
            line.shared.state().text = text.into();
        }
    }

    /// Says what a start is doing. Once it is done the line is clear.
    pub(super) fn at(&self, step: StartStep) {
        match (&self.0, words(step)) {
            (Some(line), None) => line.end(),
            (Some(_), Some(words)) => self.say(words),
            (None, _) => {}
        }
    }
}

/// Starts an engine, and shows what that is doing if a person looks.
pub(super) fn while_starting<R>(for_programs: bool, start: impl FnOnce(Progress<'_>) -> R) -> R {
    let waiting = Waiting::begin(for_programs);
    start(&|step| waiting.at(step))
}

/// Asks a daemon, and says so if a person looks.
pub(super) fn while_asking<R>(for_programs: bool, ask: impl FnOnce() -> R) -> R {
    let waiting = Waiting::begin(for_programs);
    waiting.say("asking the daemon");
    ask()
}

/// What to say of a step, if anything.
fn words(step: StartStep) -> Option<String> {
    Some(match step {
        StartStep::Reading => "reading the kernel's BTF".to_owned(),
        StartStep::Attaching { done, of } => {
            format!("loading and attaching: {done} of {of} hooks")
        }
        StartStep::Walking => "walking the kernel's namespaces".to_owned(),
        StartStep::Done => return None,
    })
}

/// Whether standard error is a terminal, and this its foreground job: any other
/// would write into what somebody types.
fn is_in_front() -> bool {
    io::stderr().is_terminal() && tcgetpgrp(io::stderr()).is_ok_and(|front| front == getpgrp())
}

/// Whether another program reads standard output.
fn is_pipe() -> bool {
    fstat(io::stdout()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end, but no longer than this. True if it has come.
    fn is_over_within(&self, time: Duration) -> bool {
        let state = self.state();
        let waited = self
            .ended
            .wait_timeout_while(state, time, |state| !state.is_over);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_over
    }
}

impl Line {
    fn begin(out: impl Write + Send + 'static, unnoticed: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        // Without the thread nobody is told, and nothing else is missing.
        let writer = thread::Builder::new()
            .spawn(move || show(&theirs, out, unnoticed))
            .ok();
        Self {
            shared,
            writer: Mutex::new(writer),
        }
    }

    /// Clears the line, for good.
    fn end(&self) {
        self.shared.state().is_over = true;
        self.shared.ended.notify_all();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // It has nothing to say that anybody could do something about.
            let _ = writer.join();
        }
    }
}

/// Writes the line, and clears it in the end. Where it cannot be written nobody
/// reads it.
fn show(shared: &Shared, mut out: impl Write, unnoticed: Duration) {
    // What a daemon keeps for its start is not for this thread.
    let _ = privileges::give_up_here();
    if shared.is_over_within(unnoticed) {
        return;
    }
    let mut shown = String::new();
    while !shared.is_over_within(TICK) {
        let text = shared.state().text.clone();
        if text != shown {
            let _ = write!(out, "{CLEAR}nslife: {text} …");
            let _ = out.flush();
            shown = text;
        }
    }
    if !shown.is_empty() {
        let _ = write!(out, "{CLEAR}");
        let _ = out.flush();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn written(unnoticed: Duration, texts: &[&str]) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        let waiting = Waiting(Some(Line::begin(writer, unnoticed)));
        let mut written = String::new();
        for text in texts {
            waiting.say(*text);
            if unnoticed.is_zero() {
                let mut next = vec![0; CLEAR.len() + "nslife:  …".len() + text.len()];
                reader.read_exact(&mut next).unwrap();
                written.push_str(&String::from_utf8(next).unwrap());
            }
        }
        drop(waiting);
        reader.read_to_string(&mut written).unwrap();
        written
    }

    #[test]
    fn each_step_takes_the_place_of_the_one_before_and_nothing_stays() {
        assert_eq!(
            written(Duration::ZERO, &["loading", "walking"]),
            "\r\x1b[Knslife: loading …\r\x1b[Knslife: walking …\r\x1b[K"
        );
    }

    #[test]
    fn the_line_is_clear_when_a_start_is_done() {
        let (mut reader, writer) = io::pipe().unwrap();
        let waiting = Waiting(Some(Line::begin(writer, Duration::ZERO)));
        waiting.say("loading");
        let mut written = vec![0; "\r\x1b[Knslife: loading …".len()];
        reader.read_exact(&mut written).unwrap();
        waiting.at(StartStep::Done);
        let mut cleared = String::new();
        reader.read_to_string(&mut cleared).unwrap();
        assert_eq!(cleared, CLEAR, "and the writer is gone");
    }

    #[test]
    fn a_short_wait_is_passed_over_in_silence() {
        assert_eq!(written(Duration::from_secs(3600), &["loading"]), "");
    }

    #[test]
    fn steps_say_how_far_they_are() {
        let step = StartStep::Attaching { done: 3, of: 40 };
        let expected = "loading and attaching: 3 of 40 hooks";
        assert_eq!(words(step).as_deref(), Some(expected));
    }
}

//! What the kernel refuses, and how it says so.

use aya::programs::ProgramError;

use super::{
    Attempt, StartError,
    addresses::without_addresses,
    error::{again, refusal},
};
use crate::plan::{Candidate, Refused};

/// What the kernel refused, and its answers.
#[derive(Default)]
pub(super) struct Refusals {
    /// What the attach plan has to do without.
    pub(super) refused: Refused,
    answers: Vec<(Candidate, String)>,
}

impl Refusals {
    /// Notes what the kernel answered; its refusal of BPF to this process is an
    /// error.
    pub(super) fn add(
        &mut self,
        candidate: Candidate,
        error: &ProgramError,
    ) -> Result<(), StartError> {
        if let Some((call, error)) = refusal(error) {
            return Err(StartError::refused(call, again(error)));
        }
        let place = (candidate.program, candidate.function);
        // A twin is refused for the same reason.
        if self.refused.insert(place) {
            let answer = without_addresses(&one_line(error)).into_owned();
            self.answers.push((candidate, answer));
        }
        Ok(())
    }

    /// How it refused this.
    pub(super) fn attempt(&self, candidate: Candidate) -> Attempt {
        let mut answers = self.answers.iter();
        let answer = answers.find(|(refused, _)| *refused == candidate);
        Attempt {
            function: candidate.function,
            because: answer.map(|(_, answer)| answer.clone()).unwrap_or_default(),
        }
    }

    /// The first of them.
    #[cfg(feature = "faults")]
    pub(super) fn first(&self) -> Option<&(Candidate, String)> {
        self.answers.first()
    }
}

/// What the verifier writes after the reason.
const VERIFIER_STATISTICS: [&str; 4] = [
    "processed ",
    "verification time ",
    "stack depth ",
    "subprog ",
];

/// An error and its causes on one line. The verifier's log can have thousands
/// of lines, of which the last one before the statistics (and, on 7.3, before
/// an explanation) is the reason.
fn one_line(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            let reason = log
                .lines()
                .take_while(|line| !line.starts_with("Verification failed"))
                .filter(|line| {
                    !line.is_empty()
                        && !VERIFIER_STATISTICS
                            .iter()
                            .any(|word| line.starts_with(word))
                })
                .last();
            match reason {
                Some(reason) => format!("{io_error}: {reason}"),
                None => io_error.to_string(),
            }
        }
        ProgramError::SyscallError(error) => format!("{}: {}", error.call, error.io_error),
        other => other.to_string(),
    }
}

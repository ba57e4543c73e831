//! The plan as a whole, also once the kernel has refused some of it.

use std::collections::BTreeSet;

use super::{Candidate, Hook, Offered, Step, step};

/// Programs that the kernel would not load or attach, with the function that
/// each was for.
pub type Refused = BTreeSet<(&'static str, &'static str)>;

/// What becomes of a hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The hook.
    pub hook: &'static Hook,
    /// What to do about it.
    pub step: Step,
    /// What the kernel refused before that, the most preferred one first.
    pub refused: Vec<Candidate>,
}

/// Decides about all of these hooks, on a kernel that offers these functions
/// and has refused these programs.
///
/// It goes row by row. A function that a row was refused is gone for the rows
/// that follow, so that they make up for it.
pub fn settle(
    hooks: impl IntoIterator<Item = &'static Hook>,
    offered: &Offered,
    refused: &Refused,
) -> Vec<Decision> {
    let mut offered = offered.clone();
    let decide = |hook: &'static Hook| {
        let mut in_vain = Vec::new();
        let step = loop {
            match step(hook, &offered) {
                Step::Attach(candidate)
                    if refused.contains(&(candidate.program, candidate.function)) =>
                {
                    offered.remove(candidate.function);
                    in_vain.push(candidate);
                }
                // What was refused was needed: its absence from other kernels
                // is no excuse.
                Step::NotNeeded(_) if !in_vain.is_empty() => break Step::Absent,
                step => break step,
            }
        };
        Decision {
            hook,
            step,
            refused: in_vain,
        }
    };
    hooks.into_iter().map(decide).collect()
}

impl Decision {
    /// What is to be attached, if anything.
    pub fn candidate(&self) -> Option<Candidate> {
        match self.step {
            Step::Attach(candidate) => Some(candidate),
            Step::NotNeeded(_) | Step::Absent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{HOOKS, wanted};

    /// What a hook is attached to, on a kernel that has all functions.
    fn of(name: &str, refused: &[(&'static str, &'static str)]) -> Decision {
        let offered = wanted().map(|candidate| candidate.function).collect();
        let refused = refused.iter().copied().collect();
        let mut decisions = settle(HOOKS, &offered, &refused).into_iter();
        decisions.find(|made| made.hook.name == name).unwrap()
    }

    fn function(decision: &Decision) -> Option<&'static str> {
        decision.candidate().map(|candidate| candidate.function)
    }

    #[test]
    fn the_next_candidate_takes_the_place_of_one_that_was_refused() {
        let name = "nsproxy_freed";
        assert_eq!(function(&of(name, &[])), Some("nsproxy_ns_active_put"));
        let refused = [("nsproxy_freed", "nsproxy_ns_active_put")];
        let decision = of(name, &refused);
        assert_eq!(function(&decision), Some("free_nsproxy"));
        assert_eq!(decision.refused[0].function, "nsproxy_ns_active_put");
        let decision = of(name, &[refused[0], ("nsproxy_freed", "free_nsproxy")]);
        assert_eq!(decision.step, Step::Absent);
        assert_eq!(decision.refused.len(), 2);
    }

    #[test]
    fn a_refused_function_is_made_up_for_by_the_rows_that_follow() {
        let refused = [("ns_tree_add", "__ns_tree_add_raw")];
        assert_eq!(function(&of("ns_created_net", &[])), None);
        let decision = of("ns_created_net", &refused);
        assert_eq!(function(&decision), Some("copy_net_ns"));
    }

    #[test]
    fn rows_before_the_refusal_keep_the_function() {
        let refused = [
            ("create_user", "create_user_ns"),
            ("ns_tree_add", "__ns_tree_add_raw"),
        ];
        let of = |name| function(&of(name, &refused));
        assert_eq!(of("making_user_ends"), Some("create_user_ns"));
        assert_eq!(of("ns_created_user"), None);
        assert_eq!(of("making_user_begins"), None);
    }

    /// On other kernels a hook may be needless; not where it was refused.
    #[test]
    fn what_was_refused_is_missing_and_not_needless() {
        let decision = of("active_get", &[("active_get", "__ns_ref_active_get")]);
        assert_eq!(decision.step, Step::Absent);
    }
}

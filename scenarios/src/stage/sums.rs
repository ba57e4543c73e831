//! What holds a namespace, summed up, against what somebody else says: the kernel, where it counts;
//! elsewhere the trace, which has followed the namespace from its birth on.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::{Stage, steps};
use crate::{
    expect::row,
    kernel::COUNTS,
    nslife::List,
    trace::{Line, Namespace, Step},
};

/// How often it is looked again if something moved meanwhile.
const ATTEMPTS: usize = 5;

/// A namespace about which two disagree.
#[derive(Clone, Debug, PartialEq)]
struct Disagreement {
    about: Namespace,
    expected: String,
    seen: String,
}

impl Stage<'_> {
    /// Fails if there is a namespace, be it of this stage or not, whose sum does not agree. It may
    /// move while it is looked at; but not if it disagrees in two lists, and no line between them
    /// is about it. Returns a list in which all agree.
    pub(crate) fn sums_agree(&self) -> Result<List> {
        let log = &self.world.trace.log;
        let mut from = log.len();
        let (mut list, mut before) = self.compare()?;
        for _ in 0..ATTEMPTS {
            if before.is_empty() {
                self.summed_up.set(true);
                return Ok(list);
            }
            let next = log.len();
            let (second, now) = self.compare()?;
            self.world.barrier()?;
            let defects = log.look(from, |lines| defects(&before, &now, lines));
            ensure!(defects.is_empty(), "sums do not agree: {}", row(defects));
            (from, list, before) = (next, second, now);
        }
        bail!("sums do not come to rest: {}", row(before))
    }

    /// A list, and the disagreements in it.
    fn compare(&self) -> Result<(List, Vec<Disagreement>)> {
        let list = self.world.list()?;
        let disagreements = if self.world.kernel >= COUNTS {
            with_kernel(&list.namespaces)
        } else {
            self.world.barrier()?;
            let log = &self.world.trace.log;
            log.look(0, |lines| with_trace(&list.namespaces, lines))
        };
        Ok((list, disagreements))
    }
}

/// The namespaces whose sum is not the kernel's number. It does not count the initial ones.
fn with_kernel(list: &[Namespace]) -> Vec<Disagreement> {
    let disagreement = |ns: &Namespace| {
        let sum = ns.active_because.map(|because| because.sum());
        (sum.is_none() || sum != ns.active_count).then(|| Disagreement {
            about: ns.clone(),
            expected: format!("an active count of {:?}", ns.active_count),
            seen: format!("{sum:?}, {:?}", ns.active_because),
        })
    };
    let counted = list.iter().filter(|ns| !ns.initial);
    counted.filter_map(disagreement).collect()
}

/// The namespaces that are not in the state in which a trace has left them that has seen their
/// birth.
fn with_trace(list: &[Namespace], lines: &[Line]) -> Vec<Disagreement> {
    let mut left = BTreeMap::new();
    for (step, ns, _) in steps(lines) {
        let key = (ns.ns_type.as_str(), ns.inum);
        if step == Step::Created || left.contains_key(&key) {
            left.insert(key, (step, ns.state));
        }
    }
    let disagreement = |ns: &Namespace| {
        let &(step, state) = left.get(&(ns.ns_type.as_str(), ns.inum))?;
        let agrees = step != Step::Freed && state == ns.state;
        (!agrees).then(|| Disagreement {
            about: ns.clone(),
            expected: format!("{state:?}, for the trace had it {step}"),
            seen: format!("{:?}", ns.state),
        })
    };
    list.iter().filter_map(disagreement).collect()
}

/// Those that have disagreed before and do now, and about which nothing was said meanwhile.
fn defects<'d>(
    before: &[Disagreement],
    now: &'d [Disagreement],
    meanwhile: &[Line],
) -> Vec<&'d Disagreement> {
    let disagreed = |ns: &Namespace| before.iter().any(|d| d.about.is_seen_as(ns));
    let moved = |ns: &Namespace| steps(meanwhile).any(|(_, about, _)| about.is_seen_as(ns));
    now.iter()
        .filter(|d| disagreed(&d.about) && !moved(&d.about))
        .collect()
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            about,
            expected,
            seen,
        } = self;
        write!(f, "{about}: expected {expected}; saw {seen}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(inum: u32, state: &str, count: Option<u32>, because: &Value) -> Value {
        json!({
            "id": inum, "ns_type": "net", "inum": inum, "state": state, "active_count": count,
            "initial": false, "active_because": because,
        })
    }

    fn because(nsproxies: u32, nsfs: u32) -> Value {
        json!({"nsproxies": nsproxies, "creds": 0, "pids": 0, "nsfs": nsfs, "owned": 0})
    }

    fn namespace(value: Value) -> Namespace {
        serde_json::from_value(value).unwrap()
    }

    fn counted(count: u32, nsproxies: u32, nsfs: u32) -> Namespace {
        namespace(value(1, "active", Some(count), &because(nsproxies, nsfs)))
    }

    fn in_state(inum: u32, state: &str) -> Namespace {
        namespace(value(inum, state, None, &because(0, 0)))
    }

    fn line(event: &str, inum: u32, state: &str) -> Line {
        let namespace = value(inum, state, None, &Value::Null);
        let line = json!({"event": event, "namespace": namespace, "actor": null});
        Line::parse(&line.to_string()).unwrap().remove(0)
    }

    #[test]
    fn a_sum_is_the_count_or_it_is_not() {
        assert_eq!(with_kernel(&[counted(3, 2, 1)]), []);
        assert_eq!(with_kernel(&[counted(3, 2, 0)]).len(), 1);
        assert_eq!(with_kernel(&[counted(0, 0, 1)]).len(), 1);
    }

    #[test]
    fn a_sum_that_is_not_known_does_not_agree() {
        let mut ns = counted(0, 0, 0);
        ns.active_because = None;
        assert_eq!(with_kernel(&[ns.clone()]).len(), 1);
        ns.active_count = None;
        assert_eq!(with_kernel(&[ns]).len(), 1);
    }

    #[test]
    fn initial_ones_are_not_counted() {
        let mut ns = counted(1, 7, 0);
        ns.initial = true;
        assert_eq!(with_kernel(&[ns]), []);
    }

    #[test]
    fn a_state_is_the_one_that_the_last_line_left() {
        let lines = [
            line("created", 1, "inactive"),
            line("activated", 1, "active"),
        ];
        assert_eq!(with_trace(&[in_state(1, "active")], &lines), []);
        assert_eq!(with_trace(&[in_state(1, "inactive")], &lines).len(), 1);
        assert_eq!(with_trace(&[in_state(1, "active")], &lines[..1]).len(), 1);
    }

    #[test]
    fn what_the_trace_has_not_seen_born_is_not_compared() {
        let lines = [line("deactivated", 1, "inactive")];
        assert_eq!(with_trace(&[in_state(1, "active")], &lines), []);
    }

    #[test]
    fn what_is_freed_is_not_listed() {
        let lines = [
            line("created", 1, "inactive"),
            line("freed", 1, "destroyed"),
        ];
        assert_eq!(with_trace(&[in_state(1, "destroyed")], &lines).len(), 1);
        assert_eq!(with_trace(&[in_state(2, "active")], &lines), []);
    }

    #[test]
    fn two_disagreements_with_nothing_in_between_are_a_defect() {
        let wrong = with_kernel(&[counted(3, 2, 0)]);
        assert_eq!(defects(&wrong, &wrong, &[]).len(), 1);
        assert_eq!(defects(&[], &wrong, &[]).len(), 0);
        let about_it = [line("deactivated", 1, "inactive")];
        assert_eq!(defects(&wrong, &wrong, &about_it).len(), 0);
        let about_another = [line("deactivated", 2, "inactive")];
        assert_eq!(defects(&wrong, &wrong, &about_another).len(), 1);
    }
}

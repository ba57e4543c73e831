//! What series are told apart by. Each label has a handful of values, none of
//! them chosen by somebody else, but for those of namespaces one by one, which
//! somebody has to ask for.

use prometheus_client::encoding::EncodeLabelSet;
use tracer_common::{
    event::{Cause, Reason},
    kind::NsKind,
};

use crate::{
    engine::Loss,
    model::{Errno, Rule, Standing, State, Users, audit::Field},
    plan, version,
};

/// A label, and what it can say.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What its values stand for, where they do not speak for themselves; may
    /// be empty.
    pub meaning: &'static str,
    /// Every value; none if they cannot be told beforehand.
    pub values: fn() -> Vec<&'static str>,
}

/// The cause of a change that was missed.
pub(super) const UNKNOWN_CAUSE: &str = "unknown";

/// The stages of the clean-up of a network namespace.
pub(super) const QUEUE: &str = "queue";
pub(super) const UNLIST: &str = "unlist";
pub(super) const EXITS: &str = "exits";
pub(super) const END: &str = "end";
pub(super) const STAGES: [&str; 4] = [QUEUE, UNLIST, EXITS, END];

/// The first ones of an order.
pub(super) const RANKS: [&str; Users::TOLD] = ["1", "2", "3"];

/// What became of hooks.
pub(super) const ATTACHED: &str = "attached";
pub(super) const NOT_NEEDED: &str = "not_needed";
pub(super) const MISSING: &str = "missing";

pub(super) const NS_TYPE: Label = Label {
    name: "ns_type",
    meaning: "",
    values: || NsKind::ALL.map(NsKind::name).to_vec(),
};

pub(super) const NS_TYPE_OF_ZOMBIES: Label = Label {
    name: "ns_type",
    meaning: "a task may count in both",
    values: || [NsKind::User, NsKind::Pid].map(NsKind::name).to_vec(),
};

pub(super) const MAP: Label = Label {
    name: "map",
    meaning: "`creds`: tasks with credentials in a user namespace other than the initial one; \
              `namespaces`: all but the initial ones",
    values: || vec!["creds", "namespaces"],
};

pub(super) const PROGRAM: Label = Label {
    name: "program",
    meaning: "of those that this kernel calls for; a twin counts with its program",
    values: || {
        let mut all: Vec<_> = plan::HOOKS
            .iter()
            .flat_map(|hook| hook.candidates)
            .map(|candidate| candidate.program)
            .chain(WALKS)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    },
};

/// The programs that walks run.
const WALKS: [&str; 5] = [
    "walk_files",
    "walk_ring",
    "walk_shown",
    "walk_sweep",
    "walk_tasks",
];

pub(super) const STATE: Label = Label {
    name: "state",
    meaning: "`inactive`: only the kernel still holds it; `destroyed`: its last reference is gone, \
              and it awaits its freeing",
    values: || State::ALL.map(State::name).to_vec(),
};

/// Errors that nobody expects.
pub(super) const OTHER_ERRNO: &str = "other";

pub(super) const ERRNO: Label = Label {
    name: "errno",
    meaning: "`ENOSPC`: a limit is reached; `ERESTART…`: a signal came",
    values: || {
        let known = Errno::known().filter_map(Errno::name);
        known.chain([OTHER_ERRNO]).collect()
    },
};

pub(super) const AGE: Label = Label {
    name: "over",
    meaning: "minutes, hours, a day",
    values: || Standing::AGES.to_vec(),
};

pub(super) const RANK: Label = Label {
    name: "rank",
    meaning: "of users, by how many they have",
    values: || RANKS.to_vec(),
};

pub(super) const ACTIVATING: Label = Label {
    name: "cause",
    meaning: "docs/causes.md; which of them a type can have differs",
    values: || causes(Cause::activates),
};

pub(super) const DEACTIVATING: Label = Label {
    name: "cause",
    meaning: "docs/causes.md; which of them a type can have differs",
    values: || causes(Cause::deactivates),
};

pub(super) const DESTROYING: Label = Label {
    name: "cause",
    meaning: "`unknown`: concluded from what came later",
    values: || vec![Cause::ReferenceDropped.name(), UNKNOWN_CAUSE],
};

pub(super) const STAGE: Label = Label {
    name: "stage",
    meaning: "`queue`: waits for the kernel's one thread; `unlist`: taken off the list of all; \
              `exits`: protocols and devices clean up; `end`: the rest (docs/teardown.md)",
    values: || STAGES.to_vec(),
};

pub(super) const REASON: Label = Label {
    name: "reason",
    meaning: "",
    values: || Reason::ALL.map(Reason::name).to_vec(),
};

pub(super) const RULE: Label = Label {
    name: "rule",
    meaning: "docs/rules.md",
    values: || Rule::ALL.map(Rule::name).to_vec(),
};

pub(super) const LOSS: Label = Label {
    name: "cause",
    meaning: "`ring_full`: nslife did not read fast enough; `map_full`: more namespaces or tasks \
              than there is room for; `read_failed`: kernel memory that could not be read; \
              `recursion`: runs that the kernel skipped; `undecodable`: records that made no sense",
    values: || Loss::OF_THE_ENGINE.map(Loss::name).to_vec(),
};

pub(super) const FIELD: Label = Label {
    name: "field",
    meaning: "what of a namespace was wrong in the picture",
    values: || Field::ALL.map(Field::name).to_vec(),
};

pub(super) const HOOK_STATE: Label = Label {
    name: "state",
    meaning: "",
    values: || vec![ATTACHED, NOT_NEEDED, MISSING],
};

pub(super) const HOOK: Label = Label {
    name: "hook",
    meaning: "only those that this kernel calls for; `nslife doctor` says what each is for",
    values: || plan::HOOKS.iter().map(|hook| hook.name).collect(),
};

pub(super) const NAMESPACE: Label = Label {
    name: "namespace",
    meaning: "its inode number, as `ls -l /proc/PID/ns` shows it",
    values: Vec::new,
};

pub(super) const CREATOR: Label = Label {
    name: "creator",
    meaning: "the command that made it, with what no terminal should be sent escaped; empty if \
              nslife did not see that",
    values: Vec::new,
};

pub(super) const VERSION: Label = Label {
    name: "version",
    meaning: "",
    values: || vec![version::NUMBER],
};

pub(super) const REVISION: Label = Label {
    name: "revision",
    meaning: "the git commit, or `unknown`",
    values: Vec::new,
};

pub(super) const EBPF_OBJECT: Label = Label {
    name: "ebpf_object",
    meaning: "the start of the SHA-256 of the kernel programs",
    values: Vec::new,
};

/// The causes that do this, and that none is known.
fn causes(does: fn(Cause) -> bool) -> Vec<&'static str> {
    let known = Cause::ALL.into_iter().filter(|&cause| does(cause));
    known.map(Cause::name).chain([UNKNOWN_CAUSE]).collect()
}

/// Declares sets of labels.
macro_rules! label_sets {
    ($($name:ident { $($label:ident),+ })+) => {
        $(
            #[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
            pub(super) struct $name {
                $(pub(super) $label: &'static str,)+
            }
        )+
    };
}

label_sets! {
    OfType { ns_type }
    OfTypeCause { ns_type, cause }
    OfTypeAge { ns_type, over }
    OfTypeErrno { ns_type, errno }
    OfTypeField { ns_type, field }
    OfTypeRank { ns_type, rank }
    OfTypeState { ns_type, state }
    OfReason { reason }
    OfCause { cause }
    OfRule { rule }
    OfState { state }
    OfHook { hook }
    OfStage { stage }
    OfMap { map }
}

/// The set of labels of a type of namespaces.
pub(super) const fn of_type(kind: NsKind) -> OfType {
    OfType {
        ns_type: kind.name(),
    }
}

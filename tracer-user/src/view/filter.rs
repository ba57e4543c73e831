//! Which transitions somebody asked to see.

use std::{collections::BTreeSet, fmt, str::FromStr};

use tracer_common::kind::{NsKind, Slot};

use super::switch::{changed, holds};
use crate::engine::Notice;
use crate::model::{
    Chain, ChainLink, InitStep, Lifecycle, Namespace, NsId, Nsproxy, TaskEnd, Transition, What,
};

/// What a line of a trace can report: the `event` of its JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EventName {
    /// A step in the life of a namespace.
    Namespace(Lifecycle),
    /// A namespace could not be made.
    CreateFailed,
    /// Owners were pulled along.
    Chain,
    /// The init of a pid namespace is on its way out.
    Init(InitStep),
    /// A task changed its nsproxy.
    Switched,
    /// An nsproxy is no more.
    NsproxyFreed,
    /// Network namespaces were cleaned up.
    NetCleanup,
    /// The kernel broke a rule of its own.
    Violation,
    /// Records were lost.
    Lost,
    /// The picture was renewed by a walk.
    Resync,
    /// A task left its namespaces and handed its children over.
    Exited,
    /// A task was reaped.
    Reaped,
}

impl EventName {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Namespace(Lifecycle::Created),
        Self::Namespace(Lifecycle::Activated),
        Self::Namespace(Lifecycle::Deactivated),
        Self::Namespace(Lifecycle::Resurrected),
        Self::Namespace(Lifecycle::Destroyed),
        Self::Namespace(Lifecycle::Freed),
        Self::CreateFailed,
        Self::Chain,
        Self::Init(InitStep::Dying),
        Self::Init(InitStep::Dead),
        Self::Switched,
        Self::NsproxyFreed,
        Self::NetCleanup,
        Self::Violation,
        Self::Lost,
        Self::Resync,
        Self::Exited,
        Self::Reaped,
    ];

    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace(step) => step.name(),
            Self::CreateFailed => "create_failed",
            Self::Chain => "chain",
            Self::Init(step) => step.name(),
            Self::Switched => "switched",
            Self::NsproxyFreed => "nsproxy_freed",
            Self::NetCleanup => "net_cleanup",
            Self::Violation => "violation",
            Self::Lost => "lost",
            Self::Resync => "resync",
            Self::Exited => "exited",
            Self::Reaped => "reaped",
        }
    }

    /// The name of what a transition reports.
    pub const fn of(transition: &Transition) -> Self {
        match &transition.what {
            What::Namespace { step, .. } => Self::Namespace(*step),
            What::Failed(_) => Self::CreateFailed,
            What::Chain(_) => Self::Chain,
            What::Init { step, .. } => Self::Init(*step),
            What::Switched(_) => Self::Switched,
            What::NsproxyFreed(_) => Self::NsproxyFreed,
            What::NetCleanup(_) => Self::NetCleanup,
            What::Violation(_) => Self::Violation,
            What::TaskEnd(end) => match **end {
                TaskEnd::Exited { .. } => Self::Exited,
                TaskEnd::Reaped { .. } => Self::Reaped,
            },
        }
    }

    /// The name of what a notice reports.
    pub const fn of_notice(notice: &Notice) -> Self {
        match notice {
            Notice::Lost { .. } => Self::Lost,
            Notice::Resync { .. } => Self::Resync,
        }
    }

    /// Whether this is about the end of a task, of which nothing is said to
    /// who does not ask for it by name.
    pub const fn is_task_end(self) -> bool {
        matches!(self, Self::Exited | Self::Reaped)
    }
}

/// A namespace as a person names it: the number under `/proc/PID/ns`, or the
/// id that nslife shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NsNumber {
    /// An inode number.
    Inum(u32),
    /// An id.
    Id(NsId),
}

impl NsNumber {
    /// The lowest inode number of any namespace. The two kinds of number
    /// never meet: ids are always below.
    pub const FIRST_INUM: u64 = 0xEFFF_FFF8;

    /// Whether it is this one's.
    pub fn is(self, ns: &Namespace) -> bool {
        match self {
            Self::Inum(inum) => ns.inum == inum,
            Self::Id(id) => ns.id == id,
        }
    }

    fn is_in(self, nsproxy: &Nsproxy, slot: Slot) -> bool {
        match self {
            Self::Inum(inum) => nsproxy.inums[slot as usize] == Some(inum),
            Self::Id(id) => nsproxy.namespaces[slot as usize] == Some(id),
        }
    }
}

/// Why a text does not name a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not the number of a namespace: give the inode number that `ls -l /proc/PID/ns` shows or an id that `nslife list` shows, in decimal or with 0x"
)]
pub struct NotANamespace;

impl FromStr for NsNumber {
    type Err = NotANamespace;

    fn from_str(text: &str) -> Result<Self, NotANamespace> {
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => text.parse(),
        };
        match number.map_err(|_| NotANamespace)? {
            0 => Err(NotANamespace),
            id if id < Self::FIRST_INUM => Ok(Self::Id(NsId(id))),
            inum => u32::try_from(inum)
                .map(Self::Inum)
                .map_err(|_| NotANamespace),
        }
    }
}

impl fmt::Display for NsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inum(inum) => write!(f, "{inum}"),
            Self::Id(NsId(id)) => write!(f, "{id}"),
        }
    }
}

/// The filters of the command line. Each admits everything when it is empty,
/// and all must admit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Namespace types. A switch belongs to the types that it changed; an
    /// exit, and the end of an nsproxy, to those of the namespaces left that
    /// are not initial ones. The end of a task, which nobody sees who does not
    /// ask for it, belongs to all.
    pub kinds: Vec<NsKind>,
    /// Events.
    pub events: Vec<EventName>,
    /// One namespace. A switch is about the namespaces that it left and
    /// took up.
    pub ns: Option<NsNumber>,
    /// The initial namespaces, which everybody is in and nobody asks about
    /// by type.
    pub initial: BTreeSet<NsId>,
}

impl Filter {
    /// Whether an event of this name is asked for.
    pub fn wants_event(&self, name: EventName) -> bool {
        self.events.is_empty() || self.events.contains(&name)
    }

    /// Whether this transition is asked for.
    pub fn wants(&self, transition: &Transition) -> bool {
        self.wants_step(transition)
            && self.wants_kind(&transition.what)
            && self.ns.is_none_or(|ns| concerns(&transition.what, ns))
    }

    /// Who asks for a step asks for the chains that consist of it, too.
    fn wants_step(&self, transition: &Transition) -> bool {
        let is_wanted = |link: &ChainLink| self.wants_event(EventName::Namespace(link.step));
        self.wants_event(EventName::of(transition))
            || matches!(&transition.what, What::Chain(chain) if chain.links.iter().any(is_wanted))
    }

    fn wants_kind(&self, what: &What) -> bool {
        let asked = |slot: Slot| self.kinds.contains(&slot.kind());
        self.kinds.is_empty()
            || match what {
                What::Namespace { ns, .. } | What::Init { ns, .. } => self.kinds.contains(&ns.kind),
                What::Failed(failure) => self.kinds.contains(&failure.kind),
                What::Chain(chain) => concerned(chain).any(|ns| self.kinds.contains(&ns.kind)),
                What::Switched(switch) => match &switch.to {
                    Some(to) => changed(&switch.from, to).any(asked),
                    None => holds(&switch.from, &self.initial).any(asked),
                },
                What::NsproxyFreed(nsproxy) => holds(nsproxy, &self.initial).any(asked),
                What::NetCleanup(_) => self.kinds.contains(&NsKind::Net),
                // One of a task without an nsproxy is of no type.
                What::Violation(violation) => match (&violation.namespace, &violation.nsproxy) {
                    (Some(ns), _) => self.kinds.contains(&ns.kind),
                    (None, Some(nsproxy)) => holds(nsproxy, &self.initial).any(asked),
                    (None, None) => true,
                },
                What::TaskEnd(_) => true,
            }
    }
}

/// The namespaces that a chain is about.
pub(super) fn concerned(chain: &Chain) -> impl Iterator<Item = &Namespace> {
    std::iter::once(&chain.namespace).chain(chain.links.iter().map(|link| &link.ns))
}

fn concerns(what: &What, wanted: NsNumber) -> bool {
    match what {
        What::Namespace { ns, .. } | What::Init { ns, .. } => wanted.is(ns),
        What::Chain(chain) => concerned(chain).any(|ns| wanted.is(ns)),
        What::Switched(switch) => match &switch.to {
            Some(to) => changed(&switch.from, to)
                .any(|slot| wanted.is_in(&switch.from, slot) || wanted.is_in(to, slot)),
            None => in_any_slot(wanted, &switch.from),
        },
        What::NsproxyFreed(nsproxy) => in_any_slot(wanted, nsproxy),
        // One is about all of them together, the other about none that there is.
        What::NetCleanup(_) | What::Failed(_) => false,
        What::Violation(violation) => {
            violation.namespace.as_ref().is_some_and(|ns| wanted.is(ns))
                || violation
                    .nsproxy
                    .as_ref()
                    .is_some_and(|nsproxy| in_any_slot(wanted, nsproxy))
        }
        What::TaskEnd(_) => true,
    }
}

fn in_any_slot(wanted: NsNumber, nsproxy: &Nsproxy) -> bool {
    Slot::ALL
        .into_iter()
        .any(|slot| wanted.is_in(nsproxy, slot))
}

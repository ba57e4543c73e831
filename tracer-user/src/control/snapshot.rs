//! The picture as it goes over the socket.

use serde::{Deserialize, Serialize};

use crate::{
    engine::{Engine, Limits},
    model::{Namespace, NsId, People, audit::Findings},
    view::clock::boottime,
};

/// Everything that is known at one moment. Times are `CLOCK_BOOTTIME`
/// nanoseconds, which mean the same to every process until the next boot.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Release of the kernel.
    pub kernel: String,
    /// When the picture was taken.
    pub taken_at: u64,
    /// Since when everything is seen: what happened before has no time.
    /// `None` if this is a single look.
    pub watching_since: Option<u64>,
    /// The process that looked.
    pub pid: u32,
    /// What the last walk could not show.
    pub limits: Limits,
    /// All namespaces, in no particular order.
    pub namespaces: Vec<Namespace>,
    /// Tasks that are worth naming, by the namespace that they are in.
    pub people: Vec<(NsId, People)>,
}

impl Snapshot {
    /// The picture that this engine has now.
    pub fn take(engine: &Engine, watching_since: Option<u64>) -> Self {
        Self {
            kernel: release(),
            taken_at: boottime(),
            watching_since,
            pid: std::process::id(),
            limits: engine.limits().clone(),
            namespaces: engine.tracker().namespaces().collect(),
            people: engine
                .tracker()
                .people()
                .map(|(id, people)| (id, people.clone()))
                .collect(),
        }
    }
}

impl Snapshot {
    /// Its namespaces by type, the initial ones first, then by number.
    pub fn in_order(&self) -> Vec<Namespace> {
        let mut all = self.namespaces.clone();
        all.sort_by_key(|ns| (ns.kind, !ns.initial, ns.inum, ns.id));
        all
    }
}

/// What an audit of the daemon has found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Audited {
    /// Release of the kernel.
    pub kernel: String,
    /// The process that was audited.
    pub pid: u32,
    /// What was found, and has been put right.
    pub findings: Findings,
}

impl Audited {
    /// What was found in this process.
    pub fn new(findings: Findings) -> Self {
        Self {
            kernel: release(),
            pid: std::process::id(),
            findings,
        }
    }
}

/// The release of the kernel, as `uname -r` shows it.
pub fn release() -> String {
    let system = rustix::system::uname();
    system.release().to_string_lossy().into_owned()
}

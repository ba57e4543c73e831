//! The JSON of `nslife`, version 1, as `docs/schema/` describes it.
//!
//! Fields may be added, never changed or removed. Times are RFC 3339 in UTC
//! with nanoseconds, pids are those of the initial pid namespace, and `null`
//! means "not known" or "this kernel has none", never zero.

mod audit;
mod list;
mod task;
mod trace;
mod write;

use serde::Serialize;

use super::{
    clock::{Clock, rfc3339},
    escape::lossy,
};
use crate::model::{Actor, Contributors, Creator, Namespace, People, Person, Reaper};

pub use audit::{AuditJson, CheckJson, DriftJson, audit};
pub use list::list;
pub use trace::{Notice, Record, notice, transition};
pub use write::{write_line, write_pretty};

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// A namespace (`docs/schema/namespace.schema.json`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NamespaceJson {
    /// Its identity in every output of this run (and, where `ns_id` is not
    /// null, everywhere).
    pub id: u64,
    /// The kernel's own 64-bit id.
    pub ns_id: Option<u64>,
    /// Its type, as under `/proc/PID/ns`.
    pub ns_type: &'static str,
    /// Its inode number.
    pub inum: u32,
    /// `active`, `inactive` or `destroyed`.
    pub state: &'static str,
    /// When it came to be in that state, if nslife saw that.
    pub since: Option<String>,
    /// Reference count.
    pub ref_count: Option<u32>,
    /// Active count.
    pub active_count: Option<u32>,
    /// When the two counts were read.
    pub counts_at: Option<String>,
    /// What keeps it active; `None` for an initial namespace, which nothing
    /// has to.
    pub active_because: Option<ContributorsJson>,
    /// Superblocks of procfs that show a pid namespace.
    pub procfs_mounts: Option<u32>,
    /// Whether the kernel was born with it.
    pub initial: bool,
    /// Id of the owning user namespace.
    pub owner: Option<u64>,
    /// Id of the parent (pid and user namespaces).
    pub parent: Option<u64>,
    /// The uid that created a user namespace.
    pub owner_uid: Option<u32>,
    /// Depth of a pid or user namespace.
    pub level: Option<u32>,
    /// Threads in it when last walked.
    pub tasks: Option<u32>,
    /// How many of them had exited and were not reaped.
    pub zombies: Option<u32>,
    /// What became of a pid namespace's init.
    pub init: Option<ReaperJson>,
    /// When it was created, if nslife saw that.
    pub created_at: Option<String>,
    /// Who created it, if nslife saw that.
    pub creator: Option<CreatorJson>,
}

/// What became of the init of a pid namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReaperJson {
    /// `dying` or `dead`.
    pub state: &'static str,
    /// Since when it is dying, if nslife saw that.
    pub since: Option<String>,
}

/// A namespace in a list, with the tasks that are worth naming.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ListedJson {
    /// The namespace.
    #[serde(flatten)]
    pub namespace: NamespaceJson,
    /// The first task of a pid namespace.
    pub init_task: Option<InitJson>,
    /// Who is left while that is dying.
    pub left: Option<LeftJson>,
    /// Tasks that have exited and are not reaped: the first ones.
    pub unreaped: Vec<PersonJson>,
    /// How many of its type were destroyed before it and are not freed yet;
    /// `None` unless it is destroyed and nslife saw that.
    pub before: Option<u32>,
}

/// The init of a pid namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InitJson {
    /// The task.
    #[serde(flatten)]
    pub task: TaskJson,
    /// Its pid at each level, from the initial namespace down.
    pub numbers: Vec<u32>,
}

/// Who is left in a pid namespace whose init is dying.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LeftJson {
    /// How many.
    pub count: u32,
    /// The first ones.
    pub tasks: Vec<PersonJson>,
}

/// A task, and what it waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PersonJson {
    /// The task.
    #[serde(flatten)]
    pub task: TaskJson,
    /// The letter that `ps` shows for what it is doing.
    pub state: char,
    /// Who is to reap or to continue it.
    pub waits_for: Option<TaskJson>,
}

/// What keeps a namespace active.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ContributorsJson {
    /// Pointers in nsproxies.
    pub nsproxies: u32,
    /// Tasks with their real credentials in it.
    pub creds: u32,
    /// Pids of which it is the deepest namespace.
    pub pids: u32,
    /// Inodes of nsfs.
    pub nsfs: u32,
    /// Active namespaces that it owns.
    pub owned: u32,
}

impl From<Contributors> for ContributorsJson {
    fn from(because: Contributors) -> Self {
        let Contributors {
            nsproxies,
            creds,
            pids,
            nsfs,
            owned,
        } = because;
        Self {
            nsproxies,
            creds,
            pids,
            nsfs,
            owned,
        }
    }
}

/// A task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TaskJson {
    /// The thread.
    pub pid: u32,
    /// Its thread group.
    pub tgid: u32,
    /// Its command name; bytes that are not UTF-8 are U+FFFD.
    pub comm: String,
}

/// The creator of a namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CreatorJson {
    /// The task that asked for it.
    #[serde(flatten)]
    pub task: TaskJson,
    /// Its cgroup on the unified hierarchy.
    pub cgroup_id: Option<u64>,
}

/// Who looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A daemon, which has been watching.
    Daemon,
    /// nslife itself, once.
    Walk,
}

/// `nslife list --output json` (`docs/schema/list.schema.json`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ListJson<'a> {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Kernel release.
    pub kernel: &'a str,
    /// Who looked.
    pub source: Source,
    /// Since when the daemon has been watching.
    pub watching_since: Option<String>,
    /// When the picture was taken.
    pub taken_at: String,
    /// How long that took.
    pub walk_seconds: f64,
    /// Whether every namespace is in it (but for those filtered out).
    pub complete: bool,
    /// What is missing or only partly known, one sentence each.
    pub incomplete_because: &'a [String],
    /// The namespaces.
    pub namespaces: Vec<ListedJson>,
}

/// A namespace as JSON.
pub fn namespace(ns: &Namespace, clock: &Clock) -> NamespaceJson {
    let read = ns.counts.refs.is_some() || ns.counts.active.is_some();
    NamespaceJson {
        id: ns.id.0,
        ns_id: ns.ns_id,
        ns_type: ns.kind.name(),
        inum: ns.inum,
        state: ns.state.name(),
        since: ns.since.map(|at| rfc3339(clock.wall(at))),
        ref_count: ns.counts.refs,
        active_count: ns.counts.active,
        counts_at: read.then(|| rfc3339(clock.wall(ns.counts.at))),
        active_because: (!ns.initial).then(|| ns.because.into()),
        procfs_mounts: ns.procfs,
        initial: ns.initial,
        owner: ns.owner.map(|id| id.0),
        parent: ns.parent.map(|id| id.0),
        owner_uid: ns.owner_uid,
        level: ns.level,
        tasks: ns.tasks,
        zombies: ns.zombies,
        init: ns.reaper.map(|reaper| reaper_json(reaper, clock)),
        created_at: ns.created_at.map(|at| rfc3339(clock.wall(at))),
        creator: ns.creator.as_ref().map(creator),
    }
}

/// A namespace as JSON, with the tasks that are worth naming, and how many
/// stand [before](super::waiting::before) it.
pub fn listed(
    ns: &Namespace,
    people: Option<&People>,
    before: Option<u32>,
    clock: &Clock,
) -> ListedJson {
    let all = |people: &[Person]| people.iter().map(person).collect();
    let is_dying = matches!(ns.reaper, Some(Reaper::Dying { .. }));
    ListedJson {
        namespace: namespace(ns, clock),
        init_task: people
            .and_then(|people| people.init.as_ref())
            .map(|init| InitJson {
                task: task(&init.task),
                numbers: init.numbers.clone(),
            }),
        left: people.filter(|_| is_dying).map(|people| LeftJson {
            count: people.left_count,
            tasks: all(&people.left),
        }),
        unreaped: people
            .map(|people| all(&people.zombies))
            .unwrap_or_default(),
        before,
    }
}

fn reaper_json(reaper: Reaper, clock: &Clock) -> ReaperJson {
    let (state, since) = match reaper {
        Reaper::Dying { began } => ("dying", began),
        Reaper::Dead => ("dead", None),
    };
    ReaperJson {
        state,
        since: since.map(|at| rfc3339(clock.wall(at))),
    }
}

fn person(person: &Person) -> PersonJson {
    PersonJson {
        task: task(&person.task),
        state: person.state.letter(),
        waits_for: person.waits_for.as_ref().map(task),
    }
}

/// A task as JSON.
pub fn task(actor: &Actor) -> TaskJson {
    TaskJson {
        pid: actor.pid,
        tgid: actor.tgid,
        comm: lossy(&actor.comm),
    }
}

fn creator(creator: &Creator) -> CreatorJson {
    CreatorJson {
        task: task(&creator.task),
        cgroup_id: (creator.cgroup != 0).then_some(creator.cgroup),
    }
}

//! The picture that events have made, against the one that a walk alone makes.

use hashbrown::HashMap;
use tracer_common::kind::NsKind;

use super::super::audit::{Difference, Field, Sample, Seen, Value};
use super::super::{Contributors, Key, State, Walk};
use super::Tracker;
use super::entry::{Entry, NsHandle};

impl Tracker {
    /// Compares the picture with what a walk found, and changes nothing. The
    /// walk is one that was not merged, and what was written to the ring buffer
    /// until it began has been applied.
    ///
    /// Absence proves something only where the walk would have met the object
    /// for certain.
    pub fn compare(&self, walk: &Walk) -> Sample {
        let mut kernel = Self::new(self.config);
        kernel.merge(walk, &mut Vec::new());
        let mut comparison = Comparison {
            picture: self,
            kernel: &kernel,
            walk,
            creds: credentials(walk),
            found: Vec::new(),
        };
        let mut compared = 0;
        for theirs in kernel.namespaces.values() {
            let ours = self.known_at(&theirs.identity);
            let ours = ours.and_then(|handle| self.namespaces.get(handle));
            compared += usize::from(lives(theirs));
            match ours {
                Some(ours) if lives(theirs) => comparison.both(ours, theirs),
                None if lives(theirs) => comparison.unknown(theirs),
                Some(ours) if lives(ours) => comparison.over(ours, theirs),
                _ => {}
            }
        }
        for ours in self.namespaces.values().filter(|entry| lives(entry)) {
            if kernel.known_at(&ours.identity).is_none() {
                comparison.unmet(ours);
            }
        }
        Sample {
            started_at: walk.started_at,
            compared,
            differences: comparison.found,
        }
    }
}

/// Whether it is known, and has references.
fn lives(entry: &Entry) -> bool {
    matches!(entry.state(), Some(State::Active | State::Inactive))
}

/// How many tasks have their real credentials in each user namespace: counted
/// one by one here, not taken over from the kernel programs.
fn credentials(walk: &Walk) -> HashMap<Key, u32> {
    let mut creds = HashMap::new();
    for key in walk.tasks.iter().filter_map(|task| task.user_ns) {
        *creds.entry(key).or_default() += 1;
    }
    creds
}

struct Comparison<'a> {
    picture: &'a Tracker,
    /// What the walk alone tells.
    kernel: &'a Tracker,
    walk: &'a Walk,
    creds: HashMap<Key, u32>,
    found: Vec<Seen>,
}

impl Comparison<'_> {
    /// The kernel has one that the picture has not.
    fn unknown(&mut self, theirs: &Entry) {
        let other = self.picture.by_key.get(&theirs.identity.key);
        let other = other.and_then(|&handle| self.picture.namespaces.get(handle));
        let heard_at = other.map_or(0, |other| other.last_seen);
        self.differ(
            theirs,
            heard_at,
            Field::Existence,
            Value::Absent,
            theirs.state(),
        );
    }

    /// The picture has one that the walk did not meet: the kernel does not have
    /// it, or else no task is in it.
    fn unmet(&mut self, ours: &Entry) {
        if self.walk.all_of[ours.identity.kind as usize] {
            self.known(ours, Field::Existence, ours.state(), Value::Absent);
        } else if self.walk.all_tasks && !ours.is_initial() {
            self.known(ours, Field::Nsproxies, ours.because.nsproxies, 0);
            let field = match ours.identity.kind {
                NsKind::User => Field::Creds,
                NsKind::Pid => Field::Pids,
                _ => return,
            };
            self.known(ours, field, ours.tasks.hold(), false);
        }
    }

    /// The kernel is about to free one that the picture takes to be in use.
    fn over(&mut self, ours: &Entry, theirs: &Entry) {
        if theirs.ns.is_some() {
            self.known(ours, Field::State, ours.state(), theirs.state());
        }
    }

    /// Both have it.
    fn both(&mut self, ours: &Entry, theirs: &Entry) {
        for (field, picture, kernel) in [
            (Field::Owner, ours.owner, theirs.owner),
            (Field::Parent, ours.parent, theirs.parent),
        ] {
            let picture = inum_of(self.picture, picture);
            self.known(ours, field, picture, inum_of(self.kernel, kernel));
        }
        if ours.is_initial() {
            return;
        }
        if self.state_is_proven(ours, theirs) {
            self.known(ours, Field::State, ours.state(), theirs.state());
        }
        self.contributors(ours, theirs);
        if ours.identity.kind == NsKind::Pid {
            if self.walk.all_tasks {
                let init = |entry: &Entry| Value::from(entry.ns.and_then(|ns| ns.reaper));
                self.known(ours, Field::Init, init(ours), init(theirs));
            }
            if self.walk.all_superblocks {
                self.known(ours, Field::Procfs, ours.procfs, theirs.procfs);
            }
        }
    }

    /// What keeps a namespace active that is not initial.
    fn contributors(&mut self, ours: &Entry, theirs: &Entry) {
        self.known(ours, Field::Nsfs, ours.because.nsfs, theirs.because.nsfs);
        let (picture, kernel) = (ours.because.owned, theirs.because.owned);
        if self.walk.is_complete() {
            self.known(ours, Field::Owned, picture, kernel);
        }
        if !self.walk.all_tasks {
            return;
        }
        let (picture, kernel) = (ours.because.nsproxies, theirs.because.nsproxies);
        self.known(ours, Field::Nsproxies, picture, kernel);
        let creds = self.creds.get(&ours.identity.key).copied().unwrap_or(0);
        if self.picture.config.kernel_counts {
            self.sum(ours, theirs, creds);
            return;
        }
        match ours.identity.kind {
            NsKind::User => self.known(ours, Field::Creds, ours.tasks.hold(), creds > 0),
            NsKind::Pid => {
                let (picture, kernel) = (ours.tasks.hold(), theirs.tasks.hold());
                self.known(ours, Field::Pids, picture, kernel);
            }
            _ => {}
        }
    }

    /// Where the kernel counts, all contributors together are its number. How
    /// many credentials and pids there are no event says, so those are as the
    /// walk has them. A number below zero is a broken rule, and said as such.
    fn sum(&mut self, ours: &Entry, theirs: &Entry, creds: u32) {
        let count = theirs.ns.and_then(|ns| ns.counts.active);
        let Some(count) = count.filter(|count| count.cast_signed() >= 0) else {
            return;
        };
        let Contributors {
            nsproxies,
            nsfs,
            owned,
            ..
        } = ours.because;
        let pids = self.kernel.contributors(theirs).pids;
        let tasks = match ours.identity.kind {
            NsKind::User => creds,
            NsKind::Pid => pids,
            _ => 0,
        };
        let sum = [nsproxies, nsfs, owned, tasks].into_iter();
        let sum = sum.fold(0, u32::saturating_add);
        self.known(ours, Field::ActiveCount, sum, count);
    }

    /// Whether the walk alone can tell its state: where that follows from
    /// contributors, an owned namespace that only the picture has may be one
    /// that the walk cannot meet.
    fn state_is_proven(&self, ours: &Entry, theirs: &Entry) -> bool {
        self.picture.config.kernel_counts
            || self.walk.is_complete()
            || (self.walk.all_tasks && ours.because.owned <= theirs.because.owned)
    }

    /// Compares something of a namespace that the picture has.
    fn known(
        &mut self,
        ours: &Entry,
        field: Field,
        picture: impl Into<Value>,
        kernel: impl Into<Value>,
    ) {
        self.differ(ours, ours.last_seen, field, picture, kernel);
    }

    fn differ(
        &mut self,
        about: &Entry,
        heard_at: u64,
        field: Field,
        picture: impl Into<Value>,
        kernel: impl Into<Value>,
    ) {
        let (picture, kernel) = (picture.into(), kernel.into());
        let (Some(ns), true) = (&about.ns, picture != kernel) else {
            return;
        };
        self.found.push(Seen {
            key: about.identity.key,
            difference: Difference {
                kind: ns.kind,
                inum: Some(ns.inum),
                // Where the kernel gives none, only the picture's own numbers
                // mean something.
                id: (picture != Value::Absent || ns.ns_id.is_some()).then_some(ns.id),
                field,
                picture,
                kernel,
            },
            heard_at,
        });
    }
}

/// The inode number of an owner or a parent.
fn inum_of(tracker: &Tracker, relative: Option<NsHandle>) -> Value {
    relative
        .and_then(|handle| tracker.namespaces.get(handle)?.identity.inum)
        .map_or(Value::Absent, |inum| Value::Inum(inum.get()))
}

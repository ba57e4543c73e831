//! What the tracker says, one rule at a time.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod causes;
mod contributors;
mod counts;
mod discovery;
mod dying;
mod identity;
mod initial;
mod inodes;
mod lives;
mod nsproxies;
mod parents;
mod procfs;
mod rules;
mod standing;
mod tasks;
mod teardown;
mod types;
mod users;
mod walks;

use std::num::NonZeroU64;

use support::{ACTOR, COUNTS, IDS, INITIAL, Ns, OLD, World};
use tracer_common::event::Reason;
use tracer_common::kind::{NsKind, Slot};
use tracer_core::model::{Body, Errno, Key, NsFacts, NsId, NsproxyFacts, State, What};

const NOTHING: [&str; 0] = [];

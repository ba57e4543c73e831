//! Whose namespaces they are: how many count against the limits of a user in
//! the initial user namespace (`user.max_*_namespaces`).
//!
//! The kernel (`inc_ucount`) counts a namespace with the user who made it, in
//! the user namespace that owns it, and with the maker of that one, in the one
//! above, and so on up. What the initial one counts is therefore with whoever
//! made the uppermost user namespace on that way.

use std::cmp::Reverse;

use hashbrown::HashMap;
use tracer_common::kind::NsKind;

use super::Tracker;
use super::entry::Entry;

/// User namespaces nest no deeper than 33 (`create_user_ns`).
const DEEPEST: usize = 40;

/// Who made what the initial user namespace itself owns. The kernel counts it
/// with the effective user of the maker, whom nobody tells: it takes
/// `CAP_SYS_ADMIN`, and is root most of the time.
const ROOT: u32 = 0;

/// What one user has of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// The user, as the initial user namespace numbers it.
    pub uid: u32,
    /// How many namespaces count against the user's limit.
    pub namespaces: u64,
}

/// Who has the most.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Users {
    /// By [`NsKind`]: the first ones, the one with the most first.
    pub most: [[Option<Share>; Self::TOLD]; NsKind::COUNT],
}

impl Users {
    /// How many users of each type are told of.
    pub const TOLD: usize = 3;
}

impl Tracker {
    /// Who has the most; goes through all namespaces. Those of which it is not
    /// known who owns them are left out.
    pub fn users(&self) -> Users {
        let mut counts: [HashMap<u32, u64>; NsKind::COUNT] = Default::default();
        for entry in self.namespaces.values() {
            if entry.ns.is_some()
                && !entry.is_initial()
                && let Some(uid) = self.account_of(entry)
            {
                *counts[entry.identity.kind as usize].entry(uid).or_default() += 1;
            }
        }
        let mut users = Users::default();
        for (most, counts) in users.most.iter_mut().zip(counts) {
            let shares = counts.into_iter();
            let mut shares: Vec<_> = shares
                .map(|(uid, namespaces)| Share { uid, namespaces })
                .collect();
            shares.sort_unstable_by_key(|share| (Reverse(share.namespaces), share.uid));
            for (place, share) in most.iter_mut().zip(shares) {
                *place = Some(share);
            }
        }
        users
    }

    /// The user with whom the initial user namespace counts this one.
    fn account_of(&self, entry: &Entry) -> Option<u32> {
        let mut uppermost = entry;
        for _ in 0..DEEPEST {
            let owner = self.namespaces.get(uppermost.owner?)?;
            if owner.is_initial() {
                return match uppermost.identity.kind {
                    NsKind::User => uppermost.ns?.owner_uid,
                    _ => Some(ROOT),
                };
            }
            uppermost = owner;
        }
        None
    }
}

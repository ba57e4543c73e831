//! What is counted, by whoever does it, in memory that all share: a process that is killed takes
//! nothing with it that it has already counted.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use tracer_common::kind::NsKind;

use super::{kinds::Kinds, plan::Act};
use crate::sys;

const COUNT: usize = NsKind::COUNT + Act::COUNT + 1;

/// All counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Board(&'static [AtomicU64; COUNT]);

impl Board {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(sys::shared_numbers()?))
    }

    /// A system call that makes namespaces of these types has succeeded.
    pub(super) fn made(self, kinds: Kinds) {
        for kind in kinds.iter() {
            self.0[kind as usize].fetch_add(1, Relaxed);
        }
    }

    /// A step is over.
    pub(super) fn done(self, act: Act) {
        self.0[NsKind::COUNT + act.index()].fetch_add(1, Relaxed);
    }

    /// Something went otherwise than it had to, and nobody waits for who saw it.
    pub(super) fn stumbled(self) {
        self.0[COUNT - 1].fetch_add(1, Relaxed);
    }

    /// How many namespaces of this type there were.
    pub(super) fn namespaces(self, kind: NsKind) -> u64 {
        self.0[kind as usize].load(Relaxed)
    }

    /// How many namespaces there were.
    pub(super) fn total(self) -> u64 {
        NsKind::ALL.map(|kind| self.namespaces(kind)).iter().sum()
    }

    /// How many steps did this.
    pub(super) fn steps(self, act: Act) -> u64 {
        self.0[NsKind::COUNT + act.index()].load(Relaxed)
    }

    pub(super) fn stumbles(self) -> u64 {
        self.0[COUNT - 1].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Cloned, clone};

    #[test]
    fn what_children_count_is_not_lost() {
        let board = Board::new().unwrap();
        match clone(&[]).unwrap() {
            Cloned::Child => {
                board.made(Kinds::of(&[NsKind::Net, NsKind::Uts]));
                std::process::exit(0);
            }
            Cloned::Parent(pid) => {
                rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap();
            }
        }
        board.done(Act::Release);
        assert_eq!((board.namespaces(NsKind::Net), board.total()), (1, 2));
        assert_eq!((board.steps(Act::Release), board.steps(Act::Clone)), (1, 0));
        assert_eq!(board.stumbles(), 0);
    }
}

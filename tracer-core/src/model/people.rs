//! Tasks worth naming: who a pid namespace's init is, who is left while it
//! dies, and who has exited and is not reaped.

use serde::{Deserialize, Serialize};
use tracer_common::walk::PID_LEVELS;

use super::{Actor, WalkTask};

/// The number of a task at each level, from the initial pid namespace down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PidNumbers {
    all: [u32; PID_LEVELS],
    /// Depth of the deepest one.
    level: u8,
}

impl PidNumbers {
    /// The numbers up to this level. `None` if there is no such level.
    pub fn new(all: [u32; PID_LEVELS], level: u32) -> Option<Self> {
        let level = u8::try_from(level).ok()?;
        (usize::from(level) < PID_LEVELS).then_some(Self { all, level })
    }

    /// From the initial namespace down to the deepest one.
    pub fn as_slice(&self) -> &[u32] {
        self.all.get(..=usize::from(self.level)).unwrap_or_default()
    }
}

/// What a task is doing, as `ps` shows it (`fs/proc/array.c`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TaskState {
    /// Running, or ready to.
    Running,
    /// Sleeping, and can be woken by a signal.
    Sleeping,
    /// Sleeping, and cannot.
    Uninterruptible,
    /// Stopped by a signal.
    Stopped,
    /// Stopped by whoever traces it.
    Traced,
    /// Has exited, and waits to be reaped.
    Zombie,
    /// About to be gone.
    Dead,
    /// Parked.
    Parked,
    /// Sleeping uninterruptibly, and not counted as load.
    Idle,
}

impl TaskState {
    /// What `task_struct.__state` and `exit_state` say.
    pub const fn of(state: u32, exit_state: u32) -> Self {
        const TASK_IDLE: u32 = 0x402;
        // The highest bit tells, of both.
        match (state & 0xffff | exit_state) & 0x7f {
            _ if state == TASK_IDLE => Self::Idle,
            0 => Self::Running,
            bits if bits >= 0x40 => Self::Parked,
            bits if bits >= 0x20 => Self::Zombie,
            bits if bits >= 0x10 => Self::Dead,
            bits if bits >= 0x8 => Self::Traced,
            bits if bits >= 0x4 => Self::Stopped,
            bits if bits >= 0x2 => Self::Uninterruptible,
            _ => Self::Sleeping,
        }
    }

    /// The letter that `ps` shows.
    pub const fn letter(self) -> char {
        match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::Uninterruptible => 'D',
            Self::Stopped => 'T',
            Self::Traced => 't',
            Self::Zombie => 'Z',
            Self::Dead => 'X',
            Self::Parked => 'P',
            Self::Idle => 'I',
        }
    }
}

impl WalkTask {
    /// What it was doing when it was met.
    pub const fn doing(&self) -> TaskState {
        TaskState::of(self.state, self.exit_state)
    }
}

/// A task, and what it waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Person {
    /// The task.
    pub task: Actor,
    /// What it is doing.
    pub state: TaskState,
    /// Of one that has exited: who is to reap it, its parent or its tracer, if
    /// that was met, too.
    pub waits_for: Option<Actor>,
}

/// The first task of a pid namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Init {
    /// The task.
    pub task: Actor,
    /// Its pid at each level, from the initial pid namespace down to this one,
    /// where it is 1.
    pub numbers: Vec<u32>,
}

/// The tasks of a namespace that are worth naming, as of the last walk.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct People {
    /// The init of a pid namespace.
    pub init: Option<Init>,
    /// Who is left in a pid namespace whose init is dying, or below it: the
    /// first ones.
    pub left: Vec<Person>,
    /// How many those are in all.
    pub left_count: u32,
    /// Tasks of a user or pid namespace that have exited and are not reaped:
    /// the first ones.
    pub zombies: Vec<Person>,
}

impl People {
    /// Tasks that are named at most.
    pub const NAMED: usize = 16;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_those_of_ps() {
        let letter = |state, exit_state| TaskState::of(state, exit_state).letter();
        // TASK_RUNNING, TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE, TASK_KILLABLE.
        assert_eq!(
            [letter(0, 0), letter(1, 0), letter(2, 0), letter(0x102, 0)],
            ['R', 'S', 'D', 'D']
        );
        // TASK_STOPPED, TASK_TRACED, TASK_IDLE.
        assert_eq!(
            [letter(0x104, 0), letter(0x108, 0), letter(0x402, 0)],
            ['T', 't', 'I']
        );
        // TASK_DEAD with EXIT_ZOMBIE and with EXIT_DEAD.
        assert_eq!([letter(0x80, 0x20), letter(0x80, 0x10)], ['Z', 'X']);
    }

    #[test]
    fn numbers_end_at_their_level() {
        let mut all = [0; PID_LEVELS];
        all[..3].copy_from_slice(&[1234, 7, 1]);
        assert_eq!(PidNumbers::new(all, 2).unwrap().as_slice(), [1234, 7, 1]);
        assert!(PidNumbers::new(all, 32).is_some());
        assert!(PidNumbers::new(all, 33).is_none() && PidNumbers::new(all, 256).is_none());
    }
}

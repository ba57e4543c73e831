//! The eight namespace types and the eight slots of an nsproxy.

/// A namespace type, in the order in which every table of nslife lists them.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum NsKind {
    /// Mount namespace (`struct mnt_namespace`).
    Mnt = 0,
    /// UTS namespace: host and domain name (`struct uts_namespace`).
    Uts = 1,
    /// System V IPC and POSIX message queues (`struct ipc_namespace`).
    Ipc = 2,
    /// User namespace, the owner of all others (`struct user_namespace`).
    User = 3,
    /// Process id namespace (`struct pid_namespace`).
    Pid = 4,
    /// Network namespace (`struct net`).
    Net = 5,
    /// Cgroup namespace (`struct cgroup_namespace`).
    Cgroup = 6,
    /// Time namespace: clock offsets (`struct time_namespace`).
    Time = 7,
}

impl NsKind {
    /// How many types there are.
    pub const COUNT: usize = 8;

    /// All types, in table order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Mnt,
        Self::Uts,
        Self::Ipc,
        Self::User,
        Self::Pid,
        Self::Net,
        Self::Cgroup,
        Self::Time,
    ];

    /// All types, in the order in which a thread that asks for several makes
    /// them: `create_user_ns`, then the calls in `create_new_namespaces`.
    pub const AS_MADE: [Self; Self::COUNT] = [
        Self::User,
        Self::Mnt,
        Self::Uts,
        Self::Ipc,
        Self::Pid,
        Self::Cgroup,
        Self::Net,
        Self::Time,
    ];

    /// The name under `/proc/PID/ns`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mnt => "mnt",
            Self::Uts => "uts",
            Self::Ipc => "ipc",
            Self::User => "user",
            Self::Pid => "pid",
            Self::Net => "net",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// The `CLONE_NEW*` flag, which is also the kernel's own type number
    /// (`ns_common.ns_type`, formerly `proc_ns_operations.type`).
    pub const fn clone_flag(self) -> u32 {
        match self {
            Self::Mnt => 0x0002_0000,
            Self::Uts => 0x0400_0000,
            Self::Ipc => 0x0800_0000,
            Self::User => 0x1000_0000,
            Self::Pid => 0x2000_0000,
            Self::Net => 0x4000_0000,
            Self::Cgroup => 0x0200_0000,
            Self::Time => 0x0000_0080,
        }
    }

    /// The type with this `CLONE_NEW*` flag.
    pub const fn from_clone_flag(flag: u32) -> Option<Self> {
        Some(match flag {
            0x0002_0000 => Self::Mnt,
            0x0400_0000 => Self::Uts,
            0x0800_0000 => Self::Ipc,
            0x1000_0000 => Self::User,
            0x2000_0000 => Self::Pid,
            0x4000_0000 => Self::Net,
            0x0200_0000 => Self::Cgroup,
            0x0000_0080 => Self::Time,
            _ => return None,
        })
    }

    /// The type with this number in an event.
    pub const fn from_u32(raw: u32) -> Option<Self> {
        if raw < Self::COUNT as u32 {
            Some(Self::ALL[raw as usize])
        } else {
            None
        }
    }
}

/// A pointer of `struct nsproxy`. Eight pointers, not eight types: the user
/// namespace lives in the credentials, and pid and time have one slot for
/// what children get (for pid it is the only one).
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    /// `uts_ns`
    Uts = 0,
    /// `ipc_ns`
    Ipc = 1,
    /// `mnt_ns`
    Mnt = 2,
    /// `pid_ns_for_children`
    PidForChildren = 3,
    /// `net_ns`
    Net = 4,
    /// `time_ns`
    Time = 5,
    /// `time_ns_for_children`
    TimeForChildren = 6,
    /// `cgroup_ns`
    Cgroup = 7,
}

impl Slot {
    /// How many pointers an nsproxy has.
    pub const COUNT: usize = 8;

    /// All slots, in the order of `struct nsproxy`.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Uts,
        Self::Ipc,
        Self::Mnt,
        Self::PidForChildren,
        Self::Net,
        Self::Time,
        Self::TimeForChildren,
        Self::Cgroup,
    ];

    /// The type of the namespace in this slot.
    pub const fn kind(self) -> NsKind {
        match self {
            Self::Uts => NsKind::Uts,
            Self::Ipc => NsKind::Ipc,
            Self::Mnt => NsKind::Mnt,
            Self::PidForChildren => NsKind::Pid,
            Self::Net => NsKind::Net,
            Self::Time | Self::TimeForChildren => NsKind::Time,
            Self::Cgroup => NsKind::Cgroup,
        }
    }

    /// The name under `/proc/PID/ns`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PidForChildren => "pid_for_children",
            Self::TimeForChildren => "time_for_children",
            other => other.kind().name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_flags_round_trip() {
        for (index, kind) in NsKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(NsKind::from_u32(index as u32), Some(kind));
            assert_eq!(NsKind::from_clone_flag(kind.clone_flag()), Some(kind));
        }
        assert_eq!(NsKind::from_u32(8), None);
        assert_eq!(NsKind::from_clone_flag(0), None);
        for (index, slot) in Slot::ALL.into_iter().enumerate() {
            assert_eq!(slot as usize, index);
        }
    }
}

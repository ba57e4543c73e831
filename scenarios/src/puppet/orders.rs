//! What a puppet can be told to do.

use std::time::Duration;

use anyhow::Result;
use tracer_common::kind::NsKind;

use super::{File, Order, Puppet, Ran, Reply};
use crate::{
    sys::clone_flags,
    trace::{Namespace, Task},
};

/// A puppet that has children and takes no orders meanwhile.
#[must_use = "it takes no orders until it is done"]
pub(crate) struct Breeding<'p> {
    breeder: &'p Puppet,
    order: Order,
}

impl Breeding<'_> {
    /// Waits until it has had all of them, in at most this time.
    pub(crate) fn end(self, patience: Duration) -> Result<()> {
        self.breeder.channel.limit_patience(patience)?;
        match self.breeder.answer(&self.order)? {
            Reply::Done => Ok(()),
            reply => self.breeder.unexpected(&self.order, &reply),
        }
    }
}

impl Puppet {
    /// Takes new namespaces of these types.
    pub(crate) fn unshare(&self, kinds: &[NsKind]) -> Result<()> {
        self.have_done(&Order::Unshare {
            flags: clone_flags(kinds),
        })
    }

    /// Enters the namespace that a file stands for.
    pub(crate) fn enter(&self, file: File) -> Result<()> {
        self.have_done(&Order::Enter { file: file.0 })
    }

    /// Enters several namespaces of a process at once.
    pub(crate) fn join(&self, pid: u32, kinds: &[NsKind]) -> Result<()> {
        self.have_done(&Order::Join {
            pid,
            flags: clone_flags(kinds),
        })
    }

    /// Opens a file.
    pub(crate) fn open(&self, path: &str) -> Result<File> {
        self.get_file(&Order::Open {
            path: path.to_owned(),
        })
    }

    /// Closes a file.
    pub(crate) fn close(&self, file: File) -> Result<()> {
        self.have_done(&Order::Close { file: file.0 })
    }

    /// Opens the owner of a namespace.
    pub(crate) fn owner_of(&self, namespace: File) -> Result<File> {
        self.get_file(&Order::OwnerOf { file: namespace.0 })
    }

    /// Opens the parent of a pid or user namespace.
    pub(crate) fn parent_of(&self, namespace: File) -> Result<File> {
        self.get_file(&Order::ParentOf { file: namespace.0 })
    }

    /// Opens a network namespace by a file handle that is made of its numbers.
    pub(crate) fn open_by_handle(&self, net: &Namespace) -> Result<File> {
        self.get_file(&Order::OpenByHandle {
            ns_id: net.id,
            inum: net.inum,
        })
    }

    /// Makes a mount namespace out of what is mounted there.
    pub(crate) fn mounts_of_tree(&self, path: &str) -> Result<File> {
        self.get_file(&Order::MountsOfTree {
            path: path.to_owned(),
        })
    }

    /// Makes a mount namespace out of an empty file system.
    pub(crate) fn mounts_of_nothing(&self) -> Result<File> {
        self.get_file(&Order::MountsOfNothing)
    }

    /// Makes a socket in its network namespace.
    pub(crate) fn socket(&self) -> Result<File> {
        self.get_file(&Order::Socket)
    }

    /// Makes a socket in another's network namespace, and comes back.
    pub(crate) fn socket_in(&self, other: &Puppet) -> Result<File> {
        let home = self.open("/proc/self/ns/net")?;
        let away = self.open(&other.link("net"))?;
        self.enter(away)?;
        self.close(away)?;
        let socket = self.socket()?;
        self.enter(home)?;
        self.close(home)?;
        Ok(socket)
    }

    /// Opens the network namespace of a socket.
    pub(crate) fn net_of_socket(&self, socket: File) -> Result<File> {
        self.get_file(&Order::NetOfSocket { file: socket.0 })
    }

    /// Binds one path to another.
    pub(crate) fn bind(&self, source: &str, target: &str) -> Result<()> {
        self.have_done(&Order::Bind {
            source: source.to_owned(),
            target: target.to_owned(),
        })
    }

    /// Mounts an empty file system over a folder.
    pub(crate) fn cover(&self, target: &str) -> Result<()> {
        self.have_done(&Order::Cover {
            target: target.to_owned(),
        })
    }

    /// Mounts the procfs of its pid namespace over a folder.
    pub(crate) fn mount_procfs(&self, target: &str) -> Result<()> {
        self.have_done(&Order::MountProcfs {
            target: target.to_owned(),
        })
    }

    /// Detaches what is mounted there.
    pub(crate) fn unmount(&self, target: &str) -> Result<()> {
        self.have_done(&Order::Unmount {
            target: target.to_owned(),
        })
    }

    /// Lets its mounts be seen by no other mount namespace.
    pub(crate) fn keep_mounts(&self) -> Result<()> {
        self.have_done(&Order::KeepMounts)
    }

    /// Gives its user namespace a root.
    pub(crate) fn map_root(&self) -> Result<()> {
        self.have_done(&Order::MapRoot)
    }

    /// Becomes another user, without capabilities.
    pub(crate) fn set_user(&self, uid: u32) -> Result<()> {
        self.have_done(&Order::SetUser { uid })
    }

    /// Leads a process group of its own.
    pub(crate) fn lead_group(&self) -> Result<()> {
        self.have_done(&Order::JoinGroup { leader: None })
    }

    /// Goes to the process group that another leads.
    pub(crate) fn join_group(&self, leader: &Self) -> Result<()> {
        self.have_done(&Order::JoinGroup {
            leader: Some(leader.pid),
        })
    }

    /// Lets its children vanish when they exit, without being reaped.
    pub(crate) fn ignore_children(&self) -> Result<()> {
        self.have_done(&Order::IgnoreChildren)
    }

    /// Takes in descendants whose parent is gone.
    pub(crate) fn be_subreaper(&self) -> Result<()> {
        self.have_done(&Order::BeSubreaper)
    }

    /// Executes its own program anew. Whichever thread does so is the only one afterwards.
    pub(crate) fn execute(&mut self) -> Result<()> {
        self.channel.send(&Order::Execute, None)?;
        // The new program answers; executing has changed the command name, and the number of a
        // thread that was not the first.
        self.learn_numbers()
    }

    /// Has children, one after the other, which execute a program, or nothing, and exit.
    pub(crate) fn breed(&self, count: u32, program: Option<&str>) -> Result<()> {
        self.have_done(&Order::Breed {
            count,
            flags: 0,
            program: program.map(str::to_owned),
        })
    }

    /// Has children in new namespaces of these types, one after the other, which exit.
    pub(crate) fn breed_into(&self, count: u32, kinds: &[NsKind]) -> Result<()> {
        self.have_done(&Order::Breed {
            count,
            flags: clone_flags(kinds),
            program: None,
        })
    }

    /// Begins what [`Self::breed_into`] does, and does not wait for the end of it.
    pub(crate) fn begin_to_breed(&self, count: u32, kinds: &[NsKind]) -> Result<Breeding<'_>> {
        let order = Order::Breed {
            count,
            flags: clone_flags(kinds),
            program: None,
        };
        self.tell(&order, None)?;
        Ok(Breeding {
            breeder: self,
            order,
        })
    }

    /// Tries to have as many children in new namespaces of these types. Returns what the kernel says
    /// to each; that any comes to be is a failure.
    pub(crate) fn fail_to_fork(&self, count: u32, kinds: &[NsKind]) -> Result<i32> {
        let order = Order::FailToFork {
            count,
            flags: clone_flags(kinds),
        };
        match self.have(&order)? {
            Reply::Errno(errno) => Ok(errno),
            reply => self.unexpected(&order, &reply),
        }
    }

    /// Has as many children in new namespaces of these types, each of which exits while another
    /// enters these. Returns those that got in.
    pub(crate) fn chase(&self, count: u32, kinds: &[NsKind]) -> Result<Vec<Task>> {
        let order = Order::Chase {
            count,
            flags: clone_flags(kinds),
        };
        match self.have(&order)? {
            Reply::Children(pids) => pids.into_iter().map(|pid| self.fork(pid)).collect(),
            reply => self.unexpected(&order, &reply),
        }
    }

    /// A child with this number that is no puppet, as nslife has to call it. That is right if both
    /// are in the initial pid namespace.
    fn fork(&self, pid: i32) -> Result<Task> {
        let pid = pid.try_into()?;
        Ok(Task {
            pid,
            tgid: pid,
            comm: self.name.clone(),
        })
    }

    /// Makes as many namespaces of this type, each kept by an open file, in at most this time.
    pub(crate) fn hoard(&self, kind: NsKind, count: u32, patience: Duration) -> Result<()> {
        self.channel.limit_patience(patience)?;
        self.have_done(&Order::Hoard {
            count,
            flags: clone_flags(&[kind]),
        })
    }

    /// Traces another, and never waits for it.
    pub(crate) fn seize(&self, other: &Self) -> Result<()> {
        self.have_done(&Order::Seize { pid: other.pid })
    }

    /// Runs a program.
    pub(crate) fn run(&self, argv: &[&str]) -> Result<Ran> {
        let order = Order::Run {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
        };
        match self.have(&order)? {
            Reply::Ran(ran) => Ok(ran),
            reply => self.unexpected(&order, &reply),
        }
    }
}

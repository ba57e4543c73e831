//! A puppet's own side: take an order, carry it out, answer.

use std::{
    env,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use rustix::{
    fs::{Mode, OFlags, open},
    mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
    },
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
    process::{Pid, PidfdFlags, WaitOptions, pidfd_open, set_child_subreaper, waitpid},
    thread::{ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces},
};
use tracer_common::kind::NsKind;

use super::{Order, Reply, acts, families};
use crate::{
    channel::Channel,
    sys::{self, Cloned},
};

/// The subcommand that makes a puppet out of this program.
pub(super) const VERB: &str = "puppet";

/// Serves the channel that is standard input, until there is nobody left on the other side.
pub(crate) fn main() -> Result<()> {
    let channel = std::io::stdin().as_fd().try_clone_to_owned()?;
    // The copy alone shall be open, so that the other side notices when it is closed.
    let nothing = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(nothing)?;
    Server::new(channel.into()).serve()
}

struct Server {
    channel: Channel,
    files: Vec<Option<OwnedFd>>,
}

/// Whether an order has an answer.
enum Answer {
    Give(Reply),
    /// Somebody else gives it: the program that this process has become, or nobody.
    Keep,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Give(reply)
    }
}

impl Server {
    fn new(channel: Channel) -> Self {
        Self {
            channel,
            files: Vec::new(),
        }
    }

    fn serve(mut self) -> Result<()> {
        while let Some((order, fd)) = self.channel.receive()? {
            let answer = self
                .obey(order, fd)
                .unwrap_or_else(|error| Reply::Failed(error.into()).into());
            if let Answer::Give(reply) = answer {
                self.channel.send(&reply, None)?;
            }
        }
        Ok(())
    }

    fn obey(&mut self, order: Order, fd: Option<OwnedFd>) -> Result<Answer> {
        let reply = match order {
            Order::Introduce { name } => acts::introduce(&name)?,
            Order::Unshare { flags } => done(sys::unshare(&kinds(flags)))?,
            Order::Clone { flags } => return self.clone_self(flags, fd),
            Order::Thread => {
                let channel = fd.context("a thread needs a channel")?;
                thread::Builder::new().spawn(move || Server::new(channel.into()).serve())?;
                Reply::Done
            }
            Order::Open { path } => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                self.keep(open(&*path, flags, Mode::empty()).context(path)?)
            }
            Order::Close { file } => self.close(file)?,
            Order::Send { file } => {
                let channel = Channel::from(fd.context("sending needs a channel")?);
                channel.send(&(), Some(self.file(file)?.as_fd()))?;
                self.close(file)?
            }
            Order::Receive => {
                let channel = Channel::from(fd.context("receiving needs a channel")?);
                let received = channel.receive::<()>()?.and_then(|((), file)| file);
                self.keep(received.context("there was no file")?)
            }
            Order::Enter { file } => {
                done(move_into_link_name_space(self.file(file)?.as_fd(), None))?
            }
            Order::Join { pid, flags } => {
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                let target = pidfd_open(pid.context("no such number")?, PidfdFlags::empty())?;
                let types = ThreadNameSpaceType::from_bits_retain(flags);
                done(move_into_thread_name_spaces(target.as_fd(), types))?
            }
            Order::Socket => self.keep(socket_with(
                AddressFamily::INET,
                SocketType::DGRAM,
                SocketFlags::CLOEXEC,
                None,
            )?),
            Order::NetOfSocket { file } => {
                let net = sys::net_of_socket(self.file(file)?)?;
                self.keep(net)
            }
            Order::OwnerOf { file } => {
                let owner = sys::owner(self.file(file)?)?;
                self.keep(owner)
            }
            Order::ParentOf { file } => {
                let parent = sys::parent(self.file(file)?)?;
                self.keep(parent)
            }
            Order::OpenByHandle { ns_id, inum } => {
                self.keep(sys::open_by_handle(NsKind::Net, ns_id, inum)?)
            }
            Order::MountsOfTree { path } => self.keep(acts::mounts_of_tree(&path)?),
            Order::MountsOfNothing => self.keep(acts::mounts_of_nothing()?),
            Order::Bind { source, target } => done(mount_bind(source, target))?,
            Order::Cover { target } => {
                done(mount("tmpfs", target, "tmpfs", MountFlags::empty(), None))?
            }
            Order::MountProcfs { target } => {
                done(mount("proc", target, "proc", MountFlags::empty(), None))?
            }
            Order::Unmount { target } => done(unmount(target, UnmountFlags::DETACH))?,
            Order::KeepMounts => done(mount_change(
                "/",
                MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
            ))?,
            Order::MapRoot => done(acts::map_root())?,
            Order::SetUser { uid } => done(acts::set_user(uid))?,
            Order::JoinGroup { leader } => done(acts::join_group(leader))?,
            Order::IgnoreChildren => {
                sys::ignore_children();
                Reply::Done
            }
            // Any number but 0 switches it on.
            Order::BeSubreaper => done(set_child_subreaper(Some(Pid::INIT)))?,
            Order::Execute => return Err(self.execute()),
            Order::Breed {
                count,
                flags,
                program,
            } => done(families::breed(count, &kinds(flags), program.as_deref()))?,
            Order::FailToFork { count, flags } => {
                Reply::Errno(families::fail_to_fork(count, &kinds(flags))?)
            }
            Order::Chase { count, flags } => {
                Reply::Children(families::chase(count, &kinds(flags))?)
            }
            Order::Hoard { count, flags } => {
                acts::allow_files(count)?;
                for kind in kinds(flags) {
                    for _ in 0..count {
                        let namespace = acts::new_namespace(kind)?;
                        self.keep(namespace);
                    }
                }
                Reply::Done
            }
            Order::Run { argv } => Reply::Ran(acts::run(&argv)?),
            Order::Seize { pid } => done(sys::seize(pid))?,
            Order::Reap { pid } => {
                waitpid(Pid::from_raw(pid), WaitOptions::empty())?.context("no such child")?;
                Reply::Done
            }
            Order::LeaveThread => sys::exit_thread(),
            Order::Leave { status } => std::process::exit(status.into()),
        };
        Ok(Answer::Give(reply))
    }

    /// The child goes on as a puppet of its own: with the channel that was enclosed, and without
    /// the files that its parent has open.
    fn clone_self(&mut self, flags: u32, fd: Option<OwnedFd>) -> Result<Answer> {
        let channel = fd.context("a child needs a channel")?;
        match sys::clone(&kinds(flags))? {
            Cloned::Parent(pid) => Ok(Reply::Child(pid.as_raw_pid()).into()),
            Cloned::Child => {
                *self = Self::new(channel.into());
                Ok(Answer::Keep)
            }
        }
    }

    /// Becomes this program anew. Returns if that fails.
    fn execute(&self) -> anyhow::Error {
        let channel = match self.channel.as_fd().try_clone_to_owned() {
            Ok(channel) => channel,
            Err(error) => return error.into(),
        };
        let error = match env::current_exe() {
            Ok(program) => Command::new(program)
                .arg(VERB)
                .stdin(Stdio::from(channel))
                .exec(),
            Err(error) => error,
        };
        anyhow!(error).context("cannot execute this program")
    }

    fn keep(&mut self, file: OwnedFd) -> Reply {
        self.files.push(Some(file));
        Reply::File(self.files.len() - 1)
    }

    fn close(&mut self, number: usize) -> Result<Reply> {
        let file = self.files.get_mut(number).and_then(Option::take);
        file.context("closed already")?;
        Ok(Reply::Done)
    }

    fn file(&self, number: usize) -> Result<&OwnedFd> {
        let file = self.files.get(number).and_then(Option::as_ref);
        file.context("that file is not open")
    }
}

fn done<E: Into<anyhow::Error>>(result: Result<(), E>) -> Result<Reply> {
    result.map(|()| Reply::Done).map_err(Into::into)
}

/// The types with these `CLONE_NEW*` flags.
fn kinds(flags: u32) -> Vec<NsKind> {
    let wanted = |kind: &NsKind| flags & kind.clone_flag() != 0;
    NsKind::ALL.into_iter().filter(wanted).collect()
}

//! The side of those who pull the strings.

use std::{
    env, fmt,
    os::fd::{AsFd as _, OwnedFd},
    process::{Child, Command, Output, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tracer_common::kind::NsKind;

use super::{Order, Reply, serve::VERB};
use crate::{PATIENCE, channel::Channel, sys::clone_flags, trace::Task};

/// A puppet, to be told what to do.
///
/// When dropped, one that this process started is killed; the others, with nobody left to take
/// orders from, end by themselves.
#[derive(Debug)]
pub(crate) struct Puppet {
    /// What it is called, which is also its command name.
    pub(crate) name: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Its thread, which has the same number if it is the first of the process.
    pub(crate) tid: u32,
    pub(super) channel: Channel,
    origin: Origin,
}

/// Where a puppet comes from.
#[derive(Debug)]
enum Origin {
    /// This process started it.
    Started(Child),
    /// Another puppet had it as a child, which has this number for its parent.
    Born(i32),
    /// It is a thread of another puppet.
    Thread,
}

/// A file that a puppet has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it stays open until it is closed"]
pub(crate) struct File(pub(super) usize);

/// How a program ended and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ran {
    /// Its exit status; `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl Puppet {
    /// Starts a process.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        let mut command = Command::new(env::current_exe()?);
        command.arg(VERB).stdin(Stdio::from(OwnedFd::from(theirs)));
        let child = command.spawn().context("cannot start a puppet")?;
        Self::introduce(name, ours, Origin::Started(child))
    }

    /// Has a child in new namespaces of these types.
    pub(crate) fn clone_into(&self, name: &str, kinds: &[NsKind]) -> Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        let order = Order::Clone {
            flags: clone_flags(kinds),
        };
        match self.order(&order, Some(&theirs))? {
            Reply::Child(pid) => Self::introduce(name, ours, Origin::Born(pid)),
            reply => self.unexpected(&order, &reply),
        }
    }

    /// Starts another thread.
    pub(crate) fn thread(&self, name: &str) -> Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        match self.order(&Order::Thread, Some(&theirs))? {
            Reply::Done => Self::introduce(name, ours, Origin::Thread),
            reply => self.unexpected(&Order::Thread, &reply),
        }
    }

    fn introduce(name: &str, channel: Channel, origin: Origin) -> Result<Self> {
        channel.limit_patience(PATIENCE)?;
        let mut puppet = Self {
            name: name.to_owned(),
            pid: 0,
            tid: 0,
            channel,
            origin,
        };
        puppet.learn_numbers()?;
        Ok(puppet)
    }

    /// Tells it its name, and learns its numbers.
    pub(super) fn learn_numbers(&mut self) -> Result<()> {
        let order = Order::Introduce {
            name: self.name.clone(),
        };
        match self.have(&order)? {
            Reply::Me { pid, tid } => {
                (self.pid, self.tid) = (pid, tid);
                Ok(())
            }
            reply => self.unexpected(&order, &reply),
        }
    }

    /// Takes another name.
    pub(crate) fn rename(&self, name: &str) -> Result<()> {
        self.have(&Order::Introduce {
            name: name.to_owned(),
        })
        .map(drop)
    }

    /// It, as nslife has to call it.
    pub(crate) fn task(&self) -> Task {
        Task {
            pid: self.tid,
            tgid: self.pid,
            comm: self.name.clone(),
        }
    }

    /// The path of the link to the namespace in this slot, such as `net` or `pid_for_children`.
    pub(crate) fn link(&self, slot: &str) -> String {
        format!("/proc/{}/task/{}/ns/{slot}", self.pid, self.tid)
    }

    /// Exits; as a zombie it stays until it is reaped. All threads of its process end with it.
    pub(crate) fn exit(&self) -> Result<()> {
        self.channel.send(&Order::Leave { status: 0 }, None)?;
        self.wait_for_silence()
    }

    /// Ends its thread, and nothing else.
    pub(crate) fn exit_thread(&self) -> Result<()> {
        self.channel.send(&Order::LeaveThread, None)
    }

    /// Exits and is reaped.
    pub(crate) fn end(mut self) -> Result<()> {
        self.exit()?;
        self.reap()
    }

    /// Reaps it; its end must be near.
    pub(crate) fn reap(&mut self) -> Result<()> {
        let Origin::Started(child) = &mut self.origin else {
            bail!("{}: reaped by whoever had it as a child", self.name);
        };
        let status = child.wait().context("cannot wait")?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Reaps a child of its own.
    pub(crate) fn reap_child(&self, child: &Self) -> Result<()> {
        let Origin::Born(pid) = child.origin else {
            bail!("{} is no child of {}", child.name, self.name);
        };
        self.have_done(&Order::Reap { pid })
    }

    /// Stops its process, or lets it go on.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no such number")?, signal)
            .with_context(|| format!("cannot send {signal:?} to {}", self.name))
    }

    /// Waits until its end of the channel is closed: a process that exits has closed its files.
    fn wait_for_silence(&self) -> Result<()> {
        match self.channel.receive::<Reply>()? {
            None => Ok(()),
            Some((reply, _)) => bail!("{} still says {reply:?}", self.name),
        }
    }

    pub(super) fn have_done(&self, order: &Order) -> Result<()> {
        match self.have(order)? {
            Reply::Done => Ok(()),
            reply => self.unexpected(order, &reply),
        }
    }

    pub(super) fn get_file(&self, order: &Order) -> Result<File> {
        match self.have(order)? {
            Reply::File(file) => Ok(File(file)),
            reply => self.unexpected(order, &reply),
        }
    }

    pub(super) fn have(&self, order: &Order) -> Result<Reply> {
        self.order(order, None)
    }

    pub(super) fn order(&self, order: &Order, channel: Option<&Channel>) -> Result<Reply> {
        self.tell(order, channel)?;
        self.answer(order)
    }

    /// Gives an order whose [`Self::answer`] is to be heard later.
    pub(super) fn tell(&self, order: &Order, channel: Option<&Channel>) -> Result<()> {
        self.channel
            .send(order, channel.map(|channel| channel.as_fd()))
            .with_context(|| format!("{}: {order:?}", self.name))
    }

    pub(super) fn answer(&self, order: &Order) -> Result<Reply> {
        let what = || format!("{}: {order:?}", self.name);
        match self.channel.receive().with_context(what)? {
            Some((Reply::Failed(failure), _)) => Err(failure).with_context(what),
            Some((reply, _)) => Ok(reply),
            None => bail!("{}: it died", what()),
        }
    }

    pub(super) fn unexpected<T>(&self, order: &Order, reply: &Reply) -> Result<T> {
        bail!("{}: {order:?} was answered with {reply:?}", self.name)
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if let Origin::Started(child) = &mut self.origin {
            // It has ended already, most of the time.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
        } = self;
        match code {
            Some(code) => write!(f, "status {code}")?,
            None => write!(f, "killed")?,
        }
        write!(f, ", stdout {stdout:?}, stderr {stderr:?}")
    }
}

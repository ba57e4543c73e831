//! A worker: plays its part of the plan, and holds what it is told to hold.

use std::{
    fs::{self, File},
    io::Read as _,
    mem,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::{
    mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
    thread::{ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces},
};
use tracer_common::kind::NsKind;

use super::{
    board::Board,
    child::{self, End},
    kinds::Kinds,
    plan::{Act, Plan, Step},
};
use crate::{
    channel::Channel,
    kernel::Version,
    puppet::acts::{mounts_of_nothing, mounts_of_tree},
    sys::{self, clone_flags},
};

/// How much is held at a time, at the most.
const MOST_HELD: usize = 24;

/// How long a killed child is left alone before, at the most, in turns of an idle loop.
const LONGEST_LIFE: u32 = 30_000;

/// Orders to a worker, a byte each, and its answer.
pub(super) const PLAY: u8 = b'p';
pub(super) const CLEAR: u8 = b'c';
pub(super) const LEAVE: u8 = b'l';
pub(super) const DONE: u8 = b'd';

/// What outlives the step in which it came.
#[derive(Debug)]
enum Held {
    /// A child in new namespaces of these types.
    Child(Pid, Kinds),
    Zombie(Pid),
    /// A file of nsfs.
    Namespace(OwnedFd),
    Socket(OwnedFd),
    Credential(#[expect(dead_code, reason = "it is there to be open")] OwnedFd),
    Bind(PathBuf),
}

/// One of those who play.
pub(super) struct Worker {
    board: Board,
    plan: Plan,
    kernel: Version,
    /// A folder of its own.
    place: PathBuf,
    held: Vec<Held>,
    /// Through these it gets files from its children.
    inbox: Channel,
    outbox: Channel,
    steps: u64,
}

impl Worker {
    pub(super) fn new(
        board: Board,
        seed: u64,
        number: u32,
        kernel: Version,
        scratch: &Path,
    ) -> Result<Self> {
        let place = scratch.join(number.to_string());
        fs::create_dir_all(place.join("proc")).context("cannot make a folder")?;
        // A mount namespace cannot be mounted where others would get a copy.
        mount_bind(&place, &place)
            .and_then(|()| mount_change(&place, MountPropagationFlags::PRIVATE))
            .context("cannot keep mounts to itself")?;
        let (inbox, outbox) = Channel::pair()?;
        Ok(Self {
            board,
            plan: Plan::new(seed, number),
            kernel,
            place,
            held: Vec::new(),
            inbox,
            outbox,
            steps: 0,
        })
    }

    /// Does what it is told, until it may leave. Each time it plays until it has made its share of
    /// namespaces.
    pub(super) fn serve(mut self, mut orders: UnixStream, share: u32) -> Result<()> {
        use std::io::Write as _;
        let mut order = [0];
        loop {
            orders
                .read_exact(&mut order)
                .context("nobody gives orders")?;
            match order {
                [PLAY] => self.play(share)?,
                [CLEAR] => self.clear()?,
                [LEAVE] => break,
                other => bail!("no such order: {other:?}"),
            }
            orders.write_all(&[DONE])?;
        }
        self.clear()?;
        unmount(&self.place, UnmountFlags::DETACH).context("cannot unmount its folder")
    }

    fn play(&mut self, share: u32) -> Result<()> {
        let mut made = 0;
        while made < share {
            let step = self.plan.next().context("a plan has no end")?;
            self.take(step).with_context(|| {
                let Step {
                    act,
                    kinds,
                    rounds,
                    choice,
                } = step;
                format!("step {} ({act:?} {kinds} x{rounds} #{choice})", self.steps)
            })?;
            self.board.done(step.act);
            self.steps += 1;
            made += step.makes();
        }
        Ok(())
    }

    /// Lets go of everything.
    fn clear(&mut self) -> Result<()> {
        mem::take(&mut self.held)
            .into_iter()
            .try_for_each(Held::release)
    }

    fn take(&mut self, step: Step) -> Result<()> {
        let Step {
            act,
            kinds,
            rounds,
            choice,
        } = step;
        let board = self.board;
        match act {
            Act::Unshare => self.child(step, Kinds::default(), || child::unshare_all(board, step)),
            Act::Clone => self.child(step, kinds, || Ok(())),
            Act::Nest => self.child(step, kinds, || {
                child::nest(board, kinds, rounds - 1, End::Exit)
            }),
            Act::Collapse => self.collapse(step),
            Act::Enter => {
                let file = self.any(choice, |held| match held {
                    Held::Namespace(file) => Some(file),
                    _ => None,
                });
                self.child(step, Kinds::default(), || {
                    if let Some(file) = file {
                        move_into_link_name_space(file.as_fd(), None).context("setns")?;
                    }
                    child::unshare(board, kinds)
                })
            }
            Act::EnterProcess => self.enter_process(step),
            Act::Keep => {
                let pid = self.lasting(step)?;
                self.hold(step, Held::Child(pid, kinds))
            }
            Act::Open => {
                let pid = self.lasting(step)?;
                for kind in kinds.iter() {
                    let file = child::open_link(pid, kind)?;
                    self.hold(step, Held::Namespace(file))?;
                }
                kill(pid)
            }
            Act::Bind => {
                let pid = self.lasting(step)?;
                self.bind(step, pid)?;
                kill(pid)
            }
            Act::Socket => {
                self.child(step, kinds, || child::send_socket(&self.outbox))?;
                let socket = self.receive()?;
                self.hold(step, Held::Socket(socket))
            }
            Act::Credential => {
                self.child(step, kinds, || child::send_file(&self.outbox))?;
                let file = self.receive()?;
                self.hold(step, Held::Credential(file))
            }
            Act::Revive => {
                let socket = self.any(choice, |held| match held {
                    Held::Socket(socket) => Some(socket),
                    _ => None,
                });
                let Some(socket) = socket else {
                    return Ok(());
                };
                let file = sys::net_of_socket(socket).context("SIOCGSKNS")?;
                self.hold(step, Held::Namespace(file))
            }
            Act::Threads => self.child(step, Kinds::default(), || {
                child::leave_threads(board, kinds, choice)
            }),
            Act::Zombie => {
                let pid = child::spawn(board, kinds, || child::take_name(choice))?;
                self.hold(step, Held::Zombie(pid))
            }
            Act::Orphan => self.child(step, Kinds::default(), || child::leave_orphan(board, kinds)),
            Act::Procfs => {
                let place = self.place.join("proc");
                let place = place.to_str().context("the folder's path is not text")?;
                self.child(step, kinds, || child::mount_procfs(place))
            }
            Act::MountFile => self.make_mounts(step),
            Act::Limit => self.child(step, Kinds::default(), || {
                child::exceed(board, kinds, choice)
            }),
            Act::KillUnshare => self.kill_in_the_middle(step),
            Act::KillClone => self.kill_in_the_middle(step),
            Act::FailClone => child::miscarry(kinds, choice),
            Act::FailUnshare => {
                self.child(step, Kinds::default(), || child::take_twice(board, kinds))
            }
            Act::Release => self.release(choice),
        }
    }

    /// A child in new namespaces of these types that does something, and its end.
    fn child(&self, step: Step, kinds: Kinds, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let act = || {
            child::take_name(step.choice)?;
            act()
        };
        child::reap(child::spawn(self.board, kinds, act)?)
    }

    /// A child that stays until it is killed.
    fn lasting(&self, step: Step) -> Result<Pid> {
        child::spawn(self.board, step.kinds, || {
            child::take_name(step.choice)?;
            child::stay()
        })
    }

    /// Something that is held, if there is any like that.
    fn any<'h, T>(&'h self, choice: u32, like: impl Fn(&'h Held) -> Option<T>) -> Option<T> {
        let mut all: Vec<T> = self.held.iter().filter_map(like).collect();
        let place = (choice as usize).checked_rem(all.len())?;
        Some(all.swap_remove(place))
    }

    fn hold(&mut self, step: Step, held: Held) -> Result<()> {
        if self.held.len() >= MOST_HELD {
            self.release(step.choice)?;
        }
        self.held.push(held);
        Ok(())
    }

    fn release(&mut self, choice: u32) -> Result<()> {
        match (choice as usize).checked_rem(self.held.len()) {
            Some(place) => self.held.swap_remove(place).release(),
            None => Ok(()),
        }
    }

    fn receive(&self) -> Result<OwnedFd> {
        let ((), file) = self.inbox.receive()?.context("nothing was sent")?;
        file.context("no file was sent")
    }

    fn collapse(&self, step: Step) -> Result<()> {
        let Step { kinds, rounds, .. } = step;
        let (ready, says) = pipe_with(PipeFlags::CLOEXEC)?;
        let board = self.board;
        let outermost = child::spawn(board, kinds, || {
            child::nest(board, kinds, rounds - 1, End::Stay(&says))
        })?;
        drop(says);
        let read = File::from(ready).read(&mut [0])?;
        ensure!(read == 1, "the innermost is not there");
        kill(outermost)
    }

    fn enter_process(&self, step: Step) -> Result<()> {
        let process = self.any(step.choice, |held| match held {
            Held::Child(pid, kinds) => Some((*pid, *kinds)),
            _ => None,
        });
        let Some((pid, kinds)) = process else {
            return Ok(());
        };
        let process = pidfd_open(pid, PidfdFlags::empty()).context("pidfd_open")?;
        let types = ThreadNameSpaceType::from_bits_retain(clone_flags(&kinds.list()));
        self.child(step, Kinds::default(), || {
            move_into_thread_name_spaces(process.as_fd(), types)
                .with_context(|| format!("setns to {kinds} of a process"))
        })
    }

    fn bind(&mut self, step: Step, pid: Pid) -> Result<()> {
        let kind = step.kinds.choose(step.choice).context("no type")?;
        let place = self.place.join(self.steps.to_string());
        File::create_new(&place).context("cannot make a file")?;
        mount_bind(&*child::link(pid, kind), &place)
            .with_context(|| format!("cannot bind {}", kind.name()))?;
        self.hold(step, Held::Bind(place))
    }

    fn make_mounts(&mut self, step: Step) -> Result<()> {
        let file = if step.choice.is_multiple_of(2) {
            if self.kernel < Version(7, 0) {
                return Ok(());
            }
            let place = self
                .place
                .to_str()
                .context("the folder's path is not text")?;
            mounts_of_tree(place).context("open_tree")?
        } else {
            if self.kernel < Version(7, 1) {
                return Ok(());
            }
            mounts_of_nothing().context("fsmount")?
        };
        self.board.made(Kinds::of(&[NsKind::Mnt]));
        self.hold(step, Held::Namespace(file))
    }

    fn kill_in_the_middle(&self, step: Step) -> Result<()> {
        let Step {
            act, kinds, choice, ..
        } = step;
        let board = self.board;
        let victim = child::spawn(board, Kinds::default(), || child::go_on(board, act, kinds))?;
        child::spin(choice % LONGEST_LIFE);
        kill(victim)
    }
}

impl Held {
    fn release(self) -> Result<()> {
        match self {
            Self::Child(pid, _) => kill(pid),
            Self::Zombie(pid) => child::reap(pid),
            Self::Namespace(_) | Self::Socket(_) | Self::Credential(_) => Ok(()),
            Self::Bind(place) => {
                unmount(&place, UnmountFlags::DETACH).context("cannot unmount")?;
                fs::remove_file(place).context("cannot remove a file")
            }
        }
    }
}

/// Kills a child that would go on for ever, and reaps it.
fn kill(pid: Pid) -> Result<()> {
    kill_process(pid, Signal::KILL).context("cannot kill a child")?;
    let status = child::end_of(pid)?;
    let killed = status.terminating_signal() == Some(Signal::KILL.as_raw());
    ensure!(
        killed,
        "a child that was to be killed ended with {status:?}"
    );
    Ok(())
}

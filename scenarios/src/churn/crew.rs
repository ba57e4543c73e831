//! The workers, as seen by who leads them.

use std::{
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::exit,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::{
    board::Board,
    child,
    worker::{CLEAR, DONE, LEAVE, PLAY, Worker},
};
use crate::{
    kernel::Version,
    sys::{self, Cloned},
};

/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// All workers.
pub(super) struct Crew(Vec<Member>);

struct Member {
    pid: Pid,
    process: OwnedFd,
    orders: UnixStream,
}

impl Crew {
    /// So many workers, each of which makes its share of namespaces whenever it plays. For a
    /// process with a single thread.
    pub(super) fn hire(
        board: Board,
        seed: u64,
        count: u32,
        share: u32,
        scratch: &Path,
    ) -> Result<Self> {
        let kernel = Version::running()?;
        let hire = |number| {
            let (orders, theirs) = UnixStream::pair().context("cannot make a pair of sockets")?;
            let work = || Worker::new(board, seed, number, kernel, scratch)?.serve(theirs, share);
            match sys::clone(&[]).context("cannot start a worker")? {
                Cloned::Parent(pid) => Ok(Member {
                    pid,
                    process: pidfd_open(pid, PidfdFlags::empty())?,
                    orders,
                }),
                Cloned::Child => exit(match work() {
                    Ok(()) => 0,
                    Err(error) => {
                        eprintln!("nslife-scenarios: worker {number}: {error:#}");
                        1
                    }
                }),
            }
        };
        Ok(Self((0..count).map(hire).collect::<Result<_>>()?))
    }

    /// Has all of them play, and waits until they rest.
    pub(super) fn play(&mut self) -> Result<()> {
        self.order(PLAY)
    }

    /// Has all of them let go of what they hold.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.order(CLEAR)
    }

    /// Ends all of them.
    pub(super) fn dismiss(mut self) -> Result<()> {
        self.tell(LEAVE)?;
        self.0.iter().try_for_each(|member| child::reap(member.pid))
    }

    fn order(&mut self, order: u8) -> Result<()> {
        self.tell(order)?;
        self.0.iter_mut().try_for_each(Member::rests)
    }

    fn tell(&mut self, order: u8) -> Result<()> {
        for member in &mut self.0 {
            member
                .orders
                .write_all(&[order])
                .context("a worker is gone")?;
        }
        Ok(())
    }
}

impl Member {
    /// Waits until it has done what it was told. Its children have copies of its end, so that there
    /// is no end of file when it has failed.
    fn rests(&mut self) -> Result<()> {
        let mut either = [
            PollFd::new(&self.orders, PollFlags::IN),
            PollFd::new(&self.process, PollFlags::IN),
        ];
        let ready = poll(&mut either, Some(&Timespec::try_from(PATIENCE)?))?;
        ensure!(
            ready > 0,
            "a worker is not done after {} s",
            PATIENCE.as_secs()
        );
        if either[0].revents().is_empty() {
            bail!("a worker has given up");
        }
        let mut answer = [0];
        self.orders
            .read_exact(&mut answer)
            .context("a worker is gone")?;
        ensure!(answer == [DONE], "a worker answers {answer:?}");
        Ok(())
    }
}

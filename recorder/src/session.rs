//! The engine, the player, and who listens to both.

use std::{
    ffi::OsStr,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nslife::{
    engine::{Engine, Frame, Notice, Options, Tap},
    model::{Config, Walk},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    time::{Instant, sleep_until},
};

/// The subcommand that makes the player play.
const VERB: &str = "play";

/// The kernel is taken to have said everything after this much silence: it destroys network and
/// mount namespaces in its own time.
const SILENCE: Duration = Duration::from_millis(1500);

/// How often to begin anew if something was lost. The kernel skips a program that already runs on
/// the same CPU, which happens now and then when a task is preempted there.
const ATTEMPTS: u32 = 3;

/// Everything that was said.
pub(crate) struct Session {
    /// `CLOCK_BOOTTIME` before anything was said, nanoseconds.
    pub(crate) started_at: u64,
    /// What the kernel offers.
    pub(crate) config: Config,
    /// What it said, in order.
    pub(crate) frames: Vec<Said>,
}

/// A [`Frame`], kept.
pub(crate) enum Said {
    /// Records of a walk.
    Walk(Vec<u8>),
    /// A record of the ring buffer.
    Record(Vec<u8>),
    /// The walk without its records, which came before.
    Merge(Walk),
}

impl From<Frame<'_>> for Said {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Walk(bytes) => Self::Walk(bytes.to_vec()),
            Frame::Record(bytes) => Self::Record(bytes.to_vec()),
            Frame::Merge(walk) => Self::Merge(Walk {
                namespaces: Vec::new(),
                nsproxies: Vec::new(),
                tasks: Vec::new(),
                procfs: Vec::new(),
                ..walk.clone()
            }),
        }
    }
}

/// Where the engine's [`Tap`] leaves what it hears.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<Said>>>);

impl Tape {
    fn with<T>(&self, use_it: impl FnOnce(&mut Vec<Said>) -> T) -> T {
        // Nobody leaves half a frame on it.
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tap(&self) -> Tap {
        let tape = self.clone();
        Box::new(move |frame| tape.with(|frames| frames.push(frame.into())))
    }

    fn length(&self) -> usize {
        self.with(|frames| frames.len())
    }
}

/// Has it played until nothing was lost.
pub(crate) fn record(player: &OsStr) -> Result<Session> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    for _ in 0..ATTEMPTS {
        if let Some(session) = runtime.block_on(watch(player))? {
            return Ok(session);
        }
    }
    bail!("something was lost {ATTEMPTS} times in a row")
}

/// Watches the player from before it starts until after its end. `None` if something was lost.
async fn watch(player: &OsStr) -> Result<Option<Session>> {
    let started_at = boottime();
    let tape = Tape::default();
    let mut engine = Engine::start_tapped(&Options::default(), &|_| {}, tape.tap())?;
    let mut child = Command::new(player)
        .arg(VERB)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", player.display()))?;
    let mut answers = child.stdin.take().context("its input is piped")?;
    let mut losses = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
    loop {
        // Each line says that all is at rest until there is an answer.
        tokio::select! {
            line = lines.next_line() => {
                if line?.is_none() {
                    break;
                }
                settle(&mut engine, &tape, &mut losses).await?;
                let corrections = engine.walk(&mut Vec::new())?;
                if corrections > 0 {
                    eprintln!("nslife-record: a walk corrected {corrections}");
                }
                answers.write_all(b"\n").await?;
            }
            heard = listen(&mut engine, &mut losses) => heard?,
        }
    }
    let status = child.wait().await?;
    ensure!(status.success(), "the player ended with {status}");
    engine.poll_now(&mut Vec::new(), &mut losses)?;
    let config = engine.tracker().config();
    drop(engine);
    for loss in &losses {
        eprintln!("nslife-record: {loss:?}");
    }
    Ok(losses.is_empty().then(|| Session {
        started_at,
        config,
        frames: tape.with(std::mem::take),
    }))
}

/// Waits for the kernel, once.
async fn listen(engine: &mut Engine, losses: &mut Vec<Notice>) -> Result<()> {
    engine.next(&mut Vec::new(), losses).await?;
    Ok(())
}

/// Waits until the kernel has nothing more to say.
async fn settle(engine: &mut Engine, tape: &Tape, losses: &mut Vec<Notice>) -> Result<()> {
    let mut heard = tape.length();
    let mut silent_at = Instant::now() + SILENCE;
    loop {
        tokio::select! {
            () = sleep_until(silent_at) => return Ok(()),
            result = listen(engine, losses) => result?,
        }
        if tape.length() != heard {
            heard = tape.length();
            silent_at = Instant::now() + SILENCE;
        }
    }
}

/// Nanoseconds since boot, suspended time included.
fn boottime() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanoseconds
}

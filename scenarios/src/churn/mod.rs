//! `nslife-scenarios churn`: namespaces of all types that come and go in a random mixture, as fast
//! as can be, while a daemon watches. Now and then everything rests, and the daemon has to know
//! exactly what there is.
//!
//! A seed gives each worker its steps ([`plan`]). Workers run at the same time, so what meets what
//! in the kernel is another matter each time: the same seed does the same, not at the same moments.

mod board;
mod child;
mod crew;
mod judge;
mod kinds;
mod picture;
mod plan;
mod random;
mod worker;

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, value_parser};
use tracer_common::kind::NsKind;

use self::{
    board::Board,
    crew::Crew,
    judge::{Findings, Judge},
    plan::Act,
};
use crate::{
    daemon::Daemon,
    nslife::Nslife,
    scenario::{Outcome, Status},
    world::{RESULTS_VARIABLE, SCRATCH},
};

/// Where the first daemon listens, the next one beside it: each leaves a log of its own.
const PORT: u16 = 19620;

/// Rests: this many, or more if they would be further apart than the most namespaces.
const RESTS: u32 = 3;
const MOST_BETWEEN: u32 = 2000;

/// What a daemon may have more of in the end than it had after the first namespaces were gone: the
/// allocator keeps what it got from the kernel in pieces.
const SLACK_SHARE: u64 = 10;
const SLACK_BYTES: u64 = 1 << 20;

/// How long the daemon remembers what is gone, and a little.
const FORGETTING: Duration = Duration::from_secs(75);

/// Make namespaces of all types come and go, and compare what nslife knows with what there is.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many namespaces, at the least.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..))]
    namespaces: u32,
    /// What to do, one after the other: the same steps for the same number.
    #[arg(long, value_name = "SEED", value_delimiter = ',', required = true)]
    seed: Vec<u64>,
    /// Processes that play at the same time.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    workers: u32,
    /// Losses are told, and are no failure: where machines are emulated, programs take so long that
    /// they meet. What nslife knows has to be right all the same.
    #[arg(long)]
    allow_losses: bool,
}

/// How it went.
struct Sum {
    board: Board,
    took: Duration,
    playing: Duration,
    rests: u32,
    memory: [u64; 2],
    last: Findings,
}

/// Plays each seed, and says how it came out.
pub(crate) fn main(options: &Options, mut report: impl FnMut(Outcome) -> Result<()>) -> Result<()> {
    for (&seed, port) in options.seed.iter().zip(PORT..) {
        let start = Instant::now();
        let (status, detail) = match play(options, seed, port) {
            Ok(sum) => match sum.complaint(options.allow_losses) {
                None => (Status::Passed, sum.to_string()),
                Some(complaint) => (Status::Failed, format!("{complaint}: {sum}")),
            },
            Err(error) => (Status::Failed, format!("{error:#}")),
        };
        let name = format!("churn_{seed}");
        report(Outcome::new(name, status, detail, start.elapsed()))?;
    }
    Ok(())
}

fn play(options: &Options, seed: u64, port: u16) -> Result<Sum> {
    let start = Instant::now();
    let scratch = Path::new(SCRATCH).join(format!("churn-{seed}"));
    fs::create_dir_all(&scratch).context("cannot make a folder")?;
    let results = env::var_os(RESULTS_VARIABLE).map_or_else(|| scratch.clone(), PathBuf::from);

    let share = share(options);
    let board = Board::new()?;
    let mut crew = Crew::hire(board, seed, options.workers, share, &scratch)?;
    let nslife = Nslife::find()?;
    let daemon = Daemon::start(&nslife, &results, port)?;
    let judge = Judge::new(nslife, daemon, board)?;

    let mut playing = Duration::ZERO;
    let mut rests = 0;
    let mut beginning = None;
    while board.total() < u64::from(options.namespaces) {
        let round = Instant::now();
        crew.play()?;
        playing += round.elapsed();
        let told = |what| format!("{what} after {} namespaces", board.total());
        let findings = judge.judge().with_context(|| told("at rest"))?;
        ensure!(board.stumbles() == 0, "somebody stumbled, see the messages");
        tell(&findings, board, playing);
        rests += 1;
        if beginning.is_none() {
            crew.clear()?;
            beginning = Some(judge.judge().with_context(|| told("all gone"))?);
        }
    }
    crew.clear()?;
    let beginning = beginning.context("nothing was done")?;
    let end = Instant::now();
    let mut last = judge.judge().context("in the end")?;
    while last.memory > allowed(beginning.memory) && end.elapsed() < FORGETTING {
        sleep(Duration::from_secs(5));
        last = judge.judge().context("in the end")?;
    }
    ensure!(
        last.held == beginning.held,
        "{} namespaces are left of {}",
        last.held,
        beginning.held
    );
    crew.dismiss()?;
    judge.retire()?;
    Ok(Sum {
        board,
        took: start.elapsed(),
        playing,
        rests,
        memory: [beginning.memory, last.memory],
        last,
    })
}

/// How much memory the daemon may have in the end.
fn allowed(beginning: u64) -> u64 {
    beginning + beginning / SLACK_SHARE + SLACK_BYTES
}

/// How many namespaces a worker makes between two rests.
fn share(options: &Options) -> u32 {
    let between = (options.namespaces / RESTS).min(MOST_BETWEEN);
    (between / options.workers).max(1)
}

fn tell(findings: &Findings, board: Board, playing: Duration) {
    let Findings {
        held,
        rest,
        lost,
        memory,
        ..
    } = findings;
    eprintln!(
        "churn: {} namespaces, {:.0} a second; at rest after {:.1} s with {held}; daemon {} KiB; lost {lost:?}",
        board.total(),
        board.total() as f64 / playing.as_secs_f64(),
        rest.as_secs_f64(),
        memory / 1024,
    );
}

impl Sum {
    /// What is not as it has to be, though everything was put right.
    fn complaint(&self, allow_losses: bool) -> Option<String> {
        if !self.last.lost.is_empty() && !allow_losses {
            return Some(format!("lost {:?}", self.last.lost));
        }
        let [before, after] = self.memory;
        (after > allowed(before)).then(|| format!("the daemon grew from {before} to {after} bytes"))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.board.total();
        write!(
            f,
            "{total} namespaces in {:.0} s, {:.0} a second while playing; {} rests; lost {:?}, \
             corrected {}, daemon {} KiB at first, {} in the end; made",
            self.took.as_secs_f64(),
            total as f64 / self.playing.as_secs_f64(),
            self.rests,
            self.last.lost,
            self.last.corrected,
            self.memory[0] / 1024,
            self.memory[1] / 1024,
        )?;
        for kind in NsKind::ALL {
            write!(f, " {} {}", kind.name(), self.board.namespaces(kind))?;
        }
        f.write_str("; steps")?;
        for act in Act::all() {
            write!(f, " {act:?} {}", self.board.steps(act))?;
        }
        Ok(())
    }
}

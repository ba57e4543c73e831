//! One run of one fuzzer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{Target, build::program, seeds};
use crate::{
    process::{Chatter, run as run_command},
    project::Project,
};

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// So many inputs, the same ones each time.
    Runs(u64),
    /// So many seconds, with other inputs each time.
    Seconds(u64),
}

impl Effort {
    /// How the fuzzer is told.
    fn arguments(self) -> Vec<String> {
        match self {
            Self::Runs(runs) => vec![
                format!("-runs={runs}"),
                "-seed=1".to_owned(),
                // What differs from run to run: the clock, and addresses that get compared.
                "-reload=0".to_owned(),
                "-use_cmp=0".to_owned(),
            ],
            Self::Seconds(seconds) => vec![format!("-max_total_time={seconds}")],
        }
    }
}

/// What every run is given.
const LIMITS: [&str; 3] = [
    // Seconds for one input: a busy machine has no trouble with that.
    "-timeout=20",
    "-rss_limit_mb=1024",
    "-print_final_stats=1",
];

/// Runs a fuzzer that has been built. Fails if it breaks something.
pub(crate) fn run(
    project: &Project,
    target: Target,
    effort: Effort,
    chatter: Chatter,
) -> Result<()> {
    let folder = project.target.join("nslife-fuzz").join(target.name());
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let seeds = seeds(project, target, &folder)?;
    let scratch = tempfile::tempdir()?;
    let corpus = match effort {
        // What was found before would change what comes next.
        Effort::Runs(_) => scratch.path().to_owned(),
        Effort::Seconds(_) => created(folder.join("corpus"))?,
    };
    let program = program(project, target);
    let mut fuzzer = Command::new(&program);
    fuzzer
        .args(LIMITS)
        .args(effort.arguments())
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .arg(corpus)
        .arg(seeds)
        .env("RUST_BACKTRACE", "1");
    run_command(&mut fuzzer, chatter).with_context(|| {
        format!(
            "what breaks it is kept in {0}; to break it again: {1} {0}/FILE",
            folder.display(),
            program.display()
        )
    })
}

/// The folder of the inputs to begin with.
fn seeds(project: &Project, target: Target, folder: &Path) -> Result<PathBuf> {
    match target {
        Target::Btf => Ok(project.root.join("tracer-core/tests/btf")),
        Target::Decode => {
            let seeds = created(folder.join("seeds"))?;
            seeds::write_records(&seeds)?;
            Ok(seeds)
        }
    }
}

fn created(folder: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

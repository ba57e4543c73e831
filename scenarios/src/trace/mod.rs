//! `nslife trace --output json` of the whole system, such as it goes on beside all scenarios.

pub(crate) mod ends;
mod line;
mod log;
mod namespace;

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};

pub(crate) use self::{
    line::{Failed, Init, Line, NetCleanup, Step, Switch, What, brief},
    log::Log,
    namespace::{ActiveBecause, Namespace, Person, State, Task},
};
use crate::{nslife::Nslife, process::kill};

/// The running trace.
#[derive(Debug)]
pub(crate) struct Trace {
    /// Everything that it has said.
    pub(crate) log: Arc<Log>,
    process: Child,
    reader: Option<JoinHandle<Result<()>>>,
}

impl Trace {
    /// Starts one; a copy of what it says goes to a file of that name in the folder.
    pub(crate) fn start(nslife: &Nslife, results: &Path, name: &str) -> Result<Self> {
        let create = |extension: &str| {
            let path = results.join(name).with_extension(extension);
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))
        };
        let copy = create("jsonl")?;
        let mut process = nslife
            .command(&["trace", "--output", "json"])
            .stdout(Stdio::piped())
            .stderr(create("stderr")?)
            .spawn()
            .context("cannot start nslife trace")?;
        nslife.started(&process);
        let stdout = process.stdout.take().context("no standard output")?;
        let log = Arc::new(Log::default());
        let reader = {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                let result = read(stdout, copy, &log);
                log.end(match &result {
                    Ok(()) => "it ended".to_owned(),
                    Err(error) => format!("{error:#}"),
                });
                result
            })
        };
        Ok(Self {
            log,
            process,
            reader: Some(reader),
        })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it.
    pub(crate) fn kill(&self) -> Result<()> {
        kill(&self.process)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Nothing depends on how it ends here; scenarios have traces of their own for that.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(stdout: ChildStdout, mut copy: File, log: &Log) -> Result<()> {
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot read what nslife trace says")?;
        writeln!(copy, "{line}").context("cannot keep what nslife trace says")?;
        log.push(Line::parse(&line)?);
    }
    Ok(())
}

//! `nslife-faults`: the engine of nslife, which does what the lines on its standard input say, and
//! answers each with a line of JSON.
//!
//! - `detach PREFIX…`: takes away all hooks whose names start so.
//! - `attach`: puts them back.
//! - `audit`: audits, which puts right what it finds.
//! - `walk`: walks, and merges.
//! - `look`: answers with what has been noticed so far, without asking the kernel.
//!
//! With `--unreadable` the kernel programs look for who made a user namespace where nothing is.
//!
//! A tracing program cannot be detached from outside, so nobody can do this to a running `nslife`.
//! `nslife-scenarios` runs this in virtual machines.

use std::{collections::BTreeMap, env, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use nslife::{
    engine::{Begun, Engine, Notice, Options},
    model::audit::{Difference, Findings},
};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    time::sleep,
};

/// Between the two samples of an audit.
const BETWEEN: Duration = Duration::from_secs(2);

/// What is said after each line.
#[derive(Debug, Default, Serialize)]
struct Answer {
    /// Hooks that are detached now.
    detached: usize,
    /// What was lost, ever, by cause.
    lost: BTreeMap<&'static str, u64>,
    /// Walks because of that.
    resyncs: u64,
    /// What the walk that was asked for put right.
    corrections: u64,
    /// What the audit that was asked for found, in words.
    drift: Vec<String>,
    /// See [`Findings::creds`].
    creds: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nslife-faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<()> {
    let unreadable = match env::args().nth(1).as_deref() {
        None => false,
        Some("--unreadable") => true,
        Some(other) => bail!("there is no fault named {other}"),
    };
    let mut session = Session {
        engine: Engine::start(
            &Options {
                unreadable,
                ..Options::default()
            },
            &|_| {},
        )?,
        lost: BTreeMap::new(),
        resyncs: 0,
    };
    let mut lines = BufReader::new(stdin()).lines();
    session.poll()?;
    session.answer(Answer::default())?;
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => {
                    let answer = session.obey(&line).await.with_context(|| line.clone())?;
                    if line != "look" {
                        session.poll()?;
                    }
                    session.answer(answer)?;
                }
                None => return Ok(()),
            },
            heard = session.listen() => heard?,
        }
    }
}

struct Session {
    engine: Engine,
    lost: BTreeMap<&'static str, u64>,
    resyncs: u64,
}

impl Session {
    /// Waits for the kernel, once.
    async fn listen(&mut self) -> Result<()> {
        let mut notices = Vec::new();
        self.engine.next(&mut Vec::new(), &mut notices).await?;
        self.note(&notices);
        Ok(())
    }

    fn note(&mut self, notices: &[Notice]) {
        for notice in notices {
            match notice {
                Notice::Lost { cause, count } => {
                    *self.lost.entry(cause.name()).or_default() += count
                }
                Notice::Resync { .. } => self.resyncs += 1,
            }
        }
    }

    /// Listens for a while.
    async fn wait(&mut self, time: Duration) -> Result<()> {
        let end = sleep(time);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Ok(()),
                heard = self.listen() => heard?,
            }
        }
    }

    async fn obey(&mut self, line: &str) -> Result<Answer> {
        let mut answer = Answer::default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("detach") => {
                for prefix in words {
                    self.engine.detach(prefix)?;
                }
            }
            Some("attach") => self.engine.attach_again()?,
            Some("audit") => {
                let findings = self.audit().await?;
                answer.drift = findings.drift.iter().map(words_for).collect();
                answer.creds = findings.creds;
            }
            Some("look") => {}
            Some("walk") => answer.corrections = self.engine.walk(&mut Vec::new())?,
            _ => bail!("that is no order"),
        }
        Ok(answer)
    }

    /// Both samples of an audit, if it takes two.
    async fn audit(&mut self) -> Result<Findings> {
        loop {
            let audit = match self.engine.begin_audit(&mut Vec::new())? {
                Begun::Ended(findings) => return Ok(findings),
                Begun::Differs(audit) => audit,
            };
            self.wait(BETWEEN).await?;
            // None if there was a walk because of a loss.
            if let Some(findings) = self.engine.end_audit(&audit, &mut Vec::new())? {
                return Ok(findings);
            }
        }
    }

    /// Hears of everything until now.
    fn poll(&mut self) -> Result<()> {
        let mut notices = Vec::new();
        self.engine.poll_now(&mut Vec::new(), &mut notices)?;
        self.note(&notices);
        Ok(())
    }

    fn answer(&self, answer: Answer) -> Result<()> {
        let answer = Answer {
            detached: self.engine.detached(),
            lost: self.lost.clone(),
            resyncs: self.resyncs,
            ..answer
        };
        println!("{}", serde_json::to_string(&answer)?);
        Ok(())
    }
}

fn words_for(difference: &Difference) -> String {
    format!(
        "{} {}: {} is {}, not {}",
        difference.kind.name(),
        difference.inum.unwrap_or_default(),
        difference.field.name(),
        difference.kernel,
        difference.picture
    )
}

//! What the daemon itself takes: at rest, for each namespace that there is, for each that came and
//! went, for each scrape.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{
    clock::{pause, settle},
    crowd::Crowd,
    daemon::Daemon,
    figure::Figure,
    operation::Operation,
    process::memory,
    worker::Worker,
};

/// The table of the daemon.
const TABLE: &str = "daemon";

/// For how long it is watched at rest.
const REST: Duration = Duration::from_secs(20);

/// How often it is scraped.
const SCRAPES: u32 = 20;

/// Measures it while `crowd` namespaces are created, and as many are created and go again. Those
/// that are there at the end are handed over.
pub(crate) fn measure(
    daemon: &Daemon,
    worker: &mut Worker,
    unshare: &Operation,
    crowd: u32,
) -> Result<Crowd> {
    const IDLE: &str = "at rest";
    const CREATED: &str = "for each that came and went";
    const ALIVE: &str = "for each that is there";
    const SCRAPE: &str = "for each scrape";
    let (mebi, kibi) = (1024.0 * 1024.0, 1024.0);
    let print = |row, column, unit, value| Figure::of(TABLE, row, column, unit, &[value]).print();

    let before = At::measure(daemon)?;
    print(IDLE, "memory", "MiB", before.memory / mebi)?;
    print(IDLE, "a second", "instructions", before.a_second)?;
    let few = scrapes(daemon)?;
    print(SCRAPE, "few namespaces", "instructions", few)?;

    let spent = daemon.spent()?;
    worker.perform(unshare, crowd)?;
    settle()?;
    let spent = (daemon.spent()? - spent) as f64;
    let after = At::measure(daemon)?;
    let each = |sum: f64| sum / f64::from(crowd);
    print(
        CREATED,
        "memory",
        "KiB",
        each(after.memory - before.memory) / kibi,
    )?;
    print(CREATED, "once", "instructions", each(spent))?;

    let gathered = Crowd::gather(crowd)?;
    let with = At::measure(daemon)?;
    print(
        ALIVE,
        "memory",
        "KiB",
        each(with.memory - after.memory) / kibi,
    )?;
    print(
        ALIVE,
        "a second",
        "instructions",
        each(with.a_second - after.a_second),
    )?;
    let many = scrapes(daemon)?;
    print(SCRAPE, "many namespaces", "instructions", many)?;
    Ok(gathered)
}

/// Instructions of the daemon for a scrape.
fn scrapes(daemon: &Daemon) -> Result<f64> {
    // The first one may find its pages unused for long.
    daemon.scrape()?;
    let spent = daemon.spent()?;
    for _ in 0..SCRAPES {
        daemon.scrape()?;
    }
    Ok((daemon.spent()? - spent) as f64 / f64::from(SCRAPES))
}

/// What it takes at some moment.
struct At {
    /// Bytes.
    memory: f64,
    /// Instructions a second, while nothing happens.
    a_second: f64,
}

impl At {
    fn measure(daemon: &Daemon) -> Result<Self> {
        daemon.calm_down()?;
        settle()?;
        let spent = daemon.spent()?;
        pause(REST);
        let spent = (daemon.spent()? - spent) as f64;
        Ok(Self {
            memory: memory(daemon.pid()).context("cannot measure the daemon's memory")? as f64,
            a_second: spent / REST.as_secs_f64(),
        })
    }
}

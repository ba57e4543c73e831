//! The daemon and a service manager that wants signs of life.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{daemon::Daemon, expect::same, sys, world::World};

/// Where the daemon listens.
const PORT: u16 = 19643;

/// After how long without a sign the service manager would give up.
const PATIENCE: Duration = Duration::from_secs(6);

/// There are signs while the engine's loop turns, which is on the first thread, and none while that
/// stands still, although the web server answers.
pub(super) fn watchdog_hears_the_engine(world: &World) -> Result<()> {
    let daemon = Daemon::start_watched(&world.nslife, &world.results, PORT, PATIENCE)?;
    ensure!(
        daemon.signs_of_life(PATIENCE)? > 0,
        "there is no sign of life in {} s",
        PATIENCE.as_secs()
    );
    let first = daemon.pid();
    sys::seize(first).context("cannot trace the daemon")?;
    sys::interrupt(first)
        .and_then(|()| sys::stopped(first))
        .context("cannot stop its first thread")?;
    let signs = daemon.signs_of_life(PATIENCE)?;
    same(
        "what it answers meanwhile",
        200,
        daemon.get("/healthz")?.status,
    )?;
    same("its signs of life meanwhile", 0, signs)?;
    sys::detach(first).context("cannot let its first thread go on")?;
    ensure!(
        daemon.signs_of_life(PATIENCE)? > 0,
        "there is no sign of life when it goes on"
    );
    same("the daemon's end", Some(0), daemon.stop()?.code())
}

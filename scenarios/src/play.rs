//! A fixed play, for `cargo xtask record`: what a recording of the kernel programs is to have in
//! it. `tracer-core/tests/recordings` says which lives it makes.
//!
//! Recordings call those who play by name, and nobody else: their names begin with `play-`.

use std::{
    fs,
    io::{self, Write as _},
};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::{self, Net, Pid, User, Uts};

use crate::puppet::{File, Puppet};

/// A folder of the machine's own.
const PLACE: &str = "/run/nslife-play";

/// Plays, and rests three times: while everything is held, while what only a socket held is back,
/// and when all is over.
pub(crate) fn main() -> Result<()> {
    for kind in NsKind::ALL {
        let maker = Puppet::start("play-maker")?;
        maker.unshare(&[kind])?;
        maker.end()?;
    }
    let keeper = Puppet::start("play-keeper")?;
    let zombie = keeper.clone_into("play-zombie", &[User, Pid, Uts])?;
    zombie.exit()?;
    let held = hold_net(&keeper)?;
    let home = visit_uts(&keeper)?;
    let socket = leave_socket(&keeper)?;
    leave_procfs(&keeper)?;
    rest()?;

    let revived = keeper.net_of_socket(socket)?;
    rest()?;

    keeper.close(revived)?;
    keeper.close(socket)?;
    keeper.close(held)?;
    keeper.reap_child(&zombie)?;
    keeper.unmount(PLACE)?;
    keeper.enter(home)?;
    keeper.end()?;
    rest()
}

/// Says that nothing goes on, and waits until somebody has seen it.
fn rest() -> Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "at rest")?;
    stdout.flush()?;
    let read = io::stdin().read_line(&mut String::new())?;
    ensure!(read > 0, "nobody watches");
    Ok(())
}

/// A network namespace that an open file keeps.
fn hold_net(keeper: &Puppet) -> Result<File> {
    let maker = Puppet::start("play-maker")?;
    maker.unshare(&[Net])?;
    let file = keeper.open(&maker.link("net"))?;
    maker.end()?;
    Ok(file)
}

/// A UTS namespace that somebody else has entered. Returns the way back.
fn visit_uts(keeper: &Puppet) -> Result<File> {
    let maker = Puppet::start("play-maker")?;
    maker.unshare(&[Uts])?;
    let home = keeper.open("/proc/self/ns/uts")?;
    let away = keeper.open(&maker.link("uts"))?;
    keeper.enter(away)?;
    keeper.close(away)?;
    maker.end()?;
    Ok(home)
}

/// A network namespace of nested user namespaces, of which a socket is left and nothing else.
fn leave_socket(keeper: &Puppet) -> Result<File> {
    let maker = Puppet::start("play-maker")?;
    for _ in 0..2 {
        maker.unshare(&[User])?;
        maker.map_root()?;
    }
    maker.unshare(&[Net])?;
    let socket = keeper.socket_in(&maker)?;
    maker.end()?;
    Ok(socket)
}

/// A pid namespace without pids that a procfs shows.
fn leave_procfs(keeper: &Puppet) -> Result<()> {
    fs::create_dir_all(PLACE).context(PLACE)?;
    let inner = keeper.clone_into("play-inner", &[Pid])?;
    let ran = inner.run(&["mount", "-t", "proc", "proc", PLACE])?;
    ensure!(ran.code == Some(0), "mount: {ran}");
    inner.exit()?;
    keeper.reap_child(&inner)
}

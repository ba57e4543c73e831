//! Installing packages of the machine's own Debian release, where that can be done.

use std::{
    env,
    process::Command,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};

use crate::process::{Chatter, is_root, on_path, run};

/// Programs that the demonstration and the scenarios call, and the packages that have them.
const WORKLOAD: [(&str, &str); 4] = [
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];

/// apt lets in one at a time, and sends all others away.
static APT: Mutex<()> = Mutex::new(());

/// Installs packages, for `purpose`. Where it cannot, the error says what to do instead.
pub(crate) fn debian_packages(packages: &[&str], purpose: &str, instead: &str) -> Result<()> {
    let names = packages.join(" ");
    if on_path("apt-get").is_none() || !is_root() {
        bail!("{instead}");
    }
    let _alone = APT.lock().unwrap_or_else(PoisonError::into_inner);
    eprintln!("xtask: installing {purpose} from Debian: {names}");
    let mut update = Command::new("apt-get");
    update.args(["update", "--quiet"]);
    run(&mut update, Chatter::OnFailure).context("cannot refresh the package index")?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .arg("--no-remove")
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut install, Chatter::OnFailure).context(instead.to_owned())
}

/// Sees to it that there is a C++ compiler, for `purpose`.
pub(crate) fn cpp_compiler(purpose: &str) -> Result<()> {
    if env::var_os("CXX").is_some() || on_path("c++").is_some() {
        return Ok(());
    }
    let instead = format!("{purpose} take a C++ compiler; as root: apt-get install g++");
    debian_packages(&["g++"], "a C++ compiler", &instead)
}

/// Sees to it that the programs of [`WORKLOAD`] are there.
pub(crate) fn workload_programs() -> Result<()> {
    WORKLOAD
        .iter()
        .try_for_each(|(name, package)| program(name, package))
}

/// Sees to it that this program of that package is there.
pub(crate) fn program(name: &str, package: &str) -> Result<()> {
    if on_path(name).is_some() {
        return Ok(());
    }
    let instead = format!("there is no {name}; as root: apt-get install {package}");
    debian_packages(&[package], name, &instead)
}

//! PID 1 of the virtual machines of `cargo xtask vm`.
//!
//! It runs from an initramfs that holds nothing but itself and a few kernel modules, makes the
//! host's root its own, runs one command, and powers the machine off. If the machine is to have a
//! system of its own, it makes room for that one's first process instead.

mod command;
mod filesystems;
mod modules;
mod network;

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use rustix::system::{RebootCommand, reboot, sethostname};
use vm_init::STATUS_FILE;

fn main() -> ExitCode {
    if let Err(error) = ensure_pid_1().and_then(|()| serve()) {
        eprintln!("vm-init: {error:?}");
    }
    // Without a status in the control folder the host knows that something went wrong.
    if let Err(error) = power_off() {
        eprintln!("vm-init: {error:?}");
    }
    ExitCode::FAILURE
}

/// Everything below would do harm in any other process.
fn ensure_pid_1() -> Result<()> {
    ensure!(
        std::process::id() == 1,
        "this is the init of a virtual machine, not a program to run"
    );
    Ok(())
}

fn serve() -> Result<()> {
    filesystems::mount_devices()?;
    modules::load()?;
    let control = filesystems::open_control_folder()?;
    let job = control.job()?;
    sethostname(job.host_name.as_bytes()).context("cannot set the host name")?;
    if job.system.is_some() {
        filesystems::enter_system()?;
        return command::become_first_process(&job);
    }
    network::bring_loopback_up()?;
    filesystems::enter_host_root(&job)?;
    let status = command::run(&job, &control)?;
    rustix::fs::sync();
    control.publish(STATUS_FILE, &status.to_string())
}

fn power_off() -> Result<()> {
    ensure_pid_1()?;
    rustix::fs::sync();
    reboot(RebootCommand::PowerOff).context("cannot power off")
}

//! One run of one virtual machine.

use std::{
    fmt,
    fs::{self, File},
    io::Write,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use vm_init::{CONTROL_TAG, Job, ROOT_TAG};

use super::{
    child::Child,
    control::ControlFolder,
    hardware::{Clock, Hardware},
    interrupt::Interrupt,
    share::{Access, Server},
};
use crate::{initramfs, kernels::Kernel, qemu::Tools};

/// The most lines of a log that a message quotes.
const QUOTED_LINES: usize = 30;

/// Everything that a run needs to know.
pub(crate) struct Run<'a> {
    /// The emulator and the file server.
    pub(crate) tools: &'a Tools,
    /// What is booted.
    pub(crate) kernel: &'a Kernel,
    /// PID 1, a static program.
    pub(crate) vm_init: &'a Path,
    /// What it is given to do.
    pub(crate) job: &'a Job,
    /// On what.
    pub(crate) hardware: &'a Hardware,
    /// Added to the kernel's command line.
    pub(crate) kernel_arguments: &'a str,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The command ended with this status.
    Exited(u8),
    /// The time was up.
    TimedOut(Logs),
    /// The machine went away and left no status.
    Died(Logs),
    /// A signal asked xtask to stop.
    Interrupted(u8),
}

/// The last lines of what the machine and its helpers had to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logs(Vec<(String, String)>);

impl Run<'_> {
    /// Boots the machine, passes the command's output on, and returns when either has ended.
    ///
    /// Nothing of it is left then, neither processes nor files.
    pub(crate) fn run(&self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Result<Outcome> {
        let interrupt = Interrupt::new()?;
        let deadline = Instant::now() + self.timeout;
        let state = tempfile::Builder::new()
            .prefix("nslife-vm-")
            .tempdir()
            .context("cannot create a folder for the virtual machine")?;
        let state = state.path();
        let initrd = state.join("initramfs");
        initramfs::write(&initrd, self.vm_init, self.kernel)?;
        let control_path = state.join("control");
        let mut control = ControlFolder::create(&control_path, self.job)?;
        let servers = self.start_servers(state, &control_path)?;
        let mut qemu = Child::spawn(&mut self.qemu(state, &initrd, &servers)?)?;
        let pidfd = qemu.pidfd()?;

        loop {
            // In this order: what was there when the machine ended is all that there will be.
            let ended = qemu.try_wait()?.is_some();
            let status = control.status()?;
            control
                .forward(stdout, stderr)
                .context("cannot pass on the output of the command")?;
            if let Some(status) = status {
                return Ok(Outcome::Exited(status));
            }
            if ended {
                return Ok(Outcome::Died(Logs::read(state, &servers)));
            }
            if let Some(signal) = interrupt.signal() {
                return Ok(Outcome::Interrupted(signal));
            }
            let Some(remaining) = deadline.checked_duration_since(Instant::now()) else {
                return Ok(Outcome::TimedOut(Logs::read(state, &servers)));
            };
            wait_for_any(
                &mut [
                    PollFd::from_borrowed_fd(control.as_fd(), PollFlags::IN),
                    PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN),
                    PollFd::from_borrowed_fd(interrupt.as_fd(), PollFlags::IN),
                ],
                remaining,
            )?;
        }
    }

    fn start_servers(&self, state: &Path, control: &Path) -> Result<Vec<Server>> {
        let root = match &self.job.system {
            Some(system) => (ROOT_TAG, system.as_path(), Access::Alone),
            None => (ROOT_TAG, Path::new("/"), Access::ReadOnly),
        };
        let control = (CONTROL_TAG, control, Access::Writable);
        let shares = self.job.shares.iter();
        let shares = shares.map(|share| (&*share.tag, &*share.path, Access::Writable));
        [root, control]
            .into_iter()
            .chain(shares)
            .map(|(tag, folder, access)| Server::start(self.tools, state, tag, folder, access))
            .collect()
    }

    fn qemu(&self, state: &Path, initrd: &Path, servers: &[Server]) -> Result<Command> {
        let Hardware {
            memory,
            cpus,
            accelerator,
            clock,
        } = self.hardware;
        let mut qemu = self.tools.qemu.command();
        qemu.args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none"])
            .args(["-machine", "q35,memory-backend=memory"])
            .args(["-accel", accelerator, "-cpu", "max"])
            .args(["-smp", &cpus.to_string(), "-m", memory])
            // virtiofsd reads and writes the guest's memory.
            .arg("-object")
            .arg(format!(
                "memory-backend-memfd,id=memory,size={memory},share=on"
            ))
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(initrd)
            .arg("-append")
            .arg(format!(
                "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic {}",
                self.kernel_arguments
            ))
            .arg("-serial")
            .arg(format!("file:{}", console_log(state).display()));
        for Server { tag, socket, .. } in servers {
            qemu.arg("-chardev")
                .arg(format!("socket,id={tag},path={}", socket.display()))
                .arg("-device")
                .arg(format!("vhost-user-fs-pci,chardev={tag},tag={tag}"));
        }
        if *clock == Clock::Instructions {
            qemu.args(["-icount", "shift=0,sleep=off"]);
        }
        let log = qemu_log(state);
        qemu.stdin(std::process::Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        Ok(qemu)
    }
}

fn console_log(state: &Path) -> PathBuf {
    state.join("console.log")
}

fn qemu_log(state: &Path) -> PathBuf {
    state.join("qemu.log")
}

fn wait_for_any(descriptors: &mut [PollFd<'_>], timeout: Duration) -> Result<()> {
    let timeout = Timespec::try_from(timeout).context("the timeout is too long")?;
    match poll(descriptors, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Logs {
    fn read(state: &Path, servers: &[Server]) -> Self {
        let console = ("console".to_owned(), console_log(state));
        let qemu = ("QEMU".to_owned(), qemu_log(state));
        let servers = servers
            .iter()
            .map(|server| (format!("virtiofsd of {}", server.tag), server.log.clone()));
        let quoted = [console, qemu]
            .into_iter()
            .chain(servers)
            .filter_map(|(name, path)| {
                let bytes = fs::read(path).ok()?;
                let text = last_lines(&String::from_utf8_lossy(&bytes), QUOTED_LINES);
                (!text.is_empty()).then_some((name, text))
            });
        Self(quoted.collect())
    }
}

impl fmt::Display for Logs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in &self.0 {
            write!(formatter, "\n--- last lines of {name}:\n{text}")?;
        }
        Ok(())
    }
}

/// The last lines of a text, without the carriage returns of a serial console.
fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(str::trim_end).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_end_of_a_log() {
        assert_eq!(last_lines("a\r\nb\r\nc\r\n\r\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
        assert_eq!(last_lines("\n", 2), "");
    }

    #[test]
    fn logs_say_whose_they_are() {
        let logs = Logs(vec![("console".to_owned(), "Kernel panic".to_owned())]);
        assert_eq!(
            logs.to_string(),
            "\n--- last lines of console:\nKernel panic"
        );
    }
}

//! A bpftrace script on the kernel functions that nslife hooks: what somebody would watch
//! namespaces with who has no nslife.
//!
//! It does less: it counts, for each function, how often it ran in which namespace, and says so at
//! its end.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::pause;

/// The functions that something is attached to.
const HOOKED: &str = "/sys/kernel/tracing/enabled_functions";
/// What bpftrace says.
const OUTPUT: &str = "/tmp/nslife-bench.bpftrace";

/// A function that nslife does not hook and each exit calls. A program that does nothing there tells
/// what the kernel's own statistics add to each run.
const IDLE: &str = "do_exit";

/// Where bpftrace is.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The program.
    pub(crate) path: PathBuf,
    /// Its `LD_LIBRARY_PATH`, if it takes one.
    pub(crate) libraries: Option<OsString>,
}

/// A script that runs.
pub(crate) struct Script {
    process: Child,
}

/// The functions that something is attached to now.
pub(crate) fn hooked() -> Result<Vec<String>> {
    let text = fs::read_to_string(HOOKED).with_context(|| format!("cannot read {HOOKED}"))?;
    Ok(names(&text).map(str::to_owned).collect())
}

/// The functions among what the kernel says of them: `free_pid (1) D`, then lines about how.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| Some(line.split_once(" (")?.0))
}

impl Script {
    /// Starts one on these functions, and waits until it is attached to all of them.
    pub(crate) fn start(program: &Program, functions: &[String]) -> Result<Self> {
        ensure!(
            !functions.is_empty(),
            "there is nothing to attach bpftrace to"
        );
        let mut command = Command::new(&program.path);
        command.arg("-e").arg(text(functions));
        if let Some(libraries) = &program.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let output = File::create(OUTPUT)?;
        let mut process = command
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {}", program.path.display()))?;
        loop {
            let attached = hooked()?;
            if functions.iter().all(|function| attached.contains(function)) {
                return Ok(Self { process });
            }
            if let Some(status) = process.try_wait()? {
                bail!("bpftrace ended with {status}:\n{}", said()?);
            }
            pause(Duration::from_millis(100));
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it. It has to have counted at least so much.
    pub(crate) fn stop(mut self, least: u64) -> Result<()> {
        kill_process(Pid::from_child(&self.process), Signal::INT)?;
        let status = self.process.wait()?;
        let said = said()?;
        ensure!(status.success(), "bpftrace ended with {status}:\n{said}");
        let counted = counts(&said).max().unwrap_or(0);
        ensure!(
            counted >= least,
            "bpftrace counted {counted}, and not at least {least}:\n{said}"
        );
        Ok(())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Already gone, if all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn said() -> Result<String> {
    match fs::read_to_string(Path::new(OUTPUT)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        result => result.with_context(|| format!("cannot read {OUTPUT}")),
    }
}

/// The script.
fn text(functions: &[String]) -> String {
    let probe = |function: &String| {
        let key = match &**function {
            "__ns_ref_active_get" | "__ns_ref_active_put" => "args->ns->inum",
            _ => "curtask->nsproxy->pid_ns_for_children->ns.inum",
        };
        format!("kfunc:{function} {{ @{function}[{key}] = count(); }}\n")
    };
    let probes: String = functions.iter().map(probe).collect();
    format!("{probes}kfunc:{IDLE} {{ $nothing = 0; }}\n")
}

/// What it counted: `@function[4026531836]: 12`.
fn counts(said: &str) -> impl Iterator<Item = u64> {
    said.lines()
        .filter(|line| line.starts_with('@'))
        .filter_map(|line| line.rsplit_once(": ")?.1.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_what_comes_last() {
        let said = "Attaching 2 probes...\n\n@a[4026531836]: 12\n@b[1]: 3\n@b: x\n";
        assert_eq!(counts(said).collect::<Vec<_>>(), [12, 3]);
    }

    #[test]
    fn functions_stand_at_the_beginning_of_a_line() {
        let text = "free_pid (1)           D   M \ttramp: ftrace_regs_caller+0x0/0x65 (a+0x0)\n\t\
                    direct(jmp)-->bpf_trampoline_64425+0x0/0xec\nalloc_pid (2) R\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["free_pid", "alloc_pid"]);
    }

    #[test]
    fn each_function_has_a_probe() {
        let script = text(&["free_pid".to_owned(), "__ns_ref_active_get".to_owned()]);
        assert_eq!(
            script,
            "kfunc:free_pid { @free_pid[curtask->nsproxy->pid_ns_for_children->ns.inum] = \
             count(); }\nkfunc:__ns_ref_active_get { @__ns_ref_active_get[args->ns->inum] = \
             count(); }\nkfunc:do_exit { $nothing = 0; }\n"
        );
    }
}

//! Running other programs, with errors that name what was attempted.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// What becomes of the output of a program that xtask runs.
///
/// Nothing of it ever reaches standard output, which belongs to the command that runs in a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chatter {
    /// Passed on to standard error as it comes.
    Show,
    /// Kept, and shown only when the program fails.
    OnFailure,
}

/// Runs `command` to its end and fails when it does.
pub(crate) fn run(command: &mut Command, chatter: Chatter) -> Result<()> {
    command.stdin(Stdio::null());
    let status = match chatter {
        Chatter::Show => command
            .stdout(io::stderr())
            .status()
            .with_context(|| format!("cannot run {}", describe(command)))?,
        Chatter::OnFailure => {
            let output = command
                .output()
                .with_context(|| format!("cannot run {}", describe(command)))?;
            if !output.status.success() {
                let mut stderr = io::stderr().lock();
                stderr.write_all(&output.stdout)?;
                stderr.write_all(&output.stderr)?;
            }
            output.status
        }
    };
    if !status.success() {
        bail!("{} failed: {status}", describe(command));
    }
    Ok(())
}

/// Runs `command` and returns what it printed to standard output.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", describe(command)))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}\n{}",
            describe(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something other than text", describe(command)))
}

/// The Cargo that runs xtask, freed of what it put into the environment for xtask alone.
pub(crate) fn host_cargo(repo: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repo).env_remove("LD_LIBRARY_PATH");
    cargo
}

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The path of a program on `PATH`, if there is one.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    which::which(program).ok()
}

/// The program and its arguments, for people.
pub(crate) fn describe(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_complaint() {
        let mut command = Command::new("ls");
        command.arg("/nonexistent-folder");
        let error = stdout_of(&mut command).unwrap_err().to_string();
        assert!(error.starts_with("ls /nonexistent-folder failed: exit status"));
        assert!(error.lines().count() > 1, "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program"), Chatter::OnFailure).unwrap_err();
        assert_eq!(error.to_string(), "cannot run no-such-program");
    }
}

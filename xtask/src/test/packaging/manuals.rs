//! Whether there is a page for each verb, which formatters have nothing against, and whether a
//! shell takes the completions.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    build, install,
    manuals::{self, Manuals},
    process::{Chatter, describe, stdout_of},
    project::Project,
};

/// What is typed, where the cursor is, and what bash is to make of it. The last word is completed.
const COMPLETED: [(&str, &[&str]); 4] = [
    ("nslife tr", &["trace"]),
    ("nslife list --st", &["--state"]),
    ("nslife list --state in", &["inactive"]),
    (
        "nslife daemon --web.",
        &[
            "--web.api",
            "--web.config.file",
            "--web.listen-address",
            "--web.systemd-socket",
            "--web.telemetry-path",
        ],
    ),
];

/// Completes the words that it is given with the completions in the file that comes first.
const COMPLETE: &str = r#"
source "$1"; shift
complete -p nslife > /dev/null
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_nslife nslife "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Writes them and looks.
pub(super) fn check(project: &Project) -> Result<()> {
    let nslife = build::nslife(project, Chatter::OnFailure)?;
    let manuals = manuals::write(project, Chatter::OnFailure)?;
    let help = stdout_of(Command::new(nslife).arg("--help"))?;
    pages(&manuals, &verbs(&help))?;
    completions(&manuals)
}

/// The verbs that the help lists.
fn verbs(help: &str) -> BTreeSet<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // What is further to the right goes on with the line above.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !verb.is_empty())
        .filter(|&verb| verb != "help")
        .map(str::to_owned)
        .collect()
}

fn pages(manuals: &Manuals, verbs: &BTreeSet<String>) -> Result<()> {
    ensure!(!verbs.is_empty(), "nslife --help lists no commands");
    let expected: BTreeSet<_> = verbs
        .iter()
        .map(|verb| format!("nslife-{verb}.8"))
        .chain(["nslife.8".to_owned()])
        .collect();
    let found: BTreeSet<_> = files(&manuals.pages)?
        .iter()
        .filter_map(|page| Some(page.file_name()?.to_str()?.to_owned()))
        .collect();
    ensure!(found == expected, "there are pages {found:?}");
    install::program("groff", "groff-base")?;
    for page in files(&manuals.pages)? {
        let mut groff = Command::new("groff");
        // As man does it; all warnings, and no output.
        groff.args(["-k", "-man", "-Tutf8", "-ww", "-z"]).arg(&page);
        silent(groff)?;
    }
    Ok(())
}

fn completions(manuals: &Manuals) -> Result<()> {
    let file = manuals.completions.join("nslife.bash");
    for (typed, expected) in COMPLETED {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "--noprofile", "-euc", COMPLETE, "bash"])
            .arg(&file)
            .args(typed.split(' '));
        let output = stdout_of(&mut bash)?;
        let mut found: Vec<_> = output.lines().collect();
        found.sort_unstable();
        ensure!(found == expected, "bash completes {typed:?} to {found:?}");
    }
    Ok(())
}

/// Fails if a program has anything to say.
fn silent(mut command: Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", describe(&command)))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(
        output.status.success() && said.is_empty(),
        "{}: {said}",
        describe(&command)
    );
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_from_the_help() {
        let help = "About\n\nUsage: x\n\nCommands:\n  trace   Show\n          more\n  help  Print\n\n\
                    Options:\n  -h\n";
        let found: Vec<_> = verbs(help).into_iter().collect();
        assert_eq!(found, ["trace"]);
    }

    #[test]
    fn a_program_that_warns_is_not_silent() {
        let mut warning = Command::new("bash");
        warning.args(["-c", "echo hm >&2"]);
        assert!(silent(warning).unwrap_err().to_string().ends_with(": hm\n"));
        assert!(silent(Command::new("true")).is_ok());
    }
}

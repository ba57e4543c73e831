//! Writes the manual pages and the completions for shells into a folder;
//! `cargo xtask manuals` says which.

use std::{
    env,
    error::Error,
    fs::{self, File},
    path::{Path, PathBuf},
};

use clap::Command;
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use nslife::{cli, version};

/// The section of programs for administrators.
const SECTION: &str = "8";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("give the folder to write into")?;
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&man, &completions] {
        fs::create_dir_all(folder)?;
    }
    // What it was built from is of no use on paper.
    let mut command = cli::command(version::NUMBER.to_owned()).disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        generate_to(shell, &mut command, "nslife", &completions)?;
    }
    command.build();
    write_page(&man, &command)?;
    for verb in command.get_subcommands() {
        write_page(&man, verb)?;
    }
    Ok(())
}

/// Writes the page of a command, which has the names of those above it in its
/// own.
fn write_page(folder: &Path, command: &Command) -> Result<(), Box<dyn Error>> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let page = Man::new(command.clone())
        .title(name)
        .section(SECTION)
        .source(format!("nslife {}", version::NUMBER))
        .manual("nslife");
    let mut file = File::create(folder.join(format!("{name}.{SECTION}")))?;
    page.render(&mut file)?;
    Ok(())
}

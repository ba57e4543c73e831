//! `nslife-record`: what the kernel programs say during a fixed play, as a recording that tests
//! can play back on any machine.
//!
//! It needs root and a system on which little else happens, so `cargo xtask record` runs it in a
//! virtual machine. Its argument is the program that plays (`nslife-scenarios`, which has the
//! puppets); the recording goes to standard output. Nothing in it tells of the machine: see
//! [`redact`].

mod redact;
mod session;
mod text;

use std::{env, process::ExitCode};

use anyhow::{Context as _, Result};

fn main() -> ExitCode {
    match run() {
        Ok(recording) => {
            print!("{recording}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("nslife-record: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String> {
    let player = env::args_os()
        .nth(1)
        .context("usage: nslife-record PLAYER")?;
    let session = session::record(&player)?;
    text::write(session)
}

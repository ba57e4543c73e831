//! `minimize-btf FILE`: reduces a kernel's BTF to what nslife may ask of it
//! and writes that to standard output, provided that nslife gets the same
//! answers from both.

mod compare;
mod keep;
mod minimize;
#[cfg(test)]
mod stored;
mod writer;

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("minimize-btf: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let path = env::args_os().nth(1).context("usage: minimize-btf FILE")?;
    let path = Path::new(&path);
    let full = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let minimal = minimize::minimize(&full)?;
    compare::same_answers(&full, &minimal)?;
    io::stdout()
        .write_all(&minimal)
        .context("cannot write the result")
}

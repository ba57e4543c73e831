//! `cargo xtask btf`: how each kernel of the matrix describes itself, for tests that need no kernel.

use std::{collections::BTreeMap, fs, io, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    build,
    kernels::{Kernel, Series},
    process::Chatter,
    project::Project,
    vm::{HardwareOptions, Workshop, output_of},
};

/// The package, and its program, that reduces a kernel's BTF.
const MINIMIZER: &str = "minimize-btf";
/// Where a kernel shows its BTF.
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";
/// Where the results are kept.
const FOLDER: &str = "tracer-core/tests/btf";
/// A file there that says which kernel each of them is of.
const INDEX: &str = "kernels.txt";

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Read the BTF of kernels, minimized, into the files that tests of nslife use.
///
/// Each kernel is booted in a virtual machine. Nothing is written for one where nslife would get
/// other answers from the minimized BTF than from the kernel's own.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernels to read; all of the matrix if none is named.
    #[arg(long, value_name = "SERIES", value_delimiter = ',')]
    kernels: Vec<Series>,
    #[command(flatten)]
    hardware: HardwareOptions,
}

/// Regenerates the files and prints which kernels they are of.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    let hardware = options.hardware.resolve();
    let project = Project::open()?;
    let minimizer = build::program(&project, MINIMIZER, MINIMIZER, Chatter::OnFailure)?;
    let workshop = Workshop::fresh(project, &hardware)?;
    let folder = workshop.project.root.join(FOLDER);
    fs::create_dir_all(&folder)?;
    for series in Series::or_all(options.kernels) {
        let kernel = Kernel::get(&workshop.project.cache, series)?;
        let command = vec![minimizer.clone().into(), KERNEL_BTF.into()];
        let btf = output_of(&workshop, &kernel, &hardware, command, TIMEOUT)?;
        fs::write(folder.join(format!("{series}.btf")), &btf)?;
        record(&folder.join(INDEX), series, &kernel.package)?;
        println!("{series}  {} bytes  {}", btf.len(), kernel.package);
    }
    Ok(ExitCode::SUCCESS)
}

/// Notes in the index which package a series was read from.
fn record(index: &Path, series: Series, package: &str) -> Result<()> {
    let text = match fs::read_to_string(index) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", index.display()))?,
    };
    let mut entries = parse_index(&text)?;
    entries.insert(series, package);
    let lines = entries
        .iter()
        .map(|(series, package)| format!("{series} {package}\n"));
    Ok(fs::write(index, String::from_iter(lines))?)
}

/// Reads lines of a series and a package.
fn parse_index(text: &str) -> Result<BTreeMap<Series, &str>> {
    text.lines()
        .map(|line| {
            let (series, package) = line
                .split_once(' ')
                .with_context(|| format!("no series and package: {line}"))?;
            Ok((series.parse()?, package))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_in_order_and_the_last_word_counts() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join(INDEX);
        for (series, package) in [
            ("6.12", "b 1"),
            ("7.0", "c 1"),
            ("6.1", "a 1"),
            ("7.0", "c 2"),
        ] {
            record(&index, series.parse().unwrap(), package).unwrap();
        }
        let text = fs::read_to_string(&index).unwrap();
        assert_eq!(text, "6.1 a 1\n6.12 b 1\n7.0 c 2\n");
        fs::write(&index, "6.1\n").unwrap();
        assert!(record(&index, "6.1".parse().unwrap(), "a 1").is_err());
    }
}

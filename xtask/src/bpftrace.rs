//! A bpftrace to compare nslife with.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{apt::Archive, cache::Cache, process::on_path};

/// Where Debian keeps libraries.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// A program, and where its libraries are if they are not installed.
#[derive(Clone, Debug)]
pub(crate) struct Bpftrace {
    /// The program.
    pub(crate) program: PathBuf,
    /// The `LD_LIBRARY_PATH` that it takes.
    pub(crate) libraries: Option<OsString>,
}

/// The installed one, else Debian's, unpacked in the cache.
pub(crate) fn find_or_fetch(cache: &Cache) -> Result<Bpftrace> {
    if let Some(program) = on_path("bpftrace") {
        return Ok(Bpftrace {
            program,
            libraries: None,
        });
    }
    let root = cache
        .entry("bpftrace", |folder| {
            let archive = Archive::discover(cache)?;
            let release = archive.codename().context("this is not a Debian machine")?;
            let index = archive.index(&[release, &format!("{release}-security")])?;
            let packages = index.missing_for("bpftrace", release)?;
            eprintln!("xtask: fetching bpftrace from {}", index.name());
            index.unpack(&packages, folder)
        })
        .context(
            "the bench takes bpftrace on the PATH, to compare nslife with, and Debian's package \
             could not be used instead",
        )?;
    Ok(unpacked(&root))
}

fn unpacked(root: &Path) -> Bpftrace {
    Bpftrace {
        program: root.join("usr/bin/bpftrace"),
        libraries: Some(root.join(LIBRARIES).into()),
    }
}

//! A Prometheus for the scenarios to scrape nslife with, and its tool.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{apt::Archive, cache::Cache, packages::newest, process::on_path};

/// The folder with `prometheus` and `promtool`: where this machine has them, else fetched.
pub(crate) fn find_or_fetch(cache: &Cache) -> Result<PathBuf> {
    if let (Some(prometheus), Some(_)) = (on_path("prometheus"), on_path("promtool"))
        && let Some(folder) = prometheus.parent()
    {
        return Ok(folder.to_owned());
    }
    let root = cache
        .entry("prometheus", |folder| {
            let archive = Archive::discover(cache)?;
            let release = archive.codename().context("this is not a Debian machine")?;
            let index = archive.index(&[release])?;
            let package = newest(index.search("^prometheus$")?)
                .with_context(|| format!("{} has no package prometheus", index.name()))?;
            eprintln!("xtask: fetching prometheus from {}", index.name());
            // Its dependencies serve its web pages, which nobody looks at here.
            index.unpack(&[package], folder)
        })
        .context(
            "prometheus and promtool are not on the PATH, and Debian's package could not be used \
             instead",
        )?;
    Ok(root.join("usr/bin"))
}

//! bpf-linker, which turns the bitcode of the eBPF crate into an object that the kernel takes.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cache::Cache,
    process::{Chatter, host_cargo, on_path, run, stdout_of},
    toolchain::Llvm,
};

const VERSION: &str = "0.13.0";
/// The majors of LLVM that this version can be built against.
const LLVM_MAJORS: std::ops::RangeInclusive<u32> = 21..=23;

/// The bpf-linker on `PATH` when it is recent enough, else one built against `llvm` and kept.
pub(crate) fn bpf_linker(cache: &Cache, repo: &Path, llvm: &Llvm) -> Result<PathBuf> {
    if let Some(path) = on_path("bpf-linker").filter(|path| is_suitable(path)) {
        return Ok(path);
    }
    let major = llvm.major;
    if !LLVM_MAJORS.contains(&major) {
        bail!(
            "bpf-linker {VERSION} cannot be built against LLVM {major}; put one that reads its bitcode on PATH"
        );
    }
    let prefix = llvm_prefix(cache, llvm)?;
    let name = format!("bpf-linker-{VERSION}-llvm{major}");
    let binary = |folder: &Path| folder.join("bin/bpf-linker");
    let build = |folder: &Path| -> Result<()> {
        eprintln!(
            "xtask: building bpf-linker {VERSION} against {}",
            llvm.library.display()
        );
        let mut install = host_cargo(repo);
        install
            .args(["install", "bpf-linker", "--locked", "--no-track"])
            .args(["--version", &format!("={VERSION}")])
            .args([
                "--no-default-features",
                "--features",
                &format!("llvm-{major}"),
            ])
            .arg("--root")
            .arg(folder)
            .env("LLVM_PREFIX", &prefix)
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
            // Not the target folder of this checkout, whatever the environment says.
            .env("CARGO_TARGET_DIR", folder.join("target"));
        run(&mut install, Chatter::OnFailure)?;
        Ok(fs::remove_dir_all(folder.join("target"))?)
    };
    let kept = binary(&cache.entry(&name, build)?);
    if is_suitable(&kept) {
        return Ok(kept);
    }
    // The library that it was built against has gone: the compiler has been replaced.
    cache.discard(&name)?;
    let rebuilt = binary(&cache.entry(&name, build)?);
    if !is_suitable(&rebuilt) {
        bail!("the bpf-linker built as {} does not run", rebuilt.display());
    }
    Ok(rebuilt)
}

/// A folder that looks like an installation of LLVM to bpf-linker's build, and stays where it is:
/// the linker finds the library through it later on.
fn llvm_prefix(cache: &Cache, llvm: &Llvm) -> Result<PathBuf> {
    let name = format!("llvm-{}", llvm.major);
    let _lock = cache.lock(&name)?;
    let prefix = cache.folder(&name)?;
    let lib = cache.folder(&format!("{name}/lib"))?;
    let own_name = llvm.library.file_name().context("libLLVM has no name")?;
    for link in [lib.join("libLLVM.so"), lib.join(own_name)] {
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => symlink(&llvm.library, &link)
                .with_context(|| format!("cannot link {}", link.display()))?,
        }
    }
    Ok(prefix)
}

fn is_suitable(binary: &Path) -> bool {
    let wanted = parse_version(VERSION);
    stdout_of(Command::new(binary).arg("--version")).is_ok_and(|output| {
        parse_version(output.trim().trim_start_matches("bpf-linker ")) >= wanted
    })
}

/// The leading three numbers of a version; `None`, which is less than any other, if it has none.
fn parse_version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text
        .split(|character: char| !character.is_ascii_digit())
        .map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(parse_version("0.13.0") > parse_version("0.9.15"));
        assert!(parse_version("0.13.0-rc1") == parse_version("0.13.0"));
        assert!(parse_version("not a version") < parse_version("0.0.1"));
    }
}

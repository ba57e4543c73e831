//! The Rust toolchain that compiles for the BPF target.
//!
//! No stable toolchain ships a `core` for that target. Debian does, for the compiler that it
//! builds its browsers with; a nightly with `rust-src` builds one.

use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, anyhow, bail};

use crate::{
    install,
    process::{on_path, stdout_of},
};

/// What the eBPF crate is compiled for.
pub(crate) const BPF_TARGET: &str = "bpfel-unknown-none";

const DEBIAN_PACKAGES: [&str; 4] = [
    "rustc-web",
    "cargo-web",
    "libstd-rust-web-dev-bpf",
    "rust-web-clippy",
];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_CARGO_CLIPPY: &str = "/usr/bin/cargo-clippy";
const DEBIAN_BPF_CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none";

/// A way to compile for the BPF target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// rustup's nightly with its `rust-src` component: `core` is built along with the program.
    Nightly,
    /// Debian's `rustc-web` and the prebuilt `core` of `libstd-rust-web-dev-bpf`.
    Debian,
}

/// The libLLVM of a Rust compiler, which bpf-linker has to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Llvm {
    /// Its major version; bitcode of a newer one cannot be read by an older one.
    pub(crate) major: u32,
    /// The shared library itself.
    pub(crate) library: PathBuf,
}

impl Toolchain {
    /// The toolchain of this machine; Debian's is installed where neither is there yet.
    pub(crate) fn find_or_install() -> Result<Self> {
        if nightly_has_sources() {
            return Ok(Self::Nightly);
        }
        if !debian_is_complete() {
            install_debian()?;
        }
        Ok(Self::Debian)
    }

    /// `cargo build`, to be completed with arguments.
    pub(crate) fn build(self) -> Command {
        let mut command = match self {
            Self::Nightly => nightly("cargo"),
            Self::Debian => debian(DEBIAN_CARGO),
        };
        command.arg("build");
        self.add_target(&mut command);
        command
    }

    /// `cargo clippy`, to be completed with arguments.
    pub(crate) fn clippy(self) -> Command {
        let mut command = match self {
            Self::Nightly => nightly("cargo"),
            // Cargo would prefer a cargo-clippy that rustup put into its home over its own.
            Self::Debian => debian(DEBIAN_CARGO_CLIPPY),
        };
        command.arg("clippy");
        self.add_target(&mut command);
        command
    }

    /// The libLLVM of this compiler.
    pub(crate) fn llvm(self) -> Result<Llvm> {
        let rustc = || match self {
            Self::Nightly => nightly("rustc"),
            Self::Debian => debian(DEBIAN_RUSTC),
        };
        let version = stdout_of(rustc().arg("-vV"))?;
        let (major, minor) = parse_llvm_version(&version)
            .ok_or_else(|| anyhow!("rustc does not say which LLVM it uses:\n{version}"))?;
        let sysroot = stdout_of(rustc().args(["--print", "sysroot"]))?;
        let lib = Path::new(sysroot.trim_end()).join("lib");
        let folders = [lib.join(format!("{ARCH}-linux-gnu")), lib];
        let prefix = format!("libLLVM.so.{major}.{minor}");
        let library = folders
            .iter()
            .find_map(|folder| file_starting_with(folder, &prefix))
            .ok_or_else(|| {
                anyhow!(
                    "no {prefix} in {} or {}",
                    folders[0].display(),
                    folders[1].display()
                )
            })?;
        Ok(Llvm { major, library })
    }

    fn add_target(self, command: &mut Command) {
        command.args(["--target", BPF_TARGET]);
        if self == Self::Nightly {
            command.args(["-Z", "build-std=core"]);
        }
    }
}

fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", program]);
    forget_host_toolchain(&mut command);
    command
}

fn debian(program: &str) -> Command {
    let mut command = Command::new(program);
    forget_host_toolchain(&mut command);
    command
        .env("CARGO", DEBIAN_CARGO)
        .env("RUSTC", DEBIAN_RUSTC)
        // The one crate that needs unstable features; the compiler is a stable one.
        .env("RUSTC_BOOTSTRAP", "aya_ebpf,nslife_ebpf");
    command
}

/// Removes what the Cargo that runs xtask has put into the environment for its own compiler.
fn forget_host_toolchain(command: &mut Command) {
    for name in [
        "CARGO",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(name);
    }
}

fn nightly_has_sources() -> bool {
    on_path("rustup").is_some()
        && stdout_of(nightly("rustc").args(["--print", "sysroot"])).is_ok_and(|sysroot| {
            Path::new(sysroot.trim_end())
                .join("lib/rustlib/src/rust/library/core")
                .exists()
        })
}

fn debian_is_complete() -> bool {
    [
        DEBIAN_RUSTC,
        DEBIAN_CARGO,
        DEBIAN_CARGO_CLIPPY,
        DEBIAN_BPF_CORE,
    ]
    .iter()
    .all(|path| Path::new(path).exists())
}

fn install_debian() -> Result<()> {
    let packages = DEBIAN_PACKAGES.join(" ");
    let alternatives = format!(
        "nothing here compiles for {BPF_TARGET}. Either of these does:\n  \
         - rustup toolchain install nightly --component rust-src --component clippy\n  \
         - on Debian 12, as root: apt-get install {packages}"
    );
    install::debian_packages(&DEBIAN_PACKAGES, "the BPF toolchain", &alternatives)?;
    if !debian_is_complete() {
        bail!("{packages} are installed, but {DEBIAN_BPF_CORE} is not there");
    }
    Ok(())
}

/// Major and minor version out of the `LLVM version:` line of `rustc -vV`.
fn parse_llvm_version(rustc_version: &str) -> Option<(u32, u32)> {
    let version = rustc_version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version:"))?;
    let mut parts = version.trim().split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn file_starting_with(folder: &Path, prefix: &str) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_llvm_version_of_rustc() {
        let text =
            "rustc 1.96.0 (built from a source tarball)\nbinary: rustc\nLLVM version: 22.1.8\n";
        assert_eq!(parse_llvm_version(text), Some((22, 1)));
        assert_eq!(parse_llvm_version("rustc 1.96.0\n"), None);
        assert_eq!(parse_llvm_version("LLVM version: main\n"), None);
    }

    #[test]
    fn only_nightly_builds_core_itself() {
        let has_build_std = |toolchain: Toolchain| {
            toolchain
                .build()
                .get_args()
                .any(|argument| argument == "build-std=core")
        };
        assert!(has_build_std(Toolchain::Nightly));
        assert!(!has_build_std(Toolchain::Debian));
    }
}

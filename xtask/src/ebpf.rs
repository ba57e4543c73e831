//! Compiles and checks `tracer-ebpf`, the crate of the kernel's side.

use std::{
    env::{self, consts::ARCH},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    linker::bpf_linker,
    process::{Chatter, host_cargo, run},
    project::Project,
    strip::{self, Programs},
    toolchain::{BPF_TARGET, Toolchain},
};

/// Name of the binary that `tracer-ebpf` builds.
const OBJECT: &str = "nslife-ebpf";

/// Tells `tracer-user` which commit it is built from.
const COMMIT_VARIABLE: &str = "NSLIFE_COMMIT";

/// Compiles the kernel programs and returns the path of the object.
pub(crate) fn build(project: &Project, chatter: Chatter) -> Result<PathBuf> {
    let toolchain = Toolchain::find_or_install()?;
    let linker = bpf_linker(&project.cache, &project.root, &toolchain.llvm()?)?;
    let mut command = toolchain.build();
    set_up(&mut command, project);
    // Always optimised: what is not optimised does not pass the verifier.
    command
        .args(["--release", "--bins"])
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker);
    run(&mut command, chatter)?;
    let object = target_folder(project)
        .join(BPF_TARGET)
        .join("release")
        .join(OBJECT);
    if !object.exists() {
        bail!(
            "tracer-ebpf was built, but there is no {}",
            object.display()
        );
    }
    let object = fs::read(&object)?;
    let stripped = target_folder(project).join(OBJECT);
    for (path, programs) in [
        (stripped.clone(), Programs::All),
        (walk_of(&stripped), Programs::Walk),
    ] {
        keep(&path, &strip::strip(&object, programs)?)?;
    }
    Ok(stripped)
}

/// The object with the programs of the walk alone, beside the one with all.
fn walk_of(object: &Path) -> PathBuf {
    object.with_extension("walk")
}

/// Writes the file unless that is what is in it: what is built from it would be
/// built anew.
fn keep(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Has `cargo` build nslife, or what has nslife's library in it, with these kernel programs inside.
///
/// Each build of it is to be told the same, or the next one would begin anew.
pub(crate) fn put_into(cargo: &mut Command, project: &Project, object: &Path) {
    cargo.env("NSLIFE_EBPF_OBJECT", object);
    cargo.env("NSLIFE_EBPF_WALK", walk_of(object));
    // Whoever builds a package knows it without git.
    if env::var_os(COMMIT_VARIABLE).is_none_or(|commit| commit.is_empty()) {
        cargo.env(COMMIT_VARIABLE, project.commit().unwrap_or_default());
    }
}

/// Lints the kernel programs for their own target, warnings denied.
pub(crate) fn clippy(project: &Project) -> Result<()> {
    let mut command = Toolchain::find_or_install()?.clippy();
    set_up(&mut command, project);
    command.args(["--release", "--", "--deny", "warnings"]);
    run(&mut command, Chatter::Show)
}

/// Checks the formatting of the kernel programs.
pub(crate) fn fmt(project: &Project) -> Result<()> {
    let mut command = host_cargo(&project.root.join("tracer-ebpf"));
    run(command.args(["fmt", "--check"]), Chatter::Show)
}

fn set_up(command: &mut Command, project: &Project) {
    // The unit separator is what Cargo splits this variable at.
    let flags = [
        &format!("--cfg=bpf_target_arch=\"{ARCH}\""),
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        // Atomic read-modify-write, which every kernel from 5.12 executes.
        "-Ctarget-cpu=v3",
    ]
    .join("\x1f");
    command
        .current_dir(project.root.join("tracer-ebpf"))
        .arg("--target-dir")
        .arg(target_folder(project))
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
}

/// Apart from the host's, so that two compilers do not undo each other's work.
fn target_folder(project: &Project) -> PathBuf {
    project.target.join("ebpf")
}

//! Puts the compiled kernel programs where `src/engine/load.rs` includes
//! them from, and tells `src/version.rs` their hash. `cargo xtask build`
//! compiles the programs, with a toolchain of their own, and says where they
//! are (see docs/building.md).

use std::{env, error::Error, fs, path::PathBuf};

use sha2::{Digest as _, Sha256};

/// Names the compiled kernel programs.
const OBJECT_VARIABLE: &str = "NSLIFE_EBPF_OBJECT";

/// Names those of the walk alone.
const WALK_VARIABLE: &str = "NSLIFE_EBPF_WALK";

/// Bytes of the programs' hash that are told.
const TOLD: usize = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let bytes = include(OBJECT_VARIABLE, "nslife-ebpf")?;
    include(WALK_VARIABLE, "nslife-walk")?;
    tell_version(&bytes);
    Ok(())
}

/// Copies the object file that a variable names to where it is included from,
/// and returns what is in it.
fn include(variable: &str, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed={variable}");
    let Some(object) = env::var_os(variable).map(PathBuf::from) else {
        return Err(format!(
            "{variable} does not name the compiled kernel programs: \
             build with `cargo xtask build`, which compiles them first"
        )
        .into());
    };
    println!("cargo:rerun-if-changed={}", object.display());
    let bytes =
        fs::read(&object).map_err(|error| format!("cannot read {}: {error}", object.display()))?;
    if !bytes.starts_with(b"\x7fELF") {
        return Err(format!("{} ({variable}) is not an object file", object.display()).into());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("Cargo sets OUT_DIR")?);
    fs::write(out.join(name), &bytes)?;
    Ok(bytes)
}

/// Hands over what `src/version.rs` says.
fn tell_version(object: &[u8]) {
    let hash: String = Sha256::digest(object)[..TOLD]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo:rustc-env=NSLIFE_EBPF_OBJECT_HASH={hash}");
}

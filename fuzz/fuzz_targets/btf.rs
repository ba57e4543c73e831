//! Any bytes as a kernel's description of itself, asked everything that
//! nslife asks of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_core::{btf::KernelBtf, plan};

/// Where the standard library has the keys of its hash maps from: always the
/// same ones, or the same run would not come twice.
#[unsafe(no_mangle)]
extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller lends that many bytes to be written to.
    unsafe { buffer.write_bytes(0, length) };
    length.cast_signed()
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = KernelBtf::parse(bytes) else {
        return;
    };
    let _ = btf.layout();
    let _ = plan::offered(&btf);
});

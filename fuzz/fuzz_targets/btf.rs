//! Any bytes as a kernel's description of itself, asked everything that
//! nslife asks of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_core::{btf::KernelBtf, plan};

fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = KernelBtf::parse(bytes) else {
        return;
    };
    let _ = btf.layout();
    let _ = plan::offered(&btf);
});

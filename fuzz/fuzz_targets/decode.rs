//! Any bytes as a record of the ring buffer, and as the records of a walk.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_core::decode;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode::event(bytes);
    // What is decoded has taken up bytes, so the walk comes to an end.
    assert!(decode::walk(bytes).count() <= bytes.len());
});

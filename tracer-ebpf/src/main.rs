//! The kernel side of nslife: programs that report what happens to
//! namespaces.
//!
//! One program per kernel function, one record layout for all eight
//! namespace types. Which program is attached to which function is decided
//! by userspace (the attach plan); where fields are, by the running kernel's
//! BTF (see [`tracer_common::layout`]). An ordinary fork, exec or exit writes
//! nothing.

#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "compare-and-swap, see `atomic`")]

mod active;
mod atomic;
mod cred;
mod doing;
mod emit;
mod exits;
mod fill;
mod known;
mod making;
mod maps;
mod mem;
mod namespace;
mod netns;
mod ns_common;
mod nsfs;
mod nsproxy;
mod pid;
mod procfs;
mod select;
mod twins;
mod walk;
mod zap;

/// The kernel lets only GPL-compatible programs call the helpers used here.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier refuses a program that could get here, so none does.
    loop {}
}

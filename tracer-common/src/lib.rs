//! What the kernel programs and userspace agree on.
//!
//! One definition serves both sides: fixed-width fields, explicit padding,
//! and sizes asserted at compile time. Nothing here allocates, and nothing
//! here knows about a particular kernel version: offsets arrive as data
//! ([`layout::Layout`]), resolved from the running kernel's BTF.

#![no_std]

pub mod event;
pub mod kind;
pub mod known;
pub mod layout;
pub mod twins;
pub mod walk;

//! What people and programs see: pure functions of the model's values.
//!
//! Nothing here reads the kernel or waits for anything; the only clock is
//! [`clock::Clock`], which is sampled by the caller.

pub mod audit;
pub mod clock;
pub mod escape;
pub mod filter;
pub mod json;
pub mod metrics;
pub mod scope;
pub mod switch;
pub mod text;
pub mod waiting;

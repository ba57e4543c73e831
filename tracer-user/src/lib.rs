//! nslife: what happens to Linux namespaces, since when, and because of whom.
//!
//! Data flows one way: kernel programs write records, [`decode`] checks them,
//! the [`model::Tracker`] turns them into transitions and a picture of what
//! exists, and every view (text, JSON, metrics, HTTP) reads that picture.

pub mod cli;
pub mod control;
pub mod daemon;
pub mod engine;
pub mod feed;
pub mod http;
pub mod logging;
pub mod memory;
pub mod privileges;
pub mod signals;
pub mod version;
pub mod view;
pub mod witness;

pub use tracer_core::{btf, decode, model, plan};

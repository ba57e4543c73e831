//! What people and programs see, made from values of the model.

#[path = "../support/schemas.rs"]
mod schemas;
mod values;

mod audit;
mod catalogue;
mod doctor;
mod ends;
mod filter;
mod json;
mod longest;
mod metrics;
mod namespaces;
mod scope;
mod trace;

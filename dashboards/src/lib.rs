//! What is in this folder for Grafana and Prometheus, as data: for the tests, which hold it against
//! the catalogue of metrics, and for the scenarios, which ask a Prometheus all of it.

pub mod grafana;
pub mod query;
pub mod rules;
pub mod series;

//! The web server, over real connections.

mod api;
mod hostile;
mod pages;
mod secure;
mod server;

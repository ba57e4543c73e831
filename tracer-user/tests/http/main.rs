//! The web server, over real connections.

mod hostile;
mod pages;
mod secure;
mod server;

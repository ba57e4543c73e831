//! Files on their way from one process to another.

use anyhow::Result;

use super::{File, Order, Puppet, Reply};
use crate::channel::Channel;

/// A file that a puppet has sent and that nobody has received: no process has it open. Dropping
/// this closes it.
#[derive(Debug)]
#[must_use = "the file is closed when this is dropped"]
pub(crate) struct Parcel {
    /// The end at which it will arrive. Nobody has the other one.
    destination: Channel,
}

impl Puppet {
    /// Sends a file on its way, and closes it.
    pub(crate) fn send(&self, file: File) -> Result<Parcel> {
        let (destination, theirs) = Channel::pair()?;
        let order = Order::Send { file: file.0 };
        match self.order(&order, Some(&theirs))? {
            Reply::Done => Ok(Parcel { destination }),
            reply => self.unexpected(&order, &reply),
        }
    }

    /// Receives a file that another has sent.
    pub(crate) fn receive(&self, parcel: Parcel) -> Result<File> {
        match self.order(&Order::Receive, Some(&parcel.destination))? {
            Reply::File(file) => Ok(File(file)),
            reply => self.unexpected(&Order::Receive, &reply),
        }
    }
}

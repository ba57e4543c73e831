//! What a running daemon tells another nslife over a local socket: the whole
//! picture, with the times and the creators that only one knows who watched.
//!
//! Each connection asks one [`Question`], which ends with a line's end or with
//! the closing of its side, and is answered with one [`Document`]. After that
//! comes what happens, a line each, if that was asked for, until one of both
//! closes. Only who may open the socket gets that far: its mode is 0600.

mod ask;
mod follow;
mod serve;
mod snapshot;
mod socket;

use serde::{Deserialize, Serialize};

use crate::version;

pub use ask::{AskError, ask, ask_for_audit};
pub use follow::{Beginning, Followed, Following, follow};
pub(crate) use serve::given;
pub use serve::{Refusal, Reply, Request, serve};
pub use snapshot::{Audited, Snapshot, release};
pub use socket::{BindError, ControlSocket};

/// Where the socket is unless somebody says otherwise.
pub const DEFAULT_PATH: &str = "/run/nslife/control.sock";

/// The environment variable that says otherwise, to the daemon and to those who
/// ask it.
pub const VARIABLE: &str = "NSLIFE_CONTROL_SOCKET";

/// The version of what is around the answer. What is in it belongs to the
/// version of nslife, and two versions do not talk about it.
const PROTOCOL: u32 = 3;

/// What goes over the socket.
#[derive(Debug, Serialize, Deserialize)]
struct Document<A> {
    /// [`PROTOCOL`]
    protocol: u32,
    /// The version of the daemon.
    version: String,
    /// What it has to say, or as much of that as the reader looks at.
    answer: A,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    /// The picture: a [`Snapshot`].
    Snapshot,
    /// Whether it is right: [`Audited`].
    Audit,
    /// What happened last, and what happens: a [`Beginning`].
    Follow,
}

/// What the daemon has to say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer<T> {
    /// What was asked for.
    Given(T),
    /// None, and why.
    Refused(String),
}

impl<A> Document<A> {
    fn new(answer: A) -> Self {
        Self {
            protocol: PROTOCOL,
            version: version::NUMBER.to_owned(),
            answer,
        }
    }
}

//! Both sides of a question that has no end: what happens from now on, and
//! what happened just before.

use std::{
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::broadcast::{Receiver, error::RecvError},
    time::timeout,
};

use super::{
    Question,
    ask::{AskError, open, understand},
    socket::connect_to,
};
use crate::{engine::Limits, feed::Happening, model::NsId};

/// What somebody who follows a daemon is told first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Beginning {
    /// The process of the daemon.
    pub pid: u32,
    /// Since when it has been watching, `CLOCK_BOOTTIME` nanoseconds.
    pub watching_since: u64,
    /// What its last walk could not show.
    pub limits: Limits,
    /// The initial namespaces.
    pub initial: Vec<NsId>,
    /// What happened last, the oldest first.
    pub past: Vec<Happening>,
}

/// What somebody is given who asks for that.
#[derive(Debug)]
pub struct Following {
    /// What comes first.
    pub beginning: Beginning,
    /// What comes then.
    pub then: Receiver<Arc<Happening>>,
}

/// Tells somebody who follows, a line for each, until it goes away, or has not
/// taken what it is told for so long.
pub(super) async fn tell(
    (mut reader, mut writer): (OwnedReadHalf, OwnedWriteHalf),
    mut then: Receiver<Arc<Happening>>,
    patience: Duration,
) -> io::Result<()> {
    let gone = async {
        // Nothing more is asked on this connection.
        let mut more = [0];
        reader.read(&mut more).await
    };
    tokio::pin!(gone);
    loop {
        let line = tokio::select! {
            told = then.recv() => match told {
                Ok(happening) => serde_json::to_string(&*happening)?,
                Err(RecvError::Lagged(count)) => serde_json::to_string(&Happening::missed(count))?,
                Err(RecvError::Closed) => return Ok(()),
            },
            end = &mut gone => return end.map(drop),
        };
        let written = async {
            writer.write_all(line.as_bytes()).await?;
            writer.write_all(b"\n").await
        };
        timeout(patience, written).await??;
    }
}

/// A daemon that is followed.
#[derive(Debug)]
pub struct Followed {
    lines: Lines<BufReader<OwnedReadHalf>>,
    path: PathBuf,
    /// Its end tells the daemon that nobody follows any more.
    _open: OwnedWriteHalf,
}

/// Follows the daemon at this socket, which has to answer within `patience`.
/// Needs a tokio runtime.
pub async fn follow(path: &Path, patience: Duration) -> Result<(Beginning, Followed), AskError> {
    let failed = |error| AskError::of(path, patience, error);
    let (reader, writer) = ask(path, patience).map_err(failed)?.into_split();
    let mut followed = Followed {
        lines: BufReader::new(reader).lines(),
        path: path.to_owned(),
        _open: writer,
    };
    let first = timeout(patience, followed.lines.next_line()).await;
    let first = first.map_err(io::Error::from).and_then(|line| line);
    let first = first.map_err(failed)?.unwrap_or_default();
    Ok((understand(path, first.as_bytes())?, followed))
}

fn ask(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let mut stream = connect_to(path, patience)?;
    stream.write_all(&open(Question::Follow)?)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

impl Followed {
    /// What happens next; `None` when the daemon ends. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Happening>, AskError> {
        let line = match self.lines.next_line().await {
            Ok(line) => line,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => {
                return Err(AskError::Unreachable {
                    path: self.path.clone(),
                    error,
                });
            }
        };
        line.map(|line| serde_json::from_str(&line))
            .transpose()
            .map_err(|error| AskError::Garbled {
                path: self.path.clone(),
                error,
            })
    }
}

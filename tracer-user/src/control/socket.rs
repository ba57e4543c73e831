//! The socket as a file: making it, and taking it away again.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{Mode, chmod},
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

/// Connections that may wait for their turn.
const BACKLOG: i32 = 16;

/// How long to wait for a place in the queue of whoever listens. It is enough
/// to know that the queue is full.
const PROBE: Duration = Duration::from_millis(500);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there.
    #[error(
        "the control socket {} is in use by another nslife daemon: --control-socket chooses \
         another path, --no-control-socket does without",
        .0.display()
    )]
    InUse(PathBuf),
    /// Something is there that is no socket, and stays.
    #[error(
        "{} is there and is not a socket: --control-socket chooses another path, \
         --no-control-socket does without",
        .0.display()
    )]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error(
        "cannot make the control socket {}: {error} (--control-socket chooses another path, \
         --no-control-socket does without)",
        path.display()
    )]
    System {
        /// The socket, or its folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl BindError {
    /// The same for a socket that is not the control socket, of which these
    /// words are.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::InUse(_) => io::Error::from(ErrorKind::AddrInUse),
            Self::NotASocket(_) => io::Error::new(
                ErrorKind::AlreadyExists,
                "something is there that is not a socket",
            ),
            Self::System { error, .. } => error,
        }
    }
}

/// A socket that listens, and whose file goes when it does.
#[derive(Debug)]
pub struct ControlSocket {
    listener: tokio::net::UnixListener,
    path: PathBuf,
    /// Device and inode of the file: another's is not to be removed.
    file: (u64, u64),
}

impl ControlSocket {
    /// Makes the socket, and its folder if there is none. A socket that nobody
    /// listens at, as one is left behind by a daemon that was killed, is
    /// replaced. Needs a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let system = |error: io::Error| BindError::System {
            path: path.to_owned(),
            error,
        };
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(folder)
                .map_err(system)?;
        }
        make_room(path)?;
        let listener = listener(path).map_err(system)?;
        let file = fs::symlink_metadata(path).map_err(system)?;
        listener.set_nonblocking(true).map_err(system)?;
        Ok(Self {
            listener: tokio::net::UnixListener::from_std(listener).map_err(system)?,
            path: path.to_owned(),
            file: (file.dev(), file.ino()),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn listener(&self) -> &tokio::net::UnixListener {
        &self.listener
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.file);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the control socket");
        }
    }
}

/// Removes a socket that nobody listens at.
fn make_room(path: &Path) -> Result<(), BindError> {
    let system = |error| BindError::System {
        path: path.to_owned(),
        error,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(error)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(BindError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match connect_to(path, PROBE) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        // A full queue is somebody's, too.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            return Err(BindError::InUse(path.to_owned()));
        }
        Err(error) => return Err(system(error)),
        Ok(_) => return Err(BindError::InUse(path.to_owned())),
    }
    match fs::remove_file(path) {
        // Another one may have been quicker.
        Err(error) if error.kind() != ErrorKind::NotFound => Err(system(error)),
        _ => Ok(()),
    }
}

/// Listens there. Nobody can connect before the mode is what it should be:
/// until then nobody listens.
fn listener(path: &Path) -> io::Result<UnixListener> {
    let address = SocketAddrUnix::new(path)?;
    let socket = new_socket()?;
    bind(&socket, &address)?;
    let ready = chmod(path, Mode::RUSR | Mode::WUSR).and_then(|()| listen(&socket, BACKLOG));
    if let Err(error) = ready {
        fs::remove_file(path)?;
        return Err(error.into());
    }
    Ok(UnixListener::from(socket))
}

/// Connects, but does not wait for ever where many wait already: that ends
/// with [`ErrorKind::WouldBlock`].
pub(super) fn connect_to(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = new_socket()?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

fn new_socket() -> io::Result<std::os::fd::OwnedFd> {
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

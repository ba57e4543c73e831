//! Sockets that the service manager listens at, and hands over
//! (`sd_listen_fds(3)`).

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
};

use rustix::net::{
    AddressFamily, SocketType,
    sockopt::{socket_acceptconn, socket_domain, socket_type},
};
use tokio::net::{TcpListener, UnixListener};

use super::Listener;

/// Why there is nothing to listen at.
#[derive(Debug, thiserror::Error)]
pub enum HandedOverError {
    /// Nobody handed anything over.
    #[error("no socket was handed over (LISTEN_FDS): is nslife.socket active?")]
    None,
    /// What the environment says makes no sense.
    #[error("the sockets that were handed over cannot be told: {0}")]
    Environment(io::Error),
    /// It is something else than a socket where connections come in.
    #[error("descriptor {0}, which was handed over, is no socket that listens for connections")]
    NotListening(RawFd),
    /// It cannot be used.
    #[error("descriptor {fd}, which was handed over, cannot be listened at: {error}")]
    Unusable {
        /// Which one.
        fd: RawFd,
        /// Why.
        error: io::Error,
    },
}

/// Takes the sockets that were handed over. To be called once, within a tokio
/// runtime, before anything else could close them.
pub fn handed_over() -> Result<Vec<Listener>, HandedOverError> {
    let descriptors = sd_notify::listen_fds().map_err(HandedOverError::Environment)?;
    let listeners: Vec<_> = descriptors
        .map(|fd| {
            // SAFETY: whoever started this process opened the descriptor for
            // it, and nobody else in it takes those that were handed over.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            listener(fd, socket)
        })
        .collect::<Result<_, _>>()?;
    if listeners.is_empty() {
        return Err(HandedOverError::None);
    }
    Ok(listeners)
}

fn listener(fd: RawFd, socket: OwnedFd) -> Result<Listener, HandedOverError> {
    let unusable = |error| HandedOverError::Unusable { fd, error };
    let listens = socket_acceptconn(&socket).is_ok_and(|listens| listens)
        && socket_type(&socket).is_ok_and(|kind| kind == SocketType::STREAM);
    if !listens {
        return Err(HandedOverError::NotListening(fd));
    }
    let family = socket_domain(&socket).map_err(|errno| unusable(errno.into()))?;
    match family {
        AddressFamily::INET | AddressFamily::INET6 => {
            let listener = std::net::TcpListener::from(socket);
            listener.set_nonblocking(true).map_err(unusable)?;
            TcpListener::from_std(listener)
                .map(Listener::Tcp)
                .map_err(unusable)
        }
        AddressFamily::UNIX => {
            let listener = std::os::unix::net::UnixListener::from(socket);
            listener.set_nonblocking(true).map_err(unusable)?;
            UnixListener::from_std(listener)
                .map(Listener::UnixHandedOver)
                .map_err(unusable)
        }
        _ => Err(HandedOverError::NotListening(fd)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        net::{TcpListener as StdTcp, UdpSocket},
        os::{fd::AsRawFd as _, unix::net::UnixListener as StdUnix},
    };

    use super::*;

    fn told(socket: impl Into<OwnedFd>) -> Result<Listener, HandedOverError> {
        let socket = socket.into();
        listener(socket.as_raw_fd(), socket)
    }

    #[tokio::test]
    async fn what_listens_is_taken_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let tcp = StdTcp::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        assert_eq!(told(tcp).unwrap().address(), address);
        let path = folder.path().join("socket");
        let unix = StdUnix::bind(&path).unwrap();
        let said = told(unix).unwrap().address();
        assert_eq!(said, format!("unix://{}", path.display()));

        let listening = StdTcp::bind("127.0.0.1:0").unwrap();
        let connected = std::net::TcpStream::connect(listening.local_addr().unwrap()).unwrap();
        for other in [
            OwnedFd::from(File::open("/dev/null").unwrap()),
            UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            connected.into(),
        ] {
            let error = told(other).unwrap_err();
            assert!(matches!(error, HandedOverError::NotListening(_)), "{error}");
        }
    }
}

//! Where connections come from.

use std::{io, net::IpAddr, path::Path};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
};

use crate::control::ControlSocket;

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Whoever connects, as far as one can be told from the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Peer {
    /// By the address; of IPv6, by the part that says which network, since
    /// whoever has one has all addresses in it.
    Address(IpAddr),
    /// By the user that the process runs as.
    User(u32),
    /// The kernel does not say.
    Unknown,
}

impl Peer {
    fn at(address: IpAddr) -> Self {
        const NETWORK: u128 = !0 << 64;
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & NETWORK).into()),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Something that can be connected to.
#[derive(Debug)]
pub enum Listener {
    /// Over the network.
    Tcp(TcpListener),
    /// On this system, through a file.
    Unix(ControlSocket),
    /// The same, where the file is somebody else's.
    UnixHandedOver(UnixListener),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Box::new(stream), Peer::at(address.ip())))
            }
            Self::Unix(socket) => accept_local(socket.listener()).await,
            Self::UnixHandedOver(listener) => accept_local(listener).await,
        }
    }

    /// Where it is, for people: as `--web.listen-address` takes it.
    pub fn address(&self) -> String {
        let unknown = || "an address that cannot be told".to_owned();
        let unix = |path: &Path| format!("unix://{}", path.display());
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|_| unknown(), |address| address.to_string()),
            Self::Unix(socket) => unix(socket.path()),
            Self::UnixHandedOver(listener) => listener
                .local_addr()
                .ok()
                .and_then(|address| address.as_pathname().map(unix))
                .unwrap_or_else(unknown),
        }
    }
}

async fn accept_local(listener: &UnixListener) -> io::Result<(Box<dyn Stream>, Peer)> {
    let (stream, _) = listener.accept().await?;
    let peer = stream.peer_cred();
    let peer = peer.map_or(Peer::Unknown, |peer| Peer::User(peer.uid()));
    Ok((Box::new(stream), peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_is_one_peer() {
        let peer = |text: &str| Peer::at(text.parse().unwrap());
        assert_eq!(peer("2001:db8:1:2::3"), peer("2001:db8:1:2:ffff::4"));
        assert_ne!(peer("2001:db8:1:2::3"), peer("2001:db8:1:3::3"));
        assert_eq!(peer("192.0.2.1"), peer("::ffff:192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}

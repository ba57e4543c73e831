//! Where the daemon listens, and under which path.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use tokio::net::TcpListener;

use super::Listener;
use crate::control::{BindError, ControlSocket};

/// An address to listen on: `HOST:PORT`, or `:PORT` for all addresses, as
/// exporters commonly take it; or `unix://PATH`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAddress {
    /// Over the network.
    Network {
        /// All addresses, if there is none.
        host: Option<String>,
        /// The port.
        port: u16,
    },
    /// On this system, through a socket of mode 0600 there.
    Unix(PathBuf),
}

/// Why a text is not an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not an address to listen on: give HOST:PORT, :PORT for all addresses, or unix:///PATH for a socket on this system"
)]
pub struct BadListenAddress;

impl ListenAddress {
    /// Listens.
    pub async fn bind(&self) -> io::Result<Listener> {
        let listener = match self {
            Self::Unix(path) => {
                return ControlSocket::bind(path)
                    .map(Listener::Unix)
                    .map_err(BindError::into_io);
            }
            Self::Network {
                host: Some(host),
                port,
            } => TcpListener::bind((host.as_str(), *port)).await?,
            // `::` takes IPv4 as well, but is not there without IPv6.
            Self::Network { host: None, port } => match TcpListener::bind(("::", *port)).await {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind(("0.0.0.0", *port)).await?
                }
                bound => bound?,
            },
        };
        Ok(Listener::Tcp(listener))
    }
}

impl FromStr for ListenAddress {
    type Err = BadListenAddress;

    fn from_str(text: &str) -> Result<Self, BadListenAddress> {
        if let Some(path) = text.strip_prefix("unix://") {
            let path = Path::new(path);
            let fits = path.is_absolute() && path.file_name().is_some();
            return fits
                .then(|| Self::Unix(path.to_owned()))
                .ok_or(BadListenAddress);
        }
        let (host, port) = text.rsplit_once(':').ok_or(BadListenAddress)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        // An IPv6 address without brackets would lose its last group to the
        // port.
        if bare.is_none() && host.contains(':') {
            return Err(BadListenAddress);
        }
        let host = bare.unwrap_or(host);
        Ok(Self::Network {
            host: (!host.is_empty()).then(|| host.to_owned()),
            port: port.parse().map_err(|_| BadListenAddress)?,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Network {
                host: Some(host),
                port,
            } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Network { host, port } => {
                write!(f, "{}:{port}", host.as_deref().unwrap_or_default())
            }
        }
    }
}

/// The path of the metrics: of unreserved characters only, and none that is
/// taken by something else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TelemetryPath(String);

/// Why a text is not a path for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not a path for metrics: it starts with / and has letters, digits, -, _, . and / after it, and /healthz, /readyz and /api/… are taken"
)]
pub struct BadTelemetryPath;

impl TelemetryPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TelemetryPath {
    type Err = BadTelemetryPath;

    fn from_str(text: &str) -> Result<Self, BadTelemetryPath> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let fits = text.starts_with('/')
            && text.len() > 1
            && text.chars().all(plain)
            && !matches!(text, "/healthz" | "/readyz")
            && !text.starts_with("/api/");
        fits.then(|| Self(text.to_owned())).ok_or(BadTelemetryPath)
    }
}

impl fmt::Display for TelemetryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        for text in [
            "127.0.0.1:19619",
            ":9",
            "[::1]:80",
            "localhost:0",
            "unix:///run/nslife/web.sock",
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "127.0.0.1",
            "80",
            "::1:80",
            "host:",
            "host:65536",
            "[::1]",
            "unix://",
            "unix:///",
            "unix://web.sock",
            "unix:web.sock",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn paths_are_plain_and_free() {
        for text in ["/metrics", "/a/b-c_d.e"] {
            assert_eq!(text.parse::<TelemetryPath>().unwrap().as_str(), text);
        }
        for text in [
            "", "/", "metrics", "/healthz", "/readyz", "/api/v1", "/{x}", "/*", "/a b", "/<b>",
        ] {
            assert!(text.parse::<TelemetryPath>().is_err(), "{text:?}");
        }
    }
}

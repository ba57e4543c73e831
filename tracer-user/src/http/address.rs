//! Where the daemon listens, and under which path.

use std::{fmt, io, str::FromStr};

use tokio::net::TcpListener;

/// An address to listen on: `HOST:PORT`, or `:PORT` for all addresses, as
/// exporters commonly take it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenAddress {
    host: Option<String>,
    port: u16,
}

/// Why a text is not an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an address to listen on: give HOST:PORT, or :PORT for all addresses")]
pub struct BadListenAddress;

impl ListenAddress {
    /// Listens.
    pub async fn bind(&self) -> io::Result<TcpListener> {
        match &self.host {
            Some(host) => TcpListener::bind((host.as_str(), self.port)).await,
            // `::` takes IPv4 as well, but is not there without IPv6.
            None => match TcpListener::bind(("::", self.port)).await {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind(("0.0.0.0", self.port)).await
                }
                bound => bound,
            },
        }
    }
}

impl FromStr for ListenAddress {
    type Err = BadListenAddress;

    fn from_str(text: &str) -> Result<Self, BadListenAddress> {
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
        Ok(Self {
            host: (!host.is_empty()).then(|| host.to_owned()),
            port: port.parse().map_err(|_| BadListenAddress)?,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{}:{}", host.as_deref().unwrap_or_default(), self.port),
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
    "not a path for metrics: it starts with / and has letters, digits, -, _, . and / after it, and /healthz and /readyz are taken"
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
            && !matches!(text, "/healthz" | "/readyz");
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
        for text in ["127.0.0.1:19619", ":9", "[::1]:80", "localhost:0"] {
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
            "", "/", "metrics", "/healthz", "/readyz", "/{x}", "/*", "/a b", "/<b>",
        ] {
            assert!(text.parse::<TelemetryPath>().is_err(), "{text:?}");
        }
    }
}

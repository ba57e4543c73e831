//! Who may ask over the network, and how that is protected: the file of
//! `--web.config.file`.

mod file;
mod live;
mod names;
mod tls;
mod users;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig;

use self::file::{File, Headers, Tls};

pub use live::LiveConfig;
pub use users::Users;

/// Why a file is not taken. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum WebConfigError {
    /// The file is not to be had.
    #[error("cannot read {}: {error} (--web.config.file names it)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not in the format.
    #[error("{}: {problem} (docs/exporter.md shows what can be there)", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// It says something that cannot be done.
    #[error("{}: {key}: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, with those that it is under.
        key: String,
        /// What is wrong, and the way out.
        problem: String,
    },
}

/// What is wrong with the value of a key.
type Problem = (String, String);

/// What the file asks for.
#[derive(Debug)]
pub struct WebConfig {
    /// How to encrypt; `None` for not at all.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who may ask; nobody in particular if it is empty.
    pub users: Users,
    /// What goes with every answer.
    pub headers: HeaderMap,
    /// Whether only those get in who show a certificate.
    pub certificates: bool,
    /// The files that this was read from.
    read: Vec<PathBuf>,
}

impl WebConfig {
    /// Reads a file, and those that it names.
    pub fn read(path: &Path) -> Result<Self, WebConfigError> {
        let text = fs::read_to_string(path).map_err(|error| WebConfigError::Read {
            path: path.to_owned(),
            error,
        })?;
        let file = file::parse(&text).map_err(|problem| WebConfigError::Format {
            path: path.to_owned(),
            problem,
        })?;
        Self::from_file(file, path).map_err(|(key, problem)| WebConfigError::Value {
            path: path.to_owned(),
            key,
            problem,
        })
    }

    /// Whether strangers are kept out.
    pub fn authenticates(&self) -> bool {
        self.certificates || !self.users.is_empty()
    }

    fn from_file(file: File, path: &Path) -> Result<Self, Problem> {
        if file.rate_limit.is_some() {
            return Err(not_here("rate_limit", "it has limits of its own"));
        }
        let headers = headers(&file.http_server_config.headers)?;
        let users = Users::new(file.basic_auth_users)?;
        let mut config = Self {
            tls: None,
            users,
            headers,
            certificates: false,
            read: vec![path.to_owned()],
        };
        if let Some(tls) = &file.tls_server_config {
            let mut sources = Sources {
                folder: path.parent().unwrap_or(Path::new("")),
                read: &mut config.read,
            };
            config.tls = Some(Arc::new(tls::server(tls, &mut sources)?));
            config.certificates = tls.client_auth_type == tls::ALWAYS;
        }
        Ok(config)
    }
}

/// What Prometheus's own exporters know and nslife does not.
fn not_here(key: &str, because: &str) -> Problem {
    let problem = format!("nslife does not have this: {because}; take it out");
    (key.to_owned(), problem)
}

/// Files that are named in the file.
struct Sources<'a> {
    /// What names are relative to.
    folder: &'a Path,
    /// Those that were read.
    read: &'a mut Vec<PathBuf>,
}

impl Sources<'_> {
    /// The text that a key gives, or the content of the file that another one
    /// names. `None` if neither is there.
    fn get(
        &mut self,
        (key, text): (&str, Option<&String>),
        (file_key, file): (&str, Option<&String>),
    ) -> Result<Option<(String, Vec<u8>)>, Problem> {
        let name = |key: &str| format!("tls_server_config.{key}");
        match (given(text), given(file)) {
            (Some(_), Some(_)) => {
                Err((name(key), format!("there is {file_key} as well; keep one")))
            }
            (Some(text), None) => Ok(Some((name(key), text.as_bytes().to_vec()))),
            (None, Some(file)) => {
                let path = self.folder.join(file);
                let content = fs::read(&path).map_err(|error| {
                    (
                        name(file_key),
                        format!("cannot read {}: {error}", path.display()),
                    )
                })?;
                self.read.push(path);
                Ok(Some((name(file_key), content)))
            }
            (None, None) => Ok(None),
        }
    }
}

/// What is empty is not there.
fn given(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

fn headers(headers: &Headers) -> Result<HeaderMap, Problem> {
    let all: [(&str, &str, &[&str]); 5] = [
        (
            "Content-Security-Policy",
            &headers.content_security_policy,
            &[],
        ),
        (
            "X-Frame-Options",
            &headers.x_frame_options,
            &["deny", "sameorigin"],
        ),
        (
            "X-Content-Type-Options",
            &headers.x_content_type_options,
            &["nosniff"],
        ),
        ("X-XSS-Protection", &headers.x_xss_protection, &[]),
        (
            "Strict-Transport-Security",
            &headers.strict_transport_security,
            &[],
        ),
    ];
    let mut map = HeaderMap::new();
    for (name, value, possible) in all {
        if value.is_empty() {
            continue;
        }
        let key = || format!("http_server_config.headers.{name}");
        if !possible.is_empty() && !possible.contains(&&*value.to_ascii_lowercase()) {
            let problem = format!("{value:?} is not possible: give {}", possible.join(" or "));
            return Err((key(), problem));
        }
        let name = HeaderName::try_from(name).map_err(|error| (key(), error.to_string()))?;
        let value = HeaderValue::try_from(value)
            .map_err(|_| (key(), "this cannot be in a header".to_owned()))?;
        map.insert(name, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests;

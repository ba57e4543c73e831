//! The file as it is written: the format of Prometheus's exporter-toolkit
//! (`docs/web-configuration.md` there). Keys that nobody knows are refused.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

/// All of it.
#[derive(Default, Deserialize, Debug)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) tls_server_config: Option<Tls>,
    pub(super) http_server_config: Http,
    /// Names, and bcrypt hashes of their passwords.
    pub(super) basic_auth_users: BTreeMap<String, String>,
    /// Known, but not to be had here.
    pub(super) rate_limit: Option<IgnoredAny>,
}

/// How to encrypt, and whom to believe.
#[derive(Default, Deserialize, Debug)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) cert: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) client_ca_file: Option<String>,
    pub(super) client_auth_type: String,
    /// Known, but not to be had here.
    pub(super) client_allowed_sans: Option<IgnoredAny>,
    pub(super) min_version: Option<String>,
    pub(super) max_version: Option<String>,
    pub(super) cipher_suites: Vec<String>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Vec<String>,
}

/// The rest.
#[derive(Default, Deserialize, Debug)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    /// Permission to speak HTTP/2. nslife speaks HTTP/1.1 either way, on which
    /// clients agree by themselves.
    #[serde(rename = "http2")]
    pub(super) _http2: Option<bool>,
    pub(super) headers: Headers,
}

/// Headers that go with every answer.
#[derive(Default, Deserialize, Debug)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Headers {
    #[serde(rename = "Content-Security-Policy")]
    pub(super) content_security_policy: String,
    #[serde(rename = "X-Frame-Options")]
    pub(super) x_frame_options: String,
    #[serde(rename = "X-Content-Type-Options")]
    pub(super) x_content_type_options: String,
    #[serde(rename = "X-XSS-Protection")]
    pub(super) x_xss_protection: String,
    #[serde(rename = "Strict-Transport-Security")]
    pub(super) strict_transport_security: String,
}

/// Reads it; the error is one line.
pub(super) fn parse(text: &str) -> Result<File, String> {
    // A file of comments is an empty file.
    let file: Result<Option<File>, _> = serde_saphyr::from_str(text);
    file.map(Option::unwrap_or_default).map_err(|error| {
        let lines = error.to_string();
        lines.lines().next().unwrap_or_default().to_owned()
    })
}

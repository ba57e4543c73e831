//! Who is let in, with a real TLS client.

use std::{fs, path::Path, sync::Arc};

use nslife::http::{Guard, LiveConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::server::{PATIENCE, Server, guarded};

/// `alice:secret` and `alice:wrong`.
const RIGHT: &str = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
const WRONG: &str = "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n";

/// An authority, and what it has signed.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate and its key.
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pem: (String, String),
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            pem: (certificate.pem(), key.serialize_pem()),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    /// A client that believes this authority.
    fn client(&self, identity: Option<&Identity>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let builder =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
        match identity {
            Some(Identity {
                certificate, key, ..
            }) => builder
                .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
                .unwrap(),
            None => builder.with_no_client_auth(),
        }
    }
}

fn put(folder: &Path, identity: &Identity) {
    fs::write(folder.join("cert.pem"), &identity.pem.0).unwrap();
    fs::write(folder.join("key.pem"), &identity.pem.1).unwrap();
}

async fn serving(folder: &TempDir, config: &str) -> Server {
    let path = folder.path().join("web.yml");
    fs::write(&path, config).unwrap();
    let guard = Guard::new(LiveConfig::open(&path).unwrap()).unwrap();
    guarded("/metrics", PATIENCE, Some(Arc::new(guard)), 512).await
}

fn users() -> String {
    format!(
        "basic_auth_users:\n  alice: {}\n",
        bcrypt::hash("secret", 4).unwrap()
    )
}

/// The first line and the headers of the answer, if there is one.
async fn ask(server: &Server, client: ClientConfig, headers: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await?;
    exchange(stream, headers).await
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    headers: &str,
) -> std::io::Result<String> {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
    Ok(answer)
}

const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

#[tokio::test]
async fn a_password_is_asked_for_and_headers_go_with_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let headers = "http_server_config:\n  headers:\n    X-Content-Type-Options: nosniff\n";
    let server = serving(&folder, &(users() + headers)).await;
    for (credentials, status) in [
        ("", 401),
        (WRONG, 401),
        (RIGHT, 200),
        ("Authorization: Basic ???\r\n", 401),
        ("Authorization: Bearer YWxpY2U6c2VjcmV0\r\n", 401),
        (RIGHT, 200),
    ] {
        let answer = server.ask("/metrics", credentials).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{credentials}: {answer}"
        );
        assert!(
            answer.contains("x-content-type-options: nosniff"),
            "{answer}"
        );
        assert_eq!(
            answer.contains("www-authenticate: Basic"),
            status == 401,
            "{answer}"
        );
        assert_eq!(
            answer.contains("nslife_build_info"),
            status == 200,
            "{answer}"
        );
    }
    // Whoever is taken off the list is out, without a new start.
    fs::write(
        folder.path().join("web.yml"),
        users().replace("alice", "bob"),
    )
    .unwrap();
    let answer = server.ask("/metrics", RIGHT).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn certificates_of_clients_are_asked_for() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &authority.sign("localhost"));
    fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
    let clients = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";
    let server = serving(&folder, &format!("{TLS}{clients}{}", users())).await;

    let known = authority.sign("scraper");
    let answer = ask(&server, authority.client(Some(&known)), RIGHT)
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let answer = ask(&server, authority.client(Some(&known)), WRONG)
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let stranger = Authority::new().sign("scraper");
    for who in [None, Some(&stranger)] {
        let refused = ask(&server, authority.client(who), RIGHT).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    // Nor is anything told without encryption.
    let plain = TcpStream::connect(server.address).await.unwrap();
    let told = exchange(plain, RIGHT).await.unwrap_or_default();
    assert!(!told.contains("HTTP/1.1 200"), "{told}");
    server.end().await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_new_start() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &old.sign("localhost"));
    let server = serving(&folder, TLS).await;
    assert!(ask(&server, old.client(None), "").await.is_ok());
    assert!(ask(&server, new.client(None), "").await.is_err());
    put(folder.path(), &new.sign("localhost"));
    assert!(ask(&server, new.client(None), "").await.is_ok());
    assert!(ask(&server, old.client(None), "").await.is_err());
    server.end().await;
}

#[tokio::test]
async fn the_version_of_tls_is_as_asked_for() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &authority.sign("localhost"));
    let server = serving(&folder, &format!("{TLS}  min_version: TLS13\n")).await;
    assert!(ask(&server, authority.client(None), "").await.is_ok());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert!(ask(&server, old, "").await.is_err());
    server.end().await;
}

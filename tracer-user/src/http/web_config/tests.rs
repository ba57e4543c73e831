use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::*;

/// A folder with a certificate, its key and a web configuration.
fn folder(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let path = folder.path().join("web.yml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn certificate(folder: &Path) {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let CertifiedKey { cert, signing_key } = made;
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
}

const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

#[test]
fn what_exporters_take_is_taken() {
    // No path is absolute: they are relative to the file.
    let (_folder, path) = folder(&format!(
        "# As in the documentation.\n{TLS}  client_auth_type: RequireAndVerifyClientCert\n  \
         client_ca_file: cert.pem\n  min_version: TLS12\n  max_version: TLS13\n  cipher_suites:\n  \
         - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n  - TLS_AES_128_GCM_SHA256\n  \
         prefer_server_cipher_suites: true\n  curve_preferences: [CurveP384, X25519]\n\
         http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    \
         Strict-Transport-Security: max-age=3600\nbasic_auth_users:\n  \
         alice: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG\n"
    ));
    let config = WebConfig::read(&path).unwrap();
    assert!(config.tls.is_some() && config.certificates && config.authenticates());
    assert!(!config.users.is_empty());
    assert_eq!(config.headers["x-frame-options"], "deny");
    assert_eq!(config.headers["strict-transport-security"], "max-age=3600");
    assert_eq!(config.headers.len(), 2);
    let shown = format!("{config:?}");
    assert!(
        shown.contains("alice") && !shown.contains("X0h1gDs"),
        "{shown}"
    );
}

#[test]
fn nothing_is_asked_for_by_an_empty_file() {
    for text in ["", "\n", "# nothing\n", "{}\n", "basic_auth_users:\n"] {
        let (_folder, path) = folder(text);
        let config = WebConfig::read(&path).unwrap();
        assert!(config.tls.is_none() && !config.authenticates(), "{text:?}");
    }
    // Who shows no certificate gets in, too.
    let (_folder, path) = folder(&format!(
        "{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: cert.pem\n"
    ));
    assert!(!WebConfig::read(&path).unwrap().authenticates());
}

#[test]
fn certificates_may_be_in_the_file() {
    let (folder, path) = folder(TLS);
    let indented = |name: &str| {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        text.lines()
            .map(|line| format!("    {line}\n"))
            .collect::<String>()
    };
    let text = format!(
        "tls_server_config:\n  cert: |\n{}  key: |\n{}",
        indented("cert.pem"),
        indented("key.pem")
    );
    fs::write(&path, &text).unwrap();
    assert!(WebConfig::read(&path).unwrap().tls.is_some());
    fs::write(&path, format!("{text}  cert_file: cert.pem\n")).unwrap();
    let error = WebConfig::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("tls_server_config.cert: there is cert_file as well"),
        "{error}"
    );
}

#[test]
fn what_is_wrong_is_named_with_the_file_and_the_key() {
    let tls = |more: &str| format!("{TLS}  {more}\n");
    let cases: [(String, &[&str]); 20] = [
        (
            "tls_config: {}".into(),
            &["tls_config", "tls_server_config"],
        ),
        (tls("certfile: x"), &["certfile"]),
        (
            "http_server_config: {headers: {Server: x}}".into(),
            &["Server"],
        ),
        ("basic_auth_users: [x]".into(), &["line 1"]),
        ("basic_auth_users: {a: b".into(), &["line 1"]),
        (
            "basic_auth_users: {eve: hello}".into(),
            &["basic_auth_users.eve", "htpasswd"],
        ),
        (
            "rate_limit: {burst: 1}".into(),
            &["rate_limit", "take it out"],
        ),
        (
            "tls_server_config: {}".into(),
            &["tls_server_config.cert_file", "missing"],
        ),
        (
            "tls_server_config: {cert_file: cert.pem}".into(),
            &["tls_server_config.key_file", "missing"],
        ),
        (
            "tls_server_config: {cert_file: none.pem, key_file: key.pem}".into(),
            &["tls_server_config.cert_file", "/none.pem", "No such file"],
        ),
        (
            "tls_server_config: {cert_file: key.pem, key_file: key.pem}".into(),
            &["tls_server_config.cert_file", "no certificate"],
        ),
        (
            "tls_server_config: {cert_file: cert.pem, key_file: cert.pem}".into(),
            &["tls_server_config.key_file", "no private key"],
        ),
        (
            tls("min_version: TLS10"),
            &["tls_server_config.min_version", "TLS12"],
        ),
        (
            tls("min_version: TLS13\n  max_version: TLS12"),
            &["tls_server_config.min_version", "above"],
        ),
        (
            tls("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"),
            &[
                "cipher_suites",
                "RC4",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ],
        ),
        (
            tls("curve_preferences: [CurveP521]"),
            &["curve_preferences", "X25519"],
        ),
        (
            tls("client_auth_type: RequireAnyClientCert"),
            &["client_auth_type", "RequireAndVerifyClientCert"],
        ),
        (
            tls("client_auth_type: RequireAndVerifyClientCert"),
            &["tls_server_config.client_ca_file", "missing"],
        ),
        (
            tls("client_ca_file: cert.pem"),
            &["client_auth_type", "for nothing"],
        ),
        (
            tls("client_allowed_sans: [x]"),
            &["client_allowed_sans", "take it out"],
        ),
    ];
    for (text, words) in cases {
        let (_folder, path) = folder(&text);
        let error = WebConfig::read(&path).expect_err(&text).to_string();
        assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        for word in words {
            assert!(error.contains(word), "{text}\n{error}: no {word:?}");
        }
    }
    let error = WebConfig::read(Path::new("/nowhere/web.yml")).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("/nowhere/web.yml") && error.contains("--web.config.file"),
        "{error}"
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (folder, path) = folder(TLS);
    let old = fs::read(folder.path().join("key.pem")).unwrap();
    certificate(folder.path());
    fs::write(folder.path().join("key.pem"), old).unwrap();
    let error = WebConfig::read(&path).unwrap_err().to_string();
    assert!(error.contains("not that of the certificate"), "{error}");
}

#[test]
fn what_changes_is_read_again_and_nonsense_changes_nothing() {
    let (folder, path) = folder(TLS);
    let live = LiveConfig::open(&path).unwrap();
    let first = live.now();
    assert!(Arc::ptr_eq(&first, &live.now()));

    // The certificate comes first, and does not fit the key until that comes.
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    certificate(folder.path());
    let new_key = fs::read(folder.path().join("key.pem")).unwrap();
    fs::write(folder.path().join("key.pem"), key).unwrap();
    assert!(Arc::ptr_eq(&first, &live.now()));
    fs::write(folder.path().join("key.pem"), new_key).unwrap();
    let second = live.now();
    assert!(!Arc::ptr_eq(&first, &second));

    fs::write(&path, "nonsense: true").unwrap();
    assert!(Arc::ptr_eq(&second, &live.now()));
    fs::remove_file(&path).unwrap();
    assert!(Arc::ptr_eq(&second, &live.now()));
    fs::write(&path, "").unwrap();
    assert!(live.now().tls.is_none());
}

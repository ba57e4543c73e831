//! TLS as the file wants it.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{Problem, Sources, Tls, names, not_here};

/// Only those get in who show a certificate that is believed.
pub(super) const ALWAYS: &str = "RequireAndVerifyClientCert";

/// So do those who show none.
const IF_GIVEN: &str = "VerifyClientCertIfGiven";

/// What a server is told.
pub(super) fn server(tls: &Tls, sources: &mut Sources<'_>) -> Result<ServerConfig, Problem> {
    if tls.client_allowed_sans.is_some() {
        return Err(not_here(
            "tls_server_config.client_allowed_sans",
            "whoever has a certificate of client_ca_file gets in",
        ));
    }
    let provider = Arc::new(provider(tls)?);
    let versions = names::versions(tls.min_version.as_deref(), tls.max_version.as_deref())
        .map_err(|(key, problem)| (under(key), problem))?;
    let chain = chain(tls, sources)?;
    let key = key(tls, sources)?;
    let verifier = verifier(tls, sources, &provider)?;

    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| (under("cipher_suites"), error.to_string()))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| ("tls_server_config".to_owned(), unfit(&error)))?;
    config.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn under(key: &str) -> String {
    format!("tls_server_config.{key}")
}

/// Why the certificate and the key do not do.
fn unfit(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "the key is not that of the certificate; give those that were made together".to_owned()
        }
        error => format!("the certificate and the key cannot be used: {error}"),
    }
}

fn provider(tls: &Tls) -> Result<CryptoProvider, Problem> {
    let mut provider = ring::default_provider();
    if !tls.cipher_suites.is_empty() {
        provider.cipher_suites = names::cipher_suites(&provider, &tls.cipher_suites)
            .map_err(|problem| (under("cipher_suites"), problem))?;
    }
    if !tls.curve_preferences.is_empty() {
        provider.kx_groups = names::curves(&provider, &tls.curve_preferences)
            .map_err(|problem| (under("curve_preferences"), problem))?;
    }
    Ok(provider)
}

fn chain(tls: &Tls, sources: &mut Sources<'_>) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let source = sources.get(
        ("cert", tls.cert.as_ref()),
        ("cert_file", tls.cert_file.as_ref()),
    )?;
    let Some((key, pem)) = source else {
        return Err((
            under("cert_file"),
            "it is missing: name a certificate (PEM)".to_owned(),
        ));
    };
    certificates(&key, &pem)
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if all.is_empty() => Err((
            key.to_owned(),
            "there is no certificate in it; it has to be PEM".to_owned(),
        )),
        Ok(all) => Ok(all),
        Err(error) => Err((key.to_owned(), format!("this is not PEM: {error}"))),
    }
}

fn key(tls: &Tls, sources: &mut Sources<'_>) -> Result<PrivateKeyDer<'static>, Problem> {
    let source = sources.get(
        ("key", tls.key.as_ref()),
        ("key_file", tls.key_file.as_ref()),
    )?;
    let Some((key, pem)) = source else {
        return Err((
            under("key_file"),
            "it is missing: name a private key (PEM)".to_owned(),
        ));
    };
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        let problem = "there is no private key in it; it has to be PEM, without a passphrase";
        (key, problem.to_owned())
    })
}

/// Who decides whether a client's certificate is believed.
fn verifier(
    tls: &Tls,
    sources: &mut Sources<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Problem> {
    let policy = under("client_auth_type");
    let authorities = sources.get(
        ("client_ca", tls.client_ca.as_ref()),
        ("client_ca_file", tls.client_ca_file.as_ref()),
    )?;
    let (key, pem) = match (&*tls.client_auth_type, authorities) {
        ("" | "NoClientCert", None) => return Ok(None),
        ("" | "NoClientCert", Some((key, _))) => {
            let problem = format!("{key} is for nothing without it: give {ALWAYS}");
            return Err((policy, problem));
        }
        (ALWAYS | IF_GIVEN, Some(authorities)) => authorities,
        (ALWAYS | IF_GIVEN, None) => {
            let problem = "it is missing: name the certificates whose clients are believed";
            return Err((under("client_ca_file"), problem.to_owned()));
        }
        ("RequestClientCert" | "RequireAnyClientCert", _) => {
            let problem = format!(
                "{} takes any certificate, which protects nothing, and nslife does not have it: \
                 give {ALWAYS}",
                tls.client_auth_type
            );
            return Err((policy, problem));
        }
        (other, _) => {
            let problem = format!("{other:?} is not possible: give NoClientCert or {ALWAYS}");
            return Err((policy, problem));
        }
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&key, &pem)? {
        roots.add(certificate).map_err(|error| {
            (
                key.clone(),
                format!("a certificate cannot be used: {error}"),
            )
        })?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if tls.client_auth_type == ALWAYS {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    let verifier = builder.build().map_err(|error| (key, error.to_string()))?;
    Ok(Some(verifier))
}

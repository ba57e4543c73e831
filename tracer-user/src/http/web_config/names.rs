//! What TLS has, by the names that Go has for it: those are in the file.

use rustls::{
    CipherSuite, NamedGroup, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup},
    version::{TLS12, TLS13},
};

/// The versions from one to another, both included.
pub(super) fn versions(
    min: Option<&str>,
    max: Option<&str>,
) -> Result<Vec<&'static SupportedProtocolVersion>, (&'static str, String)> {
    let min_at = version(min.unwrap_or("TLS12")).map_err(|problem| ("min_version", problem))?;
    let max_at = version(max.unwrap_or("TLS13")).map_err(|problem| ("max_version", problem))?;
    if min_at > max_at {
        return Err(("min_version", "it is above max_version".to_owned()));
    }
    Ok([&TLS12, &TLS13][min_at..=max_at].to_vec())
}

fn version(name: &str) -> Result<usize, String> {
    match name {
        "TLS12" => Ok(0),
        "TLS13" => Ok(1),
        "TLS10" | "TLS11" => Err(format!(
            "{name} is broken and not to be had here: give TLS12 or TLS13"
        )),
        _ => Err(format!(
            "{name:?} is no version of TLS: give TLS12 or TLS13"
        )),
    }
}

/// The cipher suites of these names. The list is about TLS 1.2, as in Go:
/// those of 1.3 are all there always.
pub(super) fn cipher_suites(
    provider: &CryptoProvider,
    names: &[String],
) -> Result<Vec<SupportedCipherSuite>, String> {
    let all = &provider.cipher_suites;
    let is_13 = |suite: &&SupportedCipherSuite| suite.tls13().is_some();
    let mut wanted: Vec<_> = all.iter().filter(is_13).copied().collect();
    for name in names {
        let suite = all
            .iter()
            .find(|suite| go_name(suite.suite()) == *name)
            .ok_or_else(|| {
                let possible: Vec<_> = all.iter().map(|suite| go_name(suite.suite())).collect();
                format!(
                    "{name:?} is not to be had here: give some of {}",
                    possible.join(", ")
                )
            })?;
        if suite.tls13().is_none() {
            wanted.push(*suite);
        }
    }
    Ok(wanted)
}

/// Go's name: the one of the standard, without the `13` that rustls puts in.
fn go_name(suite: CipherSuite) -> String {
    let name = suite.as_str().unwrap_or_default();
    name.replacen("TLS13_", "TLS_", 1)
}

/// The curves of these names, in their order.
pub(super) fn curves(
    provider: &CryptoProvider,
    names: &[String],
) -> Result<Vec<&'static dyn SupportedKxGroup>, String> {
    let one = |name: &String| {
        let group = match &**name {
            "X25519" => NamedGroup::X25519,
            "CurveP256" => NamedGroup::secp256r1,
            "CurveP384" => NamedGroup::secp384r1,
            _ => {
                return Err(format!(
                    "{name:?} is not to be had here: give some of X25519, CurveP256, CurveP384"
                ));
            }
        };
        let mut all = provider.kx_groups.iter().copied();
        all.find(|offered| offered.name() == group)
            .ok_or_else(|| format!("{name:?} is not to be had here"))
    };
    names.iter().map(one).collect()
}

//! A daemon that keeps strangers out, and a real Prometheus that is none.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::input::fails_clearly;
use crate::{
    daemon::Daemon,
    expect::same,
    process::run,
    prometheus::{Prometheus, tool},
    world::{SCRATCH, World},
};

/// Where the daemon listens.
const PORT: u16 = 19625;

/// With TLS, certificates of clients and passwords as Prometheus's own exporters take them: it gets
/// in with all of them, and with one wrong it does not.
pub(super) fn prometheus_with_certificate_and_password(world: &World) -> Result<()> {
    let folder = PathBuf::from(SCRATCH).join("web-config");
    fs::create_dir_all(&folder)?;
    make_certificates(&folder)?;
    let config = folder.join("web.yml");
    fs::write(
        &config,
        format!(
            "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  \
             client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n\
             basic_auth_users:\n  scraper: {}\n",
            bcrypt::hash("secret", 10)?
        ),
    )?;
    // Their own tool reads it as well.
    let mut promtool = Command::new(tool("promtool")?);
    let ran = run(promtool.args(["check", "web-config"]).arg(&config), |_| {
        Ok(())
    })?;
    same("what promtool makes of it", Some(0), ran.code)?;

    let config = config.display().to_string();
    let options = ["--web.config.file", &config];
    let daemon = Daemon::start_tuned(&world.nslife, &world.results, PORT, &options)?;
    ensure!(daemon.get("/metrics").is_err(), "a stranger was answered");
    // A scrape may take as long as until the next one: where machines are emulated, more than a
    // second goes into the keys and the password.
    let job = |name: &str, password: &str, certificate: &str| {
        format!(
            "- job_name: {name}\n  scrape_interval: 10s\n  scrape_timeout: 10s\n  scheme: https\n  static_configs: [{{targets: ['{}']}}]\n  \
             basic_auth: {{username: scraper, password: {password}}}\n  \
             tls_config: {{ca_file: {folder}/ca.pem{certificate}}}\n",
            daemon.address,
            folder = folder.display(),
        )
    };
    let certificate = format!(
        ", cert_file: {folder}/client.pem, key_file: {folder}/client.key",
        folder = folder.display()
    );
    let prometheus = Prometheus::start(&format!(
        "{}{}{}",
        job("right", "secret", &certificate),
        job("wrong", "guess", &certificate),
        job("stranger", "secret", ""),
    ))?;
    prometheus.answers(r#"up{job="right"}"#, 1.0)?;
    prometheus.answers(r#"up{job="wrong"}"#, 0.0)?;
    prometheus.answers(r#"up{job="stranger"}"#, 0.0)?;
    prometheus.answers(r#"nslife_complete{job="right"} >= bool 0"#, 1.0)?;
    prometheus.stop()?;
    same("the daemon's end", Some(0), daemon.stop()?.code())?;

    // What makes no sense is told before anything is loaded.
    let bad = folder.join("bad.yml");
    fs::write(&bad, "tls_server_config: {certificate: server.pem}\n")?;
    let bad = bad.display().to_string();
    let ran = world.nslife.run(&["daemon", "--web.config.file", &bad])?;
    fails_clearly(&ran, 1, &[&bad, "certificate", "cert_file"])
}

fn make_certificates(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    let authority = Issuer::new(params, key);
    for (file, name) in [("server", "127.0.0.1"), ("client", "scraper")] {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new([name.to_owned()])?;
        let certificate = params.signed_by(&key, &authority)?;
        fs::write(folder.join(format!("{file}.pem")), certificate.pem())?;
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem())?;
    }
    Ok(())
}

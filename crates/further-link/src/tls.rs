//! The server's certificate: the administrator's, or one that is made at the first start.

use crate::config::{Config, system_config_dir};
use anyhow::{Context as _, bail};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";
/// How long a certificate that we make is valid: what browsers accept of new ones.
const CERT_VALID_DAYS: i64 = 397;
/// At this age we make a new one.
const CERT_RENEW_AFTER_DAYS: u64 = 330;

/// The TLS side of the port.
///
/// # Errors
/// If the certificate or its key cannot be read, made or used.
pub(crate) fn server_config(config: &Config, hostname: &str) -> anyhow::Result<Arc<ServerConfig>> {
    let (certificate, key) = match find(config)? {
        Some(files) => files,
        None => own(&config.state_dir().join("tls"), hostname)?,
    };
    tracing::debug!(certificate = %certificate.display(), "TLS");
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("the certificate {} cannot be read", certificate.display()))?;
    let private = PrivateKeyDer::from_pem_file(&key)
        .with_context(|| format!("the key {} cannot be read", key.display()))?;
    let mut tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| {
            format!(
                "{} and {} do not belong together",
                certificate.display(),
                key.display()
            )
        })?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}

/// The administrator's files: those that the configuration names, else `cert.pem` and `key.pem` in the
/// configuration's folder, in `extra` below it, or in the system's.
fn find(config: &Config) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
    if !config.tls.cert.as_os_str().is_empty() {
        return Ok(Some((config.tls.cert.clone(), config.tls.key.clone())));
    }
    let folder = config.config_dir();
    for folder in [
        folder.to_owned(),
        folder.join("extra"),
        system_config_dir().to_owned(),
    ] {
        let files = (folder.join(CERTIFICATE), folder.join(KEY));
        match (files.0.exists(), files.1.exists()) {
            (true, true) => return Ok(Some(files)),
            (false, false) => {}
            _ => bail!(
                "{} holds only one of {CERTIFICATE} and {KEY}; both are needed",
                folder.display()
            ),
        }
    }
    Ok(None)
}

/// The certificate that we have made, or make now: for this device's names, signed by itself.
fn own(folder: &Path, hostname: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let files = (folder.join(CERTIFICATE), folder.join(KEY));
    let fresh = fs::metadata(&files.0)
        .and_then(|metadata| metadata.modified())
        .ok()
        // Made in the future: the clock is wrong (a board without one begins in the past), not the file.
        .is_some_and(|made| match SystemTime::now().duration_since(made) {
            Ok(age) => age.as_secs() < CERT_RENEW_AFTER_DAYS * 24 * 60 * 60,
            Err(_) => true,
        });
    if fresh && files.1.exists() {
        return Ok(files);
    }
    let failed = || format!("no certificate can be kept in {}", folder.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(failed)?;

    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if !hostname.is_empty() && hostname != "localhost" {
        names.extend([hostname.to_owned(), format!("{hostname}.local")]);
    }
    let mut parameters = CertificateParams::new(names).context("this device's name")?;
    let now = OffsetDateTime::now_utc();
    // A device without a clock of its own may be a little behind its clients.
    parameters.not_before = now - Duration::days(1);
    parameters.not_after = now + Duration::days(CERT_VALID_DAYS);
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, format!("Further Link on {hostname}"));
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;

    // The key first: a certificate without its key would be taken for a whole pair's half.
    write(&files.1, &key.serialize_pem(), 0o600).with_context(failed)?;
    write(&files.0, &certificate.pem(), 0o644).with_context(failed)?;
    tracing::info!(folder = %folder.display(), "made a certificate for this device");
    Ok(files)
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

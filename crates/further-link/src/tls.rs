//! The server's certificate: the administrator's, or a self-signed one from the first start.

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

const CERT_FILE: &str = "cert.pem";
const KEY_FILE: &str = "key.pem";
/// How long a self-signed certificate is valid: the longest that browsers accept (398 days).
const CERT_VALID_DAYS: i64 = 397;
/// The age at which a new one takes its place.
const CERT_RENEW_AFTER_DAYS: u64 = 330;

/// Returns the TLS configuration of the port.
///
/// # Errors
/// Returns an error if the certificate or its key cannot be read, made or used.
pub(crate) fn server_config(config: &Config, hostname: &str) -> anyhow::Result<Arc<ServerConfig>> {
    let (certificate, key) = match find_certificate(config)? {
        Some(files) => files,
        None => self_signed(&config.state_dir().join("tls"), hostname)?,
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

/// Returns the administrator's certificate and key: those that the configuration names, else
/// `cert.pem` and `key.pem` in the configuration directory, in `extra` below it, or in the system's
/// configuration directory.
fn find_certificate(config: &Config) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
    if !config.tls.cert.as_os_str().is_empty() {
        return Ok(Some((config.tls.cert.clone(), config.tls.key.clone())));
    }
    let dir = config.config_dir();
    for dir in [
        dir.to_owned(),
        dir.join("extra"),
        system_config_dir().to_owned(),
    ] {
        let files = (dir.join(CERT_FILE), dir.join(KEY_FILE));
        match (files.0.exists(), files.1.exists()) {
            (true, true) => return Ok(Some(files)),
            (false, false) => {}
            _ => bail!(
                "{} holds only one of {CERT_FILE} and {KEY_FILE}; both are needed",
                dir.display()
            ),
        }
    }
    Ok(None)
}

/// Returns a self-signed certificate for the names of this device: the one made before, or a new
/// one.
fn self_signed(dir: &Path, hostname: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let files = (dir.join(CERT_FILE), dir.join(KEY_FILE));
    let fresh = fs::metadata(&files.0)
        .and_then(|metadata| metadata.modified())
        .ok()
        // Made in the future: the clock is wrong, not the file (a board without one starts in the
        // past).
        .is_some_and(|made| match SystemTime::now().duration_since(made) {
            Ok(age) => age.as_secs() < CERT_RENEW_AFTER_DAYS * 24 * 60 * 60,
            Err(_) => true,
        });
    if fresh && files.1.exists() {
        return Ok(files);
    }
    let failed = || format!("no certificate can be kept in {}", dir.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
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

    // The key first: a certificate without a key would count as half of a pair at the next start.
    write(&files.1, &key.serialize_pem(), 0o600).with_context(failed)?;
    write(&files.0, &certificate.pem(), 0o644).with_context(failed)?;
    tracing::info!(dir = %dir.display(), "made a certificate for this device");
    Ok(files)
}

/// Writes a file atomically (write to a temporary file, fsync, rename).
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

//! The certificate that clients are shown, and its successor once its files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};
use tokio_rustls::TlsAcceptor;

use crate::config::HttpSettings;

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why a certificate cannot be used: names the file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{key} {} cannot be read: {why}", path.display())]
    Unreadable {
        key: &'static str,
        path: PathBuf,
        why: io::Error,
    },
    #[error("{key} {} holds no {what} in PEM", path.display())]
    Missing {
        key: &'static str,
        path: PathBuf,
        what: &'static str,
    },
    #[error(
        "the certificate in http.tls_cert {} cannot be used with the key in http.tls_key {}: {why}",
        certificate.display(),
        key.display()
    )]
    Unusable {
        certificate: PathBuf,
        key: PathBuf,
        why: rustls::Error,
    },
}

/// What clients are shown, and where it comes from.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    shown: RwLock<Arc<ServerConfig>>,
    /// Of the files as they were when they were last read.
    seen: [Stamp; 2],
}

/// What changes with a file: when it was written, and its length. `None` of one that is not there.
type Stamp = Option<(SystemTime, u64)>;

impl Tls {
    /// As configured; `None` without a certificate.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn open(settings: &HttpSettings) -> Result<Option<Self>, TlsError> {
        let (certificate, key) = (settings.tls_cert.clone(), settings.tls_key.clone());
        if certificate.as_os_str().is_empty() {
            return Ok(None);
        }
        let seen = [stamp(&certificate), stamp(&key)];
        let shown = RwLock::new(Arc::new(read(&certificate, &key)?));
        Ok(Some(Self {
            certificate,
            key,
            shown,
            seen,
        }))
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(shown.clone())
    }

    /// Shows another certificate once the files hold one; never returns. One that cannot be used is told of, and the
    /// one before stays.
    pub(super) async fn keep_fresh(&self) {
        let mut seen = self.seen;
        let mut again = tokio::time::interval(LOOK_EVERY);
        loop {
            again.tick().await;
            let now = [stamp(&self.certificate), stamp(&self.key)];
            if now == seen {
                continue;
            }
            seen = now;
            match read(&self.certificate, &self.key) {
                Ok(config) => {
                    let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
                    *shown = Arc::new(config);
                    tracing::info!(certificate = %self.certificate.display(), "clients are shown the new certificate");
                }
                Err(error) => {
                    tracing::warn!(%error, "the certificate has changed and cannot be used; the one before stays");
                }
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let seen = fs::metadata(path).ok()?;
    Some((seen.modified().ok()?, seen.len()))
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    const CERTIFICATE: &str = "http.tls_cert";
    let text = content(CERTIFICATE, certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, pem::Error>>()
        .unwrap_or_default();
    if chain.is_empty() {
        return Err(missing(CERTIFICATE, certificate, "certificate"));
    }
    let text = content("http.tls_key", key)?;
    let private = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| missing("http.tls_key", key, "private key"))?;
    let unusable = |why| TlsError::Unusable {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        why,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn content(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|why| TlsError::Unreadable {
        key,
        path: path.to_owned(),
        why,
    })
}

fn missing(key: &'static str, path: &Path, what: &'static str) -> TlsError {
    TlsError::Missing {
        key,
        path: path.to_owned(),
        what,
    }
}

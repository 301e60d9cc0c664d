//! Reads the certificate and key of TLS from files, and reads them again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::files::FileWorker;
use crate::stopping::until;

/// How often the files are looked at. Certificates change every few weeks, and the old one stays valid for some time.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The protocols that are offered in the handshake, in this order.
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// The error of the system.
        error: std::io::Error,
    },
    /// A file does not hold a certificate, or a key.
    #[error("{path} holds no {what}")]
    Missing {
        /// The file.
        path: String,
        /// What should be in the file, and in which form.
        what: &'static str,
    },
    /// The certificate and the key do not belong together, or TLS cannot use them.
    #[error("the certificate in {certificate} cannot be used with the key in {key}: {error}")]
    Unusable {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
        /// The error of the TLS library.
        error: rustls::Error,
    },
}

/// The certificate and the key, which are read again when their files change.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
    /// A hash of both files as they were last read, whether they could be used or not.
    seen: Mutex<[u8; 32]>,
    worker: FileWorker,
}

impl Certificates {
    /// Reads both files, which are in PEM: the certificate chain, with the server's own certificate first, and its
    /// private key. Blocks.
    ///
    /// # Errors
    /// [`TlsError`] says which file cannot be used, and why.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (chain, secret) = (read(certificate)?, read(key)?);
        let seen = digest(&chain, &secret);
        Ok(Self {
            current: ArcSwap::new(configuration(certificate, &chain, key, &secret)?),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            seen: Mutex::new(seen),
            worker: FileWorker::default(),
        })
    }

    /// Returns an acceptor with the current certificate, for the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Looks at the files every few seconds, and serves the new certificate once they have changed. If they cannot be
    /// used, logs that and keeps the certificate before. Returns when the server stops.
    pub async fn follow(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut told = None;
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let what = format!("reading {certificate} and {key}");
        loop {
            tokio::select! {
                () = until(&mut stopping) => return,
                _ = looks.tick() => {}
            }
            let certificates = Arc::clone(&self);
            let look = self.worker.run(&what, move |_| certificates.look());
            let looked = tokio::select! {
                () = until(&mut stopping) => return,
                looked = look => looked,
            };
            match looked {
                Ok(Ok(Looked::New)) => {
                    told = None;
                    tracing::info!("serving the new certificate");
                }
                Ok(Ok(Looked::Same)) => {}
                Ok(Err(error)) => {
                    let error = Some(error.to_string());
                    if told != error {
                        tracing::error!(error, "the certificate stays the one before");
                        told = error;
                    }
                }
                // The disk does not answer, or the check itself failed.
                Err(error) => {
                    let error = Some(error.to_string());
                    if told != error {
                        tracing::error!(error, "the certificate stays the one before");
                        told = error;
                    }
                }
            }
        }
    }

    fn look(&self) -> Result<Looked, TlsError> {
        let (chain, key) = (read(&self.certificate)?, read(&self.key)?);
        let found = digest(&chain, &key);
        {
            let mut seen = self.seen.lock();
            if *seen == found {
                return Ok(Looked::Same);
            }
            *seen = found;
        }
        let new = configuration(&self.certificate, &chain, &self.key, &key)?;
        self.current.store(new);
        Ok(Looked::New)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Looked {
    Same,
    New,
}

fn configuration(
    certificate: &Path,
    chain: &[u8],
    key: &Path,
    secret: &[u8],
) -> Result<Arc<ServerConfig>, TlsError> {
    let missing = |path: &Path, what| TlsError::Missing {
        path: path.display().to_string(),
        what,
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    if chain.is_empty() {
        return Err(missing(
            certificate,
            "certificate; it must hold the whole chain in PEM, the server's own first",
        ));
    }
    let secret = PrivateKeyDer::from_pem_slice(secret).map_err(|_| {
        missing(
            key,
            "private key; it must hold one in PEM, without a passphrase",
        )
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, secret)
        })
        .map_err(|error| TlsError::Unusable {
            certificate: certificate.display().to_string(),
            key: key.display().to_string(),
            error,
        })?;
    configuration.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    Ok(Arc::new(configuration))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable {
        path: path.display().to_string(),
        error,
    })
}

fn digest(chain: &[u8], key: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(Sha256::digest(chain))
        .chain_update(key)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_certificate_that_hangs_keeps_nobody_from_stopping() {
        let directory = tempfile::TempDir::new().unwrap();
        let (certificate, key) = (
            directory.path().join("certificate.pem"),
            directory.path().join("key.pem"),
        );
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let certificates = Arc::new(Certificates::load(&certificate, &key).unwrap());
        std::fs::remove_file(&key).unwrap();
        // No process writes to the pipe.
        let pipe = std::process::Command::new("mkfifo").arg(&key).status();
        assert!(pipe.unwrap().success());
        let (stop, stopping) = watch::channel(false);
        let following = tokio::spawn(Arc::clone(&certificates).follow(stopping));
        while certificates.worker.is_free() {
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
        following.await.unwrap();
    }

    #[test]
    fn files_that_cannot_be_used_leave_the_certificate_as_it_was() {
        let directory = tempfile::TempDir::new().unwrap();
        let (certificate, key) = (
            directory.path().join("certificate.pem"),
            directory.path().join("key.pem"),
        );
        let write = || {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            std::fs::write(&certificate, made.cert.pem()).unwrap();
            std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        };
        write();
        let certificates = Certificates::load(&certificate, &key).unwrap();
        let first = certificates.current.load_full();
        let still_first = || Arc::ptr_eq(&first, &certificates.current.load());
        assert_eq!(certificates.look().unwrap(), Looked::Same);

        std::fs::write(&certificate, "-----BEGIN CERT").unwrap();
        assert!(matches!(certificates.look(), Err(TlsError::Missing { .. })));
        std::fs::remove_file(&certificate).unwrap();
        assert!(matches!(
            certificates.look(),
            Err(TlsError::Unreadable { .. })
        ));
        assert!(still_first());
        write();
        assert_eq!(certificates.look().unwrap(), Looked::New);
        assert!(!still_first());
    }
}

//! The certificate that a listener shows: read from two files, and again whenever they change, without dropping a connection.

use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{fmt, fs, io};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ServerConfig, pki_types};
use tokio_util::sync::CancellationToken;

use crate::config::TlsFiles;
use crate::tasks::driver::chain;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{file} holds no {what} in PEM")]
    NotPem {
        /// Which.
        file: String,
        /// What should be in it.
        what: &'static str,
        /// What was found.
        source: pki_types::pem::Error,
    },
    /// They do not belong together, or cannot be used.
    #[error("the certificate in {certificate} and the key in {key} cannot be used together")]
    Mismatch {
        /// The certificate's file.
        certificate: String,
        /// The key's.
        key: String,
        /// Why.
        source: tokio_rustls::rustls::Error,
    },
}

/// What is shown just now, and where it came from.
#[derive(Debug)]
pub(super) struct Shown {
    setting: &'static str,
    files: TlsFiles,
    current: Arc<Current>,
    /// What was read last, good or bad: the same is not tried, nor complained about, twice.
    read: Option<Pair>,
}

/// What the two files hold.
#[derive(Clone, PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair")
    }
}

/// Hands each new connection what is shown just now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&*self.0.read().ok()?))
    }
}

impl Shown {
    /// Reads the files that a setting names.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub(super) fn read(setting: &'static str, files: &TlsFiles) -> Result<Self, CertificateError> {
        let pair = Pair::read(files)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(pair.certified(files)?))));
        Ok(Self { setting, files: files.clone(), current, read: Some(pair) })
    }

    /// How connections are encrypted: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// The cryptography offers none of these.
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, tokio_rustls::rustls::Error> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&self.current);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Looks at the files now and then, and shows what is in them.
    pub(super) async fn follow(mut self, stop: CancellationToken) {
        loop {
            tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(LOOK_EVERY) => () }
            let setting = self.setting;
            match self.look() {
                Ok(false) => {}
                Ok(true) => tracing::info!(setting, "a listener shows the new certificate from now on"),
                Err(error) => {
                    tracing::error!(setting, error = %chain(&error), "the new certificate cannot be used; the one before is shown");
                }
            }
        }
    }

    /// Shows what is in the files, if that is new; `true`: it was. What was found bad is told once.
    fn look(&mut self) -> Result<bool, CertificateError> {
        let pair = match Pair::read(&self.files) {
            Ok(pair) => pair,
            // Whoever replaces a file may have removed it first; told once, until it can be read again.
            Err(error) => return if self.read.take().is_some() { Err(error) } else { Ok(false) },
        };
        if self.read.as_ref() == Some(&pair) {
            return Ok(false);
        }
        let certified = pair.certified(&self.files);
        self.read = Some(pair);
        let certified = Arc::new(certified?);
        if let Ok(mut current) = self.current.0.write() {
            *current = certified;
        }
        Ok(true)
    }
}

impl Pair {
    fn read(files: &TlsFiles) -> Result<Self, CertificateError> {
        Ok(Self { certificate: read(&files.certificate)?, key: read(&files.key)? })
    }

    /// A chain and the key of its first certificate.
    fn certified(&self, files: &TlsFiles) -> Result<CertifiedKey, CertificateError> {
        let (certificate, key) = (files.certificate.display().to_string(), files.key.display().to_string());
        let not_pem = |file: &str, what| {
            let file = file.to_owned();
            move |source| CertificateError::NotPem { file, what, source }
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(not_pem(&certificate, "certificates"))?;
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(not_pem(&key, "private key"))?;
        CertifiedKey::from_der(chain, private, &provider()).map_err(|source| CertificateError::Mismatch {
            certificate,
            key,
            source,
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(file).map_err(|source| CertificateError::Unreadable { file: file.display().to_string(), source })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

    use super::*;

    type Client = client::TlsStream<DuplexStream>;
    type Server = server::TlsStream<DuplexStream>;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn files(&self) -> TlsFiles {
            TlsFiles { certificate: self.0.path().join("certificate.pem"), key: self.0.path().join("key.pem") }
        }

        fn issue() -> (String, String) {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
            (certificate.pem(), key.serialize_pem())
        }

        fn write(&self, certificate: &str, key: &str) {
            fs::write(self.files().certificate, certificate).unwrap();
            fs::write(self.files().key, key).unwrap();
        }
    }

    fn shown(shown: &Shown) -> Vec<u8> {
        shown.current.0.read().unwrap().cert[0].to_vec()
    }

    #[test]
    fn a_new_pair_is_shown_and_a_bad_one_keeps_the_old() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let ((first, first_key), (second, second_key)) = (Folder::issue(), Folder::issue());
        folder.write(&first, &first_key);
        let mut served = Shown::read("http.public_tls_certificate_file", &folder.files()).unwrap();
        let before = shown(&served);
        assert!(!served.look().unwrap(), "nothing has changed");
        // Half of the new pair is written.
        folder.write(&second, &first_key);
        assert!(served.look().unwrap_err().to_string().contains("cannot be used together"));
        assert!(!served.look().unwrap(), "and is told once");
        assert_eq!(shown(&served), before);
        folder.write(&second, &second_key);
        assert!(served.look().unwrap());
        assert_ne!(shown(&served), before);
        let after = shown(&served);
        folder.write("rubbish", &second_key);
        served.look().unwrap_err();
        fs::remove_file(folder.files().key).unwrap();
        assert!(served.look().unwrap_err().to_string().contains("key.pem cannot be read"));
        assert!(!served.look().unwrap());
        assert_eq!(shown(&served), after);
        folder.write(&first, &first_key);
        assert!(served.look().unwrap());
        assert_eq!(shown(&served), before);
    }

    /// A client's end of a connection to `served`, both ends having agreed on a key.
    async fn connect(served: &Shown, roots: &[&str]) -> (Client, Server) {
        let mut store = RootCertStore::empty();
        for pem in roots {
            store.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let connector = TlsConnector::from(Arc::new(config.with_root_certificates(store).with_no_client_auth()));
        let acceptor = TlsAcceptor::from(served.server_config().unwrap());
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("localhost").unwrap();
        let (ours, theirs) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
        (ours.unwrap(), theirs.unwrap())
    }

    fn seen(client: &Client) -> Vec<u8> {
        client.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    #[tokio::test]
    async fn open_connections_stay_and_new_ones_see_the_new_certificate() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let ((first, first_key), (second, second_key)) = (Folder::issue(), Folder::issue());
        folder.write(&first, &first_key);
        let mut served = Shown::read("http.public_tls_certificate_file", &folder.files()).unwrap();
        let roots = [first.as_str(), second.as_str()];
        let (mut old_client, mut old_server) = connect(&served, &roots).await;
        folder.write(&second, &second_key);
        assert!(served.look().unwrap());
        let (new_client, _) = connect(&served, &roots).await;
        assert_ne!(seen(&new_client), seen(&old_client));
        old_client.write_all(b"still here").await.unwrap();
        old_client.flush().await.unwrap();
        let mut heard = [0; 10];
        old_server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"still here");
    }

    #[test]
    fn what_cannot_be_served_is_named() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let ((certificate, key), (_, other)) = (Folder::issue(), Folder::issue());
        let check = |certificate: &str, key: &str, expected: &str| {
            folder.write(certificate, key);
            let error = Shown::read("http.admin_tls_certificate_file", &folder.files()).unwrap_err();
            assert!(chain(&error).contains(expected), "{}", chain(&error));
        };
        check("", &key, "cannot be used together");
        check(&certificate, "", "key.pem holds no private key in PEM");
        check(&certificate, &certificate, "key.pem holds no private key in PEM");
        check(&certificate, &other, "cannot be used together");
    }
}

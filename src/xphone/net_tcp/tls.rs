//! Whom we speak to, proved by TLS: by the certificate's fingerprint, or by an authority and the server's name.

use std::sync::Arc;

use ::aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use subtle::ConstantTimeEq;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};

use crate::config::NetTcpTrust;
use crate::xphone::Error;

/// Makes TLS of a connection.
#[derive(Clone)]
pub(super) struct Tls {
    pub connector: TlsConnector,
    pub server_name: ServerName<'static>,
}

impl Tls {
    /// As the settings say; `host` is what the address names.
    pub(super) fn new(trust: &NetTcpTrust, host: &str) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = builder.map_err(set_up)?;
        let (config, name) = match trust {
            NetTcpTrust::Fingerprint(sha256) => {
                let verifier = Arc::new(Pinned { sha256: *sha256, provider });
                (builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth(), host)
            }
            NetTcpTrust::Authority { certificates, server_name } => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(certificates.as_bytes()) {
                    roots.add(certificate.map_err(set_up)?).map_err(set_up)?;
                }
                (builder.with_root_certificates(roots).with_no_client_auth(), server_name.as_deref().unwrap_or(host))
            }
        };
        let server_name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned()).map_err(set_up)?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), server_name })
    }
}

fn set_up(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::SetUp { source: Arc::new(source) }
}

/// Takes one certificate, whatever it says of itself: servers make their own, for a name that is none.
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let found = digest(&SHA256, end_entity);
        if bool::from(found.as_ref().ct_eq(&self.sha256)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(TlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

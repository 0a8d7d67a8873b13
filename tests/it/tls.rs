//! TLS on loopback: the gateway's own listeners, their certificates exchanged while they serve, and an XPhone with the house's own authority.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use presence_gateway::app::App;
use presence_gateway::clock::Clock;
use presence_gateway::config::{Config, Sources};
use presence_gateway::store::Store;
use presence_gateway::xphone::{Error, XPhone};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::command::{changed, check_failure, gateway, run, text};
use crate::world::{scratch_database, settings};

/// The house's own authority, and the folder that its certificates lie in.
struct House {
    folder: tempfile::TempDir,
    authority: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl House {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let house = Self { folder: tempfile::tempdir().unwrap(), authority, issuer: Issuer::new(params, key) };
        house.write("ca.pem", &house.authority.pem());
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).display().to_string()
    }

    /// A certificate for these names and its key, both PEM.
    fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A client that believes this house only, and resolves `localhost` to where the gateway listens.
    fn client(&self) -> Client {
        let authority = Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        Client::builder().tls_certs_only([authority]).no_proxy().build().unwrap()
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn both_listeners_speak_https_and_nothing_else() {
    let house = House::new();
    let (certificate, key) = house.issue(&["localhost"]);
    let (certificate_file, key_file) = (house.write("public.pem", &certificate), house.write("public.key", &key));
    let (public, admin) = (free_address(), free_address());
    let sources = settings()
        .with("GATEWAY__GRAPH__BASE_URL", "http://127.0.0.1:1")
        .with("GATEWAY__GRAPH__LOGIN_URL", "http://127.0.0.1:1")
        .with("GATEWAY__HTTP__PUBLIC_LISTEN", public)
        .with("GATEWAY__HTTP__ADMIN_LISTEN", admin)
        .with("GATEWAY__HTTP__PUBLIC_TLS_CERTIFICATE_FILE", &certificate_file)
        .with("GATEWAY__HTTP__PUBLIC_TLS_KEY_FILE", &key_file)
        .with("GATEWAY__HTTP__ADMIN_TLS_CERTIFICATE_FILE", &certificate_file)
        .with("GATEWAY__HTTP__ADMIN_TLS_KEY_FILE", &key_file);
    let config = Config::load(&sources).unwrap();
    let database = scratch_database(true).await;
    let store = Store::connect(&database.url(), 8, config.secrets.clone()).await.unwrap();
    let running = App::new(&config, store, Clock::system()).unwrap().start(&config).await.unwrap();

    // Whoever says nothing holds up nobody.
    let _silent = tokio::net::TcpStream::connect(public).await.unwrap();
    let client = house.client();
    let handshake = format!("https://localhost:{}/graph/notifications?validationToken=x", public.port());
    assert_eq!(client.post(&handshake).send().await.unwrap().text().await.unwrap(), "x");
    let health = format!("https://localhost:{}/healthz", admin.port());
    assert!(client.get(&health).send().await.unwrap().status().is_success());
    let (listen, own) = (admin.to_string(), certificate_file.as_str());
    let environment = [("GATEWAY__HTTP__ADMIN_LISTEN", listen.as_str()), ("GATEWAY__HTTP__ADMIN_TLS_CERTIFICATE_FILE", own)];
    let asked = run(gateway(&["health"], &environment)).await;
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    let by_address = format!("https://127.0.0.1:{}/healthz", admin.port());
    assert!(client.get(&by_address).send().await.unwrap_err().is_connect(), "its certificate names another host");
    let stranger = House::new().client();
    assert!(stranger.get(&health).send().await.unwrap_err().is_connect(), "signed by nobody they know");
    let plain = format!("http://localhost:{}/healthz", admin.port());
    assert!(client.get(&plain).send().await.is_err(), "nothing goes in the clear");

    // The admin API knows callers by their address: it must be there behind TLS, too.
    let refused = client.get(format!("https://localhost:{}/v1/locations", admin.port())).send().await.unwrap();
    assert_eq!(refused.status(), reqwest::StatusCode::UNAUTHORIZED);
    running.stop(std::future::pending()).await;
    database.remove().await.unwrap();
}

#[tokio::test]
async fn certificates_that_cannot_be_used_stop_the_start_and_are_named() {
    let house = House::new();
    let ((certificate, key), (_, other)) = (house.issue(&["localhost"]), house.issue(&["localhost"]));
    let (certificate, key) = (house.write("a.pem", &certificate), house.write("a.key", &key));
    let other = house.write("b.key", &other);
    let database = scratch_database(true).await;
    let url = database.url();
    let (nowhere, empty) = (house.path("nowhere").display().to_string(), house.write("empty.pem", ""));
    let names = ["GATEWAY__HTTP__PUBLIC_TLS_CERTIFICATE_FILE", "GATEWAY__HTTP__PUBLIC_TLS_KEY_FILE", "GATEWAY__XPHONE__CA_FILE"];
    let check = async |values: [Option<&str>; 3], expected: &[&str]| {
        let mut changes = vec![
            ("GATEWAY__DATABASE__URL", Some(url.expose_secret())),
            ("GATEWAY__HTTP__PUBLIC_LISTEN", Some("127.0.0.1:0")),
            ("GATEWAY__HTTP__ADMIN_LISTEN", Some("127.0.0.1:0")),
        ];
        changes.extend(names.into_iter().zip(values));
        check_failure(gateway(&["serve"], &changed(&changes)), expected, &[]).await;
    };
    check([Some(&certificate), None, None], &["http.public_tls_key_file is not set", "http.public_tls_certificate_file"]).await;
    check([None, Some(&key), None], &["http.public_tls_certificate_file is not set"]).await;
    check([Some(&certificate), Some(&other), None], &["http.public_tls_certificate_file", "cannot be used together"]).await;
    check([Some(&nowhere), Some(&key), None], &["nowhere", "cannot be read"]).await;
    check([None, None, Some(&nowhere)], &["xphone.ca_file", "nowhere"]).await;
    check([None, None, Some(&empty)], &["xphone.ca_file", "without any certificate"]).await;
    database.remove().await.unwrap();
}

/// A server that only agrees on a key and then says that all is well.
async fn xphone(house: &House, names: &[&str]) -> SocketAddr {
    let (certificate, key) = house.issue(names);
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config =
        tokio_rustls::rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            _ = stream.read(&mut request).await;
            let body = r#"{"result":1}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            _ = stream.write_all(answer.as_bytes()).await;
            _ = stream.shutdown().await;
        }
    });
    address
}

fn client(house: Option<&House>, host: &str, port: u16) -> XPhone {
    let mut sources: Sources =
        settings().with("GATEWAY__XPHONE__BASE_URL", format!("https://{host}:{port}/XPhoneConnect/WebClientApi"));
    if let Some(house) = house {
        sources = sources.with("GATEWAY__XPHONE__CA_FILE", house.path("ca.pem").display());
    }
    XPhone::new(&Config::load(&sources).unwrap().xphone, Clock::system()).unwrap()
}

#[tokio::test]
async fn an_xphone_of_the_houses_own_authority_needs_its_file_and_the_right_name() {
    let house = House::new();
    let address = xphone(&house, &["localhost"]).await;
    let port = address.port();
    let unknown = client(None, "localhost", port).capabilities().await.unwrap_err();
    assert!(matches!(unknown, Error::Unreachable { .. }) && unknown.to_string().contains("certificate"), "{unknown}");
    // The handshake succeeds, and what the server says is heard: it refuses the log-in.
    let known = client(Some(&house), "localhost", port).capabilities().await.unwrap_err();
    assert!(matches!(known, Error::LogIn { .. }), "{known}");
    let other_name = client(Some(&house), "127.0.0.1", port).capabilities().await.unwrap_err();
    assert!(matches!(other_name, Error::Unreachable { .. }) && other_name.to_string().contains("certificate"), "{other_name}");
    let other_house = client(Some(&House::new()), "localhost", port).capabilities().await.unwrap_err();
    assert!(matches!(other_house, Error::Unreachable { .. }), "{other_house}");
}

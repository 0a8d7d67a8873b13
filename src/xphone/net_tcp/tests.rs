//! The transport against peers of our own, for what the WCF host cannot be made to do: TLS, silence, bytes that are none.
//!
//! These peers are written with the codec that the client uses too; that real WCF speaks so is shown by `deploy/test-wcf`.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use futures::StreamExt;
use jiff::SignedDuration;
use nettcp::framing::{Decoder, Record, TLS_UPGRADE};
use nettcp::session::{Incoming, Outgoing};
use nettcp::soap::{self, Message, MessageId};
use nettcp::xml::{Element, Value};
use nettcp::{Limits, Malformed};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use uuid::Uuid;

use super::channel::{Channel, Patience, Target};
use super::contract::SERVICE;
use super::endpoint::Endpoint;
use super::failure::{CallError, Failure};
use super::tls::Tls;
use super::{XPhone, contract};
use crate::clock::Clock;
use crate::config::{NetTcpTrust, XphoneNetTcp};
use crate::domain::ids::{PresenceStateGuid, UserGuid};
use crate::xphone::values::{Appointment, Shows, VisibleFrom};
use crate::xphone::{Error, Heard};

/// Nothing here waits for it, except where nothing comes.
const LONG: Duration = Duration::from_mins(10);

/// What a peer does with each question: its name, and what it answers with.
type Answers = fn(&str, &mut Peer, MessageId) -> Reply;

enum Reply {
    Body(Element),
    /// A refusal that does not say whose question it is about.
    Fault,
    Nothing,
    Bytes(Vec<u8>),
}

/// One side of a connection, as a server sees it.
struct Peer {
    stream: Box<dyn Both>,
    decoder: Decoder,
    incoming: Incoming,
    outgoing: Outgoing,
}

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

impl Peer {
    async fn record(&mut self) -> Option<Record> {
        let mut byte = [0];
        loop {
            if let Some(record) = self.decoder.next_record().unwrap() {
                return Some(record);
            }
            if self.stream.read(&mut byte).await.ok()? == 0 {
                return None;
            }
            self.decoder.push(&byte);
        }
    }

    async fn send(&mut self, record: Record) {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        self.send_bytes(&bytes).await;
    }

    async fn send_bytes(&mut self, bytes: &[u8]) {
        // The client may be gone.
        _ = self.stream.write_all(bytes).await;
        _ = self.stream.flush().await;
    }

    /// The preamble, with the upgrade if there is an acceptor.
    async fn greet(stream: TcpStream, tls: Option<&TlsAcceptor>) -> Option<Self> {
        let limits = Limits::default();
        let (decoder, incoming, outgoing) = (Decoder::new(limits), Incoming::new(limits), Outgoing::new(2048));
        let mut peer = Self { stream: Box::new(stream), decoder, incoming, outgoing };
        assert_eq!(peer.record().await?, Record::Version(1, 0));
        assert_eq!(peer.record().await?, Record::Mode(2));
        let Some(Record::Via(via)) = peer.record().await else { panic!("no address") };
        assert_eq!(peer.record().await?, Record::KnownEncoding(8));
        let wants_tls = via.ends_with("Secure");
        if wants_tls != tls.is_some() {
            let fault = "http://schemas.microsoft.com/ws/2006/05/framing/faults/EndpointNotFound";
            peer.send(Record::Fault(fault.to_owned())).await;
            return None;
        }
        if let Some(tls) = tls {
            assert_eq!(peer.record().await?, Record::UpgradeRequest(TLS_UPGRADE.to_owned()));
            peer.send(Record::UpgradeResponse).await;
            assert!(peer.decoder.is_empty());
            peer.stream = Box::new(tls.accept(peer.stream).await.ok()?);
        }
        assert_eq!(peer.record().await?, Record::PreambleEnd);
        peer.send(Record::PreambleAck).await;
        Some(peer)
    }

    async fn serve(mut self, answers: Answers) {
        while let Some(Record::Envelope(bytes)) = self.record().await {
            let question = Message::new(self.incoming.read(&bytes).unwrap()).unwrap();
            let (action, id) = (question.action.clone().unwrap(), question.id.unwrap());
            let operation = action.rsplit('/').next().unwrap().to_owned();
            match answers(&operation, &mut self, id) {
                Reply::Body(body) => {
                    let envelope = soap::answer(&format!("{action}Response"), id, body);
                    let bytes = self.outgoing.write(&envelope);
                    self.send(Record::Envelope(bytes)).await;
                }
                Reply::Fault => {
                    let code = Element::new("s", "Code").child(Element::new("s", "Value").text("s:Sender"));
                    let body = Element::new("s", "Body").child(Element::new("s", "Fault").child(code));
                    let envelope = Element::new("s", "Envelope").declare("s", soap::ENVELOPE).child(body);
                    let bytes = self.outgoing.write(&envelope);
                    self.send(Record::Envelope(bytes)).await;
                }
                Reply::Nothing => {}
                Reply::Bytes(bytes) => self.send_bytes(&bytes).await,
            }
        }
    }
}

struct Server {
    address: url::Url,
    _at_work: AbortOnDropHandle<()>,
}

async fn server(tls: Option<TlsAcceptor>, answers: Answers) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("net.tcp://127.0.0.1:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    let at_work = TaskTracker::new().spawn(async move {
        let peers = TaskTracker::new();
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            peers.spawn(async move {
                if let Some(peer) = Peer::greet(stream, tls.as_ref()).await {
                    peer.serve(answers).await;
                }
            });
        }
    });
    Server { address, _at_work: AbortOnDropHandle::new(at_work) }
}

fn result(operation: &str, value: Value) -> Reply {
    let result = Element::new("", format!("{operation}Result")).value(value);
    Reply::Body(Element::new("", format!("{operation}Response")).declare("", SERVICE).child(result))
}

/// A server of version 6 that knows nobody.
fn empty(operation: &str, _: &mut Peer, _: MessageId) -> Reply {
    match operation {
        contract::VERSION => result(operation, Value::Int(6)),
        _ => result(operation, Value::Text(nettcp::Str::EMPTY)),
    }
}

/// A certificate for the host's name, made by itself, and how to serve with it.
fn certificate() -> (rcgen::Certificate, TlsAcceptor) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (certificate, TlsAcceptor::from(Arc::new(config)))
}

fn patient() -> Patience {
    Patience { connect: LONG, answer: LONG, keep_alive: LONG }
}

fn settings(server: &Server, trust: Option<NetTcpTrust>, allow_unencrypted: bool) -> XphoneNetTcp {
    let (server, language) = (server.address.clone(), "de".to_owned());
    XphoneNetTcp { server, trust, allow_unencrypted, language, presence_states: Vec::new() }
}

fn xphone(settings: &XphoneNetTcp, patience: Patience) -> XPhone {
    XPhone::with_patience(settings, "MSTeams", Clock::system(), patience).unwrap()
}

fn fingerprint(certificate: &rcgen::Certificate) -> NetTcpTrust {
    NetTcpTrust::Fingerprint(digest(&SHA256, certificate.der()).as_ref().try_into().unwrap())
}

async fn channel(server: &Server) -> Channel {
    let target = Target { server: server.address.clone(), tls: None };
    Channel::open(&target, Endpoint::V2, patient()).await.unwrap().0
}

#[tokio::test]
async fn tls_goes_on_inside_the_framing() {
    let (certificate, acceptor) = certificate();
    let server = server(Some(acceptor), empty).await;
    let ours = NetTcpTrust::Authority { certificates: certificate.pem(), server_name: None };
    for trust in [fingerprint(&certificate), ours] {
        let capabilities = xphone(&settings(&server, Some(trust), false), patient()).capabilities().await.unwrap();
        assert_eq!(capabilities.server_version, "Integration API, contract version 6, IntegrationEndpointV2Secure");
    }
}

#[tokio::test]
async fn whoever_has_another_certificate_is_not_spoken_to() {
    let ((_, acceptor), (other, _)) = (certificate(), certificate());
    let server = server(Some(acceptor), empty).await;
    let other_authority = NetTcpTrust::Authority { certificates: other.pem(), server_name: None };
    for trust in [fingerprint(&other), other_authority] {
        let refused = xphone(&settings(&server, Some(trust), false), patient()).users().await.unwrap_err();
        assert!(matches!(refused, Error::Unreachable { maybe_applied: false, .. }), "{refused:?}");
    }
    let (certificate, acceptor) = certificate();
    let server = self::server(Some(acceptor), empty).await;
    let other_name = NetTcpTrust::Authority { certificates: certificate.pem(), server_name: Some("xphone.example".to_owned()) };
    assert!(xphone(&settings(&server, Some(other_name), false), patient()).users().await.is_err());
}

#[tokio::test]
async fn plain_endpoints_are_used_only_where_allowed_and_after_the_others() {
    let (certificate, _) = certificate();
    let server = server(None, empty).await;
    let trust = Some(fingerprint(&certificate));
    let refused = xphone(&settings(&server, trust.clone(), false), patient()).capabilities().await.unwrap_err();
    assert!(refused.to_string().contains("EndpointNotFound"), "{refused}");
    let capabilities = xphone(&settings(&server, trust, true), patient()).capabilities().await.unwrap();
    assert_eq!(capabilities.server_version, "Integration API, contract version 6, IntegrationEndpointV2");
    assert!(Tls::new(&NetTcpTrust::Fingerprint([0; 32]), "C4B UCServer").is_err(), "no such name can be checked");
}

/// Asked for, it would find nobody (404).
#[tokio::test]
async fn what_is_for_some_only_is_not_even_asked_for() {
    let server = server(None, empty).await;
    let xphone = xphone(&settings(&server, None, true), patient());
    assert!(!xphone.capabilities().await.unwrap().audience);
    let start = xphone.0.clock.now();
    let put = async |visible_from| {
        let shows = Shows::PresenceState(PresenceStateGuid(Uuid::from_u128(1)));
        let (origin, subject, end) = ("MSTeams".to_owned(), "Zoom Meeting".to_owned(), start + SignedDuration::from_hours(1));
        let appointment = Appointment { origin, subject, shows, start, end, visible_from };
        xphone.put_appointment(UserGuid(Uuid::from_u128(2)), &appointment).await.unwrap_err()
    };
    let everybody = put(None).await;
    assert!(matches!(everybody, Error::Refused { status: 404, .. }), "{everybody:?}");
    let some = put(Some(VisibleFrom::TeamColleague)).await;
    assert!(matches!(some, Error::Refused { status: 422, .. }), "{some:?}");
}

#[tokio::test]
async fn answers_find_their_question_in_any_order() {
    static FIRST: std::sync::Mutex<Option<MessageId>> = std::sync::Mutex::new(None);
    fn backwards(operation: &str, peer: &mut Peer, id: MessageId) -> Reply {
        // The first question's answer comes after the second's.
        let answer = |operation: &str, id| {
            let result = Element::new("", format!("{operation}Result")).text(operation);
            soap::answer("x", id, Element::new("", format!("{operation}Response")).declare("", SERVICE).child(result))
        };
        if operation == "first" {
            peer.outgoing = Outgoing::new(0);
            FIRST.lock().unwrap().replace(id);
            return Reply::Nothing;
        }
        let first = FIRST.lock().unwrap().take().unwrap();
        let mut bytes = Vec::new();
        for envelope in [answer("second", id), answer("first", first)] {
            Record::Envelope(peer.outgoing.write(&envelope)).write(&mut bytes);
        }
        Reply::Bytes(bytes)
    }
    let server = server(None, backwards).await;
    let channel = channel(&server).await;
    let ask = async |operation: &'static str| {
        let answer = channel.call(&contract::action("c", operation), contract::body(operation, [])).await.unwrap();
        contract::result(&answer, operation, |result| Some(result.text()?.into_owned())).unwrap()
    };
    let (first, second) = tokio::join!(ask("first"), ask("second"));
    assert_eq!([first, second], ["first", "second"]);
}

#[tokio::test]
async fn a_refusal_of_nobody_knows_whom_is_the_only_questions() {
    let server = server(None, |_, _, _| Reply::Fault).await;
    let channel = channel(&server).await;
    let ask = async || channel.call("x/y", contract::body("y", [])).await.unwrap_err();
    assert!(matches!(ask().await, CallError::Fault(fault) if fault.code == "Sender"));
    // Of several it may be anybody's: none is answered, and the connection goes.
    let server = self::server(None, |operation, _, _| if operation == "first" { Reply::Nothing } else { Reply::Fault }).await;
    let channel = self::channel(&server).await;
    let ask = async |action| channel.call(action, contract::body("y", [])).await.unwrap_err();
    let (first, second) = tokio::join!(ask("x/first"), ask("x/second"));
    for error in [first, second] {
        assert!(matches!(error, CallError::Lost(Failure::Unattributed)), "{error:?}");
    }
    assert!(matches!(ask("x/third").await, CallError::NotSent(Failure::Unattributed)));
}

#[tokio::test]
async fn bytes_that_are_none_end_the_connection() {
    let check = async |answers: Answers, expected: fn(&Failure) -> bool| {
        let server = server(None, answers).await;
        let channel = channel(&server).await;
        let error = channel.call("x/y", contract::body("y", [])).await.unwrap_err();
        assert!(matches!(&error, CallError::Lost(failure) if expected(failure)), "{error:?}");
    };
    let malformed = |failure: &Failure| matches!(failure, Failure::Malformed(_));
    check(|_, _, _| Reply::Bytes(vec![0x05]), malformed).await;
    check(|_, _, _| Reply::Bytes(vec![0x06, 2, 0, 0x78]), malformed).await;
    check(
        |_, _, _| Reply::Bytes(vec![0x06, 0xFF, 0xFF, 0xFF, 0xFF, 0x07]),
        |failure| matches!(failure, Failure::Malformed(Malformed::Beyond(_))),
    )
    .await;
    check(|_, _, _| Reply::Bytes(vec![0x07]), |failure| matches!(failure, Failure::Ended)).await;
    check(|_, _, _| Reply::Bytes(vec![0x0A]), |failure| matches!(failure, Failure::OutOfPlace(_))).await;
}

#[tokio::test]
async fn whoever_does_not_answer_is_given_up() {
    let server = server(None, |_, _, _| Reply::Nothing).await;
    let patience = Patience { answer: Duration::ZERO, ..patient() };
    let away = xphone(&settings(&server, None, true), patience).users().await.unwrap_err();
    assert!(matches!(away, Error::Unreachable { maybe_applied: false, .. }), "{away:?}");
    // The connection is not used again: it may lead nowhere.
    let target = Target { server: server.address.clone(), tls: None };
    let patience = Patience { answer: Duration::ZERO, ..self::patient() };
    let (channel, _events) = Channel::open(&target, Endpoint::V2, patience).await.unwrap();
    assert!(matches!(channel.call("x/y", contract::body("y", [])).await, Err(CallError::Lost(Failure::Silent(_)))));
    assert!(matches!(channel.call("x/y", contract::body("y", [])).await, Err(CallError::NotSent(Failure::Silent(_)))));
}

#[tokio::test]
async fn signs_of_life_are_asked_for_and_heard() {
    let server = server(None, empty).await;
    let patience = Patience { keep_alive: Duration::ZERO, ..patient() };
    let xphone = xphone(&settings(&server, None, true), patience);
    let snapshot = xphone.presence().await.unwrap();
    let mut events = xphone.events(snapshot.sequence).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(events.next().await, Some(Ok(Heard::KeepAlive))));
    }
}

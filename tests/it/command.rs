//! The program as operators run it: settings, migrations, serving, emulating, decrypting.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::sealed::{damaged, sealed};
use crate::world::scratch_database;

/// Settings that would do, but for a database.
const SETTINGS: [(&str, &str); 9] = [
    ("GATEWAY__HTTP__PUBLIC_URL", "https://gateway.example"),
    ("GATEWAY__GRAPH__TENANT_ID", "00000000-0000-0000-0000-000000000001"),
    ("GATEWAY__GRAPH__CLIENT_ID", "00000000-0000-0000-0000-000000000002"),
    ("GATEWAY__GRAPH__CLIENT_SECRET", "the-secret-of-the-app"),
    ("GATEWAY__XPHONE__BASE_URL", "https://xphone.example/XPhoneConnect/WebClientApi"),
    ("GATEWAY__XPHONE__ACCOUNT_NAME", "gateway"),
    ("GATEWAY__XPHONE__PASSWORD", "the-password-of-the-gateway"),
    ("GATEWAY__SECRETS__KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="),
    ("GATEWAY__ADMIN__BOOTSTRAP_TOKEN", "an-admin-token-of-forty-characters-or-so"),
];
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The program with an environment of its own; it dies with the test.
pub fn gateway(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_presence-gateway"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).kill_on_drop(true).stdin(Stdio::null());
    command
}

pub async fn run(mut command: Command) -> Output {
    tokio::time::timeout(PATIENCE, command.output()).await.expect("it does not end").unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Fails with exit code 1, says all of this on standard error, and nothing that is secret.
pub async fn check_failure(command: Command, expected: &[&str], secrets: &[&str]) {
    let output = run(command).await;
    let (told, printed) = (text(&output.stderr), text(&output.stdout));
    assert_eq!(output.status.code(), Some(1), "{told}");
    for words in expected {
        assert!(told.contains(words), "{words:?} is missing in: {told}");
    }
    for secret in secrets {
        assert!(!told.contains(secret) && !printed.contains(secret), "{told}{printed}");
    }
}

pub fn changed<'a>(changes: &[(&'a str, Option<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    let mut settings: Vec<_> =
        SETTINGS.iter().copied().filter(|(key, _)| changes.iter().all(|(other, _)| other != key)).collect();
    settings.extend(changes.iter().filter_map(|(key, value)| Some((*key, (*value)?))));
    settings
}

#[tokio::test]
async fn the_published_mapping_is_printed_without_any_settings() {
    let output = run(gateway(&["mapping"], &[])).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let published = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mapping.md")).unwrap();
    assert!(output.stdout == published, "renew it with: cargo run -- mapping > docs/mapping.md");
}

#[tokio::test]
async fn a_wrong_setting_is_named_with_what_it_got_and_may_be() {
    type Row<'a> = (&'a [(&'a str, Option<&'a str>)], &'a [&'a str]);
    let table: [Row<'_>; 25] = [
        (&[("GATEWAY__GRAPH__TENANT", Some("x"))], &["graph", "`tenant`", "tenant_id"]),
        (&[("GATEWAY__GRPAH__TENANT_ID", Some("x"))], &["`grpah`", "graph"]),
        (&[("GATEWAY__GRAPH__PUSH", Some("perhaps"))], &["graph.push", "perhaps", "boolean"]),
        (&[("GATEWAY__GRAPH__SWEEP_SECONDS", Some("soon"))], &["graph.sweep_seconds", "soon", "integer"]),
        (&[("GATEWAY__GRAPH__SWEEP_SECONDS", Some("0"))], &["graph.sweep_seconds is 0", "1 to 86400"]),
        (
            &[("GATEWAY__GRAPH__TENANT_ID", Some("contoso"))],
            &["graph.tenant_id is \"contoso\"", "a GUID", "GATEWAY__GRAPH__TENANT_ID"],
        ),
        (&[("GATEWAY__GRAPH__CLOUD", Some("moon"))], &["graph.cloud is \"moon\"", "global, us-gov-l4 or us-gov-l5"]),
        (&[("GATEWAY__XPHONE__BASE_URL", Some("http://xphone.example"))], &["xphone.base_url", "https", "loopback"]),
        (&[("GATEWAY__XPHONE__TRANSPORT", Some("soap"))], &["xphone.transport", "soap", "http or net-tcp"]),
        (
            &[
                ("GATEWAY__XPHONE__TRANSPORT", Some("net-tcp")),
                ("GATEWAY__XPHONE__NET_TCP__ADDRESS", Some("https://xphone.example")),
            ],
            &["xphone.net_tcp.address", "net.tcp://", "xphone.net_tcp.certificate_sha256", "fingerprint"],
        ),
        (
            &[
                ("GATEWAY__XPHONE__TRANSPORT", Some("net-tcp")),
                ("GATEWAY__XPHONE__NET_TCP__CERTIFICATE_SHA256", Some("12:34")),
                ("GATEWAY__XPHONE__NET_TCP__PRESENCE_STATES__BUSY", Some("10000000-0000-0000-0000-000000000003")),
                ("GATEWAY__XPHONE__NET_TCP__PRESENCE_STATES__OFFLINE", Some("10000000-0000-0000-0000-000000000003")),
            ],
            &[
                "xphone.net_tcp.certificate_sha256",
                "64 hexadecimal digits",
                "xphone.net_tcp.presence_states.offline",
                "another status",
            ],
        ),
        (&[("GATEWAY__HTTP__ADMIN_LISTEN", Some("8081"))], &["http.admin_listen is \"8081\"", "127.0.0.1:8081"]),
        (&[("GATEWAY__XPHONE__PASSWORD", None)], &["xphone.password is not set", "GATEWAY__XPHONE__PASSWORD"]),
        (&[("GATEWAY__GRAPH__CLIENT_SECRET", None)], &["graph.client_secret is not set", "exactly one of"]),
        (&[("GATEWAY__GRAPH__FEDERATED_TOKEN_FILE", Some("/x"))], &["graph.client_secret", "exactly one of"]),
        (&[("GATEWAY__HTTP__PUBLIC_URL", None)], &["http.public_url is not set", "graph.push"]),
        (&[("GATEWAY__SECRETS__KEY", Some("c2hvcnQ="))], &["secrets.key", "32 bytes"]),
        (&[("GATEWAY__ADMIN__BOOTSTRAP_TOKEN", Some("hunter2"))], &["admin.bootstrap_token", "at least 32"]),
        (&[("GATEWAY__ADMIN__OIDC_AUDIENCE", Some("api://x"))], &["admin.oidc_issuer is not set", "admin.oidc_audience"]),
        (
            &[("GATEWAY__ADMIN__OIDC_ISSUER", Some("http://login.example/t")), ("GATEWAY__ADMIN__OIDC_AUDIENCE", Some("x"))],
            &["admin.oidc_issuer", "https"],
        ),
        (&[("GATEWAY__ADMIN__AUDIT_RETENTION_DAYS", Some("0"))], &["admin.audit_retention_days is 0", "1 to 36500"]),
        (&[("GATEWAY__ADMIN__PRESENCE_RETENTION_DAYS", Some("367"))], &["admin.presence_retention_days is 367", "1 to 366"]),
        (&[("GATEWAY__DATABASE__URL", Some("mysql://me:hunter2@db/x"))], &["database.url", "postgres://"]),
        (&[("GATEWAY__DATABASE__URL", Some("postgres://me:hunter2#x@db/x"))], &["database.url", "`%40` and so on"]),
        (&[], &["database.url is not set", "GATEWAY__DATABASE__URL"]),
    ];
    let secrets = ["hunter2", "c2hvcnQ=", "the-secret", "the-password", "BwcHBw", "an-admin-token"];
    for (changes, expected) in table {
        for command in ["serve", "migrate"] {
            check_failure(gateway(&[command], &changed(changes)), expected, &secrets).await;
        }
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let changes = [
        ("GATEWAY__GRAPH__TENANT_ID", Some("contoso")),
        ("GATEWAY__GRAPH__CLIENT_ID", None),
        ("GATEWAY__XPHONE__PASSWORD", None),
        ("GATEWAY__GRAPH__SESSION_MINUTES", Some("241")),
        ("GATEWAY__TELEMETRY__LOG_FORMAT", Some("xml")),
    ];
    let expected =
        ["graph.tenant_id", "graph.client_id", "xphone.password", "graph.session_minutes is 241", "5 to 240", "\"xml\""];
    check_failure(gateway(&["serve"], &changed(&changes)), &expected, &["the-secret"]).await;
    let another_form = changed(&[("GATEWAY__HTTP__PUBLIC_URL", Some("gateway.example"))]);
    check_failure(gateway(&["serve"], &another_form), &["http.public_url is \"gateway.example\""], &["is not set"]).await;
}

#[tokio::test]
async fn secrets_are_read_from_files_and_a_settings_file_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        std::fs::write(folder.path().join(name), content).unwrap();
        folder.path().join(name).display().to_string()
    };
    let database = scratch_database(true).await;
    let (url, password) = (write("url", database.url().expose_secret()), write("password", "from-a-file\n"));
    let changes = [
        ("GATEWAY__DATABASE__URL_FILE", Some(url.as_str())),
        ("GATEWAY__XPHONE__PASSWORD", None),
        ("GATEWAY__XPHONE__PASSWORD_FILE", Some(&password)),
    ];
    let output = run(gateway(&["migrate"], &changed(&changes))).await;
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "the schema is up to date\n"));

    let missing = [("GATEWAY__XPHONE__PASSWORD", None), ("GATEWAY__XPHONE__PASSWORD_FILE", Some("/not/there"))];
    check_failure(gateway(&["migrate"], &changed(&missing)), &["GATEWAY__XPHONE__PASSWORD_FILE", "/not/there"], &[]).await;
    let both = [("GATEWAY__XPHONE__PASSWORD_FILE", Some(password.as_str()))];
    let expected = ["GATEWAY__XPHONE__PASSWORD", "GATEWAY__XPHONE__PASSWORD_FILE", "both"];
    check_failure(gateway(&["migrate"], &changed(&both)), &expected, &["from-a-file", "the-password"]).await;

    let without = [("GATEWAY__XPHONE__PASSWORD", None), ("GATEWAY__XPHONE__ACCOUNT_NAME", None)];
    let file = write(
        "gateway.toml",
        &format!("[xphone]\naccount_name = \"me\"\npassword_file = {password:?}\n[database]\nurl_file = {url:?}"),
    );
    let output = run(gateway(&["--config", &file, "migrate"], &changed(&without))).await;
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let typo = write("typo.toml", "[xphone]\npasword = \"hunter2\"");
    let expected = ["xphone", "`pasword`", "password"];
    check_failure(gateway(&["--config", &typo, "migrate"], &changed(&[])), &expected, &["hunter2"]).await;
    let broken = write("broken.toml", "[xphone]\npassword = \"hunter2");
    let expected = [broken.as_str(), "line 2"];
    check_failure(gateway(&["--config", &broken, "migrate"], &changed(&[])), &expected, &["hunter2"]).await;
    check_failure(gateway(&["--config", "/no.toml", "migrate"], &changed(&[])), &["/no.toml"], &[]).await;
}

/// A program that runs until it is told to stop, and its log.
pub struct Serving {
    child: Child,
    pub log: Lines<BufReader<ChildStderr>>,
}

impl Serving {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    /// What it prints; can be taken once.
    pub fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    /// SIGTERM; how it ended and what it logged last.
    pub async fn stop(self) -> (Option<i32>, String) {
        self.terminate().await;
        self.ended().await
    }

    /// SIGTERM alone.
    pub async fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status().await.unwrap().success());
    }

    /// How it ended, once it has, and what it logged last.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it does not stop").unwrap();
        let mut rest = String::new();
        while let Some(line) = self.log.next_line().await.unwrap() {
            rest = format!("{rest}{line}\n");
        }
        (status.code(), rest)
    }
}

/// Everything up to the first line that contains this.
pub async fn read_until<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, words: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            seen.push(line);
            if seen.last().is_some_and(|line| line.contains(words)) {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok_and(|found| found), "{words:?} never came: {seen:#?}");
    seen
}

/// A port that nobody had a moment ago.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn what_is_held_back_is_shown_and_released() {
    let database = scratch_database(true).await;
    let url = database.url();
    let settings = changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]);
    let status = || async { text(&run(gateway(&["directory", "status"], &settings)).await.stdout) };
    assert_eq!(status().await, "nothing is held back\n");
    check_failure(gateway(&["directory", "accept", "--people", "2"], &settings), &["nothing is held back"], &[]).await;
    let pool = sqlx::PgPool::connect(url.expose_secret()).await.unwrap();
    let held = "insert into directory_refusal (since, seen_at, people, gone, unmatched, dropped)
        values ('2026-11-02T09:00Z', '2026-11-02T09:05Z', 9, 1, 1, array[gen_random_uuid(), gen_random_uuid()])";
    sqlx::raw_sql(held).execute(&pool).await.unwrap();
    let told = status().await;
    for words in
        ["2 of 9 people", "1 are no longer in XPhone", "accept --people 2", " gone\n", " unmatched or without a location\n"]
    {
        assert!(told.contains(words), "{words:?} is missing in: {told}");
    }
    check_failure(gateway(&["directory", "accept", "--people", "3"], &settings), &["2 people are held back, not 3"], &[]).await;
    let accepted = run(gateway(&["directory", "accept", "--people", "2", "--by", "Otto"], &settings)).await;
    assert!(accepted.status.success(), "{}", text(&accepted.stderr));
    assert!(status().await.contains("by Otto"));
    let audited = "select actor_kind || ': ' || action || ' ' || target_kind || ' ' || after from audit";
    let audited: Vec<String> = sqlx::query_scalar(audited).fetch_all(&pool).await.unwrap();
    let counts = r#"{"by": "Otto", "gone": 1, "people": 9, "recent": 0, "unmatched": 1}"#;
    assert_eq!(audited, [format!("command_line: directory accepted directory {counts}")], "what was refused is no change");
}

#[tokio::test]
async fn migrations_are_named_applied_once_and_then_it_serves_against_the_emulators() {
    let database = scratch_database(false).await;
    let url = database.url();
    let with_database = [("GATEWAY__DATABASE__URL", Some(url.expose_secret()))];
    for expected in ["applied 0001", "the schema is up to date"] {
        let output = run(gateway(&["migrate"], &changed(&with_database))).await;
        assert!(output.status.success() && text(&output.stdout).starts_with(expected), "{}", text(&output.stdout));
    }

    let ports = ["--graph-listen", "127.0.0.1:0", "--xphone-listen", "127.0.0.1:0"];
    let mut emulators = Serving::start(gateway(&[&["emulate"][..], &ports].concat(), &[]));
    let mut printed = BufReader::new(emulators.stdout()).lines();
    let printed = read_until(&mut printed, "# Control").await;
    let printed: Vec<(&str, &str)> = printed.iter().filter_map(|line| line.split_once('=')).collect();
    let (public, admin) = (free_address(), free_address());
    let mut environment = changed(&with_database);
    environment.extend([("GATEWAY__HTTP__PUBLIC_LISTEN", public.as_str()), ("GATEWAY__HTTP__ADMIN_LISTEN", &admin)]);
    environment.extend(&printed);
    let mut serving = Serving::start(gateway(&["serve", "--no-migrate"], &environment));
    read_until(&mut serving.log, "the gateway runs").await;

    let look = async |path: &str| reqwest::get(format!("http://{admin}/{path}")).await.unwrap().text().await.unwrap();
    assert_eq!(look("readyz").await, "ready\n");
    let ran = r#"presence_gateway_task_runs_total{result="ok",task="directory"}"#;
    let worked = async {
        while !look("metrics").await.contains(ran) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, worked).await.expect("both directories answer to the printed settings");
    assert!(look("metrics").await.contains(r#"presence_gateway_task_last_success_timestamp_seconds{task="directory"}"#));
    let handshake = format!("http://{public}/graph/notifications?validationToken=x");
    assert_eq!(reqwest::Client::new().post(handshake).send().await.unwrap().text().await.unwrap(), "x");
    let taken = [("GATEWAY__HTTP__ADMIN_LISTEN", admin.as_str()), ("GATEWAY__HTTP__PUBLIC_LISTEN", "127.0.0.1:0")];
    let mut second = environment.clone();
    second.extend(taken);
    let failed = run(gateway(&["serve"], &second)).await;
    let told = text(&failed.stderr);
    assert!(failed.status.code() == Some(1) && told.contains("cannot listen on") && told.contains("http.admin_listen"), "{told}");
    assert!(!told.contains("already exists"), "that the tables are there is no news: {told}");

    let (code, log) = serving.stop().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the gateway stops") && !log.contains("stopping hard"), "{log}");
    assert!(!log.contains("the-secret") && !log.contains("the-password"));
    assert_eq!(emulators.stop().await.0, Some(0));
}

/// A certificate with its key, in every form the program takes.
struct Keys {
    folder: tempfile::TempDir,
    certificate_der: Vec<u8>,
}

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let certificate_der = certificate.der().to_vec();
        let chain = [Certificate::from_der(&certificate_der).unwrap()];
        let chain = PrivateKeyChain::new("id", PrivateKey::from_der(&key.serialize_der()).unwrap(), chain);
        let mut store = KeyStore::new();
        store.add_entry("key", KeyStoreEntry::PrivateKeyChain(chain));
        let keys = Self { folder, certificate_der };
        keys.write("key.pem", key.serialize_pem());
        keys.write("certificate.pem", certificate.pem());
        keys.write("key.p12", store.writer("secret").write().unwrap());
        keys.write("password", "secret\n");
        keys
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn decrypt(&self, arguments: &[&str]) -> Command {
        let mut command = gateway(&[&["decrypt"], arguments].concat(), &[]);
        command.current_dir(self.folder.path());
        command
    }

    /// The same key and certificate as the usual tool packs them, where this machine has it.
    async fn pack_with_openssl(&self) -> bool {
        let mut openssl = Command::new("openssl");
        let (files, to) = (["-inkey", "key.pem", "-in", "certificate.pem"], ["-out", "openssl.p12", "-passout", "file:password"]);
        openssl.args(["pkcs12", "-export"]).args(files).args(to).current_dir(self.folder.path());
        Path::new("/usr/bin/openssl").exists() && openssl.status().await.unwrap().success()
    }
}

#[tokio::test]
async fn a_notification_opens_with_the_key_in_any_form() {
    let keys = Keys::new();
    let plain = json!({"@odata.type": "#microsoft.graph.chatMessage", "body": {"content": "hello"}}).to_string();
    let content = sealed(&keys.certificate_der, "any", plain.as_bytes());
    let notification = json!({"subscriptionId": "s", "resource": "chats('x')/messages('1')", "encryptedContent": content});
    let post = json!({"value": [notification, notification], "validationTokens": []});
    let mut forms: Vec<&[&str]> = vec![&["--key", "key.pem"], &["--key", "key.p12", "--password-file", "password"]];
    if keys.pack_with_openssl().await {
        forms.push(&["--key", "openssl.p12", "--password-file", "password"]);
    }
    for (json, times) in [(&content, 1), (&notification, 1), (&post, 2)] {
        let file = keys.write("notification.json", json.to_string());
        for key in &forms {
            let output = run(keys.decrypt(&[*key, &[&file]].concat())).await;
            assert_eq!(text(&output.stdout), format!("{plain}\n").repeat(times), "{key:?}: {}", text(&output.stderr));
            assert!(output.status.success());
            let mut piped = keys.decrypt(key);
            piped.stdin(std::fs::File::open(&file).unwrap());
            assert_eq!(text(&run(piped).await.stdout), format!("{plain}\n").repeat(times), "from standard input");
        }
    }
}

#[tokio::test]
async fn a_notification_that_does_not_open_names_the_failing_check() {
    let (keys, other) = (Keys::new(), Keys::new());
    let content = sealed(&keys.certificate_der, "any", b"{}");
    let check = async |json: Value, expected: &str| {
        keys.write("notification.json", json.to_string());
        check_failure(keys.decrypt(&["--key", "key.pem", "notification.json"]), &[expected], &[]).await;
    };
    check(damaged(&content, "data"), "notification 1: signature check failed").await;
    check(damaged(&content, "dataSignature"), "notification 1: signature check failed").await;
    check(damaged(&content, "dataKey"), "notification 1: key_unwrap check failed").await;
    check(sealed(&other.certificate_der, "any", b"{}"), "notification 1: key_unwrap check failed").await;
    check(json!({"value": [{"encryptedContent": content}, {"subscriptionId": "s"}]}), "notification 2 has no encryptedContent")
        .await;
    check(json!("hello"), "not a change notification in JSON").await;
    for (key, expected) in [
        (&["--key", "password"][..], "not a PKCS #12 file"),
        (&["--key", "key.p12"], "the password is wrong"),
        (&["--key", "certificate.pem"], "there is no private key in PEM"),
        (&["--key", "nowhere.pem"], "nowhere.pem"),
        (&["--key", "key.p12", "--password-file", "nowhere"], "nowhere"),
        (&["--key", "key.pem", "nowhere.json"], "nowhere.json"),
    ] {
        check_failure(keys.decrypt(key), &[expected], &[]).await;
    }
}

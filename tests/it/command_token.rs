//! `presence-gateway token`: a token is printed alone and once, listed without its secret, and revoked.

use secrecy::ExposeSecret;

use crate::command::{changed, check_failure, gateway, run, text};
use crate::world::scratch_database;

#[tokio::test]
async fn a_token_is_made_listed_and_revoked() {
    let database = scratch_database(true).await;
    let url = database.url();
    let settings = changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]);
    let program = |arguments: &[&str]| gateway(&[&["token"], arguments].concat(), &settings);
    let made = run(program(&["create", "--name", "rollout", "--role", "operator"])).await;
    assert!(made.status.success(), "{}", text(&made.stderr));
    let token = text(&made.stdout);
    let token = token.strip_suffix('\n').unwrap();
    assert!(token.starts_with("pgw_") && !token.contains(char::is_whitespace) && made.stderr.is_empty(), "{token}");
    let location = "8b2c1a90-6f5e-4b43-9d0a-0c1d2e3f4a5b";
    let local = run(program(&["create", "--name", "local", "--role", "viewer", "--location", location])).await;
    assert!(local.status.success() && text(&local.stderr).contains("no location"), "it is said that XPhone does not know it");
    assert_eq!(text(&local.stdout).lines().count(), 1);
    let listed = text(&run(program(&["list"])).await.stdout);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("local ") && lines[0].contains(location), "{listed}");
    assert!(["rollout", "operator", "everywhere", "never used"].iter().all(|words| lines[1].contains(words)), "{listed}");
    assert!(!listed.contains(&token[4..]));
    check_failure(program(&["create", "--name", "rollout", "--role", "viewer"]), &["a token of this name is valid"], &[]).await;
    assert!(run(program(&["revoke", "rollout"])).await.status.success());
    assert!(text(&run(program(&["list"])).await.stdout).lines().last().unwrap().contains("revoked"));
    check_failure(program(&["revoke", "rollout"]), &["no valid token has this name"], &[]).await;
    for (wrong, expected) in [
        (["create", "--name", "a b", "--role", "viewer"], "letters"),
        (["create", "--name", "", "--role", "viewer"], "letters"),
        (["create", "--name", "x", "--role", "root"], "[possible values: viewer, operator, admin]"),
    ] {
        let refused = run(program(&wrong)).await;
        assert!(refused.status.code() == Some(2) && text(&refused.stderr).contains(expected), "{}", text(&refused.stderr));
    }
    let operators = "select distinct actor from audit where actor_kind = 'command_line'";
    let pool = sqlx::PgPool::connect(url.expose_secret()).await.unwrap();
    let operators: Vec<String> = sqlx::query_scalar(operators).fetch_all(&pool).await.unwrap();
    pool.close().await;
    let whoami = tokio::process::Command::new("id").arg("-un").output().await.unwrap();
    assert_eq!(operators, [text(&whoami.stdout).trim()], "who sat there is known");
    database.remove().await.unwrap();
}

#[tokio::test]
async fn whoever_stops_reading_ends_a_command_without_a_panic() {
    let database = scratch_database(true).await;
    let url = database.url();
    let settings = changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]);
    for arguments in [&["token", "list"][..], &["directory", "status"], &["mapping"], &["migrate"]] {
        assert!(run(gateway(&["token", "create", "--name", "x", "--role", "viewer"], &settings)).await.status.code().is_some());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut program = gateway(arguments, &settings);
        program.stdout(writer).stderr(std::process::Stdio::piped());
        let output = program.spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    }
    database.remove().await.unwrap();
}

#[tokio::test]
async fn the_help_says_what_each_role_may_and_what_a_location_limits() {
    let help = text(&run(gateway(&["token", "create", "--help"], &[])).await.stdout);
    for words in ["each role may also do what those above it may", "Link", "audit log", "Without this it reaches everything"] {
        assert!(help.to_lowercase().contains(&words.to_lowercase()), "{words:?} is missing in: {help}");
    }
}

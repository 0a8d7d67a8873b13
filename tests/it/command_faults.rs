//! `migrate` and `token` where something is in the way: each fault alone, and what is told to mend it.

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use url::Url;

use crate::command::{changed, check_failure, gateway, run, text};
use crate::world::scratch_database;

const NOWHERE: &str = "postgres://gateway:the-password-of-postgres@127.0.0.1:1/gateway";

/// Each way to use the database, with the exit code 1, the words, and no password.
async fn refused(url: &str, words: &[&str]) {
    let settings = changed(&[("GATEWAY__DATABASE__URL", Some(url))]);
    let create: &[&str] = &["token", "create", "--name", "x", "--role", "viewer"];
    for arguments in [&["migrate"][..], create, &["token", "list"], &["token", "revoke", "x"]] {
        check_failure(gateway(arguments, &settings), words, &["the-password-of-postgres"]).await;
    }
}

fn elsewhere(url: &SecretString, change: impl FnOnce(&mut Url)) -> String {
    let mut url: Url = url.expose_secret().parse().unwrap();
    change(&mut url);
    url.into()
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_told_with_what_to_do() {
    refused("mysql://127.0.0.1/gateway", &["the settings cannot be used", "database.url", "postgres://"]).await;
    refused(NOWHERE, &["Postgres cannot be used just now", "database.url", "refused"]).await;
    let database = scratch_database(true).await;
    let nobody = elsewhere(&database.url(), |url| {
        url.set_username("nobody_of_this_name").unwrap();
        url.set_password(Some("the-password-of-postgres")).unwrap();
    });
    refused(&nobody, &["does not let the gateway in", "database.url", "pg_hba.conf"]).await;
    let nothing = elsewhere(&database.url(), |url| url.set_path("/no_database_of_this_name"));
    refused(&nothing, &["\"no_database_of_this_name\" does not exist", "database.url"]).await;
    database.remove().await.unwrap();
}

#[tokio::test]
async fn a_user_without_rights_is_told_to_own_the_database() {
    let database = scratch_database(false).await;
    let pool = PgPool::connect(database.url().expose_secret()).await.unwrap();
    // Whoever owns the database owns this schema, and may give the right away; who may do everything takes part as somebody who may not.
    sqlx::raw_sql("revoke create on schema public from public, pg_database_owner").execute(&pool).await.unwrap();
    let mighty = sqlx::query_scalar("select rolsuper from pg_roles where rolname = current_user").fetch_one(&pool).await.unwrap();
    pool.close().await;
    let lesser = elsewhere(&database.url(), |url| {
        if mighty {
            url.query_pairs_mut().append_pair("options[role]", "pg_monitor");
        }
    });
    let owner = ["may not make or change the tables", "let it own the database", "permission denied"];
    check_failure(gateway(&["migrate"], &changed(&[("GATEWAY__DATABASE__URL", Some(&lesser))])), &owner, &[]).await;
    database.remove().await.unwrap();
}

#[tokio::test]
async fn a_schema_that_is_behind_or_ahead_is_brought_up_to_date_or_left_alone() {
    let database = scratch_database(false).await;
    let url = database.url();
    let settings = changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]);
    let migrate = run(gateway(&["migrate"], &settings)).await;
    let applied = text(&migrate.stdout);
    assert!(migrate.status.success() && applied.starts_with("applied 0001 "), "{applied}{}", text(&migrate.stderr));
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count();
    assert_eq!(applied.lines().count(), files, "one line each");
    assert_eq!(text(&run(gateway(&["migrate"], &settings)).await.stdout), "the schema is up to date\n");

    let pool = PgPool::connect(url.expose_secret()).await.unwrap();
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'of a newer version', true, '\\x00', 0)";
    sqlx::raw_sql(newer).execute(&pool).await.unwrap();
    let create: &[&str] = &["token", "create", "--name", "x", "--role", "viewer"];
    for arguments in [&["migrate"][..], create, &["token", "list"], &["token", "revoke", "x"]] {
        let output = run(gateway(arguments, &settings)).await;
        assert!(output.status.success(), "{arguments:?} works on the schema of a newer version: {}", text(&output.stderr));
    }
    let half = "update _sqlx_migrations set success = false where version = 9999";
    sqlx::raw_sql(half).execute(&pool).await.unwrap();
    check_failure(gateway(&["migrate"], &settings), &["migration 9999 is partially applied", "_sqlx_migrations"], &[]).await;
    pool.close().await;
    database.remove().await.unwrap();
}

#[tokio::test]
async fn whoever_needs_the_tables_leaves_making_them_to_migrate() {
    let database = scratch_database(false).await;
    let url = database.url();
    let settings = changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]);
    let pool = PgPool::connect(url.expose_secret()).await.unwrap();
    for arguments in [
        &["token", "create", "--name", "x", "--role", "viewer"][..],
        &["token", "list"],
        &["token", "revoke", "x"],
        &["sign-in", "presence-1@example.com"],
        &["explain", "anna@example.com"],
        &["directory", "status"],
        &["withdraw"],
        &["serve", "--no-migrate"],
    ] {
        let words = ["migrations are pending: 0001 ", "run `presence-gateway migrate`"];
        check_failure(gateway(arguments, &settings), &words, &[]).await;
        let tables = "select count(*) from pg_tables where schemaname = 'public'";
        let tables: i64 = sqlx::query_scalar(tables).fetch_one(&pool).await.unwrap();
        assert_eq!(tables, 0, "{arguments:?}");
    }
    pool.close().await;
    database.remove().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_done_with_a_token_is_told_with_what_can() {
    type Row<'a> = (&'a [&'a str], i32, &'a [&'a str]);
    let database = scratch_database(true).await;
    let url = database.url();
    let settings = changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]);
    let table: [Row<'_>; 12] = [
        (&["create", "--role", "viewer"], 2, &["--name <NAME>"]),
        (&["create", "--name", "one"], 2, &["--role <ROLE>"]),
        (&["create", "--name", "one", "--role", "root"], 2, &["root", "viewer, operator, admin"]),
        (&["create", "--name", "one two", "--role", "viewer"], 2, &["one two", "letters, digits"]),
        (&["create", "--name", "one", "--role", "viewer", "--location", "Munich"], 2, &["Munich", "--location"]),
        (&["create", "--name", "one", "--role", "viewer"], 0, &[]),
        (&["create", "--name", "one", "--role", "admin"], 1, &["a token of this name is valid", "revoke it first"]),
        (&["revoke"], 2, &["<NAME>"]),
        (&["revoke", "two"], 1, &["no valid token has this name", "presence-gateway token list"]),
        (&["revoke", "one"], 0, &["one is revoked"]),
        (&["revoke", "one"], 1, &["no valid token has this name", "presence-gateway token list"]),
        (&["create", "--name", "one", "--role", "viewer"], 0, &[]),
    ];
    for (arguments, code, words) in table {
        let output = run(gateway(&[&["token"], arguments].concat(), &settings)).await;
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(words.iter().all(|words| told.contains(words)), "{arguments:?}: {words:?} in {told}");
        assert_eq!(
            output.stdout.is_empty(),
            code != 0 || arguments[0] == "revoke",
            "{arguments:?}: only a token that was made is printed"
        );
    }
    // A location that nobody has read yet is no mistake: the token comes to reach it when XPhone tells of it.
    let location =
        ["token", "create", "--name", "three", "--role", "viewer", "--location", "8b2c1a90-6f5e-4b43-9d0a-0c1d2e3f4a5b"];
    let output = run(gateway(&location, &settings)).await;
    assert!(output.status.success() && text(&output.stderr).contains("until then the token reaches nothing"));
    database.remove().await.unwrap();
}

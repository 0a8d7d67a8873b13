//! `presence-gateway health`: what a container's health check runs beside the gateway, with the same settings.

use secrecy::ExposeSecret;

use crate::command::{Serving, changed, check_failure, free_address, gateway, read_until, run, text};
use crate::world::scratch_database;

/// Where nothing answers, so that a gateway runs that reaches neither system.
const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn health_tells_what_the_gateway_beside_it_tells() {
    let database = scratch_database(true).await;
    let url = database.url();
    let (public, admin) = (free_address(), free_address());
    let everywhere = admin.replace("127.0.0.1", "0.0.0.0");
    let settings = changed(&[
        ("GATEWAY__DATABASE__URL", Some(url.expose_secret())),
        ("GATEWAY__HTTP__PUBLIC_LISTEN", Some(&public)),
        ("GATEWAY__HTTP__ADMIN_LISTEN", Some(&everywhere)),
        ("GATEWAY__GRAPH__BASE_URL", Some(NOWHERE)),
        ("GATEWAY__GRAPH__LOGIN_URL", Some(NOWHERE)),
        ("GATEWAY__XPHONE__BASE_URL", Some(NOWHERE)),
    ]);
    check_failure(gateway(&["health"], &settings), &[&format!("http://{admin}/healthz"), "refused"], &["the-secret"]).await;

    let mut serving = Serving::start(gateway(&["serve"], &settings));
    read_until(&mut serving.log, "the gateway runs").await;
    // Nothing but the address is needed to ask, and no secret's file is opened for it.
    let asking = [("GATEWAY__HTTP__ADMIN_LISTEN", everywhere.as_str()), ("GATEWAY__XPHONE__PASSWORD_FILE", "/not/there")];
    for (arguments, expected) in [(&["health"][..], "alive\n"), (&["health", "--ready"], "ready\n")] {
        let output = run(gateway(arguments, &asking)).await;
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), expected), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
    }

    let pool = sqlx::PgPool::connect(url.expose_secret()).await.unwrap();
    sqlx::raw_sql("delete from _sqlx_migrations where version = 1").execute(&pool).await.unwrap();
    let expected = ["/readyz answers 503", "missing: migrations 0001"];
    check_failure(gateway(&["health", "--ready"], &asking), &expected, &[]).await;
    assert_eq!(run(gateway(&["health"], &asking)).await.status.code(), Some(0), "it lives all the same");
    assert_eq!(serving.stop().await.0, Some(0));
}

#[tokio::test]
async fn health_names_a_setting_that_is_no_address() {
    let expected = ["http.admin_listen is \"8081\"", "127.0.0.1:8081"];
    check_failure(gateway(&["health"], &[("GATEWAY__HTTP__ADMIN_LISTEN", "8081")]), &expected, &[]).await;
}

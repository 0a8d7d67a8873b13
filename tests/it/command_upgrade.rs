//! Gateways of two versions on one database, as while replicas are exchanged one after the other.

use secrecy::ExposeSecret;

use crate::command::{changed, gateway, run, text};
use crate::world::scratch_database;

#[tokio::test]
async fn an_older_gateway_starts_on_the_schema_of_a_newer_one() {
    let database = scratch_database(true).await;
    let url = database.url();
    let pool = sqlx::PgPool::connect(url.expose_secret()).await.unwrap();
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'of a newer version', true, '\\x00', 0)";
    sqlx::raw_sql(newer).execute(&pool).await.unwrap();
    let migrate = run(gateway(&["migrate"], &changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]))).await;
    assert_eq!(text(&migrate.stdout), "the schema is up to date\n", "{}", text(&migrate.stderr));
    assert_eq!(migrate.status.code(), Some(0));

    let altered = "update _sqlx_migrations set checksum = '\\x00' where version = 1";
    sqlx::raw_sql(altered).execute(&pool).await.unwrap();
    let migrate = run(gateway(&["migrate"], &changed(&[("GATEWAY__DATABASE__URL", Some(url.expose_secret()))]))).await;
    assert_eq!(migrate.status.code(), Some(1), "a migration that is not what was applied still is an error");
    assert!(text(&migrate.stderr).contains("migration 1 was previously applied"), "{}", text(&migrate.stderr));
}

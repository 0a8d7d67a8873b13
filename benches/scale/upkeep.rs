//! What Postgres says of the tables that are written most.

use sqlx::{Connection, PgConnection};
use url::Url;

use crate::surroundings::Failure;

/// A table after all that was written to it.
pub struct Table {
    /// Its name.
    pub name: String,
    /// Rows that live.
    pub live: i64,
    /// Versions of rows that are dead and not tidied up yet.
    pub dead: i64,
    /// Rows that were inserted, updated, deleted.
    pub written: i64,
    /// Updates that touched no index, in a hundred; `None`: there were no updates.
    pub in_place_percent: Option<f64>,
    /// How often autovacuum tidied up.
    pub tidied: i64,
    /// With its indexes, in bytes.
    pub bytes: i64,
}

type Row = (String, i64, i64, i64, Option<f64>, i64, i64);

/// The tables that were written most, those first.
pub async fn tables(url: &Url) -> Result<Vec<Table>, Failure> {
    let mut connection = PgConnection::connect(url.as_str()).await?;
    let rows: Vec<Row> = sqlx::query_as(
        "select relname::text, n_live_tup, n_dead_tup, n_tup_ins + n_tup_upd + n_tup_del,
             (100.0 * n_tup_hot_upd / nullif(n_tup_upd, 0))::float8, autovacuum_count, pg_total_relation_size(relid)
         from pg_stat_user_tables order by n_tup_ins + n_tup_upd + n_tup_del desc limit 8",
    )
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    let table = |(name, live, dead, written, in_place_percent, tidied, bytes)| Table {
        name,
        live,
        dead,
        written,
        in_place_percent,
        tidied,
        bytes,
    };
    Ok(rows.into_iter().map(table).collect())
}

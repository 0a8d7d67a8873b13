//! The certificates for which Graph encrypts notifications, and their private keys, sealed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sealed::{self, Purpose};
use super::{Store, StoreError};

/// A certificate's public side.
#[derive(Clone, Debug)]
pub struct StoredCertificate {
    /// Our own id for it, which notifications name.
    pub id: Uuid,
    /// X.509, DER.
    pub certificate: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
}

impl Store {
    /// Keeps a new certificate; from now on it is the newest.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn keep_certificate(&self, id: Uuid, certificate: &[u8], key: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let sealed = sealed::seal(&self.keys, Purpose::PrivateKey, key)?;
        sqlx::query!(
            "insert into notification_certificate (id, certificate, private_key, made_at, last_named_at) values ($1, $2, $3, $4, $4)",
            id,
            certificate,
            sealed,
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The newest certificate, for which Graph is to encrypt; `None` also where no key opens its private key any more.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn newest_certificate(&self) -> Result<Option<StoredCertificate>, StoreError> {
        let row = sqlx::query!(
            "select id, certificate, private_key, made_at from notification_certificate order by made_at desc, id limit 1"
        );
        let row = row.fetch_optional(&self.pool).await?;
        let row = row.filter(|row| sealed::open(&self.keys, Purpose::PrivateKey, &row.private_key).is_ok());
        Ok(row.map(|row| StoredCertificate { id: row.id, certificate: row.certificate, made_at: row.made_at.to_jiff() }))
    }

    /// The ids of all certificates that notifications may still name.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn certificate_ids(&self) -> Result<BTreeSet<Uuid>, StoreError> {
        let ids = sqlx::query_scalar!("select id from notification_certificate").fetch_all(&self.pool).await?;
        Ok(ids.into_iter().collect())
    }

    /// The private keys of all certificates, PKCS#8 DER; without those that no key opens any more.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn private_keys(&self) -> Result<Vec<(Uuid, Zeroizing<Vec<u8>>)>, StoreError> {
        let rows = sqlx::query!("select id, private_key from notification_certificate").fetch_all(&self.pool).await?;
        let opened = |sealed: &[u8]| sealed::open(&self.keys, Purpose::PrivateKey, sealed).ok();
        Ok(rows.into_iter().filter_map(|row| Some((row.id, opened(&row.private_key)?))).collect())
    }

    /// Forgets certificates that no subscription names and none has named since `before`, except the newest.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_certificates(&self, before: Timestamp) -> Result<u64, StoreError> {
        let forgotten = sqlx::query!(
            "delete from notification_certificate c where c.last_named_at < $1
                 and not exists (select from subscription s where s.certificate_id = c.id)
                 and exists (select from notification_certificate newer where newer.made_at > c.made_at)",
            before.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(forgotten.rows_affected())
    }
}

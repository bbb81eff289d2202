//! The keys, on connections of their own: the command line changes them beside a running server.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use tokio::task::spawn_blocking;

use super::open::connect;
use crate::{
    access::{Key, KeyId, link::Secret},
    job::Timestamp,
    store::{Keys, Register, StoreError, VALID_SECRETS},
};

/// The file that has them.
#[derive(Debug, Clone)]
pub(super) struct KeyFile(PathBuf);

impl KeyFile {
    pub(super) fn new(file: &Path) -> Self {
        Self(file.to_owned())
    }

    /// One transaction, durable when it returns.
    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let file = self.0.clone();
        let work = move || {
            let mut connection = connect(&file)?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let answer = work(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        };
        spawn_blocking(work)
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

#[async_trait]
impl Keys for KeyFile {
    async fn register(&self) -> Result<Register, StoreError> {
        let file = self.0.clone();
        let read = move || {
            let connection = connect(&file)?;
            Ok(Register {
                keys: keys(&connection)?,
                secrets: secrets(&connection)?,
            })
        };
        spawn_blocking(read)
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    async fn add_key(&self, key: Key) -> Result<(), StoreError> {
        let record = serde_json::to_string(&key).map_err(unreadable)?;
        self.run(move |tx| {
            let insert = "INSERT OR IGNORE INTO keys (id, record) VALUES (?, ?)";
            match tx.execute(insert, params![key.id.as_str(), record])? {
                0 => Err(StoreError::Conflict(format!(
                    "there is a key {} already",
                    key.id
                ))),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<(), StoreError> {
        let id = id.clone();
        self.run(move |tx| {
            let revoke = "UPDATE keys SET revoked = coalesce(revoked, ?2) WHERE id = ?1";
            match tx.execute(revoke, params![id.as_str(), at.0])? {
                0 => Err(StoreError::NotFound),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn note_used(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let uses = uses.to_vec();
        self.run(move |tx| {
            for (id, at) in &uses {
                let note = "UPDATE keys SET used = max(coalesce(used, 0), ?2) WHERE id = ?1";
                tx.execute(note, params![id.as_str(), at.0])?;
            }
            Ok(())
        })
        .await
    }

    async fn add_secret(&self, secret: Secret, at: Timestamp) -> Result<(), StoreError> {
        self.run(move |tx| {
            // Two within a millisecond are still one after the other.
            let newest: Option<i64> =
                tx.query_row("SELECT max(since) FROM secrets", (), |row| row.get(0))?;
            let since = newest.map_or(at.0, |newest| at.0.max(newest + 1));
            let add = "INSERT INTO secrets (since, secret) VALUES (?, ?)";
            tx.execute(add, params![since, secret.reveal()])?;
            let oldest = "SELECT since FROM secrets ORDER BY since DESC LIMIT 1 OFFSET ?";
            let oldest: Option<i64> = tx
                .query_row(oldest, [VALID_SECRETS - 1], |row| row.get(0))
                .optional()?;
            if let Some(oldest) = oldest {
                tx.execute("DELETE FROM secrets WHERE since < ?", [oldest])?;
            }
            Ok(())
        })
        .await
    }

    async fn store_name(&self) -> Result<Option<String>, StoreError> {
        self.run(|tx| {
            let read = "SELECT name FROM name";
            Ok(tx.query_row(read, [], |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn name_store(&self, name: &str, anew: bool) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.run(move |tx| {
            if anew {
                tx.execute("DELETE FROM name", [])?;
            }
            let insert = "INSERT INTO name SELECT ? WHERE NOT EXISTS (SELECT 1 FROM name)";
            tx.execute(insert, [name])?;
            Ok(())
        })
        .await
    }
}

fn keys(connection: &Connection) -> Result<Vec<Key>, StoreError> {
    let all = "SELECT record, revoked, used FROM keys ORDER BY rowid";
    let mut read = connection.prepare(all)?;
    let rows = read.query_map((), |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
    })?;
    rows.map(|row| {
        let (record, revoked, used): (_, Option<i64>, Option<i64>) = row?;
        let key: Key = serde_json::from_str(&record).map_err(unreadable)?;
        Ok(Key {
            revoked: revoked.map(Timestamp),
            used: used.map(Timestamp),
            ..key
        })
    })
    .collect()
}

fn secrets(connection: &Connection) -> Result<Vec<Secret>, StoreError> {
    let mut read = connection.prepare("SELECT secret FROM secrets ORDER BY since DESC LIMIT ?")?;
    let rows = read.query_map([VALID_SECRETS], |row| row.get(0))?;
    Ok(rows
        .map(|row| row.map(Secret::kept))
        .collect::<Result<_, _>>()?)
}

fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("the register of keys is damaged: {error}"))
}

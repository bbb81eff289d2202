//! Reading connections, each used by one query at a time on a thread that may block.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::live::locked;
use crate::store::StoreError;

/// Queries at once; more would only take memory and file handles.
const AT_ONCE: usize = 4;

#[derive(Clone)]
pub(super) struct Readers {
    file: PathBuf,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            idle: Arc::default(),
        }
    }

    /// Runs `query` on the newest durable state.
    pub(super) async fn run<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = |error: &dyn std::fmt::Display| StoreError::Unavailable(error.to_string());
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|error| gone(&error))?;
        let (idle, file) = (self.idle.clone(), self.file.clone());
        let read = move || {
            let _turn = turn;
            let taken = locked(&idle).pop();
            let connection = match taken {
                Some(connection) => connection,
                None => connect(&file)?,
            };
            let result = query(&connection);
            locked(&idle).push(connection);
            result
        };
        spawn_blocking(read).await.map_err(|error| gone(&error))?
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn many_reads_share_a_few_connections() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store");
        Connection::open(&file)
            .unwrap()
            .execute_batch("CREATE TABLE one (n)")
            .unwrap();
        let readers = Readers::new(&file);
        let count = |connection: &Connection| {
            let count = connection.query_row("SELECT count(*) FROM one", (), |row| row.get(0));
            Ok(count?)
        };
        let reads: Vec<Result<i64, _>> =
            futures::future::join_all((0..200).map(|_| readers.run(count))).await;
        assert!(reads.iter().all(|read| *read == Ok(0)), "{reads:?}");
        let opened = locked(&readers.idle).len();
        assert!((1..=AT_ONCE).contains(&opened), "{opened} connections");
    }
}

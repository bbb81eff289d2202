//! The whole store, read and written job by job.

use std::slice;

use async_trait::async_trait;
use rusqlite::Connection;

use super::{Embedded, rows, tasks::enqueue, transitions, writer::Tx};
use crate::{
    job::{JobId, TaskState},
    store::{Put, Record, Records, StoreError},
};

#[async_trait]
impl Records for Embedded {
    async fn take_back_leases(&self) -> Result<(), StoreError> {
        self.writer.run(transitions::take_back_all).await
    }

    async fn ids(&self) -> Result<Vec<JobId>, StoreError> {
        self.readers.run(ids).await
    }

    async fn records(&self, ids: &[JobId]) -> Result<Vec<Option<Record>>, StoreError> {
        let ids = ids.to_vec();
        self.readers
            .run(move |db| ids.iter().map(|id| record(db, *id)).collect())
            .await
    }

    async fn put(&self, records: Vec<Record>) -> Result<Vec<Put>, StoreError> {
        self.writer
            .run(move |tx| records.iter().map(|record| put(tx, record)).collect())
            .await
    }
}

fn ids(connection: &Connection) -> Result<Vec<JobId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM jobs LEFT JOIN \
         (SELECT job, min(enqueued) AS first, min(place) AS place FROM tasks WHERE state <> 3 GROUP BY job) \
         ON job = id ORDER BY first IS NULL, first, place, id",
    )?;
    let ids = statement.query_map([], |row| rows::id(row, 0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

fn record(connection: &Connection, id: JobId) -> Result<Option<Record>, StoreError> {
    let Some(job) = rows::job(connection, id)? else {
        return Ok(None);
    };
    let tasks = rows::tasks_of(connection, id)?;
    Ok(Some(Record { job, tasks }))
}

fn put(tx: &mut Tx<'_>, new: &Record) -> Result<Put, StoreError> {
    if let Some(old) = record(tx.connection, new.job.id)? {
        let same = old.fingerprint()? == new.fingerprint()?;
        return Ok(if same { Put::Same } else { Put::Differs });
    }
    rows::insert_job(tx.connection, &new.job)?;
    rows::update_job(tx.connection, &new.job)?;
    for task in &new.tasks {
        // A dead task has no place in any queue: it would make its flow's next one wait.
        if matches!(task.state, TaskState::Dead { .. }) {
            rows::insert_task(tx.connection, task, 0.0)?;
        } else {
            enqueue(tx, slice::from_ref(task))?;
        }
        rows::update_task(tx.connection, task)?;
    }
    Ok(Put::Written)
}

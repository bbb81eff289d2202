//! Jobs and tasks as rows, nothing decided.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, types::Type};

use crate::{
    job::{
        Flow, Holding, Job, JobId, Lane, LeaseState, Queue, Task, TaskId, TaskState, Timestamp,
        Work, WorkerId,
    },
    store::StoreError,
};

/// `tasks.state`, as schema.sql lists them and its partial indices need them.
pub(super) const READY: i64 = 0;
pub(super) const DELAYED: i64 = 1;
pub(super) const LEASED: i64 = 2;
pub(super) const DEAD: i64 = 3;

/// The columns that [`task`] reads, in its order.
pub(super) const TASK: &str = "job, work, queue, lane, flow, enqueued, attempts, crashes, state, due, worker, \
                               token, started, code, message";

pub(super) fn key(id: JobId) -> [u8; 16] {
    id.as_uuid().into_bytes()
}

pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<JobId> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(JobId::from_uuid(uuid::Uuid::from_bytes(bytes)))
}

/// A job from its record.
pub(super) fn parse(record: &str) -> Result<Job, StoreError> {
    serde_json::from_str(record).map_err(|error| unreadable(&error))
}

pub(super) fn job(connection: &Connection, id: JobId) -> Result<Option<Job>, StoreError> {
    let record: Option<String> = connection
        .prepare_cached("SELECT record FROM jobs WHERE id = ?1")?
        .query_row([key(id)], |row| row.get(0))
        .optional()?;
    record.as_deref().map(parse).transpose()
}

pub(super) fn insert_job(connection: &Connection, job: &Job) -> Result<(), StoreError> {
    let [images, bytes] = holding(job);
    connection
        .prepare_cached(
            "INSERT INTO jobs (id, owner, created, record, images, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            key(job.id),
            job.owner.0,
            job.created.0,
            text(job)?,
            images,
            bytes
        ])?;
    Ok(())
}

pub(super) fn update_job(connection: &Connection, job: &Job) -> Result<(), StoreError> {
    let [images, bytes] = holding(job);
    connection
        .prepare_cached(
            "UPDATE jobs SET ended = ?2, record = ?3, images = ?4, bytes = ?5 WHERE id = ?1",
        )?
        .execute(params![
            key(job.id),
            job.kept_since().map(|at| at.0),
            text(job)?,
            images,
            bytes
        ])?;
    Ok(())
}

/// Images and bytes that count in the owner's holding, which triggers keep.
fn holding(job: &Job) -> [i64; 2] {
    if !job.is_counted() {
        return [0, 0];
    }
    let Holding { images, bytes } = job.holding();
    [images, bytes].map(|count| i64::try_from(count).unwrap_or(i64::MAX))
}

/// The fingerprint of a removed job that is remembered still.
pub(super) fn remembered(
    connection: &Connection,
    id: JobId,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT fingerprint FROM remembered WHERE job = ?1 AND until > ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![key(id), now.0], |row| row.get(0));
    Ok(found.optional()?)
}

/// Remembers a job that goes, where a repeat of it may still come, and forgets those whose time is over.
pub(super) fn remember(
    connection: &Connection,
    job: &Job,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM remembered WHERE until <= ?1")?
        .execute([now.0])?;
    if let Some((fingerprint, until)) = job.remembered(now) {
        connection
            .prepare_cached("INSERT OR REPLACE INTO remembered VALUES (?1, ?2, ?3)")?
            .execute(params![key(job.id), fingerprint, until.0])?;
    }
    Ok(())
}

pub(super) fn delete_job(connection: &Connection, id: JobId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM tasks WHERE job = ?1",
        "DELETE FROM jobs WHERE id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([key(id)])?;
    }
    Ok(())
}

pub(super) fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    let state = match row.get(8)? {
        READY => TaskState::Ready,
        DELAYED => TaskState::Delayed {
            until: Timestamp(row.get(9)?),
        },
        LEASED => TaskState::Leased(LeaseState {
            until: Timestamp(row.get(9)?),
            worker: WorkerId(row.get(10)?),
            token: row.get(11)?,
            started: row.get(12)?,
        }),
        _ => TaskState::Dead {
            at: Timestamp(row.get(9)?),
            code: row.get(13)?,
            message: row.get(14)?,
        },
    };
    Ok(Task {
        id: TaskId {
            job: id(row, 0)?,
            work: word(row, 1, |text| text.parse::<Work>().ok())?,
        },
        queue: word(row, 2, Queue::from_name)?,
        lane: Lane(row.get(3)?),
        flow: Flow(row.get(4)?),
        enqueued: Timestamp(row.get(5)?),
        attempts: row.get(6)?,
        crashes: row.get(7)?,
        state,
    })
}

pub(super) fn find_task(connection: &Connection, id: &TaskId) -> Result<Option<Task>, StoreError> {
    let sql = format!("SELECT {TASK} FROM tasks WHERE job = ?1 AND work = ?2");
    Ok(connection
        .prepare_cached(&sql)?
        .query_row(params![key(id.job), id.work.to_string()], task)
        .optional()?)
}

/// The tasks that `condition` (and an order, perhaps) picks.
pub(super) fn tasks(
    connection: &Connection,
    condition: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<Task>, StoreError> {
    let sql = format!("SELECT {TASK} FROM tasks WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map(values, task)?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn tasks_of(connection: &Connection, job: JobId) -> Result<Vec<Task>, StoreError> {
    tasks(connection, "job = ?1 ORDER BY place", &[&key(job)])
}

/// Writes a task anew, at `score` in its queue's order.
pub(super) fn insert_task(
    connection: &Connection,
    task: &Task,
    score: f64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO tasks (job, work, queue, lane, flow, enqueued, score, attempts, crashes, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0)",
        )?
        .execute(params![
            key(task.id.job),
            task.id.work.to_string(),
            task.queue.name(),
            task.lane.0,
            task.flow.0,
            task.enqueued.0,
            score,
        ])?;
    Ok(())
}

/// Writes a task's state; its place in the queue stays.
pub(super) fn update_task(connection: &Connection, task: &Task) -> Result<(), StoreError> {
    let (lease, dead) = (lease(&task.state), dead(&task.state));
    let (state, due) = match &task.state {
        TaskState::Ready => (READY, None),
        TaskState::Delayed { until } => (DELAYED, Some(until.0)),
        TaskState::Leased(lease) => (LEASED, Some(lease.until.0)),
        TaskState::Dead { at, .. } => (DEAD, Some(at.0)),
    };
    connection
        .prepare_cached(
            "UPDATE tasks SET attempts = ?3, crashes = ?4, state = ?5, due = ?6, worker = ?7, token = ?8, \
             started = ?9, code = ?10, message = ?11 WHERE job = ?1 AND work = ?2",
        )?
        .execute(params![
            key(task.id.job),
            task.id.work.to_string(),
            task.attempts,
            task.crashes,
            state,
            due,
            lease.map(|lease| &lease.worker.0),
            lease.map(|lease| &lease.token),
            lease.map(|lease| lease.started),
            dead.map(|(code, _)| code),
            dead.map(|(_, message)| message),
        ])?;
    Ok(())
}

pub(super) fn delete_task(connection: &Connection, id: &TaskId) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM tasks WHERE job = ?1 AND work = ?2")?
        .execute(params![key(id.job), id.work.to_string()])?;
    Ok(())
}

fn lease(state: &TaskState) -> Option<&LeaseState> {
    match state {
        TaskState::Leased(lease) => Some(lease),
        _ => None,
    }
}

fn dead(state: &TaskState) -> Option<(&str, &str)> {
    match state {
        TaskState::Dead { code, message, .. } => Some((code, message)),
        _ => None,
    }
}

fn text(job: &Job) -> Result<String, StoreError> {
    serde_json::to_string(job).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::Damaged(error.to_string())
}

/// A column that holds one of our own words.
fn word<T>(row: &Row<'_>, column: usize, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| {
        let why = format!("{text:?} is no known word");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
    })
}

//! A bare loop that writes to SQLite what the embedded store would, with ideal group commits.

use std::{path::Path, sync::Arc};

use anyhow::{Result, ensure};
use image2model::{
    clock::SystemClock,
    job::{Job, JobId, RetryPolicy},
    store::{Created, embedded},
};
use rusqlite::{Connection, params};

use crate::{
    measure::{Figures, Stopwatch},
    noops::{self, BATCH, CALLERS},
};

/// The rows of one job through its life: as created, started and completed.
struct Records([String; 3]);

async fn records() -> Result<Records> {
    let dir = tempfile::tempdir()?;
    let store = embedded::open(dir.path(), Arc::new(SystemClock), RetryPolicy::default())?;
    let Created::New(queued) = store.jobs.create_job(noops::new_job(1)).await? else {
        anyhow::bail!("a new store had a job");
    };
    let text = async |id| -> Result<String> {
        let job: Option<Job> = store.jobs.job(id).await?;
        Ok(serde_json::to_string(&job)?)
    };
    let first = text(queued.id).await?;
    let lease = noops::reserve(&store, 0, 1).await?.remove(0);
    store.jobs.start(std::slice::from_ref(&lease)).await?;
    let second = text(queued.id).await?;
    let made = noops::completion(&lease);
    store.jobs.complete(&lease, made).await?;
    Ok(Records([first, second, text(queued.id).await?]))
}

pub(crate) async fn run(jobs: usize) -> Result<Figures> {
    let Records([queued, started, completed]) = records().await?;
    let dir = tempfile::tempdir()?;
    let db = bare(&dir.path().join("bare.sqlite3"))?;
    let watch = Stopwatch::start(None)?;
    for first in (0..jobs).step_by(CALLERS) {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for n in first..first + CALLERS {
            bare_create(&db, n, &queued)?;
        }
        db.execute_batch("COMMIT")?;
    }
    for _ in 0..jobs / (CALLERS * BATCH) + 1 {
        db.execute_batch("BEGIN IMMEDIATE")?;
        let mut taken = Vec::new();
        for _ in 0..CALLERS {
            taken.extend(bare_reserve(&db)?);
        }
        db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        for job in &taken {
            bare_update(&db, job, 1)?;
            bare_record(&db, job, &started, None)?;
        }
        db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        for job in &taken {
            db.prepare_cached("DELETE FROM tasks WHERE job = ?1 AND work = 'generate/1'")?
                .execute([job])?;
            bare_record(&db, job, &completed, Some(1))?;
        }
        db.execute_batch("COMMIT")?;
    }
    let took = watch.stop(jobs, None)?;
    let left: i64 = db.query_row("SELECT count(*) FROM tasks", [], |row| row.get(0))?;
    ensure!(left == 0, "{left} tasks were left");
    Ok(took)
}

fn bare(file: &Path) -> Result<Connection> {
    let db = Connection::open(file)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch(include_str!("../../src/store/embedded/schema.sql"))?;
    Ok(db)
}

fn bare_create(db: &Connection, n: usize, record: &str) -> Result<()> {
    let id = JobId::random().as_uuid().into_bytes();
    db.prepare_cached("INSERT INTO jobs (id, owner, created, record) VALUES (?1, 'open', ?2, ?3)")?
        .execute(params![id, 1_700_000_000_000_i64, record])?;
    db.prepare_cached(
        "INSERT INTO tasks (job, work, queue, lane, flow, enqueued, score, attempts, crashes, state) \
         VALUES (?1, 'generate/1', 'model_generation', 'local', '127.0.0.1', ?2, ?3, 0, 0, 0)",
    )?
    .execute(params![id, 1_700_000_000_000_i64, n as f64])?;
    db.prepare_cached(
        "INSERT INTO flows (queue, lane, flow, last) VALUES ('model_generation', 'local', '127.0.0.1', ?1) \
         ON CONFLICT DO UPDATE SET last = excluded.last",
    )?
    .execute([n as f64])?;
    Ok(())
}

fn bare_reserve(db: &Connection) -> Result<Vec<[u8; 16]>> {
    let mut statement = db.prepare_cached(
        "SELECT job, score FROM tasks WHERE queue = 'model_generation' AND lane = 'local' AND state = 0 \
         ORDER BY score, place LIMIT ?1",
    )?;
    let found = statement.query_map([BATCH as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<([u8; 16], f64)> = found.collect::<rusqlite::Result<_>>()?;
    for (job, _) in &found {
        bare_update(db, job, 0)?;
    }
    if let Some((_, score)) = found.last() {
        db.prepare_cached(
            "INSERT INTO served (queue, lane, score) VALUES ('model_generation', 'local', ?1) \
             ON CONFLICT DO UPDATE SET score = excluded.score",
        )?
        .execute([score])?;
    }
    Ok(found.into_iter().map(|(job, _)| job).collect())
}

fn bare_update(db: &Connection, job: &[u8; 16], started: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE tasks SET state = 2, due = ?2, worker = 'worker-1', \
         token = '0123456789abcdef0123456789abcdef', started = ?3 WHERE job = ?1 AND work = 'generate/1'",
    )?
    .execute(params![job, 1_700_000_030_000_i64, started])?;
    Ok(())
}

fn bare_record(db: &Connection, job: &[u8; 16], record: &str, ended: Option<i64>) -> Result<()> {
    db.prepare_cached("UPDATE jobs SET ended = ?2, record = ?3 WHERE id = ?1")?
        .execute(params![job, ended, record])?;
    Ok(())
}

//! What is only read.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{self, DEAD, DELAYED, LEASED, READY};
use crate::{
    job::{Fact, FileRecord, Job, JobId, Lane, Owner, Queue, Task, TaskId, Timestamp},
    store::{Cursor, Depth, Died, Page, StoreError},
};

pub(super) fn jobs(connection: &Connection, ids: &[JobId]) -> Result<Vec<Option<Job>>, StoreError> {
    ids.iter().map(|id| rows::job(connection, *id)).collect()
}

pub(super) fn list(
    connection: &Connection,
    owner: &Owner,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page, StoreError> {
    let (created, id) = after.map_or((i64::MAX, [0xff; 16]), |cursor| {
        (cursor.created.0, rows::key(cursor.id))
    });
    let one_more = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT record FROM jobs WHERE owner = ?1 AND (created, id) < (?2, ?3) \
         ORDER BY created DESC, id DESC LIMIT ?4",
    )?;
    let records = statement.query_map(params![owner.0, created, id, one_more], |row| {
        row.get::<_, String>(0)
    })?;
    let mut jobs = Vec::new();
    for record in records {
        jobs.push(rows::parse(&record?)?);
    }
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next = jobs.last().filter(|_| more).map(|job| Cursor {
        created: job.created,
        id: job.id,
    });
    Ok(Page { jobs, next })
}

pub(super) fn facts(
    connection: &Connection,
    id: JobId,
    after: u32,
) -> Result<Option<Vec<Fact>>, StoreError> {
    let job = rows::job(connection, id)?;
    Ok(job.map(|job| job.facts.into_iter().skip(after as usize).collect()))
}

pub(super) fn position(connection: &Connection, id: &TaskId) -> Result<Option<u64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM tasks AS other WHERE other.state = 0 AND other.queue = mine.queue \
         AND other.lane = mine.lane AND (other.score, other.place) < (mine.score, mine.place)) \
         FROM tasks AS mine WHERE job = ?1 AND work = ?2 AND state = 0",
    )?;
    Ok(statement
        .query_row(params![rows::key(id.job), id.work.to_string()], |row| {
            count(row, 0)
        })
        .optional()?)
}

pub(super) fn depths(
    connection: &Connection,
) -> Result<BTreeMap<(Queue, Lane), Depth>, StoreError> {
    let mut depths: BTreeMap<(Queue, Lane), Depth> = BTreeMap::new();
    let mut statement = connection.prepare_cached(
        "SELECT queue, lane, state, count(*), min(enqueued) FROM tasks GROUP BY queue, lane, state",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let Some(queue) = Queue::from_name(&name) else {
            continue;
        };
        let depth = depths.entry((queue, Lane(row.get(1)?))).or_default();
        let count = count(row, 3)?;
        match row.get(2)? {
            READY => {
                depth.ready = count;
                depth.oldest = row.get(4)?;
            }
            DELAYED => depth.delayed = count,
            LEASED => depth.leased = count,
            DEAD => depth.dead = count,
            _ => {}
        }
    }
    Ok(depths)
}

pub(super) fn dead(
    connection: &Connection,
    after: Option<&Died>,
    limit: usize,
) -> Result<Vec<Task>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (at, job, work) = after.map_or((i64::MAX, [0xff; 16], String::new()), |died| {
        let TaskId { job, work } = &died.task;
        (died.at.0, rows::key(*job), work.to_string())
    });
    rows::tasks(
        connection,
        "state = 3 AND state > 0 AND (due, job, work) < (?1, ?2, ?3) \
         ORDER BY due DESC, job DESC, work DESC LIMIT ?4",
        &[&at, &job, &work, &limit],
    )
}

pub(super) fn removable(
    connection: &Connection,
    ended_before: Timestamp,
    limit: usize,
) -> Result<Vec<JobId>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT id FROM jobs WHERE ended < ?1 AND NOT EXISTS \
         (SELECT 1 FROM tasks WHERE job = jobs.id AND work = 'remove' AND state <> 3) \
         ORDER BY ended LIMIT ?2",
    )?;
    let ids = statement.query_map(params![ended_before.0, limit], |row| rows::id(row, 0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// Keys are looked up job by job, each job read once where its keys stand together.
pub(super) fn named(
    connection: &Connection,
    keys: &[(JobId, String)],
) -> Result<Vec<bool>, StoreError> {
    let mut named = Vec::with_capacity(keys.len());
    for same in keys.chunk_by(|a, b| a.0 == b.0) {
        let Some((id, _)) = same.first() else {
            continue;
        };
        let job = rows::job(connection, *id)?;
        named.extend(same.iter().map(|(_, key)| {
            job.as_ref()
                .is_some_and(|job| job.artifact_keys().any(|known| known == key))
        }));
    }
    Ok(named)
}

pub(super) fn file(
    connection: &Connection,
    name: &str,
) -> Result<Option<(JobId, FileRecord)>, StoreError> {
    let Some(id) = name.get(..36).and_then(|id| id.parse().ok()) else {
        return Ok(None);
    };
    let files = rows::job(connection, id)?
        .into_iter()
        .flat_map(|job| job.items)
        .flat_map(|item| item.files);
    Ok(files
        .filter(|file| file.name == name)
        .map(|file| (id, file))
        .next())
}

/// SQLite's integers are signed, its counts are not negative.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

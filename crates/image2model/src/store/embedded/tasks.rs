//! The ready tasks of each queue and lane, in fair order.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    rows::{TASK, insert_task, task, update_task},
    writer::Tx,
};
use crate::{
    job::{Flow, Lane, Lease, Queue, Task, fair, transition},
    store::{Reserve, Reserved, StoreError},
};

/// Every flow's share is the same until keys give some more.
const WEIGHT: f64 = 1.0;

/// Adds ready tasks, each after the flow's last.
pub(super) fn enqueue(tx: &mut Tx<'_>, tasks: &[Task]) -> Result<(), StoreError> {
    for same in tasks.chunk_by(|a, b| (a.queue, &a.lane, &a.flow) == (b.queue, &b.lane, &b.flow)) {
        let Some(first) = same.first() else { continue };
        let (queue, lane, flow) = (first.queue, &first.lane, &first.flow);
        let served = served(tx.connection, queue, lane)?;
        let mut last = flow_last(tx.connection, queue, lane, flow)?;
        for task in same {
            let score = fair::score(served, last, WEIGHT);
            insert_task(tx.connection, task, score)?;
            last = Some(score);
        }
        tx.connection
            .prepare_cached(
                "INSERT INTO flows (queue, lane, flow, last) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET last = excluded.last",
            )?
            .execute(params![queue.name(), lane.0, flow.0, last])?;
        tx.effects.ready.insert(queue);
    }
    Ok(())
}

/// Leases the first ready tasks.
pub(super) fn reserve(tx: &mut Tx<'_>, ask: &Reserve) -> Result<Vec<Reserved>, StoreError> {
    let until = tx.now.after(ask.lease);
    let mut reserved = Vec::new();
    let mut newest = None;
    for (mut task, score) in first_ready(tx.connection, ask)? {
        let token = uuid::Uuid::new_v4().simple().to_string();
        transition::reserve(&mut task, ask.worker.clone(), token.clone(), until)?;
        update_task(tx.connection, &task)?;
        newest = Some(score);
        let lease = Lease {
            task: task.id.clone(),
            token,
        };
        reserved.push(Reserved { task, lease });
    }
    if let Some(score) = newest {
        serve(tx.connection, ask.queue, &ask.lane, score)?;
    }
    Ok(reserved)
}

fn first_ready(connection: &Connection, ask: &Reserve) -> Result<Vec<(Task, f64)>, StoreError> {
    let sql = format!(
        "SELECT {TASK}, score FROM tasks WHERE queue = ?1 AND lane = ?2 AND state = 0 \
         ORDER BY score, place LIMIT ?3"
    );
    let limit = i64::try_from(ask.limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map(params![ask.queue.name(), ask.lane.0, limit], |row| {
        Ok((task(row)?, row.get("score")?))
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Notes the highest score handed out and forgets the flows that it has caught up with.
fn serve(connection: &Connection, queue: Queue, lane: &Lane, score: f64) -> Result<(), StoreError> {
    for sql in [
        "INSERT INTO served (queue, lane, score) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET score = max(score, excluded.score)",
        "DELETE FROM flows WHERE queue = ?1 AND lane = ?2 AND last <= ?3",
    ] {
        connection
            .prepare_cached(sql)?
            .execute(params![queue.name(), lane.0, score])?;
    }
    Ok(())
}

fn served(connection: &Connection, queue: Queue, lane: &Lane) -> Result<f64, StoreError> {
    let score = connection
        .prepare_cached("SELECT score FROM served WHERE queue = ?1 AND lane = ?2")?
        .query_row(params![queue.name(), lane.0], |row| row.get(0))
        .optional()?;
    Ok(score.unwrap_or(0.0))
}

fn flow_last(
    connection: &Connection,
    queue: Queue,
    lane: &Lane,
    flow: &Flow,
) -> Result<Option<f64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT last FROM flows WHERE queue = ?1 AND lane = ?2 AND flow = ?3")?
        .query_row(params![queue.name(), lane.0, flow.0], |row| row.get(0))
        .optional()?)
}

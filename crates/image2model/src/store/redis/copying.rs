//! The whole store, read and written job by job, and only by what serving uses: `load.lua`, `commit.lua` and reads of
//! one shard's keys.
//!
//! There is no list of all jobs, and none is needed: one that has not ended, or is being removed, has a task; every
//! other one is among the ended.

use std::collections::{BTreeMap, btree_map};

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use redis::cmd;

use super::{
    Redis,
    entry::{Entry, Writing, task},
    keys::{Shard, lane_name},
    transitions, unreadable,
};
use crate::{
    job::{JobId, Task, TaskId, TaskState, Timestamp},
    store::{Put, Record, Records, StoreError},
};

/// Names read in one answer.
const CHUNK: usize = 1000;

/// Where a job's first waiting task stands: when it was enqueued, and its place in the shard.
type Turn = (i64, u64);
/// Of a job of which no task waits.
const NEVER: Turn = (i64::MAX, u64::MAX);

#[async_trait]
impl Records for Redis {
    async fn take_back_leases(&self) -> Result<(), StoreError> {
        for seen in self.seen_of_all().await? {
            let mut leased = cmd("ZRANGE");
            leased.arg(seen.shard.lane("leased", seen.queue, &seen.lane));
            leased.arg(0).arg(-1);
            let names: Vec<String> = self.nodes.read(seen.shard, leased).await?;
            for name in names {
                self.take_back(&name.parse().map_err(unreadable)?).await?;
            }
        }
        Ok(())
    }

    async fn ids(&self) -> Result<Vec<JobId>, StoreError> {
        let shards = self.shards.all().map(|shard| self.turns(shard));
        let mut all: Vec<(Turn, JobId)> = Vec::new();
        for turns in try_join_all(shards).await? {
            all.extend(turns.into_iter().map(|(id, turn)| (turn, id)));
        }
        all.sort_unstable();
        Ok(all.into_iter().map(|(_, id)| id).collect())
    }

    async fn records(&self, ids: &[JobId]) -> Result<Vec<Option<Record>>, StoreError> {
        // What changes nothing is only read.
        let read = |id: &JobId| self.transact(*id, |entry, _| Ok(entry.as_ref().map(record)));
        try_join_all(ids.iter().map(read)).await
    }

    /// One after the other within a shard, for their order; all shards at once.
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Put>, StoreError> {
        let mut shards: BTreeMap<Shard, Vec<(usize, &Record)>> = BTreeMap::new();
        for (number, record) in records.iter().enumerate() {
            let shard = self.shards.of(record.job.id);
            shards.entry(shard).or_default().push((number, record));
        }
        let calls = shards.into_values().map(|some| async move {
            let mut put = Vec::with_capacity(some.len());
            for (number, record) in some {
                put.push((number, self.put_one(record).await?));
            }
            Ok::<_, StoreError>(put)
        });
        // Those that fail leave the others to be finished: a half-written job would be one more to mend.
        let shards = join_all(calls).await;
        let mut put: Vec<_> = shards.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        put.sort_unstable_by_key(|(number, _)| *number);
        Ok(put.into_iter().map(|(_, put)| put).collect())
    }
}

impl Redis {
    /// Takes a task's lease back as if its time had passed.
    async fn take_back(&self, id: &TaskId) -> Result<(), StoreError> {
        let item = id.work.generated();
        self.transact_with(id.job, item.as_slice(), Writing::Plain, |entry, now| {
            let held = entry.as_mut().and_then(|entry| entry.with_task(id));
            if let Some((_, task)) = held
                && let TaskState::Leased(lease) = &mut task.state
            {
                lease.until = lease.until.min(now);
            }
            transitions::sweep(entry, std::slice::from_ref(id), &self.retry, now)
        })
        .await?;
        Ok(())
    }

    /// All jobs of a shard.
    async fn turns(&self, shard: Shard) -> Result<BTreeMap<JobId, Turn>, StoreError> {
        let mut turns = BTreeMap::new();
        let mut cursor = 0;
        loop {
            let mut scan = cmd("HSCAN");
            scan.arg(shard.key("tasks"))
                .arg(cursor)
                .arg("COUNT")
                .arg(CHUNK);
            let (next, records): (u64, Vec<(String, String)>) =
                self.nodes.read(shard, scan).await?;
            self.note_turns(shard, &records, &mut turns).await?;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let mut known = 0;
        loop {
            let mut read = cmd("ZRANGE");
            read.arg(shard.key("ended"))
                .arg(known)
                .arg(known + CHUNK - 1);
            let ids: Vec<String> = self.nodes.read(shard, read).await?;
            for id in &ids {
                turns
                    .entry(id.parse().map_err(unreadable)?)
                    .or_insert(NEVER);
            }
            known += ids.len();
            if ids.is_empty() {
                return Ok(turns);
            }
        }
    }

    async fn note_turns(
        &self,
        shard: Shard,
        records: &[(String, String)],
        turns: &mut BTreeMap<JobId, Turn>,
    ) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut read = cmd("HMGET");
        read.arg(shard.key("places"));
        for (name, _) in records {
            read.arg(name);
        }
        let places: Vec<Option<String>> = self.nodes.read(shard, read).await?;
        for ((_, record), place) in records.iter().zip(places) {
            let task = task(record, None)?;
            let turn = match place.filter(|_| !is_dead(&task)) {
                Some(place) => (task.enqueued.0, number(&place)?),
                None => NEVER,
            };
            match turns.entry(task.id.job) {
                btree_map::Entry::Vacant(first) => {
                    first.insert(turn);
                }
                btree_map::Entry::Occupied(mut first) => {
                    let first = first.get_mut();
                    *first = turn.min(*first);
                }
            }
        }
        Ok(())
    }

    /// A dead task is looked for in the lanes that its shard has seen, which else are noted when a task is queued up.
    async fn note_lanes(&self, tasks: &[Task]) -> Result<(), StoreError> {
        for task in tasks.iter().filter(|task| is_dead(task)) {
            let shard = self.shards.of(task.id.job);
            let mut note = cmd("SADD");
            note.arg(shard.key("lanes"));
            note.arg(lane_name(task.queue, &task.lane));
            self.nodes.ask::<()>(shard, note).await?;
        }
        Ok(())
    }

    /// A task gets its place when it becomes ready, which each that waits had once been; what it is now is a second
    /// step. A repeat after a break between the two goes on with the second.
    async fn put_one(&self, new: &Record) -> Result<Put, StoreError> {
        let wanted = new.fingerprint()?;
        let queued_up = Record {
            job: new.job.clone(),
            tasks: new.tasks.iter().map(queued).collect(),
        };
        let between = queued_up.fingerprint()?;
        self.note_lanes(&new.tasks).await?;
        let step = |entry: &mut Option<Entry>, _: Timestamp| {
            let Some(old) = entry else {
                *entry = Some(Entry {
                    job: queued_up.job.clone(),
                    tasks: queued_up.tasks.clone(),
                    progress: BTreeMap::new(),
                });
                return Ok(Put::Written);
            };
            let found = record(old).fingerprint()?;
            if found == wanted {
                return Ok(Put::Same);
            }
            if found == between {
                old.tasks.clone_from(&new.tasks);
                return Ok(Put::Written);
            }
            Ok(Put::Differs)
        };
        let put = self.transact(new.job.id, step).await?;
        if put == Put::Written && between != wanted {
            let second = self.transact(new.job.id, step).await?;
            return Ok(match second {
                Put::Differs => Put::Differs,
                Put::Written | Put::Same => Put::Written,
            });
        }
        Ok(put)
    }
}

fn record(entry: &Entry) -> Record {
    Record {
        job: entry.job.clone(),
        tasks: entry.tasks.clone(),
    }
}

/// As it was when it last waited for its turn; a dead one does not.
fn queued(task: &Task) -> Task {
    let mut task = task.clone();
    if !is_dead(&task) {
        task.state = TaskState::Ready;
    }
    task
}

fn is_dead(task: &Task) -> bool {
    matches!(task.state, TaskState::Dead { .. })
}

/// The number of a place, which its score follows.
fn number(place: &str) -> Result<u64, StoreError> {
    let number = place.split(':').next().unwrap_or_default();
    number.parse().map_err(unreadable)
}

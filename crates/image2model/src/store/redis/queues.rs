//! What is only read of queues: depths, positions and dead tasks, summed or merged over the shards.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Cmd, FromRedisValue, Value, cmd};

use super::{
    Redis,
    entry::task,
    keys::{Shard, lane_of},
    queries::{newest, server_time},
    unreadable,
};
use crate::{
    job::{Lane, Queue, Task, TaskId, TaskState, Timestamp},
    store::{Depth, Died, StoreError},
};

/// A queue and lane that a shard has seen tasks of, and the time there.
pub(super) struct Seen {
    pub(super) shard: Shard,
    pub(super) queue: Queue,
    pub(super) lane: Lane,
    pub(super) now: Timestamp,
}

impl Redis {
    /// Where tasks may be, of shards that can be reached.
    pub(super) async fn seen(&self) -> Result<Vec<Seen>, StoreError> {
        let lanes = self.nodes.ask_reachable(self.lanes_and_times()).await?;
        self.seen_in(lanes)
    }

    /// Where tasks may be.
    ///
    /// # Errors
    /// Some shard does not say.
    pub(super) async fn seen_of_all(&self) -> Result<Vec<Seen>, StoreError> {
        let lanes: Vec<Value> = self.nodes.read_all(self.lanes_and_times()).await?;
        self.seen_in(lanes.into_iter().map(Some).collect())
    }

    /// Asks each shard for its lanes, and then each for its time.
    fn lanes_and_times(&self) -> Vec<(Shard, Cmd)> {
        let lanes = self.shards.all().map(|shard| {
            let mut lanes = cmd("SMEMBERS");
            lanes.arg(shard.key("lanes"));
            (shard, lanes)
        });
        let times = self.shards.all().map(|shard| (shard, cmd("TIME")));
        lanes.chain(times).collect()
    }

    fn seen_in(&self, mut lanes: Vec<Option<Value>>) -> Result<Vec<Seen>, StoreError> {
        let times = lanes.split_off(lanes.len() / 2);
        let mut seen = Vec::new();
        for ((shard, lanes), time) in self.shards.all().zip(lanes).zip(times) {
            let (Some(lanes), Some(time)) = (lanes, time) else {
                continue;
            };
            let now = self.time.or(server_time(parsed(time)?));
            let known = parsed::<BTreeSet<String>>(lanes)?;
            let known = known.iter().filter_map(|name| lane_of(name));
            seen.extend(known.map(|(queue, lane)| Seen {
                shard,
                queue,
                lane,
                now,
            }));
        }
        Ok(seen)
    }

    pub(super) async fn all_depths(&self) -> Result<BTreeMap<(Queue, Lane), Depth>, StoreError> {
        let seen = self.seen().await?;
        let mut depths: BTreeMap<(Queue, Lane), Depth> = BTreeMap::new();
        let mut read = Vec::new();
        for Seen {
            shard, queue, lane, ..
        } in &seen
        {
            let set = |set| shard.lane(set, *queue, lane);
            for counted in ["ready", "delayed", "leased", "dead"] {
                read.push((*shard, cmd("ZCARD").arg(set(counted)).take()));
            }
            let oldest = cmd("ZRANGE")
                .arg(set("age"))
                .arg(0)
                .arg(0)
                .arg("WITHSCORES")
                .take();
            read.push((*shard, oldest));
        }
        let answers: Vec<Option<Value>> = self.nodes.ask_reachable(read).await?;
        for (seen, answers) in seen.into_iter().zip(answers.chunks_exact(5)) {
            let Some(answers) = answers.iter().cloned().collect::<Option<Vec<_>>>() else {
                continue;
            };
            let (counts, age) = answers.split_at(4);
            let counts: Vec<u64> = parsed(Value::Array(counts.to_vec()))?;
            let age: Vec<Vec<(String, f64)>> = parsed(Value::Array(age.to_vec()))?;
            let [ready, delayed, leased, dead] = *counts.as_slice() else {
                continue;
            };
            if ready + delayed + leased + dead == 0 {
                continue;
            }
            let depth = depths.entry((seen.queue, seen.lane)).or_default();
            depth.ready += ready;
            depth.delayed += delayed;
            depth.leased += leased;
            depth.dead += dead;
            let oldest = age
                .iter()
                .flatten()
                .next()
                .map(|(_, enqueued)| *enqueued as i64);
            depth.oldest = [depth.oldest, oldest].into_iter().flatten().min();
        }
        Ok(depths)
    }

    /// The rank in its shard, times the shards: an estimate where there are several.
    pub(super) async fn position_of(&self, id: &TaskId) -> Result<Option<u64>, StoreError> {
        let (shard, name) = (self.shards.of(id.job), id.to_string());
        let field = |key: &str| (shard, cmd("HGET").arg(shard.key(key)).arg(&name).take());
        let read = vec![field("tasks"), field("places")];
        let answers: Vec<Option<String>> = self.nodes.read_all(read).await?;
        let [Some(record), Some(place)] = answers.as_slice() else {
            return Ok(None);
        };
        let task = task(record, None)?;
        let place = place.split(':').next().unwrap_or_default();
        let mut rank = cmd("ZRANK");
        rank.arg(shard.lane("ready", task.queue, &task.lane))
            .arg(format!("{place} {name}"));
        let rank: Option<u64> = self.nodes.read(shard, rank).await?;
        Ok(rank.map(|rank| rank * u64::from(self.shards.0)))
    }

    /// Up to `limit` of all shards, merged.
    pub(super) async fn newest_dead(
        &self,
        after: Option<&Died>,
        limit: usize,
    ) -> Result<Vec<Task>, StoreError> {
        let seen = self.seen().await?;
        let read = seen.iter().flat_map(|seen| dead_in(seen, after, limit));
        let parts: Vec<Option<Vec<(String, f64)>>> =
            self.nodes.ask_reachable(read.collect()).await?;
        let mut found: Vec<(i64, String, Shard)> = Vec::new();
        for (parts, seen) in parts.chunks(2).zip(&seen) {
            let part = parts.iter().flatten().flatten();
            found.extend(part.map(|(id, at)| (*at as i64, id.clone(), seen.shard)));
        }
        if let Some(Died { at, task }) = after {
            let last = (at.0, task.to_string());
            found.retain(|(at, id, _)| (at, id) < (&last.0, &last.1));
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.truncate(limit);
        let read = found
            .iter()
            .map(|(_, id, shard)| (*shard, cmd("HGET").arg(shard.key("tasks")).arg(id).take()));
        let records: Vec<Option<String>> = self.nodes.read_all(read.collect()).await?;
        let dead = found
            .iter()
            .zip(records)
            .filter_map(|((at, id, _), record)| {
                let read = task(&record?, None);
                let read = read.inspect_err(|error| tracing::error!(task = id, %error, "left out"));
                let mut task = read.ok()?;
                // One that was set aside is dead, though nothing could be written with its job.
                if !matches!(task.state, TaskState::Dead { .. }) {
                    task.state = TaskState::Dead {
                        at: Timestamp(*at),
                        code: "damaged".to_owned(),
                        message: "the job's record cannot be read".to_owned(),
                    };
                }
                Some(task)
            });
        Ok(dead.collect())
    }
}

/// Two questions: for those that died with the last of the page before, to be told apart by their names, and for those
/// before.
fn dead_in(seen: &Seen, after: Option<&Died>, limit: usize) -> [(Shard, Cmd); 2] {
    let key = seen.shard.lane("dead", seen.queue, &seen.lane);
    let (own, from) = match after {
        Some(Died { at, .. }) => (at.0.to_string(), format!("({}", at.0)),
        None => ("+inf".to_owned(), "+inf".to_owned()),
    };
    let read = |cmd: Cmd| (seen.shard, cmd);
    [
        read(newest(&key, &own, &own, None)),
        read(newest(&key, &from, "-inf", Some(limit))),
    ]
}

fn parsed<T: FromRedisValue>(answer: Value) -> Result<T, StoreError> {
    T::from_redis_value(answer).map_err(unreadable)
}

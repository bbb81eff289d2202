//! What is only read of queues: depths, positions and dead tasks, summed or merged over the shards.

use std::collections::{BTreeMap, BTreeSet};

use redis::pipe;

use super::{
    Redis,
    entry::task,
    keys::{Shard, lane_of},
    queries::server_time,
};
use crate::{
    job::{Lane, Queue, Task, TaskId, Timestamp},
    store::{Depth, StoreError},
};

/// A queue and lane that a shard has seen tasks of.
pub(super) type Seen = (Shard, Queue, Lane);

impl Redis {
    /// Where tasks may be, and the server's time.
    pub(super) async fn seen(&self) -> Result<(Vec<Seen>, Timestamp), StoreError> {
        let mut read = pipe();
        read.cmd("TIME");
        for shard in self.shards.all() {
            read.smembers(shard.key("lanes"));
        }
        let (time, lanes): ([(i64, i64); 1], Vec<BTreeSet<String>>) =
            self.server.ask_both(&read, 1).await?;
        let [time] = time;
        let seen = self
            .shards
            .all()
            .zip(&lanes)
            .flat_map(|(shard, names)| names.iter().map(move |name| (shard, name)))
            .filter_map(|(shard, name)| lane_of(name).map(|(queue, lane)| (shard, queue, lane)))
            .collect();
        Ok((seen, self.time.or(server_time(time))))
    }

    pub(super) async fn all_depths(&self) -> Result<BTreeMap<(Queue, Lane), Depth>, StoreError> {
        let (seen, _) = self.seen().await?;
        let mut depths: BTreeMap<(Queue, Lane), Depth> = BTreeMap::new();
        if seen.is_empty() {
            return Ok(depths);
        }
        let mut read = pipe();
        for (shard, queue, lane) in &seen {
            for set in ["ready", "delayed", "leased", "dead"] {
                read.zcard(shard.lane(set, *queue, lane));
            }
        }
        for (shard, queue, lane) in &seen {
            read.zrange_withscores(shard.lane("age", *queue, lane), 0, 0);
        }
        let (counts, ages): (Vec<u64>, Vec<Vec<(String, f64)>>) =
            self.server.ask_both(&read, 4 * seen.len()).await?;
        let parts = counts.chunks_exact(4).zip(&ages);
        for ((_, queue, lane), (counts, age)) in seen.into_iter().zip(parts) {
            let [ready, delayed, leased, dead] = *counts else {
                continue;
            };
            if ready + delayed + leased + dead == 0 {
                continue;
            }
            let depth = depths.entry((queue, lane)).or_default();
            depth.ready += ready;
            depth.delayed += delayed;
            depth.leased += leased;
            depth.dead += dead;
            let oldest = age.first().map(|(_, enqueued)| *enqueued as i64);
            depth.oldest = [depth.oldest, oldest].into_iter().flatten().min();
        }
        Ok(depths)
    }

    /// The rank in its shard, times the shards: an estimate where there are several.
    pub(super) async fn position_of(&self, id: &TaskId) -> Result<Option<u64>, StoreError> {
        let (shard, name) = (self.shards.of(id.job), id.to_string());
        let mut read = pipe();
        read.hget(shard.key("tasks"), &name)
            .hget(shard.key("places"), &name);
        let (record, place): (Option<String>, Option<String>) = self.server.ask(&read).await?;
        let (Some(record), Some(place)) = (record, place) else {
            return Ok(None);
        };
        let task = task(&record, None)?;
        let place = place.split(':').next().unwrap_or_default();
        let mut rank = redis::cmd("ZRANK");
        rank.arg(shard.lane("ready", task.queue, &task.lane))
            .arg(format!("{place} {name}"));
        let rank: Option<u64> = self.server.ask(&rank).await?;
        Ok(rank.map(|rank| rank * u64::from(self.shards.0)))
    }

    pub(super) async fn newest_dead(&self, limit: usize) -> Result<Vec<Task>, StoreError> {
        let (seen, _) = self.seen().await?;
        if seen.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let last = isize::try_from(limit).unwrap_or(isize::MAX) - 1;
        let mut read = pipe();
        for (shard, queue, lane) in &seen {
            read.zrevrange_withscores(shard.lane("dead", *queue, lane), 0, last);
        }
        let parts: Vec<Vec<(String, f64)>> = self.server.ask(&read).await?;
        let mut found: Vec<(i64, Shard, String)> = seen
            .iter()
            .zip(parts)
            .flat_map(|((shard, ..), part)| {
                part.into_iter().map(|(id, at)| (at as i64, *shard, id))
            })
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(limit);
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = pipe();
        for (_, shard, id) in &found {
            read.hget(shard.key("tasks"), id);
        }
        let records: Vec<Option<String>> = self.server.ask(&read).await?;
        records
            .iter()
            .flatten()
            .map(|record| task(record, None))
            .collect()
    }
}

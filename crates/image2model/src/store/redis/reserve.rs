//! Ready tasks to workers.

use std::collections::{BTreeMap, BTreeSet};

use redis::pipe;

use super::{
    Redis,
    entry::{Entry, Loaded, task},
    keys::{Shard, lane_name},
    unreadable,
};
use crate::{
    job::{Job, JobId, Lease, LeaseState, Task, TaskId, TaskState, Timestamp},
    store::{Reserve, Reserved, StoreError},
};

/// What the shards have for one queue and lane.
struct Look {
    /// The jobs of the first tasks, by the shard that they lie in.
    shares: BTreeMap<Shard, Vec<JobId>>,
    /// The highest score that any shard has handed out.
    served: f64,
}

impl Redis {
    /// The first of all shards by score. Where others took some of them meanwhile, the shards are gone round from a
    /// random one on.
    ///
    /// Scores of different shards can be compared because each shard that is reserved from catches up with the one
    /// that has served most: else one that had little to do for a day would go first until it has made up for it.
    pub(super) async fn reserve_from_all(
        &self,
        ask: &Reserve,
    ) -> Result<Vec<Reserved>, StoreError> {
        let shards: Vec<_> = self.shards.all().collect();
        if let [only] = shards.as_slice() {
            return self.reserve_from(*only, ask, ask.limit, 0.0, &[]).await;
        }
        let Look { shares, served } = self.look(&shards, ask).await?;
        let seen: usize = shares.values().map(Vec::len).sum();
        let calls = shares
            .iter()
            .map(|(shard, jobs)| self.reserve_from(*shard, ask, jobs.len(), served, jobs));
        let mut reserved = futures::future::try_join_all(calls).await?.concat();
        if reserved.len() == seen {
            return Ok(reserved);
        }
        let first = fastrand::usize(..shards.len());
        for shard in shards.iter().cycle().skip(first).take(shards.len()) {
            let rest = ask.limit - reserved.len();
            reserved.extend(self.reserve_from(*shard, ask, rest, served, &[]).await?);
        }
        Ok(reserved)
    }

    async fn look(&self, shards: &[Shard], ask: &Reserve) -> Result<Look, StoreError> {
        let last = isize::try_from(ask.limit).unwrap_or(isize::MAX) - 1;
        let mut look = pipe();
        for shard in shards {
            look.zrange_withscores(shard.lane("ready", ask.queue, &ask.lane), 0, last);
        }
        for shard in shards {
            look.hget(shard.key("served"), lane_name(ask.queue, &ask.lane));
        }
        let (heads, served) = self.server.ask_both(&look, shards.len()).await?;
        let heads: Vec<Vec<(String, f64)>> = heads;
        let served: Vec<Option<f64>> = served;
        let mut first: Vec<_> = shards
            .iter()
            .zip(&heads)
            .flat_map(|(shard, head)| head.iter().map(|(place, score)| (*score, *shard, place)))
            .collect();
        first.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
        let mut shares: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (_, shard, place) in first.into_iter().take(ask.limit) {
            shares.entry(shard).or_default().push(job_at(place)?);
        }
        let served = served.into_iter().flatten().fold(0.0, f64::max);
        Ok(Look { shares, served })
    }

    /// Of `jobs` all is read that their tasks' transitions are decided on, where one of their tasks is handed out.
    async fn reserve_from(
        &self,
        shard: Shard,
        ask: &Reserve,
        limit: usize,
        served: f64,
        jobs: &[JobId],
    ) -> Result<Vec<Reserved>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let lane = |set| shard.lane(set, ask.queue, &ask.lane);
        let mut reserve = self.scripts.reserve.prepare_invoke();
        for key in ["tasks", "leases", "served"] {
            reserve.key(shard.key(key));
        }
        for set in ["ready", "leased", "age", "flows"] {
            reserve.key(lane(set));
        }
        for job in jobs.iter().collect::<BTreeSet<_>>() {
            reserve.key(shard.job(*job));
        }
        reserve
            .arg(lane_name(ask.queue, &ask.lane))
            .arg(serde_json::to_string(&ask.worker).map_err(unreadable)?)
            .arg(u64::try_from(ask.lease.as_millis()).unwrap_or(u64::MAX))
            .arg(self.time.given())
            .arg(served);
        for _ in 0..limit {
            reserve.arg(uuid::Uuid::new_v4().simple().to_string());
        }
        let (now, leased, jobs): (i64, Vec<(String, String)>, Vec<JobRead>) =
            self.server.ask(&reserve).await?;
        self.known.hear(Timestamp(now));
        let tasks: Vec<_> = leased
            .iter()
            .map(|(record, lease)| task(record, Some(lease)))
            .collect::<Result<_, _>>()?;
        let leases = tasks.iter().zip(leased.iter().map(|(_, lease)| lease));
        for task in &tasks {
            // As it was known it had the task among the ready ones.
            self.known.take(task.id.job);
        }
        for job in jobs {
            self.known.keep(loaded(shard, job, &leases)?);
        }
        tasks.into_iter().map(reserved).collect()
    }
}

/// A job's version and record, and id, record and lease of each task; the last two are left out of those handed out.
type JobRead = (String, String, Vec<(String, String, String)>);

/// As if it had been loaded once its tasks were leased.
fn loaded<'a>(
    shard: Shard,
    (version, record, tasks): JobRead,
    leased: &(impl Iterator<Item = (&'a Task, &'a String)> + Clone),
) -> Result<Loaded, StoreError> {
    let job: Job = serde_json::from_str(&record).map_err(unreadable)?;
    let mut loaded = Loaded {
        version,
        ..Loaded::nothing(shard, job.id)
    };
    let mut read = Vec::with_capacity(tasks.len());
    for (id, record, lease) in tasks {
        let id: TaskId = id.parse().map_err(unreadable)?;
        let (task, lease) = match leased.clone().find(|(task, _)| task.id == id) {
            Some((task, lease)) => (task.clone(), lease.clone()),
            None => (
                task(&record, Some(&lease).filter(|lease| !lease.is_empty()))?,
                lease,
            ),
        };
        if !lease.is_empty() {
            loaded.leases.insert(id, lease);
        }
        read.push(task);
    }
    loaded.entry = Some(Entry {
        job,
        tasks: read,
        progress: BTreeMap::new(),
    });
    Ok(loaded)
}

/// The job of the task at a place among the ready ones.
fn job_at(place: &str) -> Result<JobId, StoreError> {
    let (_, id) = place
        .split_once(' ')
        .ok_or_else(|| unreadable("half a place"))?;
    let id: TaskId = id.parse().map_err(unreadable)?;
    Ok(id.job)
}

fn reserved(task: Task) -> Result<Reserved, StoreError> {
    let TaskState::Leased(LeaseState { token, .. }) = &task.state else {
        return Err(unreadable("a reserved task is not leased"));
    };
    let lease = Lease {
        task: task.id.clone(),
        token: token.clone(),
    };
    Ok(Reserved { task, lease })
}

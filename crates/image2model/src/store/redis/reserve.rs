//! Ready tasks to workers.

use std::collections::{BTreeMap, BTreeSet};

use redis::{FromRedisValue, Value, cmd};

use super::{
    Redis,
    entry::{Entry, Loaded, TaskRead, task},
    keys::{Shard, lane_name},
    record, unreadable,
};
use crate::{
    job::{JobId, Lease, LeaseState, Task, TaskId, TaskState, Timestamp},
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
            return self
                .reserve_from(&[(*only, ask.limit, &[])], ask, 0.0)
                .await;
        }
        let Look { shares, served } = self.look(&shards, ask).await?;
        let seen: usize = shares.values().map(Vec::len).sum();
        let shares: Vec<Share<'_>> = shares
            .iter()
            .map(|(shard, jobs)| (*shard, jobs.len(), jobs.as_slice()))
            .collect();
        let mut reserved = self.reserve_from(&shares, ask, served).await?;
        if reserved.len() == seen {
            return Ok(reserved);
        }
        let first = fastrand::usize(..shards.len());
        for shard in shards.iter().cycle().skip(first).take(shards.len()) {
            let rest = ask.limit - reserved.len();
            if rest > 0 {
                let share = [(*shard, rest, [].as_slice())];
                // One that is gone has nothing; what the others gave is not lost with it.
                let more = self.reserve_from(&share, ask, served).await;
                reserved.extend(more.unwrap_or_default());
            }
        }
        Ok(reserved)
    }

    async fn look(&self, shards: &[Shard], ask: &Reserve) -> Result<Look, StoreError> {
        let last = isize::try_from(ask.limit).unwrap_or(isize::MAX) - 1;
        let head = |shard: &Shard| {
            let mut head = cmd("ZRANGE");
            head.arg(shard.lane("ready", ask.queue, &ask.lane))
                .arg(0)
                .arg(last)
                .arg("WITHSCORES");
            (*shard, head)
        };
        let served = |shard: &Shard| {
            let mut served = cmd("HGET");
            served
                .arg(shard.key("served"))
                .arg(lane_name(ask.queue, &ask.lane));
            (*shard, served)
        };
        let look = shards
            .iter()
            .map(head)
            .chain(shards.iter().map(served))
            .collect();
        let mut heads: Vec<Option<Value>> = self.nodes.ask_reachable(look).await?;
        let served = heads.split_off(shards.len());
        let heads: Vec<Vec<(String, f64)>> = given(heads)?;
        let served: Vec<Option<f64>> = given(served)?;
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

    /// So much of each of these shards, as far as they have it and can be reached: what some shards hand out must not
    /// be lost with the others.
    async fn reserve_from(
        &self,
        shares: &[Share<'_>],
        ask: &Reserve,
        served: f64,
    ) -> Result<Vec<Reserved>, StoreError> {
        let worker = serde_json::to_string(&ask.worker).map_err(unreadable)?;
        let call = |(shard, share, jobs): &Share<'_>| {
            let lane = |set| shard.lane(set, ask.queue, &ask.lane);
            let mut reserve = self.scripts.reserve.call();
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
                .arg(&worker)
                .arg(u64::try_from(ask.lease.as_millis()).unwrap_or(u64::MAX))
                .arg(self.time.given())
                .arg(served);
            for _ in 0..*share {
                reserve.arg(uuid::Uuid::new_v4().simple().to_string());
            }
            (*shard, reserve.cmd())
        };
        let calls = shares.iter().map(call).collect();
        let answers: Vec<Option<Answer>> = self.nodes.ask_once(calls).await?;
        let mut all = Vec::new();
        for ((shard, ..), answer) in shares.iter().zip(answers) {
            if let Some(answer) = answer {
                all.extend(self.handed_out(*shard, answer)?);
            }
        }
        Ok(all)
    }

    /// Keeps what was read of the jobs.
    fn handed_out(
        &self,
        shard: Shard,
        (now, leased, jobs): Answer,
    ) -> Result<Vec<Reserved>, StoreError> {
        self.known.hear(shard, Timestamp(now));
        let (mut tasks, mut as_written) = (Vec::new(), Vec::new());
        for (record, lease) in &leased {
            match task(record.as_deref().unwrap_or_default(), Some(lease)) {
                Ok(task) => {
                    tasks.push(task);
                    as_written.push(lease);
                }
                // Its lease lapses, and then it is set aside.
                Err(error) => tracing::error!(%error, "a task cannot be handed out"),
            }
        }
        let leases = tasks.iter().zip(as_written);
        for task in &tasks {
            // As it was known it had the task among the ready ones.
            self.known.take(task.id.job);
        }
        for job in jobs {
            // Whoever decides on one that cannot be read finds out.
            if let Ok(loaded) = loaded(shard, job, &leases) {
                self.known.keep(loaded);
            }
        }
        tasks.into_iter().map(reserved).collect()
    }
}

/// What is asked of a shard: so many tasks. Of these jobs all is read that their tasks' transitions are decided on,
/// where one of their tasks is handed out.
type Share<'a> = (Shard, usize, &'a [JobId]);

/// The time, record and lease of each task, and the jobs.
type Answer = (i64, Vec<(Option<String>, String)>, Vec<JobRead>);

/// A job's version and record, and id, record and lease of each task; the last two are left out of those handed out.
type JobRead = (String, Vec<u8>, Vec<TaskRead>);

/// As if it had been loaded once its tasks were leased.
fn loaded<'a>(
    shard: Shard,
    (version, record, tasks): JobRead,
    leased: &(impl Iterator<Item = (&'a Task, &'a String)> + Clone),
) -> Result<Loaded, StoreError> {
    let job = record::read(&record)?;
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

/// Answers of some kind; those that did not come are as if there was nothing.
fn given<T: FromRedisValue + Default>(answers: Vec<Option<Value>>) -> Result<Vec<T>, StoreError> {
    let parsed =
        |answer: Option<Value>| answer.map_or_else(|| Ok(T::default()), T::from_redis_value);
    let all = answers.into_iter().map(parsed).collect::<Result<_, _>>();
    all.map_err(unreadable)
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

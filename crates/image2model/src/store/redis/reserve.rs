//! Ready tasks to workers.

use std::collections::BTreeMap;

use redis::{FromRedisValue, Value, cmd};

use super::{
    Redis,
    entry::task,
    keys::{Shard, lane_name},
    unreadable,
};
use crate::{
    job::{Lease, Timestamp, transition},
    store::{Reserve, Reserved, StoreError},
};

/// What the shards have for one queue and lane.
struct Look {
    /// How many of the first tasks lie in each shard.
    shares: BTreeMap<Shard, usize>,
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
            return self.reserve_from(&[(*only, ask.limit)], ask, 0.0).await;
        }
        let Look { shares, served } = self.look(&shards, ask).await?;
        let seen: usize = shares.values().sum();
        let shares: Vec<_> = shares.into_iter().collect();
        let mut reserved = self.reserve_from(&shares, ask, served).await?;
        if reserved.len() == seen {
            return Ok(reserved);
        }
        let first = fastrand::usize(..shards.len());
        for shard in shards.iter().cycle().skip(first).take(shards.len()) {
            let rest = ask.limit - reserved.len();
            if rest > 0 {
                reserved.extend(self.reserve_from(&[(*shard, rest)], ask, served).await?);
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
            .zip(heads)
            .flat_map(|(shard, head)| head.into_iter().map(|(_, score)| (score, *shard)))
            .collect();
        first.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut shares = BTreeMap::new();
        for (_, shard) in first.into_iter().take(ask.limit) {
            *shares.entry(shard).or_default() += 1;
        }
        let served = served.into_iter().flatten().fold(0.0, f64::max);
        Ok(Look { shares, served })
    }

    /// So many of each of these shards, as far as they have them and can be reached: what some shards hand out must
    /// not be lost with the others.
    async fn reserve_from(
        &self,
        shares: &[(Shard, usize)],
        ask: &Reserve,
        served: f64,
    ) -> Result<Vec<Reserved>, StoreError> {
        let worker = serde_json::to_string(&ask.worker).map_err(unreadable)?;
        let call = |(shard, share): &(Shard, usize)| {
            let lane = |set| shard.lane(set, ask.queue, &ask.lane);
            let mut reserve = self.scripts.reserve.call();
            for key in ["tasks", "leases", "served"] {
                reserve.key(shard.key(key));
            }
            for set in ["ready", "leased", "age", "flows"] {
                reserve.key(lane(set));
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
        let answers: Vec<Option<Vec<String>>> = self.nodes.ask_once(calls).await?;
        let mut all = Vec::new();
        for answer in answers.iter().flatten() {
            let [until, tasks @ ..] = answer.as_slice() else {
                return Err(unreadable("no time"));
            };
            let until = Timestamp(until.parse().map_err(unreadable)?);
            for pair in tasks.chunks_exact(2) {
                all.push(reserved(pair, ask, until)?);
            }
        }
        Ok(all)
    }
}

/// Answers of some kind; those that did not come are as if there was nothing.
fn given<T: FromRedisValue + Default>(answers: Vec<Option<Value>>) -> Result<Vec<T>, StoreError> {
    let parsed =
        |answer: Option<Value>| answer.map_or_else(|| Ok(T::default()), T::from_redis_value);
    let all = answers.into_iter().map(parsed).collect::<Result<_, _>>();
    all.map_err(unreadable)
}

fn reserved(pair: &[String], ask: &Reserve, until: Timestamp) -> Result<Reserved, StoreError> {
    let [record, token] = pair else {
        return Err(unreadable("half a task"));
    };
    let mut task = task(record, None)?;
    transition::reserve(&mut task, ask.worker.clone(), token.clone(), until)?;
    let lease = Lease {
        task: task.id.clone(),
        token: token.clone(),
    };
    Ok(Reserved { task, lease })
}

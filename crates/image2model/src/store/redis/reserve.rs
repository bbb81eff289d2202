//! Ready tasks to workers.

use std::collections::BTreeMap;

use redis::pipe;

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
            return self.reserve_from(*only, ask, ask.limit, 0.0).await;
        }
        let Look { shares, served } = self.look(&shards, ask).await?;
        let seen: usize = shares.values().sum();
        let calls = shares
            .into_iter()
            .map(|(shard, share)| self.reserve_from(shard, ask, share, served));
        let mut reserved = futures::future::try_join_all(calls).await?.concat();
        if reserved.len() == seen {
            return Ok(reserved);
        }
        let first = fastrand::usize(..shards.len());
        for shard in shards.iter().cycle().skip(first).take(shards.len()) {
            let rest = ask.limit - reserved.len();
            reserved.extend(self.reserve_from(*shard, ask, rest, served).await?);
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

    async fn reserve_from(
        &self,
        shard: Shard,
        ask: &Reserve,
        limit: usize,
        served: f64,
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
        reserve
            .arg(lane_name(ask.queue, &ask.lane))
            .arg(serde_json::to_string(&ask.worker).map_err(unreadable)?)
            .arg(u64::try_from(ask.lease.as_millis()).unwrap_or(u64::MAX))
            .arg(self.time.given())
            .arg(served);
        for _ in 0..limit {
            reserve.arg(uuid::Uuid::new_v4().simple().to_string());
        }
        let answer: Vec<String> = self.server.ask(&reserve).await?;
        let [until, tasks @ ..] = answer.as_slice() else {
            return Err(unreadable("no time"));
        };
        let until = Timestamp(until.parse().map_err(unreadable)?);
        tasks
            .chunks_exact(2)
            .map(|pair| reserved(pair, ask, until))
            .collect()
    }
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

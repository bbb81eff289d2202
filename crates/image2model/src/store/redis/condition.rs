//! How the servers stand: what they promise to keep, and what an operator should know.

use std::collections::BTreeMap;

use futures::future::join_all;
use redis::cmd;

use super::{Redis, keys::Shard, rights};
use crate::store::{Condition, StoreError};

/// What one server says of itself.
struct Said {
    place: String,
    info: BTreeMap<String, String>,
    /// How often it saves what it has appended; not every user may ask.
    fsync: Option<String>,
}

impl Redis {
    /// From `INFO` alone, but for how often a server saves, which stays unknown where the user may not ask for it.
    pub(super) async fn stand(&self) -> Result<Condition, StoreError> {
        let homes = self.nodes.homes();
        let (mut said, mut complaints) = (Vec::new(), Vec::new());
        let nodes = homes.nodes();
        let asked = nodes.iter().map(|(node, shards)| async move {
            let shard = shards.first()?;
            self.ask_about(&node.place, *shard).await
        });
        for ((node, shards), answer) in nodes.iter().zip(join_all(asked).await) {
            match answer {
                Some(answer) => said.push(answer),
                None => complaints.push(format!(
                    "the Redis at {} does not answer; jobs of shard {} wait for it",
                    node.place,
                    numbers(shards)
                )),
            }
        }
        let missing: Vec<_> = self
            .shards
            .all()
            .filter(|shard| !homes.has(*shard))
            .collect();
        if !missing.is_empty() {
            complaints.push(format!("no Redis has shard {}", numbers(&missing)));
        }
        complaints.extend(said.iter().filter_map(Said::evicts));
        let mut promise: Vec<_> = said.iter().map(Said::promise).collect();
        if let Some(acks) = self.nodes.acks() {
            complaints.extend(said.iter().filter_map(|said| said.lacks(acks.replicas)));
            promise.push(format!(
                "what a client or worker is told of has been confirmed by replicas ({})",
                acks.replicas
            ));
        }
        Ok(Condition {
            promise: promise.join("; "),
            complaints,
        })
    }

    async fn ask_about(&self, place: &str, shard: Shard) -> Option<Said> {
        let info = vec![(shard, cmd("INFO").arg("everything").take())];
        let fsync = cmd("CONFIG").arg("GET").arg("appendfsync").take();
        let info: Vec<Option<String>> = self.nodes.ask_reachable(info).await.ok()?;
        let mut fsync_told: Option<BTreeMap<String, String>> = None;
        // Where it may not be asked, the question would only fill the server's log of denials.
        if rights::may(&self.nodes, &self.scripts, shard, "config|get").await {
            let answers = self.nodes.ask_reachable(vec![(shard, fsync)]).await;
            fsync_told = answers.ok().and_then(|mut all| all.pop()?);
        }
        let lines = info.into_iter().next()??;
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim_end().to_owned()))
        };
        Some(Said {
            place: place.to_owned(),
            info: lines.lines().filter_map(pair).collect(),
            fsync: fsync_told.and_then(|mut all| all.remove("appendfsync")),
        })
    }
}

impl Said {
    fn get(&self, name: &str) -> &str {
        self.info.get(name).map_or("unknown", String::as_str)
    }

    /// What it keeps and who keeps it, too.
    fn promise(&self) -> String {
        let kept = match self.get("aof_enabled") {
            "1" => {
                let fsync = self.fsync.as_deref().unwrap_or("unknown");
                format!("appendonly yes, appendfsync {fsync}")
            }
            "0" => "appendonly no: what came after its last snapshot ends with it".to_owned(),
            _ => "appendonly unknown".to_owned(),
        };
        format!(
            "Redis at {}: {kept}, {} replicas",
            self.place,
            self.get("connected_slaves")
        )
    }

    /// What must be confirmed by more replicas than there are is refused.
    fn lacks(&self, replicas: usize) -> Option<String> {
        let found: usize = self.get("connected_slaves").parse().ok()?;
        (found < replicas).then(|| {
            format!(
                "the Redis at {} has {found} replicas, fewer than store.replica_acks ({replicas}), so it takes no jobs",
                self.place
            )
        })
    }

    /// Jobs that it drops are lost.
    fn evicts(&self) -> Option<String> {
        let place = &self.place;
        match self.get("maxmemory_policy") {
            "noeviction" => None,
            "unknown" => Some(format!(
                "whether the Redis at {place} drops jobs when its memory is full is unknown: it does not tell its \
                 maxmemory-policy, which must be noeviction"
            )),
            policy => Some(format!(
                "the Redis at {place} drops jobs when its memory is full: its maxmemory-policy is {policy} and must be \
                 noeviction"
            )),
        }
    }
}

fn numbers(shards: &[Shard]) -> String {
    let numbers = shards.iter().map(|shard| shard.number().to_string());
    numbers.collect::<Vec<_>>().join(", ")
}

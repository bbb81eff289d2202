//! Reaching the servers, and the store's own record of its format.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use redis::{cmd, streams::StreamRangeReply};

use super::{
    Redis, Time,
    keys::{Shard, Shards},
    known::Known,
    live::{Live, end, end_of},
    nodes::{Acks, Address, Certificates, Nodes, Rules, is_wordless},
    rights,
    script::Scripts,
};
use crate::{
    job::RetryPolicy,
    store::{Store, StoreError},
};

/// Version of the keys and records.
const FORMAT: u64 = 1;
/// The oldest Redis whose scripts run whole or not at all when memory is short.
const OLDEST: u64 = 7;
/// On each server, the masters that the shards lie on, in order; empty where it has no name.
const LAYOUT: &str = "i2m:masters";

/// Where the store is and how it is spoken to.
#[derive(Clone)]
pub struct Settings {
    /// `redis://[user:password@]host:port/db`, `redis+sentinel://host:port,…/master,…` or
    /// `redis+cluster://host:port,…`; with `rediss` for TLS.
    pub url: String,
    /// For `rediss`.
    pub certificates: Certificates,
    /// User and password of the sentinels, empty where they ask for none.
    pub sentinel_login: (String, String),
    /// How many shards a new store has, and an existing one must have.
    pub shards: u16,
    /// Longest wait for a connection and for an answer; a call that may write ends after twice that.
    pub limit: Duration,
    /// Most connections to one server.
    pub connections: usize,
    /// How many replicas must have what somebody is told of.
    pub replica_acks: usize,
    /// Longest wait for them.
    pub ack_timeout: Duration,
    /// Whether a cluster is served of whose slots some are nobody's.
    pub skip_full_coverage_check: bool,
    /// How long after its end a job vanishes that nobody has removed, by its key's expiry; never where it is `None`.
    pub vanishes_after: Option<Duration>,
    pub time: Time,
    pub retry: RetryPolicy,
}

impl Settings {
    /// What serves everybody.
    #[must_use]
    pub fn new(url: &str, retry: RetryPolicy) -> Self {
        Self {
            url: url.to_owned(),
            certificates: Certificates::default(),
            sentinel_login: Default::default(),
            shards: 16,
            limit: Duration::from_secs(2),
            connections: 50,
            replica_acks: 0,
            ack_timeout: Duration::from_secs(2),
            skip_full_coverage_check: true,
            vanishes_after: None,
            time: Time::Server,
            retry,
        }
    }
}

/// Why the store cannot be opened; one sentence for the operator, without the password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// Opens the store, or makes it where there is none. Leases stay with their holders, who may be other processes.
///
/// # Errors
/// No server can be reached or one is too old, or the store is of another version, number of shards or order of
/// masters.
pub async fn open(settings: Settings) -> Result<Store, OpenError> {
    let address = Address::parse(
        &settings.url,
        settings.certificates,
        &settings.sentinel_login,
    )
    .map_err(OpenError)?;
    let place = address.shown();
    let masters = address.masters().join(",");
    let refuse = |why: String| Err(OpenError(format!("the Redis at {place} {why}")));
    let other_scheme = match address.has_tls() {
        true => "if it speaks no TLS, its address begins with redis",
        false => "if it speaks TLS, its address begins with rediss",
    };
    let unusable = |error: StoreError| {
        let hint = match is_wordless(&error) {
            true => format!(": {other_scheme}"),
            false => String::new(),
        };
        OpenError(format!("cannot use the Redis at {place}: {error}{hint}"))
    };
    let shards = Shards(settings.shards.max(1));
    let scripts = Arc::new(Scripts::default());
    let acks = Acks {
        replicas: settings.replica_acks,
        timeout: settings.ack_timeout,
    };
    let rules = Rules {
        limit: settings.limit,
        connections: settings.connections,
        acks: (acks.replicas > 0).then_some(acks),
    };
    let nodes = Nodes::find(address, shards, scripts.clone(), rules).await;
    let nodes = Arc::new(nodes.map_err(unusable)?);
    let uncovered = nodes.homes().uncovered;
    if uncovered > 0 && !settings.skip_full_coverage_check {
        return refuse(format!(
            "has {uncovered} of its 16384 slots on no server, and store.skip_full_coverage_check is false"
        ));
    }
    if let Some(why) = unfit(&nodes).await.map_err(unusable)? {
        return refuse(why);
    }
    if let Some(command) = rights::missing(&nodes, &scripts).await.map_err(unusable)? {
        return Err(OpenError(format!(
            "this user of the Redis at {place} may not run '{command}': give it the rights that docs/operate/redis.md \
             lists"
        )));
    }
    let layout = layout(&nodes, &masters).await.map_err(unusable)?;
    if let Some(other) = layout {
        let made_for = match other.is_empty() {
            true => "one server".to_owned(),
            false => format!("the masters {other} in this order"),
        };
        return refuse(format!("has a store that was made for {made_for}"));
    }
    for (format, found) in metas(&nodes, shards).await.map_err(unusable)? {
        if format != FORMAT {
            return refuse(format!(
                "has a store of format version {format}, and this program knows version {FORMAT}: use the program \
                 that wrote it"
            ));
        }
        if found != u64::from(shards.0) {
            return refuse(format!(
                "has a store of {found} shards, which cannot be used with {} (store.shards)",
                shards.0
            ));
        }
    }
    let positions = positions(&nodes, shards).await.map_err(unusable)?;
    let redis = Redis {
        live: Live::follow(nodes.clone(), positions),
        nodes,
        scripts,
        shards,
        time: settings.time,
        retry: settings.retry,
        vanishes_after: settings.vanishes_after,
        known: Known::default(),
    };
    let condition = redis.stand().await.map_err(unusable)?;
    tracing::info!("the store: {}", condition.promise);
    for complaint in condition.complaints {
        tracing::warn!("the store: {complaint}");
    }
    Ok(Store::from(redis))
}

/// The first shard of each server.
pub(super) fn first_shards(nodes: &Nodes) -> Vec<Shard> {
    let homes = nodes.homes().nodes();
    let first = homes
        .into_iter()
        .filter_map(|(_, shards)| shards.into_iter().next());
    first.collect()
}

/// Why one of the servers cannot keep a store.
async fn unfit(nodes: &Nodes) -> Result<Option<String>, StoreError> {
    let mut ask = cmd("INFO");
    ask.arg("server").arg("replication");
    let infos = first_shards(nodes)
        .into_iter()
        .map(|shard| (shard, ask.clone()));
    let infos: Vec<Option<String>> = nodes.ask_reachable(infos.collect()).await?;
    Ok(infos.iter().flatten().find_map(|info| {
        let said = |name| {
            let mut lines = info.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_end()))
        };
        let other = match said("redis_mode") {
            Some("sentinel") => Some(
                "is a sentinel: name it as redis+sentinel://host:port/master, with the name of the master that it watches",
            ),
            Some("cluster") if !nodes.is_cluster() => {
                Some("is a server of a cluster: name it as redis+cluster://host:port")
            }
            _ => None,
        };
        if let Some(other) = other {
            return Some(other.to_owned());
        }
        let version = said("redis_version").unwrap_or("unknown");
        let main = version.split('.').next().and_then(|main| main.parse().ok());
        if main.is_none_or(|main: u64| main < OLDEST) {
            return Some(format!(
                "is of version {version}, and version {OLDEST} or later is needed"
            ));
        }
        (said("role") == Some("slave")).then(|| {
            let primary = [said("master_host"), said("master_port")].map(Option::unwrap_or_default);
            format!(
                "is a replica, which takes no writes: name its primary {}, or the sentinels that know it",
                primary.join(":")
            )
        })
    }))
}

/// What masters the store was made for, where that are others than these. A new store gets a record of these.
async fn layout(nodes: &Nodes, masters: &str) -> Result<Option<String>, StoreError> {
    // In a cluster the cluster knows.
    if nodes.is_cluster() {
        return Ok(None);
    }
    let shards = first_shards(nodes);
    let note = shards.iter().map(|shard| {
        let mut note = cmd("SET");
        (*shard, note.arg(LAYOUT).arg(masters).arg("NX").take())
    });
    let read = shards
        .iter()
        .map(|shard| (*shard, cmd("GET").arg(LAYOUT).take()));
    let found: Vec<Option<redis::Value>> = nodes.ask_reachable(note.chain(read).collect()).await?;
    let found = found.into_iter().skip(shards.len()).flatten();
    for found in found {
        let found: String = redis::from_redis_value(found).map_err(super::unreadable)?;
        if found != masters {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Format and number of shards as each shard has them; a new one gets them here.
async fn metas(nodes: &Nodes, shards: Shards) -> Result<Vec<(u64, u64)>, StoreError> {
    let commands = shards.all().flat_map(|shard| {
        let meta = shard.key("meta");
        let note = |field: &str, value: u64| {
            let mut note = cmd("HSETNX");
            (shard, note.arg(&meta).arg(field).arg(value).take())
        };
        let read = cmd("HMGET").arg(&meta).arg("format").arg("shards").take();
        [
            note("format", FORMAT),
            note("shards", u64::from(shards.0)),
            (shard, read),
        ]
    });
    let answers: Vec<Option<redis::Value>> = nodes.ask_reachable(commands.collect()).await?;
    let metas = answers.into_iter().skip(2).step_by(3).flatten();
    metas
        .map(|meta| redis::from_redis_value(meta).map_err(super::unreadable))
        .collect()
}

/// Where the news of each shard that can be reached end now.
async fn positions(nodes: &Nodes, shards: Shards) -> Result<BTreeMap<Shard, String>, StoreError> {
    let newest = shards.all().map(|shard| (shard, end_of(shard)));
    let newest: Vec<Option<StreamRangeReply>> = nodes.ask_reachable(newest.collect()).await?;
    let known = shards.all().zip(newest);
    Ok(known
        .filter_map(|(shard, newest)| Some((shard, end(newest?))))
        .collect())
}

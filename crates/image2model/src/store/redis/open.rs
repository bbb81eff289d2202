//! Reaching the server, and the store's own record of its format.

use std::{collections::BTreeMap, time::Duration};

use redis::{Client, cmd, pipe, streams::StreamRangeReply};

use super::{
    Redis, Scripts, Time,
    keys::{META, Shards},
    known::Known,
    live::Live,
    server::Server,
};
use crate::{
    job::RetryPolicy,
    store::{Store, StoreError},
};

/// Version of the keys and records.
const FORMAT: u64 = 1;
/// The oldest Redis whose scripts run whole or not at all when memory is short.
const OLDEST: u64 = 7;

/// Where the store is and how it is spoken to.
#[derive(Clone)]
pub struct Settings {
    /// `redis://[user:password@]host:port/db`
    pub url: String,
    /// How many shards a new store has, and an existing one must have.
    pub shards: u16,
    /// Longest wait for a connection and for an answer; a call ends after twice that.
    pub limit: Duration,
    pub time: Time,
    pub retry: RetryPolicy,
}

impl Settings {
    /// What serves everybody.
    #[must_use]
    pub fn new(url: &str, retry: RetryPolicy) -> Self {
        Self {
            url: url.to_owned(),
            shards: 16,
            limit: Duration::from_secs(2),
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
/// The server cannot be reached or is too old, or its store is of another version or another number of shards.
pub async fn open(settings: Settings) -> Result<Store, OpenError> {
    let client = Client::open(settings.url.as_str()).map_err(|error| {
        OpenError(format!(
            "store.url is no address of a Redis such as redis://127.0.0.1:6379/0: {error}"
        ))
    })?;
    let place = client.get_connection_info().addr().to_string();
    let unusable =
        |error: StoreError| OpenError(format!("cannot use the Redis at {place}: {error}"));
    let server = Server::new(client.clone(), settings.limit);
    let shards = Shards(settings.shards.max(1));
    let version = version(&server).await.map_err(unusable)?;
    if version < OLDEST {
        return Err(OpenError(format!(
            "the Redis at {place} is of version {version}, and version {OLDEST} or later is needed"
        )));
    }
    let (format, found) = meta(&server, shards).await.map_err(unusable)?;
    if format != FORMAT {
        return Err(OpenError(format!(
            "the store in the Redis at {place} has format version {format}, and this program knows version {FORMAT}: \
             use the program that wrote it"
        )));
    }
    if found != u64::from(shards.0) {
        return Err(OpenError(format!(
            "the store in the Redis at {place} has {found} shards and cannot be used with {}",
            shards.0
        )));
    }
    let positions = positions(&server, shards).await.map_err(unusable)?;
    Ok(Store::from(Redis {
        server,
        scripts: Scripts::default(),
        shards,
        time: settings.time,
        retry: settings.retry,
        known: Known::default(),
        live: Live::follow(client, positions),
    }))
}

/// The server's main version; Valkey tells the Redis version that it speaks for.
async fn version(server: &Server) -> Result<u64, StoreError> {
    let info: String = server.ask(cmd("INFO").arg("server")).await?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"));
    let main = line.and_then(|version| version.split('.').next());
    Ok(main.and_then(|main| main.parse().ok()).unwrap_or(0))
}

/// Format and number of shards, which a new store gets here.
async fn meta(server: &Server, shards: Shards) -> Result<(u64, u64), StoreError> {
    let mut read = cmd("HMGET");
    read.arg(META).arg("format").arg("shards");
    if let (Some(format), Some(shards)) = server.ask(&read).await? {
        return Ok((format, shards));
    }
    let mut make = pipe();
    make.atomic();
    make.hset_nx(META, "format", FORMAT).ignore();
    make.hset_nx(META, "shards", shards.0).ignore();
    make.add_command(read);
    let [made] = server.ask(&make).await?;
    Ok(made)
}

/// Where each shard's news end now.
async fn positions(
    server: &Server,
    shards: Shards,
) -> Result<BTreeMap<String, String>, StoreError> {
    let streams: Vec<_> = shards.all().map(|shard| shard.key("news")).collect();
    let mut newest = pipe();
    for stream in &streams {
        newest.xrevrange_count(stream, "+", "-", 1);
    }
    let newest: Vec<StreamRangeReply> = server.ask(&newest).await?;
    let last = |reply: StreamRangeReply| {
        let newest = reply.ids.into_iter().next();
        newest.map_or_else(|| "0-0".to_owned(), |entry| entry.id)
    };
    Ok(streams
        .into_iter()
        .zip(newest.into_iter().map(last))
        .collect())
}

//! Keys and rates. The keys lie in the first shard: a hash of what was made, one of when each was revoked and one of
//! when each was last used, so that each change is one command; and the secrets in a set by their time. A rate lies in the
//! shard of its name; what an owner has is counted in each shard by the commits of its jobs.

use std::collections::BTreeMap;

use async_trait::async_trait;
use redis::{FromRedisValue, Value, cmd};

use super::{Redis, unreadable};
use crate::{
    access::{
        Key, KeyId,
        link::Secret,
        rate::{Admission, Window},
    },
    job::{Holding, Owner, Timestamp},
    store::{Keys, Limits, Register, StoreError, VALID_SECRETS},
};

const MADE: &str = "keys";
const REVOKED: &str = "keys-revoked";
const USED: &str = "keys-used";
const SECRETS: &str = "secrets";
const NAME: &str = "store-name";

#[async_trait]
impl Keys for Redis {
    async fn register(&self) -> Result<Register, StoreError> {
        let shard = self.shards.first();
        let hash = |name| (shard, cmd("HGETALL").arg(shard.key(name)).take());
        let mut newest = cmd("ZREVRANGE");
        newest.arg(shard.key(SECRETS)).arg(0).arg(VALID_SECRETS - 1);
        let asked = vec![hash(MADE), hash(REVOKED), hash(USED), (shard, newest)];
        let [made, revoked, used, secrets] =
            <[Value; 4]>::try_from(self.nodes.read_all(asked).await?)
                .map_err(|_| unreadable("half an answer"))?;
        let made: BTreeMap<String, String> = read(made)?;
        let (revoked, used): (Times, Times) = (read(revoked)?, read(used)?);
        let mut keys = made
            .into_iter()
            .map(|(id, record)| {
                let key: Key = serde_json::from_str(&record).map_err(unreadable)?;
                Ok(Key {
                    revoked: revoked.get(&id).copied().map(Timestamp),
                    used: used.get(&id).copied().map(Timestamp),
                    ..key
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        let secrets: Vec<String> = read(secrets)?;
        Ok(Register {
            keys,
            secrets: secrets.into_iter().map(Secret::kept).collect(),
        })
    }

    async fn add_key(&self, key: Key) -> Result<(), StoreError> {
        let record = serde_json::to_string(&key).map_err(unreadable)?;
        let shard = self.shards.first();
        let mut add = cmd("HSETNX");
        add.arg(shard.key(MADE)).arg(key.id.as_str()).arg(record);
        match self.nodes.ask(shard, add).await? {
            0 => Err(StoreError::Conflict(format!(
                "there is a key {} already",
                key.id
            ))),
            _ => Ok(()),
        }
    }

    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<(), StoreError> {
        let shard = self.shards.first();
        let mut known = cmd("HGET");
        known.arg(shard.key(MADE)).arg(id.as_str());
        if self
            .nodes
            .ask::<Option<String>>(shard, known)
            .await?
            .is_none()
        {
            return Err(StoreError::NotFound);
        }
        let mut revoke = cmd("HSETNX");
        revoke.arg(shard.key(REVOKED)).arg(id.as_str()).arg(at.0);
        self.nodes.ask(shard, revoke).await
    }

    async fn note_used(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        let shard = self.shards.first();
        let mut note = self.scripts.note_used.call();
        note.key(shard.key(USED));
        for (id, at) in uses {
            note.arg(id.as_str()).arg(at.0);
        }
        self.nodes.ask(shard, note.cmd()).await
    }

    async fn add_secret(&self, secret: Secret, at: Timestamp) -> Result<(), StoreError> {
        let shard = self.shards.first();
        let mut add = self.scripts.add_secret.call();
        add.key(shard.key(SECRETS));
        add.arg(secret.reveal()).arg(at.0).arg(VALID_SECRETS);
        self.nodes.ask(shard, add.cmd()).await
    }

    async fn store_name(&self) -> Result<Option<String>, StoreError> {
        let shard = self.shards.first();
        let read = cmd("GET").arg(shard.key(NAME)).take();
        self.nodes.ask(shard, read).await
    }

    async fn name_store(&self, name: &str, anew: bool) -> Result<(), StoreError> {
        let shard = self.shards.first();
        let mut set = cmd("SET");
        set.arg(shard.key(NAME)).arg(name);
        if !anew {
            set.arg("NX");
        }
        // Nothing where there is one already.
        let _: Option<String> = self.nodes.ask(shard, set).await?;
        Ok(())
    }
}

type Times = BTreeMap<String, i64>;

fn read<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    T::from_redis_value(value).map_err(unreadable)
}

#[async_trait]
impl Limits for Redis {
    async fn admit(
        &self,
        name: &str,
        windows: &[Window],
        count: u32,
    ) -> Result<Admission, StoreError> {
        let shard = self.shards.of_name(name);
        let mut admit = self.scripts.admit.call();
        admit.key(shard.key(&format!("rate:{name}")));
        admit.arg(self.time.given()).arg(count);
        for window in windows {
            admit
                .arg(window.period_us())
                .arg(window.each_us())
                .arg(window.limit);
        }
        let (admitted, now, whole): (i64, i64, Vec<i64>) =
            self.nodes.ask(shard, admit.cmd()).await?;
        Ok(Admission::read(windows, admitted == 1, &whole, now))
    }

    /// Each shard's part, summed.
    async fn holding(&self, owner: &Owner) -> Result<Holding, StoreError> {
        let read = self.shards.all().map(|shard| {
            let mut read = cmd("HMGET");
            read.arg(shard.holding(owner)).arg("images").arg("bytes");
            (shard, read)
        });
        let parts: Vec<(Option<i64>, Option<i64>)> = self.nodes.read_all(read.collect()).await?;
        let sum = |part: fn(&(Option<i64>, Option<i64>)) -> Option<i64>| {
            let counts = parts.iter().filter_map(part);
            let all = counts.fold(0, i64::saturating_add);
            u64::try_from(all).unwrap_or(0)
        };
        Ok(Holding {
            images: sum(|part| part.0),
            bytes: sum(|part| part.1),
        })
    }
}

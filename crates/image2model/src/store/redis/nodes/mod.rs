//! The servers of a store, and the way of a command to the one that has its shard.
//!
//! All that the store asks belongs to one shard, so this is all that it needs of a cluster or of sentinels: where a
//! shard lies ([`homes`]), asked anew when a server is gone, was demoted or answers that the shard lies elsewhere.
//! One server, several masters under sentinels and a cluster differ in nothing else.
//!
//! Calls may be sent twice, since an answer can be lost with its connection: each script writes only what nobody has
//! written, and a lease that nobody got lapses.

mod address;
mod asking;
mod error;
mod homes;
mod node;
mod slot;
#[cfg(test)]
mod tests;
mod wait;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Cmd, FromRedisValue};
use tokio::sync::{Mutex, watch};

pub(super) use self::{
    address::Address,
    error::is_wordless,
    homes::Homes,
    node::{Acks, Node},
};
pub use address::Certificates;

use self::{
    asking::Patience,
    error::{Fate, fate, moving_to, no_home, unavailable, unconfirmed},
    homes::Finder,
    node::Manners,
    wait::Wait,
};
use super::{
    keys::{Shard, Shards},
    script::Scripts,
    unreadable,
};
use crate::store::StoreError;

/// Shortest time between two questions where shards lie.
const RENEWED: Duration = Duration::from_millis(100);

/// How the servers are spoken to.
pub(super) struct Rules {
    /// Longest wait for a connection and for an answer; one that may write ends after twice that.
    pub(super) limit: Duration,
    pub(super) connections: usize,
    /// What writes wait for that somebody is told of.
    pub(super) acks: Option<Acks>,
}

pub(super) struct Nodes {
    finder: Finder,
    rules: Rules,
    homes: watch::Sender<Arc<Homes>>,
    /// When homes were last asked for.
    renewed: Mutex<Option<Instant>>,
}

impl Nodes {
    /// Finds out where the shards lie, patiently: a primary may just be being replaced.
    ///
    /// # Errors
    /// Nobody says so.
    pub(super) async fn find(
        address: Address,
        shards: Shards,
        scripts: Arc<Scripts>,
        rules: Rules,
    ) -> Result<Self, StoreError> {
        let for_news = match address.is_cluster() {
            true => usize::from(shards.0),
            false => 1,
        };
        let manners = Manners {
            limit: rules.limit,
            confirming: rules.connections.saturating_sub(1 + for_news).max(1),
            scripts,
        };
        let finder = Finder {
            address,
            shards,
            manners,
        };
        let mut wait = Wait::new(Instant::now() + rules.limit);
        let homes = loop {
            match finder.find(&Homes::default()).await {
                Ok(homes) => break homes,
                Err(error) if fate(&error) == Fate::Again && !wait.is_over() => {
                    wait.rest(std::future::pending()).await;
                }
                Err(error) => return Err(unavailable(error)),
            }
        };
        Ok(Self {
            finder,
            rules,
            homes: watch::Sender::new(Arc::new(homes)),
            renewed: Mutex::default(),
        })
    }

    /// Where the shards lie, as far as is known.
    pub(super) fn homes(&self) -> Arc<Homes> {
        self.homes.borrow().clone()
    }

    /// Tells when shards have moved.
    pub(super) fn moves(&self) -> watch::Receiver<Arc<Homes>> {
        self.homes.subscribe()
    }

    /// Whether writes that somebody is told of wait for replicas.
    pub(super) fn confirms(&self) -> bool {
        self.rules.acks.is_some()
    }

    /// What writes that somebody is told of wait for.
    pub(super) fn acks(&self) -> Option<Acks> {
        self.rules.acks
    }

    /// Whether some shard has no home.
    pub(super) fn lacks(&self, homes: &Homes) -> bool {
        !self.finder.shards.all().all(|shard| homes.has(shard))
    }

    pub(super) fn is_under_sentinels(&self) -> bool {
        !self.finder.address.masters().is_empty()
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.finder.address.is_cluster()
    }

    /// One shard's answer to what may write.
    ///
    /// # Errors
    /// It is an error, or its server is gone for twice the time limit: another may take its place, and what was not
    /// written comes again.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        shard: Shard,
        command: Cmd,
    ) -> Result<T, StoreError> {
        self.answer(shard, command, Patience::Patient).await
    }

    /// One shard's answer to what only reads.
    ///
    /// # Errors
    /// As [`read_all`](Self::read_all).
    pub(super) async fn read<T: FromRedisValue>(
        &self,
        shard: Shard,
        command: Cmd,
    ) -> Result<T, StoreError> {
        self.answer(shard, command, Patience::Reading).await
    }

    async fn answer<T: FromRedisValue>(
        &self,
        shard: Shard,
        command: Cmd,
        patience: Patience,
    ) -> Result<T, StoreError> {
        let mut answers = self.ask_each(&[(shard, command)], patience).await;
        let answer = answers.pop().unwrap_or_else(|| Err(no_home()));
        T::from_redis_value(answer.map_err(unavailable)?).map_err(unreadable)
    }

    /// The answer of a write that somebody is told of: when as many replicas have it as the store's owner wants.
    ///
    /// # Errors
    /// Fewer have it; then it stays written, and the same call again waits for them again.
    pub(super) async fn ask_confirmed<T: FromRedisValue>(
        &self,
        shard: Shard,
        command: Cmd,
    ) -> Result<T, StoreError> {
        let Some(acks) = self.rules.acks else {
            return self.ask(shard, command).await;
        };
        let deadline = Instant::now() + 2 * self.rules.limit + acks.timeout;
        let mut wait = Wait::new(deadline);
        loop {
            let homes = self.homes();
            let sent = match homes.of(shard) {
                None => Err(no_home()),
                Some(node) => {
                    let sent = Box::pin(node.send_confirmed(&command, acks, false));
                    wait.within(self.unless_moved(&homes, node, sent)).await
                }
            };
            let moving = sent.as_ref().err().and_then(moving_to);
            let sent = match moving {
                None => sent,
                Some(place) => {
                    let to = self.node_at(&place).map_err(unavailable)?;
                    wait.within(Box::pin(to.send_confirmed(&command, acks, true)))
                        .await
                }
            };
            let error = match sent {
                Ok(Ok(value)) => return T::from_redis_value(value).map_err(unreadable),
                Ok(Err(found)) => return Err(unconfirmed(found, acks)),
                Err(error) => error,
            };
            if fate(&error) == Fate::Final || wait.is_over() {
                return Err(unavailable(error));
            }
            wait.at_most(self.renew(&homes)).await;
            if !self.may_have(&self.homes(), shard) {
                return Err(unavailable(no_home()));
            }
            wait.pause(&mut self.moves()).await;
        }
    }

    /// Whether a shard has a home, or may get one soon: in a cluster, slots that are nobody's stay so until somebody
    /// mends it.
    fn may_have(&self, homes: &Homes, shard: Shard) -> bool {
        !self.finder.address.is_cluster() || homes.has(shard)
    }

    /// All answers to what only reads, in the order asked, in one round trip to each server.
    ///
    /// # Errors
    /// One of them is an error, or a server that is needed is gone for longer than the time limit.
    pub(super) async fn read_all<T: FromRedisValue>(
        &self,
        commands: Vec<(Shard, Cmd)>,
    ) -> Result<Vec<T>, StoreError> {
        let answers = self.ask_each(&commands, Patience::Reading).await;
        answers
            .into_iter()
            .map(|answer| T::from_redis_value(answer.map_err(unavailable)?).map_err(unreadable))
            .collect()
    }

    /// As [`read_all`](Self::read_all), but without waiting for a server that is gone: its answers are `None`.
    ///
    /// # Errors
    /// No server answers, or one answers with an error of another kind.
    pub(super) async fn ask_reachable<T: FromRedisValue>(
        &self,
        commands: Vec<(Shard, Cmd)>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        self.ask_some(&commands, Patience::Glance).await
    }

    /// As [`ask_reachable`](Self::ask_reachable), but a server that is there is waited for: for what it may have done.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn ask_once<T: FromRedisValue>(
        &self,
        commands: Vec<(Shard, Cmd)>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        self.ask_some(&commands, Patience::Once).await
    }

    /// One shard's answer, without waiting for its server where that is gone and there are others.
    pub(super) async fn ask_if_there<T: FromRedisValue>(
        &self,
        shard: Shard,
        command: Cmd,
    ) -> Result<T, StoreError> {
        let mut answers = self.ask_once(vec![(shard, command)]).await?;
        answers
            .pop()
            .flatten()
            .ok_or_else(|| unreadable("no answer"))
    }

    async fn ask_some<T: FromRedisValue>(
        &self,
        commands: &[(Shard, Cmd)],
        patience: Patience,
    ) -> Result<Vec<Option<T>>, StoreError> {
        // Where there is one server only, nobody can do without it.
        let waits = match (self.homes().are_one(self.finder.shards), patience) {
            (true, Patience::Glance) => Patience::Reading,
            (true, _) => Patience::Patient,
            (false, _) => patience,
        };
        let answers = self.ask_each(commands, waits).await;
        let mut gone = None;
        let mut given = Vec::with_capacity(answers.len());
        for answer in answers {
            given.push(match answer {
                Ok(value) => Some(T::from_redis_value(value).map_err(unreadable)?),
                // What one server did must not be lost with what another refuses.
                Err(error) if fate(&error) == Fate::Final && patience != Patience::Once => {
                    return Err(unavailable(error));
                }
                Err(error) => {
                    gone = Some(error);
                    None
                }
            });
        }
        match gone {
            Some(error) if given.iter().all(Option::is_none) => Err(unavailable(error)),
            _ => Ok(given),
        }
    }

    /// Asks where the shards lie, unless that was just done or `known` is not the newest.
    pub(super) async fn renew(&self, known: &Arc<Homes>) {
        let mut renewed = self.renewed.lock().await;
        let is_new = renewed.is_some_and(|at| at.elapsed() < RENEWED);
        if is_new || !Arc::ptr_eq(known, &self.homes.borrow()) {
            return;
        }
        match self.finder.find(known).await {
            Ok(found) => {
                let moved = |homes: &mut Arc<Homes>| {
                    let moved = !found.are(homes);
                    // Kept where nothing has moved: who waits for news of these homes goes on asking by them.
                    if moved {
                        *homes = Arc::new(found);
                    }
                    moved
                };
                if self.homes.send_if_modified(moved) {
                    tracing::info!("shards of the store have moved to other servers");
                }
            }
            Err(error) => tracing::debug!(%error, "nobody says where the shards lie"),
        }
        *renewed = Some(Instant::now());
    }
}

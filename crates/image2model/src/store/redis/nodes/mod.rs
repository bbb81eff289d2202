//! The servers of a store, and the way of a command to the one that has its shard.
//!
//! All that the store asks belongs to one shard, so this is all that it needs of a cluster or of sentinels: where a
//! shard lies ([`homes`]), asked anew when a server is gone, was demoted or answers that the shard lies elsewhere.
//! One server, several masters under sentinels and a cluster differ in nothing else.
//!
//! Calls may be sent twice, since an answer can be lost with its connection: each script writes only what nobody has
//! written, and a lease that nobody got lapses.

mod address;
mod error;
mod homes;
mod node;
mod slot;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use redis::{Cmd, FromRedisValue, RedisError, RedisResult, Value, cmd};
use tokio::{
    sync::{Mutex, watch},
    time::{sleep, timeout},
};

pub(super) use self::{
    address::Address,
    homes::Homes,
    node::{Acks, Node},
};
pub use address::Certificates;

use self::{
    error::{Fate, fate, no_home, unavailable, unconfirmed},
    homes::Finder,
    node::Manners,
};
use super::{
    keys::{Shard, Shards},
    script::Scripts,
    unreadable,
};
use crate::store::StoreError;

/// Shortest time between two questions where shards lie.
const RENEWED: Duration = Duration::from_millis(100);
/// Waits between two tries: from the first on doubled up to the longest, each cut at random.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// How long those wait for a server's answer who can do without it.
const GLANCE: Duration = Duration::from_millis(400);

/// How the servers are spoken to.
pub(super) struct Rules {
    /// Longest wait for a connection and for an answer; a call ends after twice that.
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

/// Who waits for a server that is gone.
#[derive(Clone, Copy, PartialEq)]
enum Patience {
    /// Who needs its answer: until the time limit.
    Patient,
    /// Who can do without it, but not without knowing what it did: as long as the connection lasts.
    Once,
    /// Who can do without it.
    Glance,
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
        let mut wait = Wait::new(Instant::now() + 2 * rules.limit);
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

    /// One shard's answer.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        shard: Shard,
        command: Cmd,
    ) -> Result<T, StoreError> {
        let mut answers = self.ask_all(vec![(shard, command)]).await?;
        answers.pop().ok_or_else(|| unreadable("no answer"))
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
                Some(node) => wait.within(node.send_confirmed(&command, acks)).await,
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

    /// All answers in the order asked, in one round trip to each server.
    ///
    /// # Errors
    /// One of them is an error, or a server that is needed is gone for longer than the time limit.
    pub(super) async fn ask_all<T: FromRedisValue>(
        &self,
        commands: Vec<(Shard, Cmd)>,
    ) -> Result<Vec<T>, StoreError> {
        let answers = self.ask_each(&commands, Patience::Patient).await;
        answers
            .into_iter()
            .map(|answer| T::from_redis_value(answer.map_err(unavailable)?).map_err(unreadable))
            .collect()
    }

    /// As [`ask_all`](Self::ask_all), but without waiting for a server that is gone: its answers are `None`.
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
        let waits = match self.homes().are_one(self.finder.shards) {
            true => Patience::Patient,
            false => patience,
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

    async fn ask_each(
        &self,
        commands: &[(Shard, Cmd)],
        patience: Patience,
    ) -> Vec<RedisResult<Value>> {
        let longest = match patience {
            Patience::Patient => 2 * self.rules.limit,
            Patience::Once => self.rules.limit,
            Patience::Glance => GLANCE.min(2 * self.rules.limit),
        };
        let mut wait = Wait::new(Instant::now() + longest);
        let mut answers: Vec<RedisResult<Value>> =
            commands.iter().map(|_| Err(no_home())).collect();
        let mut open: Vec<usize> = (0..commands.len()).collect();
        loop {
            let homes = self.homes();
            for (numbers, sent) in self.pass(&homes, commands, &open, patience, &wait).await {
                for (number, answer) in numbers.into_iter().zip(sent) {
                    if let Some(place) = answers.get_mut(number) {
                        *place = answer;
                    }
                }
            }
            let again = |number: &usize| {
                let answer = answers.get(*number);
                answer.is_some_and(|a| a.as_ref().is_err_and(|e| fate(e) != Fate::Final))
            };
            open.retain(again);
            if open.is_empty() {
                return answers;
            }
            // Those who can do without a server that is gone leave it to the readers of news to find another one.
            let told = |number: &usize| answers.get(*number).is_some_and(is_told);
            if patience != Patience::Patient && !open.iter().any(told) {
                return answers;
            }
            // Late is as good as never.
            wait.at_most(self.renew(&homes)).await;
            let known = self.homes();
            if wait.is_over() || (patience != Patience::Patient && Arc::ptr_eq(&homes, &known)) {
                return answers;
            }
            let shard = |number: &usize| commands.get(*number).map(|(shard, _)| *shard);
            open.retain(|number| shard(number).is_some_and(|shard| self.may_have(&known, shard)));
            if open.is_empty() {
                return answers;
            }
            wait.pause(&mut self.moves()).await;
        }
    }

    /// Sends the open ones, each server's at once, all servers at the same time.
    async fn pass(
        &self,
        homes: &Homes,
        commands: &[(Shard, Cmd)],
        open: &[usize],
        patience: Patience,
        wait: &Wait,
    ) -> Vec<(Vec<usize>, Vec<RedisResult<Value>>)> {
        let mut nodes: Vec<(Arc<Node>, Vec<usize>)> = Vec::new();
        for number in open {
            let home = commands
                .get(*number)
                .and_then(|(shard, _)| homes.of(*shard));
            let Some(node) = home else { continue };
            if patience != Patience::Patient && node.is_silent() {
                continue;
            }
            match nodes.iter_mut().find(|(known, _)| Arc::ptr_eq(known, node)) {
                Some((_, numbers)) => numbers.push(*number),
                None => nodes.push((node.clone(), vec![*number])),
            }
        }
        let sends = nodes.into_iter().map(|(node, numbers)| async move {
            let asked = numbers.iter().filter_map(|number| commands.get(*number));
            let asked: Vec<_> = asked.map(|(_, command)| command).collect();
            let mut sent = match wait.within(node.send(&asked)).await {
                Ok(sent) => sent,
                Err(error) => {
                    node.note(Some(&error));
                    asked.iter().map(|_| Err(error.clone())).collect()
                }
            };
            for (command, answer) in asked.into_iter().zip(&mut sent) {
                let moving = answer.as_ref().err().and_then(error::moving_to);
                if let Some(place) = moving {
                    *answer = wait.within(self.ask_at(&place, command)).await;
                }
            }
            (numbers, sent)
        });
        join_all(sends).await
    }

    /// Asks a server that is just being given the shard.
    async fn ask_at(&self, place: &(String, u16), command: &Cmd) -> RedisResult<Value> {
        let client = self
            .finder
            .address
            .client(self.finder.address.addr(place))?;
        let node = Node::new(client, self.finder.manners.clone());
        let answers = node.send(&[&cmd("ASKING"), command]).await?;
        answers.into_iter().nth(1).unwrap_or_else(|| Err(no_home()))
    }
}

/// Whether a server is there and told that the shard lies elsewhere or that it takes no writes.
fn is_told(answer: &RedisResult<Value>) -> bool {
    let kind = answer.as_ref().err().map(RedisError::kind);
    matches!(kind, Some(redis::ErrorKind::Server(_)))
}

/// The time that a call has, and its pauses between two tries.
struct Wait {
    deadline: Instant,
    next: Duration,
}

impl Wait {
    fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            next: FIRST_WAIT,
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// What comes too late is an error as if it had not come.
    async fn within<T>(&self, sent: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        match timeout(self.left(), sent).await {
            Ok(sent) => sent,
            Err(_) => Err(RedisError::from(std::io::Error::from(
                std::io::ErrorKind::TimedOut,
            ))),
        }
    }

    /// What is not done in time is left undone.
    async fn at_most(&self, work: impl Future<Output = ()>) {
        let _ = timeout(self.left(), work).await;
    }

    /// Ends early when shards have moved.
    async fn pause(&mut self, moves: &mut watch::Receiver<Arc<Homes>>) {
        moves.mark_unchanged();
        self.rest(async { drop(moves.changed().await) }).await;
    }

    /// Ends early with `early`.
    async fn rest(&mut self, early: impl Future<Output = ()>) {
        let pause = self
            .next
            .mul_f64(0.5 + fastrand::f64() / 2.0)
            .min(self.left());
        self.next = (2 * self.next).min(LONGEST_WAIT);
        tokio::select! {
            () = sleep(pause) => {}
            () = early => {}
        }
    }
}

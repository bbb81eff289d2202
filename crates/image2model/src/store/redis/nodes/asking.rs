//! Rounds of questions to the servers that have the shards, until each is answered or its time is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use redis::{Cmd, RedisError, RedisResult, Value, cmd};
use tokio::time::timeout;

use super::{
    Nodes, Shard,
    error::{Fate, fate, moving_to, no_home},
    homes::Homes,
    node::{ASKING, Node},
    wait::{Wait, late},
};

/// How long those wait for a server's answer who can do without it.
const GLANCE: Duration = Duration::from_millis(400);
/// After so long without an answer the other servers are asked whether the silent one still has its shards, and so
/// often from then on: a frozen server keeps its connections, and says nothing of its own end.
const DOUBT: Duration = Duration::from_millis(500);

/// Who waits for a server that is gone.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Patience {
    /// Who needs its answer, for something may have been written: until the time limit of a call.
    Patient,
    /// Who needs its answer and only reads, or writes what may be left out: as long as one answer may take.
    Reading,
    /// Who can do without it, but not without knowing what it did: as long as the connection lasts.
    Once,
    /// Who can do without it.
    Glance,
}

impl Patience {
    /// Whether it is for those who wait for another server in the place of one that is gone.
    fn waits(self) -> bool {
        matches!(self, Self::Patient | Self::Reading)
    }
}

impl Nodes {
    pub(super) async fn ask_each(
        &self,
        commands: &[(Shard, Cmd)],
        patience: Patience,
    ) -> Vec<RedisResult<Value>> {
        let longest = match patience {
            Patience::Patient => 2 * self.rules.limit,
            Patience::Reading | Patience::Once => self.rules.limit,
            Patience::Glance => GLANCE.min(self.rules.limit),
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
            if !patience.waits() && !open.iter().any(told) {
                return answers;
            }
            // Late is as good as never.
            wait.at_most(self.renew(&homes)).await;
            let known = self.homes();
            if wait.is_over() || (!patience.waits() && Arc::ptr_eq(&homes, &known)) {
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
            if !patience.waits() && node.is_silent() {
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
            let sent = self.unless_moved(homes, &node, node.send(&asked));
            let mut sent = match wait.within(sent).await {
                Ok(sent) => sent,
                Err(error) => {
                    node.note(Some(&error));
                    asked.iter().map(|_| Err(error.clone())).collect()
                }
            };
            for (command, answer) in asked.into_iter().zip(&mut sent) {
                let moving = answer.as_ref().err().and_then(moving_to);
                if let Some(place) = moving {
                    *answer = wait.within(self.ask_at(&place, command)).await;
                }
            }
            (numbers, sent)
        });
        join_all(sends).await
    }

    /// A server's answer, unless it does not come and others have the server's shards by then.
    ///
    /// # Errors
    /// What the answer is instead; or that it is late, when others have the shards.
    pub(super) async fn unless_moved<T>(
        &self,
        homes: &Homes,
        node: &Arc<Node>,
        sent: impl Future<Output = RedisResult<T>>,
    ) -> RedisResult<T> {
        tokio::select! {
            answer = sent => answer,
            () = self.moved_from(homes, node) => Err(late()),
        }
    }

    /// Until others have all shards that `node` had by these homes.
    async fn moved_from(&self, homes: &Homes, node: &Arc<Node>) {
        let mut moves = self.moves();
        loop {
            let known = moves.borrow_and_update().clone();
            if known.replaces(node, homes) {
                return;
            }
            // It comes to nothing where others have found out meanwhile.
            if timeout(DOUBT, moves.changed()).await.is_err() {
                Box::pin(self.renew(&known)).await;
            }
        }
    }

    /// Asks a server that is just being given the shard.
    async fn ask_at(&self, place: &(String, u16), command: &Cmd) -> RedisResult<Value> {
        let node = self.node_at(place)?;
        let answers = node.send(&[&cmd(ASKING), command]).await?;
        answers.into_iter().nth(1).unwrap_or_else(|| Err(no_home()))
    }

    /// A server that need not have a shard.
    pub(super) fn node_at(&self, place: &(String, u16)) -> RedisResult<Node> {
        let address = &self.finder.address;
        let client = address.client(address.addr(place))?;
        Ok(Node::new(client, self.finder.manners.clone()))
    }
}

/// Whether a server is there and told that the shard lies elsewhere or that it takes no writes.
fn is_told(answer: &RedisResult<Value>) -> bool {
    let kind = answer.as_ref().err().map(RedisError::kind);
    matches!(kind, Some(redis::ErrorKind::Server(_)))
}

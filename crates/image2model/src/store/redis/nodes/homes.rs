//! Which server each shard lies on, and how that is found out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, RedisError, RedisResult, Value,
    aio::MultiplexedConnection, cmd,
};
use tokio::time::timeout;

use super::{
    super::keys::{Shard, Shards},
    address::{Address, Kind, Place},
    error::of_sentinels,
    node::{Manners, Node},
    slot::{SLOTS, slot},
};

/// How long one server may take to say where things lie; others are asked at the same time.
const ASKED: Duration = Duration::from_millis(500);
/// How long more the others are waited for when most of those who were asked have said it.
const LATE: Duration = Duration::from_millis(50);
/// Members of a cluster that are asked.
const ENOUGH: usize = 6;

/// Each shard's server at one time.
#[derive(Clone, Default)]
pub(in super::super) struct Homes {
    shards: BTreeMap<Shard, Arc<Node>>,
    /// Slots that no server of a cluster has.
    pub(in super::super) uncovered: u16,
}

impl Homes {
    pub(in super::super) fn has(&self, shard: Shard) -> bool {
        self.shards.contains_key(&shard)
    }

    pub(super) fn of(&self, shard: Shard) -> Option<&Arc<Node>> {
        self.shards.get(&shard)
    }

    /// Every server with its shards.
    pub(in super::super) fn nodes(&self) -> Vec<(Arc<Node>, Vec<Shard>)> {
        let mut nodes: BTreeMap<&str, (Arc<Node>, Vec<Shard>)> = BTreeMap::new();
        for (shard, node) in &self.shards {
            let (_, shards) = nodes
                .entry(node.place.as_str())
                .or_insert_with(|| (node.clone(), Vec::new()));
            shards.push(*shard);
        }
        nodes.into_values().collect()
    }

    /// Whether all shards lie on one server.
    pub(super) fn are_one(&self, shards: Shards) -> bool {
        let mut nodes = self.shards.values();
        let first = nodes.next();
        self.shards.len() == usize::from(shards.0)
            && first.is_some_and(|first| nodes.all(|node| Arc::ptr_eq(node, first)))
    }

    /// Whether others have all shards that `node` had by `before`.
    pub(super) fn replaces(&self, node: &Arc<Node>, before: &Self) -> bool {
        let mut had = before
            .shards
            .iter()
            .filter(|(_, home)| Arc::ptr_eq(home, node));
        had.all(|(shard, _)| self.of(*shard).is_some_and(|home| !Arc::ptr_eq(home, node)))
    }

    /// Whether all shards lie where they did.
    pub(super) fn are(&self, other: &Self) -> bool {
        let place = |(shard, node): (&Shard, &Arc<Node>)| (*shard, Arc::as_ptr(node));
        self.shards
            .iter()
            .map(place)
            .eq(other.shards.iter().map(place))
    }
}

/// Finds homes out.
pub(super) struct Finder {
    pub(super) address: Address,
    pub(super) shards: Shards,
    pub(super) manners: Manners,
}

impl Finder {
    /// Where all shards lie now; a server that is known already stays the same.
    ///
    /// # Errors
    /// Nobody says where they lie.
    pub(super) async fn find(&self, known: &Homes) -> RedisResult<Homes> {
        let (places, uncovered) = match &self.address.kind {
            Kind::One(addr) => {
                let all = self.shards.all().map(|shard| (shard, addr.clone()));
                (all.collect::<Vec<_>>(), 0)
            }
            Kind::Sentinels { at, masters } => (self.by_sentinels(at, masters).await?, 0),
            Kind::Cluster { seeds } => self.by_cluster(seeds, known).await?,
        };
        let mut nodes: BTreeMap<String, Arc<Node>> = known
            .nodes()
            .into_iter()
            .map(|(node, _)| (node.place.clone(), node))
            .collect();
        let mut homes = Homes {
            uncovered,
            ..Homes::default()
        };
        for (shard, addr) in places {
            let name = addr.to_string();
            let node = match nodes.get(&name) {
                Some(node) => node.clone(),
                None => {
                    let client = self.address.client(addr)?;
                    let node = Arc::new(Node::new(client, self.manners.clone()));
                    nodes.insert(name, node.clone());
                    node
                }
            };
            homes.shards.insert(shard, node);
        }
        Ok(homes)
    }

    /// Each master as the sentinels name it, where it says itself that it is one. A master that nobody names has no
    /// shards for now.
    async fn by_sentinels(
        &self,
        at: &[Place],
        masters: &[String],
    ) -> RedisResult<Vec<(Shard, ConnectionAddr)>> {
        let ask = at.iter().map(|place| self.ask_sentinel(place, masters));
        let answers = most(ask).await?;
        let (mut found, mut refused) = (Vec::new(), None);
        for (n, _) in masters.iter().enumerate() {
            let named = answers.iter().filter_map(|masters| masters.get(n)?.clone());
            let primary = self.first_primary(by_votes(named)).await;
            found.push(primary.unwrap_or_else(|error| {
                refused = Some(error);
                None
            }));
        }
        if found.iter().all(Option::is_none) {
            let unknown = || none("the sentinels know no primary of that name");
            return Err(refused.unwrap_or_else(unknown));
        }
        let homes = self.shards.all().enumerate();
        Ok(homes
            .filter_map(|(n, shard)| {
                let place = found.get(n % found.len())?.as_ref()?;
                Some((shard, self.address.addr(place)))
            })
            .collect())
    }

    async fn ask_sentinel(
        &self,
        place: &Place,
        masters: &[String],
    ) -> RedisResult<Vec<Option<Place>>> {
        let client = self.address.sentinel_client(place)?;
        let mut connection = quickly(&client).await.map_err(of_sentinels)?;
        let mut named = Vec::new();
        for name in masters {
            let mut ask = cmd("SENTINEL");
            ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
            let answer = ask.query_async(&mut connection).await;
            named.push(answer.map_err(of_sentinels)?);
        }
        Ok(named)
    }

    /// # Errors
    /// None of them is one, and the last that was asked refuses to say.
    async fn first_primary(&self, places: Vec<Place>) -> RedisResult<Option<Place>> {
        let mut refused = None;
        for place in places {
            let role = async {
                let client = self.address.client(self.address.addr(&place))?;
                let mut connection = quickly(&client).await?;
                let role: Vec<Value> = cmd("ROLE").query_async(&mut connection).await?;
                Ok::<_, RedisError>(role.into_iter().next())
            };
            match role.await {
                Ok(Some(Value::BulkString(role))) if role == b"master" => return Ok(Some(place)),
                Ok(_) => {}
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// Each shard's slot as most members of the cluster see it, and how many slots nobody has.
    async fn by_cluster(
        &self,
        seeds: &[Place],
        known: &Homes,
    ) -> RedisResult<(Vec<(Shard, ConnectionAddr)>, u16)> {
        let mut asked: Vec<_> = known
            .nodes()
            .iter()
            .filter_map(|(node, _)| {
                let (host, port) = node.place.rsplit_once(':')?;
                Some((host.to_owned(), port.parse().ok()?))
            })
            .collect();
        asked.truncate(ENOUGH);
        let mut seeds = seeds.to_vec();
        fastrand::shuffle(&mut seeds);
        asked.extend(seeds.into_iter().take(ENOUGH));
        asked.sort_unstable();
        asked.dedup();
        let views = most(asked.iter().map(|place| self.ask_member(place))).await?;
        let covered = views.iter().map(|view| {
            view.iter()
                .map(|range| range.last.saturating_sub(range.first) + 1)
                .sum()
        });
        let uncovered = SLOTS.saturating_sub(covered.max().unwrap_or(0));
        let homes = self.shards.all().filter_map(|shard| {
            let slot = slot(&shard.key(""));
            let named = views.iter().filter_map(|view| {
                let range = view
                    .iter()
                    .find(|range| (range.first..=range.last).contains(&slot));
                range.map(|range| range.primary.clone())
            });
            let place = by_votes(named).into_iter().next()?;
            Some((shard, self.address.addr(&place)))
        });
        Ok((homes.collect(), uncovered))
    }

    async fn ask_member(&self, place: &Place) -> RedisResult<Vec<Range>> {
        let client = self.address.client(self.address.addr(place))?;
        let mut connection = quickly(&client).await?;
        let slots: Vec<Vec<Value>> = cmd("CLUSTER")
            .arg("SLOTS")
            .query_async(&mut connection)
            .await?;
        slots.into_iter().map(|entry| range(entry, place)).collect()
    }
}

/// Slots and who has them.
struct Range {
    first: u16,
    last: u16,
    primary: Place,
}

/// From an entry of `CLUSTER SLOTS`; a member that names no host means the one that was asked.
fn range(entry: Vec<Value>, asked: &Place) -> RedisResult<Range> {
    let mut parts = entry.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let (first, last) = (
        u16::from_redis_value(next())?,
        u16::from_redis_value(next())?,
    );
    let mut primary = Vec::<Value>::from_redis_value(next())?.into_iter();
    let host: Option<String> =
        FromRedisValue::from_redis_value(primary.next().unwrap_or(Value::Nil))?;
    let port = u16::from_redis_value(primary.next().unwrap_or(Value::Nil))?;
    let host = host.filter(|host| !host.is_empty() && host != "?");
    let primary = (host.unwrap_or_else(|| asked.0.clone()), port);
    Ok(Range {
        first,
        last,
        primary,
    })
}

/// Places by how many named them, most first.
fn by_votes(named: impl Iterator<Item = Place>) -> Vec<Place> {
    let mut votes = BTreeMap::<Place, usize>::new();
    for place in named {
        *votes.entry(place).or_default() += 1;
    }
    let mut places: Vec<_> = votes.into_iter().collect();
    places.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
    places.into_iter().map(|(place, _)| place).collect()
}

/// Those that answer, without waiting for the silent ones when most have; the first's error when none does.
async fn most<T>(
    asked: impl Iterator<Item = impl Future<Output = RedisResult<T>>>,
) -> RedisResult<Vec<T>> {
    let mut open: FuturesUnordered<_> = asked.collect();
    let enough = open.len() / 2 + 1;
    let mut given = Vec::new();
    let mut failed = None;
    loop {
        let next = if given.len() < enough {
            open.next().await
        } else {
            timeout(LATE, open.next()).await.unwrap_or(None)
        };
        match next {
            Some(Ok(answer)) => given.push(answer),
            Some(Err(error)) => failed = failed.or(Some(error)),
            None => break,
        }
    }
    match failed {
        Some(error) if given.is_empty() => Err(error),
        _ => Ok(given),
    }
}

async fn quickly(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ASKED))
        .set_response_timeout(Some(ASKED));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

fn none(why: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::MasterNameNotFoundBySentinel, why))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures::future::Either;
    use tokio::time::Instant;

    use super::*;

    /// What those say of whom so many answer, so many err and so many are silent, and after how long.
    async fn asked(answer: usize, err: usize, silent: usize) -> (Result<usize, String>, Duration) {
        let begun = Instant::now();
        let says = |n| match n {
            n if n < answer => Either::Left(ready(Ok(n))),
            n if n < answer + err => Either::Left(ready(Err(none("no")))),
            _ => Either::Right(async {
                let silent = timeout(ASKED, pending::<()>()).await;
                silent.map(|()| 0).map_err(|_| none("silent"))
            }),
        };
        let found = most((0..answer + err + silent).map(says)).await;
        let found = found.map(|given| given.len());
        (found.map_err(|error| error.to_string()), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_are_waited_for_only_until_most_have_answered() {
        for (answer, err, silent, given, waits) in [
            (3, 0, 0, 3, Duration::ZERO),
            (4, 0, 2, 4, LATE),
            (2, 1, 0, 2, Duration::ZERO),
            (3, 0, 3, 3, ASKED),
            (1, 1, 1, 1, ASKED),
        ] {
            let (found, took) = asked(answer, err, silent).await;
            assert_eq!(found, Ok(given), "{answer} {err} {silent}");
            assert!(
                took >= waits && took < waits + LATE,
                "{took:?} of {waits:?}"
            );
        }
        assert!(asked(0, 1, 1).await.0.is_err());
    }
}

//! News of all processes: each server's streams are read once by this process, on a connection of its own since its
//! reads block (in a cluster one for each shard). It begins where the streams ended when the store was opened and goes on there after a broken
//! connection or on another server. What may have been missed then (a stream keeps so many, and a new primary may lack
//! the last) is told as [`News::Missed`]; who else finds a jump in a job's fact numbers reads them from the job.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{
    RedisResult, Value,
    aio::MultiplexedConnection,
    cmd, pipe,
    streams::{StreamId, StreamRangeReply, StreamReadReply},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use tokio::{
    sync::{Notify, broadcast},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{
    keys::Shard,
    nodes::{Homes, Node, Nodes},
};
use crate::{
    job::{Fact, ItemId, JobId, Queue},
    store::{News, Progress},
};

/// News that a slow reader may fall behind by before it must catch up by itself.
const BEHIND: usize = 4096;
/// Entries that a stream keeps at least, as the scripts say.
const KEPT: usize = 10_000;
/// Workers look for themselves at least so often.
const LOOK: Duration = Duration::from_secs(1);
/// The position before the first entry.
const NOTHING: &str = "0-0";
/// How long a read waits for news, and the time after which a silent server is given up; the first is far shorter.
const BLOCK: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(10);
/// Wait before the streams are read again after a broken connection.
const AGAIN: Duration = Duration::from_millis(200);

/// What a transition or progress tells, as it stands in the stream.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    Facts {
        job: JobId,
        first: u32,
        facts: Vec<Fact>,
    },
    Progress {
        item: ItemId,
        percent: u8,
        step: String,
    },
    Beyond {
        job: JobId,
    },
    Ready {
        queue: Queue,
    },
}

/// A newer process may tell what this one does not know.
#[derive(Deserialize)]
#[serde(untagged)]
enum Piece {
    Known(Told),
    Unknown(IgnoredAny),
}

/// The readers and those whom they tell. They end when this is dropped.
pub(super) struct Live {
    desk: Arc<Desk>,
    readers: JoinHandle<()>,
}

struct Desk {
    news: broadcast::Sender<News>,
    ready: BTreeMap<Queue, Notify>,
    /// Where in each stream the reading goes on.
    positions: Mutex<BTreeMap<Shard, String>>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.readers.abort();
    }
}

impl Live {
    /// Reads on after these positions.
    pub(super) fn follow(nodes: Arc<Nodes>, positions: BTreeMap<Shard, String>) -> Self {
        let desk = Arc::new(Desk::new(positions));
        let readers = tokio::spawn(read_all(nodes, desk.clone()));
        Self { desk, readers }
    }

    pub(super) fn watch(&self) -> broadcast::Receiver<News> {
        self.desk.news.subscribe()
    }

    pub(super) async fn wait_for_ready(&self, queue: Queue) {
        if let Some(ready) = self.desk.ready.get(&queue) {
            // Timing out is as good: the caller looks for itself.
            drop(timeout(LOOK, ready.notified()).await);
        }
    }
}

impl Desk {
    fn new(positions: BTreeMap<Shard, String>) -> Self {
        Self {
            news: broadcast::Sender::new(BEHIND),
            ready: Queue::ALL.map(|queue| (queue, Notify::new())).into(),
            positions: Mutex::new(positions),
        }
    }

    /// All that one entry of a stream tells.
    fn tell_all(&self, text: &[u8]) {
        for piece in serde_json::from_slice(text).unwrap_or_else(|_| Vec::new()) {
            match piece {
                Piece::Known(told) => self.tell(told),
                Piece::Unknown(_) => tracing::debug!("news of an unknown kind"),
            }
        }
    }

    fn tell(&self, told: Told) {
        let news = match told {
            Told::Facts { job, first, facts } => News::Facts {
                job,
                first,
                facts: facts.into(),
            },
            Told::Progress {
                item,
                percent,
                step,
            } => News::Progress(Progress {
                item,
                percent,
                step,
            }),
            Told::Beyond { job } => News::Beyond { job },
            Told::Ready { queue } => {
                if let Some(ready) = self.ready.get(&queue) {
                    ready.notify_waiters();
                    // Kept for the next who waits, so that what became ready between a look and a wait wakes too.
                    ready.notify_one();
                }
                return;
            }
        };
        self.send(news);
    }

    fn send(&self, news: News) {
        // Nobody watching is no error.
        drop(self.news.send(news));
    }

    /// Where the reading of these streams goes on.
    fn positions(&self, shards: &[Shard]) -> Vec<(Shard, String)> {
        let positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = |shard: &Shard| Some((*shard, positions.get(shard)?.clone()));
        shards.iter().filter_map(known).collect()
    }

    fn reached(&self, shard: Shard, position: String) {
        let mut positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        positions.insert(shard, position);
    }
}

/// For ever: readers of all servers, and new ones when shards have moved.
async fn read_all(nodes: Arc<Nodes>, desk: Arc<Desk>) {
    let mut moves = nodes.moves();
    loop {
        let homes = moves.borrow_and_update().clone();
        let mut readers = JoinSet::new();
        for (node, shards) in homes.nodes() {
            // A cluster takes no command over several slots, even where one server has them all.
            let at_once = if nodes.is_cluster() { 1 } else { shards.len() };
            for shards in shards.chunks(at_once) {
                let (nodes, homes, node) = (nodes.clone(), homes.clone(), node.clone());
                readers.spawn(read(nodes, homes, node, shards.to_vec(), desk.clone()));
            }
        }
        // The others end with their set.
        loop {
            tokio::select! {
                moved = moves.changed() => match moved {
                    Ok(()) => break,
                    Err(_) => return,
                },
                // Nobody reads what is nobody's, so nobody would notice that it has a home again.
                () = sleep(LOOK), if nodes.lacks(&homes) => nodes.renew(&homes).await,
            }
        }
    }
}

/// One server's streams, for ever.
async fn read(
    nodes: Arc<Nodes>,
    homes: Arc<Homes>,
    node: Arc<Node>,
    shards: Vec<Shard>,
    desk: Arc<Desk>,
) {
    let mut well = true;
    loop {
        let broken = match node.connect(SILENCE).await {
            Ok(mut connection) => {
                let begun = std::mem::replace(&mut well, true);
                tracing::debug!(node = node.place, begun, "reading news");
                read_on(&mut connection, &shards, &desk).await
            }
            Err(error) => error,
        };
        if std::mem::take(&mut well) {
            tracing::warn!(node = node.place, error = %broken, "news of other processes are late: Redis cannot be read");
        }
        nodes.renew(&homes).await;
        sleep(AGAIN.mul_f64(0.5 + fastrand::f64())).await;
    }
}

/// Until the connection breaks.
async fn read_on(
    connection: &mut MultiplexedConnection,
    shards: &[Shard],
    desk: &Desk,
) -> redis::RedisError {
    if let Err(error) = catch_up(connection, shards, desk).await {
        return error;
    }
    let by_stream: BTreeMap<_, _> = shards
        .iter()
        .map(|shard| (shard.key("news"), *shard))
        .collect();
    loop {
        match next(connection, &desk.positions(shards)).await {
            Ok(reply) => reply.map_or((), |reply| publish(reply, &by_stream, desk)),
            Err(error) => return error,
        }
    }
}

/// Nothing is read beyond a stream's end, which may lie before what was read of it on another server. Says where
/// something may have been missed: where the stream lacks what was read last. Either it was full and has dropped that,
/// and who knows what after it; or another server had it and this one does not, and whatever it tells instead may lie
/// before that or behind it.
async fn catch_up(
    connection: &mut MultiplexedConnection,
    shards: &[Shard],
    desk: &Desk,
) -> RedisResult<()> {
    let mut missed = false;
    for (shard, Found { end, kept, read }) in found(connection, shards, desk).await? {
        let known = desk.positions(&[shard]).pop().map(|(_, position)| position);
        missed |= match known.as_deref() {
            None => true,
            Some(NOTHING) => kept >= KEPT,
            Some(_) => !read,
        };
        if known.is_none_or(|position| order(&end) < order(&position)) {
            desk.reached(shard, end);
        }
    }
    if missed {
        desk.send(News::Missed);
    }
    Ok(())
}

/// A stream as a server has it.
struct Found {
    /// The position of its newest entry.
    end: String,
    /// How many entries it has.
    kept: usize,
    /// Whether it has the one that was read last.
    read: bool,
}

async fn found(
    connection: &mut MultiplexedConnection,
    shards: &[Shard],
    desk: &Desk,
) -> RedisResult<Vec<(Shard, Found)>> {
    let (mut newest, mut kept, mut read) = (pipe(), pipe(), pipe());
    for shard in shards {
        newest.add_command(end_of(*shard));
        kept.xlen(shard.key("news"));
        let known = desk.positions(&[*shard]).pop();
        let position = known.map_or_else(|| NOTHING.to_owned(), |(_, position)| position);
        read.add_command(entries(*shard, &position, &position));
    }
    let newest: Vec<StreamRangeReply> = newest.query_async(connection).await?;
    let kept: Vec<usize> = kept.query_async(connection).await?;
    let read: Vec<StreamRangeReply> = read.query_async(connection).await?;
    let found = newest.into_iter().zip(kept).zip(read);
    let found = found.map(|((newest, kept), read)| Found {
        end: end(newest),
        kept,
        read: !read.ids.is_empty(),
    });
    Ok(shards.iter().copied().zip(found).collect())
}

/// Asks for the newest entry of a shard's stream.
pub(super) fn end_of(shard: Shard) -> redis::Cmd {
    entries(shard, "+", "-")
}

/// The first entry from one position down to another.
fn entries(shard: Shard, from: &str, to: &str) -> redis::Cmd {
    let mut entries = cmd("XREVRANGE");
    entries.arg(shard.key("news")).arg(from).arg(to);
    entries.arg("COUNT").arg(1).take()
}

/// The position of the newest entry.
pub(super) fn end(newest: StreamRangeReply) -> String {
    let newest = newest.ids.into_iter().next();
    newest.map_or_else(|| NOTHING.to_owned(), |entry| entry.id)
}

/// A position as two numbers, which are in order.
fn order(position: &str) -> Option<(u64, u64)> {
    let (time, number) = position.split_once('-')?;
    Some((time.parse().ok()?, number.parse().ok()?))
}

async fn next(
    connection: &mut MultiplexedConnection,
    positions: &[(Shard, String)],
) -> RedisResult<Option<StreamReadReply>> {
    let mut read = cmd("XREAD");
    read.arg("COUNT").arg(256);
    read.arg("BLOCK")
        .arg(BLOCK.as_millis() as u64)
        .arg("STREAMS");
    for (shard, _) in positions {
        read.arg(shard.key("news"));
    }
    for (_, position) in positions {
        read.arg(position);
    }
    read.query_async(connection).await
}

fn publish(reply: StreamReadReply, by_stream: &BTreeMap<String, Shard>, desk: &Desk) {
    for stream in reply.keys {
        let Some(shard) = by_stream.get(&stream.key) else {
            continue;
        };
        for StreamId { id, map, .. } in stream.ids {
            desk.reached(*shard, id);
            let Some(Value::BulkString(text)) = map.get("told") else {
                continue;
            };
            desk.tell_all(text);
        }
    }
}

/// Fuzzing's: what a stream's entry tells, to one who watches.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn hear(text: &str) {
    let desk = Desk::new(BTreeMap::new());
    let mut watching = desk.news.subscribe();
    desk.tell_all(text.as_bytes());
    while let Ok(news) = watching.try_recv() {
        assert!(!matches!(news, News::Missed), "nothing was missed");
    }
    if let Some((time, number)) = order(text) {
        assert_eq!(order(&format!("{time}-{number}")), Some((time, number)));
    }
}

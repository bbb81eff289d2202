//! News of all processes: one reader of every shard's stream, on its own connection since its reads block. It begins
//! where the streams ended when the store was opened and goes on there after a broken connection, so nothing that is
//! still in a stream is missed; who finds a jump in a job's fact numbers reads them from the job.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, RedisResult, Value, aio::MultiplexedConnection,
    streams::StreamReadReply,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use tokio::{
    sync::{Notify, broadcast},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    job::{Fact, ItemId, JobId, Queue},
    store::{News, Progress},
};

/// News that a slow reader may fall behind by before it must catch up by itself.
const BEHIND: usize = 4096;
/// Workers look for themselves at least so often.
const LOOK: Duration = Duration::from_secs(1);
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

/// The reader and those whom it tells. It ends when this is dropped.
pub(super) struct Live {
    desk: Arc<Desk>,
    reader: JoinHandle<()>,
}

struct Desk {
    news: broadcast::Sender<News>,
    ready: BTreeMap<Queue, Notify>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Live {
    /// Reads on after `positions`, which name the streams.
    pub(super) fn follow(client: Client, positions: BTreeMap<String, String>) -> Self {
        let desk = Arc::new(Desk {
            news: broadcast::Sender::new(BEHIND),
            ready: Queue::ALL.map(|queue| (queue, Notify::new())).into(),
        });
        let reader = tokio::spawn(read(client, positions, desk.clone()));
        Self { desk, reader }
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
        // Nobody watching is no error.
        drop(self.news.send(news));
    }
}

/// For ever.
async fn read(client: Client, mut positions: BTreeMap<String, String>, desk: Arc<Desk>) {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(SILENCE))
        .set_response_timeout(Some(SILENCE));
    let mut well = true;
    loop {
        let broken = match client
            .get_multiplexed_async_connection_with_config(&config)
            .await
        {
            Ok(mut connection) => {
                well = true;
                read_on(&mut connection, &mut positions, &desk).await
            }
            Err(error) => error,
        };
        if std::mem::take(&mut well) {
            tracing::warn!(error = %broken, "news of other processes are late: Redis cannot be read");
        }
        sleep(AGAIN).await;
    }
}

/// Until the connection breaks.
async fn read_on(
    connection: &mut MultiplexedConnection,
    positions: &mut BTreeMap<String, String>,
    desk: &Desk,
) -> redis::RedisError {
    loop {
        match next(connection, positions).await {
            Ok(reply) => reply.map_or((), |reply| publish(reply, positions, desk)),
            Err(error) => return error,
        }
    }
}

async fn next(
    connection: &mut MultiplexedConnection,
    positions: &BTreeMap<String, String>,
) -> RedisResult<Option<StreamReadReply>> {
    redis::cmd("XREAD")
        .arg("COUNT")
        .arg(256)
        .arg("BLOCK")
        .arg(BLOCK.as_millis() as u64)
        .arg("STREAMS")
        .arg(positions.keys().collect::<Vec<_>>())
        .arg(positions.values().collect::<Vec<_>>())
        .query_async(connection)
        .await
}

fn publish(reply: StreamReadReply, positions: &mut BTreeMap<String, String>, desk: &Desk) {
    for stream in reply.keys {
        for entry in stream.ids {
            positions.insert(stream.key.clone(), entry.id);
            let Some(Value::BulkString(text)) = entry.map.get("told") else {
                continue;
            };
            for piece in serde_json::from_slice(text).unwrap_or_else(|_| Vec::new()) {
                match piece {
                    Piece::Known(told) => desk.tell(told),
                    Piece::Unknown(_) => tracing::debug!("news of an unknown kind"),
                }
            }
        }
    }
}

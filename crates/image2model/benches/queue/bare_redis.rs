//! The requests of our store over Redis, recorded once and sent again by a loop that does nothing else: what Redis, the
//! client library and the scripts cost without our deciding.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use image2model::{clock::Clock, job::Timestamp, store::redis::Time};
use redis::{Client, Connection, Value, aio::MultiplexedConnection};

use crate::{
    emptied,
    measure::{Figures, Stopwatch},
    noops::{self, BATCH, CALLERS},
    recorder::{Recorder, Request},
    socket,
};

/// A lease says until when it lasts and is compared as it was written: sent again, it must say the same.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }
}

pub(crate) struct Recording {
    jobs: usize,
    create: Vec<Request>,
    work: Vec<Request>,
}

impl Recording {
    /// `jobs` through a store on the server at `url`, which is emptied.
    pub(crate) async fn make(url: &str, control: &mut Connection, jobs: usize) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let at = dir.path().join("recorder");
        let recorder = Recorder::start(&at, PathBuf::from(socket(url)?))?;
        let url = format!("redis+unix://{}", at.display());
        let store = emptied(&url, Time::Given(Arc::new(Stopped)), control).await?;
        noops::create(&store, CALLERS).await?;
        noops::work_off(&store).await?;
        recorder.take();
        noops::create(&store, jobs).await?;
        let create = recorder.take();
        noops::work_off(&store).await?;
        let work = recorder.take();
        Ok(Self { jobs, create, work })
    }

    /// How many there are.
    pub(crate) fn requests(&self) -> usize {
        self.create.len() + self.work.len()
    }

    /// Sends them in their order, as many at a time as the store would.
    pub(crate) async fn replay(&self, url: &str, control: &mut Connection) -> Result<Figures> {
        redis::cmd("FLUSHALL").exec(control)?;
        let client = Client::open(url)?;
        let connection = client.get_multiplexed_async_connection().await?;
        let watch = Stopwatch::start(Some(control))?;
        send(&connection, &self.create, CALLERS).await?;
        send(&connection, &self.work, CALLERS * BATCH).await?;
        let took = watch.stop(self.jobs, Some(control))?;
        let ended = self.ended(control)?;
        ensure!(
            ended * 100 >= self.jobs * 99,
            "of {} jobs only {ended} ended",
            self.jobs
        );
        Ok(took)
    }

    /// How many jobs have ended, over all shards.
    fn ended(&self, control: &mut Connection) -> Result<usize> {
        let keys: Vec<String> = redis::cmd("KEYS").arg("*:ended").query(control)?;
        let mut ended = 0;
        for key in keys {
            ended += redis::cmd("ZCARD").arg(key).query::<usize>(control)?;
        }
        Ok(ended)
    }
}

async fn send(
    connection: &MultiplexedConnection,
    requests: &[Request],
    at_once: usize,
) -> Result<()> {
    let answers = stream::iter(requests).map(|request| {
        let mut connection = connection.clone();
        async move {
            match request {
                Request::One(command) => command.query_async::<Value>(&mut connection).await,
                Request::Several(several) => several.query_async::<Value>(&mut connection).await,
            }
        }
    });
    answers
        .buffered(at_once)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    Ok(())
}

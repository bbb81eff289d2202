//! The one thread that writes: it takes all waiting transitions, runs each in a savepoint, commits them
//! together, and answers when they are durable.

use std::{
    collections::BTreeSet,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{live::Live, recent::Change};
use crate::{
    clock::Clock,
    job::{Fact, JobId, Queue, RetryPolicy, Timestamp},
    store::StoreError,
};

/// Most transitions of one commit; bounds how long the first of them waits for its answer.
const BATCH: usize = 256;

/// What a transition works with.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: Timestamp,
    pub(super) retry: &'a RetryPolicy,
    pub(super) live: &'a Live,
    pub(super) effects: Effects,
}

/// What others are told once the transition is durable.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// As they are now, in the order of writing.
    pub(super) jobs: Vec<Change>,
    /// Job, number of the first fact, facts.
    pub(super) facts: Vec<(JobId, u32, Vec<Fact>)>,
    /// Jobs of which something is new that no fact says.
    pub(super) beyond: Vec<JobId>,
    /// Queues with new ready tasks.
    pub(super) ready: BTreeSet<Queue>,
}

/// Hands transitions to the thread.
pub(super) struct Writer {
    calls: Option<mpsc::Sender<Box<dyn Call>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        clock: Arc<dyn Clock>,
        retry: RetryPolicy,
        live: Arc<Live>,
    ) -> io::Result<Self> {
        let (sender, calls) = mpsc::channel();
        let desk = Desk {
            connection,
            clock,
            retry,
            live,
        };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || desk.run(&calls))?;
        Ok(Self {
            calls: Some(sender),
            thread: Some(thread),
        })
    }

    /// Runs `work` in a transaction and answers when it is durable. An error leaves nothing written.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Box::new(Pending {
            work: Some(work),
            result: None,
            reply,
        });
        let sent = self
            .calls
            .as_ref()
            .is_some_and(|calls| calls.send(call).is_ok());
        if !sent {
            return Err(stopped());
        }
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Writer {
    /// Waits until everything that was handed in is durable and the file is closed.
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread had panicked");
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its writer has stopped".to_owned())
}

/// One transition on its way, whatever its answer's type.
trait Call: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;

    /// Sends the result, or what became of the whole batch instead.
    fn answer(self: Box<Self>, batch: Result<(), StoreError>);
}

struct Pending<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Call for Pending<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(tx)))
            .unwrap_or_else(|_| Err(StoreError::Unavailable("a transition panicked".to_owned())));
        let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
        self.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, batch: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        // A caller that went away wants no answer.
        drop(reply.send(batch.and_then(|()| result.unwrap_or_else(|| Err(stopped())))));
    }
}

/// What the thread owns.
struct Desk {
    connection: Connection,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
    live: Arc<Live>,
}

impl Desk {
    /// Until the last sender is gone.
    fn run(&self, calls: &mpsc::Receiver<Box<dyn Call>>) {
        while let Ok(first) = calls.recv() {
            let mut batch = vec![first];
            batch.extend(calls.try_iter().take(BATCH - 1));
            let outcome = self.commit(&mut batch);
            match &outcome {
                Ok(effects) => self.live.publish(effects),
                Err(error) => {
                    tracing::error!(%error, "the store could not write");
                    self.roll_back();
                }
            }
            for call in batch {
                call.answer(outcome.as_ref().map(|_| ()).map_err(Clone::clone));
            }
        }
    }

    fn commit(&self, batch: &mut [Box<dyn Call>]) -> Result<Vec<Effects>, StoreError> {
        self.statement("BEGIN IMMEDIATE")?;
        let mut published = Vec::new();
        for call in batch {
            published.extend(self.savepoint(call.as_mut())?);
        }
        let changes = published.iter().flat_map(|effects: &Effects| &effects.jobs);
        self.live.recent.close(changes);
        self.statement("COMMIT")?;
        Ok(published)
    }

    /// What one transition did, `None` when it failed. An error means that the whole batch is lost.
    fn savepoint(&self, call: &mut dyn Call) -> Result<Option<Effects>, StoreError> {
        self.statement("SAVEPOINT transition")?;
        let mut tx = Tx {
            connection: &self.connection,
            now: self.clock.now(),
            retry: &self.retry,
            live: &self.live,
            effects: Effects::default(),
        };
        let outcome = call.run(&mut tx);
        let effects = tx.effects;
        if let Err(error) = outcome {
            // SQLite ends the whole transaction itself upon some failures, such as a full disk.
            if self.connection.is_autocommit() {
                return Err(error);
            }
            self.statement("ROLLBACK TO transition")?;
            self.statement("RELEASE transition")?;
            return Ok(None);
        }
        self.statement("RELEASE transition")?;
        Ok(Some(effects))
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.statement("ROLLBACK")
        {
            tracing::error!(%error, "the store could not roll back");
        }
    }

    fn statement(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

//! One server: the connection for everything that answers at once, made when it is needed and replaced when it
//! breaks; and connections of their own for what blocks.

use std::{
    sync::{Arc, Mutex as Lock, PoisonError},
    time::{Duration, Instant},
};

use redis::{
    Arg, AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value, aio::MultiplexedConnection, cmd,
};
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};

use super::super::script::Scripts;

/// How long a server that did not answer is passed over by those who can do without it.
const PASSED_OVER: Duration = Duration::from_secs(1);

/// Before a command for a shard that the server is just being given.
pub(super) const ASKING: &str = "ASKING";

/// How a server is spoken to.
#[derive(Clone)]
pub(super) struct Manners {
    /// Longest wait for a connection, and for an answer.
    pub(super) limit: Duration,
    /// Most connections to one server for confirmed writes; beside them are one for all calls, and those for news.
    pub(super) confirming: usize,
    /// What a server may not know yet.
    pub(super) scripts: Arc<Scripts>,
}

/// What a write waits for.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Acks {
    pub(in super::super) replicas: usize,
    pub(in super::super) timeout: Duration,
}

pub(in super::super) struct Node {
    /// Where it is, for people.
    pub(in super::super) place: String,
    client: Client,
    manners: Manners,
    link: Mutex<Link>,
    /// When it was last found silent or gone; `None` when it has answered since.
    silent: Lock<Option<Instant>>,
    /// Connections on which confirmed writes are made one after the other, and how many there may be.
    confirmed: Lock<Vec<MultiplexedConnection>>,
    places: Semaphore,
}

#[derive(Default)]
struct Link {
    /// Which connection this is, so that a broken one is given up once.
    number: u64,
    open: Option<MultiplexedConnection>,
    /// When a try to connect failed last, and why.
    failed: Option<(Instant, RedisError)>,
}

impl Node {
    /// Nothing is sent yet.
    pub(super) fn new(client: Client, manners: Manners) -> Self {
        Self {
            place: client.get_connection_info().addr().to_string(),
            client,
            link: Mutex::default(),
            silent: Lock::default(),
            confirmed: Lock::default(),
            places: Semaphore::new(manners.confirming),
            manners,
        }
    }

    /// Whether it was silent a moment ago.
    pub(super) fn is_silent(&self) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.is_some_and(|since| since.elapsed() < PASSED_OVER)
    }

    /// Each command's own answer, in one round trip; an outer error when there are none.
    pub(super) async fn send(&self, commands: &[&Cmd]) -> RedisResult<Vec<RedisResult<Value>>> {
        let sent = self.send_on_link(commands).await;
        self.note(sent.as_ref().err());
        sent
    }

    /// A write that returns when so many replicas have it. It must be one that can be repeated. With `asking`, the
    /// server is just being given the shard.
    ///
    /// # Errors
    /// [`Unconfirmed`] says how many have it where those are fewer; the write stays.
    pub(super) async fn send_confirmed(
        &self,
        command: &Cmd,
        acks: Acks,
        asking: bool,
    ) -> RedisResult<Result<Value, Unconfirmed>> {
        let _place = timeout(self.manners.limit, self.places.acquire())
            .await
            .map_err(|_| busy())?;
        let sent = self.send_alone(command, acks, asking).await;
        self.note(sent.as_ref().err());
        let mut sent = sent?;
        let [answer, count] =
            <[_; 2]>::try_from(sent.split_off(usize::from(asking))).map_err(|_| silent())?;
        let answer = answer?;
        let count: usize = redis::from_redis_value(count?)?;
        Ok(if count < acks.replicas {
            Err(Unconfirmed { replicas: count })
        } else {
            Ok(answer)
        })
    }

    /// A connection of its own, whose answers may take as long as said.
    pub(in super::super) async fn connect(
        &self,
        longest: Duration,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.manners.limit))
            .set_response_timeout(Some(longest));
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let made = made.await;
        self.note(made.as_ref().err());
        made
    }

    async fn send_on_link(&self, commands: &[&Cmd]) -> RedisResult<Vec<RedisResult<Value>>> {
        let (number, mut link) = self.link().await?;
        let sent = send_over(&mut link, commands, &self.manners.scripts).await;
        let breaks = match &sent {
            Err(_) => true,
            Ok(answers) => answers
                .iter()
                .any(|answer| answer.as_ref().is_err_and(is_demoted)),
        };
        if breaks {
            self.give_up(number).await;
        }
        sent
    }

    /// The answers to a command and to the wait for replicas, on a connection of its own; to `ASKING` before them.
    async fn send_alone(
        &self,
        command: &Cmd,
        acks: Acks,
        asking: bool,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let kept = self.kept().pop();
        let mut connection = match kept {
            Some(kept) => kept,
            None => self.connect(self.manners.limit + acks.timeout).await?,
        };
        let mut wait = cmd("WAIT");
        wait.arg(acks.replicas)
            .arg(u64::try_from(acks.timeout.as_millis()).unwrap_or(u64::MAX));
        let ask = cmd(ASKING);
        let all = [&ask, command, &wait];
        let asked = all.get(usize::from(!asking)..).unwrap_or_default();
        let sent = send_over(&mut connection, asked, &self.manners.scripts).await;
        // What broke one connection broke the others: each would cost a try of its own.
        let sent = sent.inspect_err(|_| self.kept().clear())?;
        if !sent
            .iter()
            .any(|answer| answer.as_ref().is_err_and(is_demoted))
        {
            self.kept().push(connection);
        }
        Ok(sent)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<MultiplexedConnection>> {
        self.confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The open connection, or a new one.
    async fn link(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let asked = Instant::now();
        let mut link = self.link.lock().await;
        if let Some(open) = &link.open {
            return Ok((link.number, open.clone()));
        }
        // Those who waited while others tried to connect must not wait for one failure after the other.
        if let Some((_, error)) = link.failed.as_ref().filter(|(at, _)| *at > asked) {
            return Err(error.clone());
        }
        let made = match self.connect(self.manners.limit).await {
            Ok(made) => made,
            Err(error) => {
                link.failed = Some((Instant::now(), error.clone()));
                return Err(error);
            }
        };
        link.failed = None;
        link.number += 1;
        link.open = Some(made.clone());
        Ok((link.number, made))
    }

    async fn give_up(&self, number: u64) {
        let mut link = self.link.lock().await;
        if link.number == number {
            link.open = None;
        }
    }

    /// Notes whether it is there.
    pub(super) fn note(&self, error: Option<&RedisError>) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        *silent = error.map(|_| Instant::now());
    }
}

/// A write that fewer replicas have than were asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unconfirmed {
    pub(super) replicas: usize,
}

/// Sends all at once, and again from the first on whose script the server did not know.
async fn send_over(
    connection: &mut MultiplexedConnection,
    commands: &[&Cmd],
    scripts: &Scripts,
) -> RedisResult<Vec<RedisResult<Value>>> {
    let mut answers = pass(connection, commands).await?;
    let unknown = answers
        .iter()
        .position(|answer| answer.as_ref().is_err_and(is_no_script));
    if let Some(unknown) = unknown {
        // What follows on ASKING needs it again.
        let first = match unknown.checked_sub(1).and_then(|at| commands.get(at)) {
            Some(before) if is_asking(before) => unknown - 1,
            _ => unknown,
        };
        let loads = scripts.loads();
        let loaded = pass(connection, &loads.iter().collect::<Vec<_>>()).await?;
        // One that may not load them is told so, and not that there is no such script.
        loaded.into_iter().collect::<RedisResult<Vec<_>>>()?;
        answers.truncate(first);
        answers.extend(pass(connection, commands.get(first..).unwrap_or_default()).await?);
    }
    Ok(answers)
}

async fn pass(
    connection: &mut MultiplexedConnection,
    commands: &[&Cmd],
) -> RedisResult<Vec<RedisResult<Value>>> {
    let mut all = Pipeline::with_capacity(commands.len());
    all.ignore_errors();
    for command in commands {
        all.add_command((*command).clone());
    }
    all.query_async(connection).await
}

fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn is_asking(command: &Cmd) -> bool {
    let name = command.args_iter().next();
    matches!(name, Some(Arg::Simple(name)) if name == ASKING.as_bytes())
}

/// It was a primary, and is none any more.
fn is_demoted(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

fn silent() -> RedisError {
    RedisError::from((ErrorKind::Io, "no answer"))
}

fn busy() -> RedisError {
    RedisError::from((
        ErrorKind::Client,
        "all connections for confirmed writes are in use",
    ))
}

//! The connection for everything that answers at once: made when it is needed, replaced when it breaks.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult,
    ScriptInvocation, Value, aio::MultiplexedConnection,
};
use tokio::{sync::Mutex, time::timeout};

use super::unreadable;
use crate::store::StoreError;

const SILENT: &str = "Redis does not answer";

pub(super) struct Server {
    client: Client,
    limit: Duration,
    link: Mutex<Link>,
}

#[derive(Default)]
struct Link {
    /// Which connection this is, so that a broken one is given up once.
    number: u64,
    open: Option<MultiplexedConnection>,
}

/// What can be asked in one round trip.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    Command(&'a Cmd),
    Several(&'a Pipeline),
    Script(&'a ScriptInvocation<'a>),
}

impl<'a> From<&'a Cmd> for Ask<'a> {
    fn from(command: &'a Cmd) -> Self {
        Self::Command(command)
    }
}

/// What building a command in place gives.
impl<'a> From<&'a mut Cmd> for Ask<'a> {
    fn from(command: &'a mut Cmd) -> Self {
        Self::Command(command)
    }
}

impl<'a> From<&'a Pipeline> for Ask<'a> {
    fn from(several: &'a Pipeline) -> Self {
        Self::Several(several)
    }
}

impl<'a> From<&'a ScriptInvocation<'a>> for Ask<'a> {
    fn from(script: &'a ScriptInvocation<'a>) -> Self {
        Self::Script(script)
    }
}

impl Server {
    /// Nothing is sent yet. `limit` is for connecting and for the answer; a call ends after twice that.
    pub(super) fn new(client: Client, limit: Duration) -> Self {
        Self {
            client,
            limit,
            link: Mutex::default(),
        }
    }

    /// Asks, and once more where the connection turns out to have ended since it was last used: each script can be
    /// repeated, since it writes only what nobody has written, and a lease that nobody got lapses.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        ask: impl Into<Ask<'_>>,
    ) -> Result<T, StoreError> {
        let ask = ask.into();
        let answer = async {
            match self.ask_once(ask).await {
                Err(error) if error.is_connection_dropped() => self.ask_once(ask).await,
                answer => answer,
            }
        };
        // Those who wait while others try to connect must not wait for one failure after the other.
        match timeout(2 * self.limit, answer).await {
            Ok(answer) => answer.map_err(unavailable),
            Err(_) => Err(StoreError::Unavailable(SILENT.to_owned())),
        }
    }

    /// The first `count` answers of several, and the rest.
    pub(super) async fn ask_both<A: FromRedisValue, B: FromRedisValue>(
        &self,
        several: &Pipeline,
        count: usize,
    ) -> Result<(A, B), StoreError> {
        let mut answers: Vec<Value> = self.ask(several).await?;
        let rest = answers.split_off(count.min(answers.len()));
        let first = A::from_redis_value(Value::Array(answers)).map_err(unreadable)?;
        let rest = B::from_redis_value(Value::Array(rest)).map_err(unreadable)?;
        Ok((first, rest))
    }

    /// Asks, and gives the connection up where another one may help.
    async fn ask_once<T: FromRedisValue>(&self, ask: Ask<'_>) -> RedisResult<T> {
        let (number, mut link) = self.link().await?;
        let answer = match ask {
            Ask::Command(command) => command.query_async(&mut link).await,
            Ask::Several(several) => several.query_async(&mut link).await,
            Ask::Script(script) => script.invoke_async(&mut link).await,
        };
        if answer.as_ref().is_err_and(breaks) {
            self.give_up(number).await;
        }
        answer
    }

    /// The open connection, or a new one.
    async fn link(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let mut link = self.link.lock().await;
        if let Some(open) = &link.open {
            return Ok((link.number, open.clone()));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.limit))
            .set_response_timeout(Some(self.limit));
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
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
}

/// Whether another connection may help: this one ended, does not answer, or leads to a server that was demoted.
fn breaks(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || error.code() == Some("READONLY")
}

/// A short text without addresses or names; nothing was half written, since a script of a user who has its rights
/// (`rights`) runs whole or not at all.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
pub(super) fn unavailable(error: RedisError) -> StoreError {
    let why = match error.code() {
        Some("OOM") => "Redis is out of memory",
        Some("READONLY") => "Redis takes no writes",
        Some("MISCONF") => "Redis cannot save to its disk",
        Some("LOADING") => "Redis is loading its data",
        Some("NOAUTH" | "WRONGPASS") => "Redis refuses this user",
        Some("NOPERM") => return forbidden(&error),
        Some(_) if is_forbidden_in_script(&error) => return forbidden(&error),
        Some(_) => return StoreError::Unavailable(format!("Redis answered: {error}")),
        None if error.is_timeout() => SILENT,
        None if error.is_connection_refusal() => "nothing listens at Redis's address",
        None if error.is_io_error() => "the connection to Redis broke",
        None => return StoreError::Unavailable(error.to_string()),
    };
    StoreError::Unavailable(why.to_owned())
}

fn is_forbidden_in_script(error: &RedisError) -> bool {
    let ways = ["ACL failure in script", "executing the script can't"];
    let told = error.detail().unwrap_or_default();
    ways.iter().any(|way| told.contains(way))
}

/// In Redis's words, without the hash of a script; Redis 7.0 does not say what it was that a script may not do.
fn forbidden(error: &RedisError) -> StoreError {
    let told = error.detail().unwrap_or("Redis does not say which");
    let told = told.split(" script: ").next().unwrap_or_default();
    let log = "its ACL LOG tells more";
    StoreError::Unavailable(format!(
        "Redis refuses this user a command or a key: {told}; {log}"
    ))
}

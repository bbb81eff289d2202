//! What an error of a server means: for the next try, and for people.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::node::{Acks, Unconfirmed};
use crate::store::StoreError;

const SILENT: &str = "Redis does not answer";
const BROKEN: &str = "the connection to Redis broke";
const WRONG_PASSWORD: &str = "Redis refuses the user or the password of store.url";
const SENTINELS: &str = "the sentinels refuse store.sentinel_user or store.sentinel_password, or ask for what is not given";
const NO_HOME: &str = "no Redis has this part of the store";

/// What another try can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Final,
    /// It may find the server back, another one in its place, or the shard elsewhere.
    Again,
}

pub(super) fn fate(error: &RedisError) -> Fate {
    if tls(error).is_some() {
        return Fate::Final;
    }
    let again = match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
        ),
        ErrorKind::Io | ErrorKind::Parse => true,
        ErrorKind::MasterNameNotFoundBySentinel | ErrorKind::ClusterConnectionNotFound => true,
        _ => error.code() == Some("UNBLOCKED"),
    };
    if again { Fate::Again } else { Fate::Final }
}

/// The shard is just being moved, and for this command it lies there already.
pub(super) fn moving_to(error: &RedisError) -> Option<(String, u16)> {
    if error.kind() != ErrorKind::Server(ServerErrorKind::Ask) {
        return None;
    }
    let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// The slots of a shard are nobody's, or its master is unknown.
pub(super) fn no_home() -> RedisError {
    RedisError::from((ErrorKind::ClusterConnectionNotFound, NO_HOME))
}

pub(super) fn unconfirmed(found: Unconfirmed, acks: Acks) -> StoreError {
    let (found, wanted, seconds) = (found.replicas, acks.replicas, acks.timeout.as_secs_f64());
    StoreError::Unavailable(format!(
        "{found} of the {wanted} replicas that are wanted confirmed the write within {seconds} s"
    ))
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
        Some("CLUSTERDOWN" | "MASTERDOWN") => NO_HOME,
        Some("NOREPLICAS") => "too few replicas of Redis are there",
        Some("NOAUTH") => "Redis asks for a password, and store.url has none",
        Some("WRONGPASS") => WRONG_PASSWORD,
        Some("NOPERM") => return forbidden(&error),
        Some(_) if is_forbidden_in_script(&error) => return forbidden(&error),
        Some(_) => return StoreError::Unavailable(format!("Redis answered: {error}")),
        None if error.kind() == ErrorKind::ClusterConnectionNotFound => NO_HOME,
        None if is_refused_login(&error) => WRONG_PASSWORD,
        None if let Some(why) = tls(&error) => why,
        None if error.is_timeout() => SILENT,
        None if error.is_connection_refusal() => "nothing listens at Redis's address",
        None if error.is_io_error() => BROKEN,
        // What follows the words is the library's name for the kind.
        None => {
            let text = error.to_string();
            let words = text.split(" - ").next().unwrap_or_default();
            return StoreError::Unavailable(words.to_owned());
        }
    };
    StoreError::Unavailable(why.to_owned())
}

/// Whether there was no answer at all, which may be for want of the same language.
pub(in super::super) fn is_wordless(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(why) if why == SILENT || why == BROKEN)
}

/// A server's refusal of user and password, which the library does not hand on.
fn is_refused_login(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed && !error.to_string().starts_with(SENTINELS)
}

/// That the sentinels refuse, who have users of their own.
pub(super) fn of_sentinels(error: RedisError) -> RedisError {
    let refused = matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        || error.kind() == ErrorKind::AuthenticationFailed;
    match refused {
        true => RedisError::from((ErrorKind::AuthenticationFailed, SENTINELS)),
        false => error,
    }
}

/// Why there is no TLS with a server: another try would end the same.
fn tls(error: &RedisError) -> Option<&'static str> {
    if error.kind() != ErrorKind::Io {
        return None;
    }
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if says(&["invalid peer certificate"]) {
        Some(
            "Redis's certificate is not trusted: it must be for this host, valid now, and signed by whom \
             store.tls_ca or this machine names",
        )
    } else if says(&[
        "CertificateRequired",
        "UnknownCA",
        "BadCertificate",
        "CertificateUnknown",
        "HandshakeFailure",
    ]) {
        Some(
            "Redis refuses this client's certificate or asks for one: store.tls_cert and store.tls_key name what it is \
             shown",
        )
    } else {
        None
    }
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

//! Who asks, read off a request; and the ids that it names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, request::Parts},
};
use uuid::Uuid;

use crate::{
    config::Network,
    job::{ItemId, JobId},
    service::{Caller, Service},
};

use super::error::Problem;

/// Who asks where nobody needs a key: a flow per client address.
pub(super) fn anyone(service: &Service, parts: &Parts) -> Caller {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let trusted = &service.config.http.trusted_proxies;
    let client = peer.map(|peer| client(peer.ip(), &parts.headers, trusted));
    let is_local = client.is_some_and(|client| client.is_named && client.address.is_loopback());
    let name = client.map_or_else(
        || "unknown".to_owned(),
        |client| neighbourhood(client.address).to_string(),
    );
    Caller::anyone(name, is_local)
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Client {
    address: IpAddr,
    /// Not where a trusted proxy does not say for whom it asks, or so that nobody can read it: it asks for strangers.
    is_named: bool,
}

/// Who asks: the peer, or whom trusted proxies name, the nearest that is not such a proxy itself. What stands before
/// that in the header came from outside and can be anything, bytes that are no text among it.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Client {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(*address));
    let mut address = peer.to_canonical();
    let named = headers.get_all("x-forwarded-for").iter().rev();
    let mut named = named.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    let mut is_named = !is_trusted(&address);
    while is_trusted(&address) {
        let Some(before) = named.next() else {
            break;
        };
        let before = forwarded(before);
        is_named = before.is_some();
        let Some(before) = before else {
            break;
        };
        address = before.to_canonical();
    }
    Client { address, is_named }
}

/// An address that a proxy has written down.
fn forwarded(bytes: &[u8]) -> Option<IpAddr> {
    address(String::from_utf8_lossy(bytes).trim())
}

/// The address, or the network that whoever has an address of IPv6 has all of.
pub(super) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let network = six.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        four @ IpAddr::V4(_) => four,
    }
}

/// With or without a port, which some proxies add.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    bare.parse().ok().or_else(with_port)
}

/// A job, or one image of it: both ids are accepted where a task is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskRef {
    Job(JobId),
    Item(ItemId),
}

impl TaskRef {
    /// `None` where it is an image's id.
    pub(super) fn job(self) -> Option<JobId> {
        match self {
            Self::Job(id) => Some(id),
            Self::Item(_) => None,
        }
    }

    /// The job that is meant or that the image is one of.
    pub(super) fn of_job(self) -> JobId {
        match self {
            Self::Job(id) => id,
            Self::Item(id) => id.job(),
        }
    }
}

/// # Errors
/// 400 when `text` is no UUID.
pub(super) fn task_ref(text: &str) -> Result<TaskRef, Problem> {
    if let Ok(job) = text.parse() {
        return Ok(TaskRef::Job(job));
    }
    text.parse().map(TaskRef::Item).map_err(|_| {
        Problem::bad_request(format!(
            "{:?} is not an id; ids are UUIDs such as {}.",
            shortened(text),
            Uuid::nil()
        ))
    })
}

/// # Errors
/// 400 when `text` is no UUID, 404 when it is one that no job has.
pub(super) fn job_id(text: &str) -> Result<JobId, Problem> {
    match task_ref(text)? {
        TaskRef::Job(job) => Ok(job),
        TaskRef::Item(_) => Err(Problem::not_found("job")),
    }
}

/// # Errors
/// 400 when `text` is no UUID, 404 when it is one that no image has.
pub(super) fn item_id(text: &str) -> Result<ItemId, Problem> {
    match task_ref(text)? {
        TaskRef::Item(item) => Ok(item),
        TaskRef::Job(_) => Err(Problem::not_found("file")),
    }
}

/// A whole number in a query: `default` where there is none.
///
/// # Errors
/// 422 with field, value and bounds.
pub(super) fn number(
    field: &str,
    text: Option<&str>,
    default: usize,
    least: usize,
    most: usize,
) -> Result<usize, Problem> {
    let Some(text) = text else {
        return Ok(default);
    };
    let read = text.parse().ok();
    read.filter(|value| (least..=most).contains(value))
        .ok_or_else(|| {
            let message = format!(
                "{field} is {:?}; it must be a whole number from {least} to {most}",
                shortened(text)
            );
            Problem::field(field, message, "value_error")
        })
}

/// What a client sent, short enough to be sent back.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars()
        .take(MOST)
        .chain(std::iter::once('…'))
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn who_asks_is_whom_trusted_proxies_name() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        for (peer, forwarded, asks) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            (
                "10.0.0.1",
                &["198.51.100.2, 203.0.113.9, 10.0.0.2"],
                "203.0.113.9",
            ),
            ("10.0.0.1", &["198.51.100.2", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["203.0.113.9, someone"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = client(peer.parse().unwrap(), &headers, &trusted).address;
            assert_eq!(found.to_string(), asks, "{peer} {forwarded:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(
            client(peer, &headers, &[]).address,
            peer,
            "nobody is trusted unless named"
        );
    }

    #[test]
    fn bytes_that_are_no_text_hide_nobody_behind_a_proxy() {
        let trusted = ["127.0.0.0/8".parse().unwrap()];
        let proxy = "127.0.0.1".parse().unwrap();
        for (forwarded, asks, is_named) in [
            (&["é, 203.0.113.9"][..], "203.0.113.9", true),
            (&["é", "203.0.113.9"], "203.0.113.9", true),
            (&["203.0.113.9", "é"], "127.0.0.1", false),
            (&["203.0.113.9, é"], "127.0.0.1", false),
            (&["é, 127.0.0.2"], "127.0.0.2", false),
            (&["203.0.113.9,"], "127.0.0.1", false),
            (&[""], "127.0.0.1", false),
            (&[], "127.0.0.1", false),
            (&["127.0.0.1"], "127.0.0.1", true),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append("x-forwarded-for", value);
            }
            let found = client(proxy, &headers, &trusted);
            let address = asks.parse().unwrap();
            assert_eq!(found, Client { address, is_named }, "{forwarded:?}");
        }
        let alone = client(proxy, &HeaderMap::new(), &[]);
        assert!(alone.is_named, "it asks for itself");
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller() {
        for (address, network) in [
            ("2001:db8::7", "2001:db8::"),
            ("2001:db8::ffff:8", "2001:db8::"),
            ("2001:db8:0:1::7", "2001:db8:0:1::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            let found = neighbourhood(address.parse().unwrap());
            assert_eq!(found.to_string(), network);
        }
    }
}

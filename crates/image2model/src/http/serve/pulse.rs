//! What a connection is doing, and until when it may go on like that.
//!
//! The wire, the requests and the one who drives the connection share it; each says what it sees, and none waits for
//! another.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use crate::config::HttpSettings;

/// How long a connection may do what it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the head of a request, from its first byte on.
    pub(super) head: Duration,
    /// Without a request.
    pub(super) idle: Duration,
    /// With an answer of which the client takes nothing.
    pub(super) write: Duration,
}

impl Limits {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        Self {
            head: Duration::from_secs(settings.header_timeout),
            idle: Duration::from_secs(settings.idle_timeout),
            write: Duration::from_secs(settings.write_timeout),
        }
    }
}

/// Times are milliseconds since the connection began, 0 for none.
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    /// Requests whose answer has not ended.
    requests: AtomicU32,
    /// When the last of them ended.
    at_rest: AtomicU64,
    /// When the first byte of a head came.
    head: AtomicU64,
    /// Of HTTP/2, whose bytes need be no head, none is told.
    no_heads: AtomicBool,
    /// Since when the client takes nothing.
    stuck: AtomicU64,
}

impl Pulse {
    /// A connection from whose beginning on a head is expected.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            requests: AtomicU32::new(0),
            at_rest: AtomicU64::new(0),
            head: AtomicU64::new(1),
            no_heads: AtomicBool::new(false),
            stuck: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        let passed = self.began.elapsed().as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX).max(1)
    }

    pub(super) fn is_answering(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    pub(super) fn request_begins(&self) {
        self.requests.fetch_add(1, Relaxed);
        self.head.store(0, Relaxed);
    }

    pub(super) fn request_ends(&self) {
        self.at_rest.store(self.now(), Relaxed);
        self.requests.fetch_sub(1, Relaxed);
    }

    /// Bytes came that may belong to a head.
    pub(super) fn bytes_came(&self) {
        let may_be = !self.no_heads.load(Relaxed) && !self.is_answering();
        if may_be && self.head.load(Relaxed) == 0 {
            self.head.store(self.now(), Relaxed);
        }
    }

    /// It is HTTP/2, whose bytes need be no head.
    pub(super) fn has_no_heads(&self) {
        self.no_heads.store(true, Relaxed);
        self.head.store(0, Relaxed);
    }

    /// Since when there has been nothing to do; `None` while there is something, a head that is awaited included.
    pub(super) fn at_rest(&self) -> Option<Instant> {
        let (stuck, head) = (self.stuck.load(Relaxed), self.head.load(Relaxed));
        let is_at_rest = stuck == 0 && head == 0 && !self.is_answering();
        let since = || self.began + Duration::from_millis(self.at_rest.load(Relaxed));
        is_at_rest.then(since)
    }

    /// Whether the client took something of what is to be written.
    pub(super) fn writes(&self, taken: bool) {
        let since = self.stuck.load(Relaxed);
        if taken && since != 0 {
            self.stuck.store(0, Relaxed);
        } else if !taken && since == 0 {
            self.stuck.store(self.now(), Relaxed);
        }
    }

    /// Until when the connection may go on like that; `None` while it does what it is there for.
    pub(super) fn until(&self, limits: &Limits) -> Option<Instant> {
        let after = |millis, limit| Some(self.began + Duration::from_millis(millis) + limit);
        let (stuck, head) = (self.stuck.load(Relaxed), self.head.load(Relaxed));
        if stuck != 0 {
            after(stuck, limits.write)
        } else if self.is_answering() {
            None
        } else if head != 0 {
            after(head, limits.head)
        } else {
            after(self.at_rest.load(Relaxed), limits.idle)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(60),
    };

    fn left(pulse: &Pulse) -> Option<u64> {
        let until = pulse.until(&LIMITS)?;
        let left = until.saturating_duration_since(Instant::now());
        Some(left.as_millis().div_ceil(1000) as u64)
    }

    #[tokio::test(start_paused = true)]
    async fn each_thing_that_a_connection_does_has_its_time() {
        let second = Duration::from_secs(1);
        let pulse = Pulse::new();
        assert_eq!(left(&pulse), Some(11), "a head is expected");
        tokio::time::advance(3 * second).await;
        pulse.bytes_came();
        assert_eq!(left(&pulse), Some(8), "bytes do not lengthen it");
        pulse.request_begins();
        assert_eq!(left(&pulse), None, "what is answered takes its time");
        pulse.bytes_came();
        pulse.writes(false);
        tokio::time::advance(20 * second).await;
        pulse.writes(false);
        assert_eq!(left(&pulse), Some(40), "nothing is taken");
        pulse.writes(true);
        assert_eq!(left(&pulse), None);
        pulse.request_ends();
        tokio::time::advance(5 * second).await;
        assert_eq!(left(&pulse), Some(70), "kept for the next");
        pulse.bytes_came();
        assert_eq!(left(&pulse), Some(10), "the next one's head");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_over_http_2_shortens_no_rest_and_lengthens_none() {
        let second = Duration::from_secs(1);
        let pulse = Pulse::new();
        pulse.has_no_heads();
        tokio::time::advance(5 * second).await;
        pulse.bytes_came();
        assert_eq!(left(&pulse), Some(70), "nothing was asked yet");
        pulse.request_begins();
        assert_eq!(pulse.at_rest(), None);
        pulse.request_ends();
        let since = pulse.at_rest();
        assert!(since.is_some());
        tokio::time::advance(5 * second).await;
        // A window's update, or the answer to a ping.
        pulse.bytes_came();
        assert_eq!(left(&pulse), Some(70));
        assert_eq!(pulse.at_rest(), since);
        pulse.writes(false);
        assert_eq!(pulse.at_rest(), None, "nothing is taken");
    }
}

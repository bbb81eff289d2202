//! One connection from its first byte to its last.

use std::{net::SocketAddr, pin::Pin, sync::Arc, task::Poll, time::Duration};

use hyper::{
    rt::Executor,
    server::conn::{http1, http2},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    answer::Answers,
    pulse::{Limits, Pulse},
    taking::unless_untaken,
    wire::{Stream, Version, Wire},
};
use crate::{config::HttpSettings, http::Answering};

/// Most bytes that wait in a connection's buffer, where a head may not be longer, and in that of one stream of HTTP/2.
const BUFFER: usize = 32 * 1024;
/// Requests at once on one connection of HTTP/2: a page's event streams and downloads.
const STREAMS: u32 = 128;
/// Bytes that a client may send before they are read: of one stream, and of a connection.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Streams that a client opened and took back before they were looked at; more, and the connection ends.
const TAKEN_BACK: usize = 20;
/// Streams that ended by an error of the client's; more, and the connection ends.
const BROKEN: usize = 100;
/// Between two pings that tell whether the client of an HTTP/2 connection is still there, and for its answer.
const PING: Duration = Duration::from_secs(20);
/// For what is no whole request when the connection is to end: the server stops, or nothing was asked for too long.
const LAST_HEAD: Duration = Duration::from_secs(1);

/// What all connections share.
pub(super) struct Host {
    router: Answering,
    limits: Limits,
    one: http1::Builder,
    two: http2::Builder<Streams>,
    stop: CancellationToken,
}

impl Host {
    /// Requests over HTTP/2 are tasks of `streams`.
    pub(super) fn new(
        router: Answering,
        settings: &HttpSettings,
        streams: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let head = settings.max_header_bytes as usize;
        let limits = Limits::new(settings);
        let mut one = http1::Builder::new();
        one.max_buf_size(BUFFER.max(head))
            .max_header_size(head)
            // The pulse has it, which tells a head from a connection that is kept.
            .header_read_timeout(None);
        let mut two = http2::Builder::new(Streams {
            tasks: streams,
            taken_within: limits.write,
        });
        two.timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(TAKEN_BACK)
            .max_local_error_reset_streams(BROKEN)
            .max_header_list_size(settings.max_header_bytes)
            .max_send_buf_size(BUFFER)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        Self {
            router,
            limits,
            one,
            two,
            stop,
        }
    }

    /// Returns when the connection is over: by itself, for a time that was up, or since the server stops.
    pub(super) async fn see_through(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        secured: Option<TlsAcceptor>,
    ) {
        let pulse = Arc::new(Pulse::new());
        let greeting = greet(stream, secured, pulse.clone());
        let greeted = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            greeted = timeout(self.limits.head, greeting) => greeted,
        };
        let Ok(Some((wire, version))) = greeted else {
            return;
        };
        let answers = Answers {
            router: self.router.clone(),
            peer,
            pulse: pulse.clone(),
        };
        let io = TokioIo::new(wire);
        match version {
            Version::One => {
                self.drive(self.one.serve_connection(io, answers), &pulse)
                    .await;
            }
            // In a box, since it is the larger and the rarer one.
            Version::Two => {
                pulse.has_no_heads();
                let connection = self.two.serve_connection(io, answers);
                Box::pin(self.drive(connection, &pulse)).await;
            }
        }
    }

    async fn drive(&self, connection: impl Connection, pulse: &Pulse) {
        let mut connection = std::pin::pin!(connection);
        let mut stopping = std::pin::pin!(self.stop.cancelled());
        let mut stops_at = None;
        let mut timer = std::pin::pin!(sleep_until(Instant::now() + self.limits.head));
        std::future::poll_fn(|context| {
            if stops_at.is_none() && stopping.as_mut().poll(context).is_ready() {
                stops_at = Some(Instant::now() + LAST_HEAD);
                connection.as_mut().stop();
            }
            if connection.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            loop {
                let until = self.until(pulse, stops_at);
                if until < timer.deadline() {
                    timer.as_mut().reset(until);
                }
                if timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                if until <= Instant::now() {
                    if stops_at.is_some() || pulse.at_rest().is_none() {
                        return Poll::Ready(());
                    }
                    // Says so first, and sees what was just asked through.
                    stops_at = Some(Instant::now() + LAST_HEAD);
                    connection.as_mut().stop();
                    if connection.as_mut().poll(context).is_ready() {
                        return Poll::Ready(());
                    }
                } else {
                    timer.as_mut().reset(until);
                }
            }
        })
        .await;
    }

    /// When the connection is looked at again, and ends if nothing has changed.
    fn until(&self, pulse: &Pulse, stops_at: Option<Instant>) -> Instant {
        let again = || Instant::now() + self.limits.idle;
        let until = pulse.until(&self.limits).unwrap_or_else(again);
        match (stops_at, pulse.at_rest()) {
            // The end of the last answer may still be on its way.
            (Some(stops_at), Some(since)) => stops_at.max(since + LAST_HEAD),
            (Some(stops_at), None) if !pulse.is_answering() => until.min(stops_at),
            _ => until,
        }
    }
}

/// Secures the connection and finds out which version it speaks; `None` when nothing comes of it.
async fn greet(
    stream: TcpStream,
    secured: Option<TlsAcceptor>,
    pulse: Arc<Pulse>,
) -> Option<(Wire, Version)> {
    let stream = match secured {
        None => Stream::Plain(stream),
        Some(acceptor) => {
            let handshake = Box::pin(acceptor.accept(stream));
            Stream::Secured(Box::new(handshake.await.ok()?))
        }
    };
    let mut wire = Wire::new(stream, pulse);
    let version = wire.version().await.ok()?;
    Some((wire, version))
}

/// A connection of either version, whose errors are the client's affair.
trait Connection: Future {
    /// Takes no more requests, and ends with those that it has.
    fn stop(self: Pin<&mut Self>);
}

impl Connection for http1::Connection<TokioIo<Wire>, Answers> {
    fn stop(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl Connection for http2::Connection<TokioIo<Wire>, Answers, Streams> {
    fn stop(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs the requests of HTTP/2 as tasks that can be waited for; they end with their connection, or when their client
/// takes nothing of the answer for too long.
#[derive(Clone)]
struct Streams {
    tasks: TaskTracker,
    taken_within: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(unless_untaken(future, self.taken_within));
    }
}

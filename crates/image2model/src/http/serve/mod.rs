//! Takes connections and sees each through: so many of them, for so long and no longer, over TLS where there is a
//! certificate, until the service shuts down.
//!
//! It knows connections and nothing of what is asked on them. Whoever stalls, drips or floods loses the connection
//! and no more: a connection holds one task, a few kilobytes and one of the [places](door) that there are.
//!
//! A connection passes the [`door`], is [secured](tls) where there is a certificate, and is then driven by
//! [`connection`] under the time limits that [`pulse`] keeps, over the [`wire`] that tells it what comes and goes; of a
//! stream of HTTP/2, [`taking`] knows whether its client takes anything.

mod answer;
mod connection;
mod door;
mod pulse;
mod taking;
mod tls;
mod wire;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::TaskTracker;

use self::{connection::Host, door::Door};
use super::{probes, router};
use crate::service::Service;

pub use tls::{Tls, TlsError};

/// What is answered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// API, page and probes.
    Whole,
    /// Health and metrics alone.
    Probes,
}

/// Between two tries to take a connection when the system has no room for one.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(50);
/// Between two lines in the log about the same trouble.
const QUIET: Duration = Duration::from_secs(60);

/// Answers requests on `listener`, over TLS if there is one, until the service shuts down; then takes no more, and
/// returns when those that are being answered have been. Dropped before that, it cuts all connections off.
///
/// # Errors
/// The listener is broken.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    surface: Surface,
    tls: Option<Tls>,
) -> io::Result<()> {
    let shutdown = service.shutdown.clone();
    let config = service.config.clone();
    let router = match surface {
        Surface::Whole => router(service),
        Surface::Probes => probes(service),
    };
    let streams = TaskTracker::new();
    let host = Host::new(router, &config.http, streams.clone(), shutdown.clone());
    let host = Arc::new(host);
    let door = Door::new(&config.http);
    let mut connections = JoinSet::new();
    let mut no_room = Trouble::new("no connection can be taken for now");
    let mut full = Trouble::new("connections are refused: there are as many as may be");
    let renewing = async {
        match &tls {
            Some(tls) => tls.keep_fresh().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(renewing);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = &mut renewing => continue,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_the_clients(&error) => continue,
            Err(error) if is_lasting(&error) => return Err(error),
            Err(error) => {
                no_room.tell(&error);
                tokio::time::sleep(NO_ROOM_PAUSE).await;
                continue;
            }
        };
        match door.enter(peer.ip()) {
            Ok(place) => {
                smooth(&stream, peer);
                let secured = tls.as_ref().map(Tls::acceptor);
                let host = host.clone();
                connections.spawn(async move {
                    host.see_through(stream, peer, secured).await;
                    drop(place);
                });
            }
            Err(crowded) => {
                full.tell(&crowded);
                // Before a handshake there are no words.
                if tls.is_none()
                    && let Some(telling) = door.turn_away(stream, crowded)
                {
                    connections.spawn(telling);
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    streams.close();
    streams.wait().await;
    Ok(())
}

/// Events are small and must not wait for each other.
fn smooth(stream: &TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "a connection stays with delayed small packets");
    }
}

/// The client has gone before it was taken.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Not one that passes, such as a lack of descriptors or memory.
fn is_lasting(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

/// Tells of a trouble when it begins, and now and then while it lasts.
struct Trouble {
    what: &'static str,
    told: Option<Instant>,
}

impl Trouble {
    fn new(what: &'static str) -> Self {
        Self { what, told: None }
    }

    fn tell(&mut self, why: &dyn std::fmt::Display) {
        if self.told.is_none_or(|told| told.elapsed() >= QUIET) {
            tracing::warn!(%why, "{}", self.what);
            self.told = Some(Instant::now());
        }
    }
}

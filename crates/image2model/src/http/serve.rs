use std::{io, net::SocketAddr};

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

use super::{probes, router};
use crate::service::Service;

/// What is answered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// API, page and probes.
    Whole,
    /// Health and metrics alone.
    Probes,
}

/// Answers requests on `listener` until the service shuts down; then takes no more, and returns when those that
/// are being answered have been.
///
/// # Errors
/// The listener is broken.
pub async fn serve(listener: TcpListener, service: Service, surface: Surface) -> io::Result<()> {
    let shutdown = service.shutdown.clone();
    // Events are small and must not wait for each other.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection stays with delayed small packets");
        }
    });
    let router = match surface {
        Surface::Whole => router(service),
        Surface::Probes => probes(service),
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

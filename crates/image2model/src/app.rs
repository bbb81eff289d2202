//! Composition root: builds the parts from the configuration and runs them on the caller's listener.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Runs API, page and workers in one process on the embedded store until `shutdown` is cancelled, then drains.
///
/// # Errors
/// One sentence when a part cannot be built.
pub async fn run(
    config: Arc<Config>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let _ = (config, listener, shutdown);
    todo!()
}

//! Pools that take tasks, run attempts and hand in results.
//!
//! One pool per queue: it holds leases for up to `concurrency × prefetch_multiplier` tasks, renews them
//! together, runs `concurrency` at once and hands the rest back when it drains. Knows store, artifacts and
//! provider; never HTTP.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{artifacts::Artifacts, config::Config, provider::Provider, store::Store};

/// What every pool shares.
#[derive(Clone)]
pub struct Worker {
    pub store: Store,
    pub artifacts: Artifacts,
    pub provider: Arc<dyn Provider>,
    pub config: Arc<Config>,
}

impl Worker {
    /// Runs the pools of all queues and the sweep until `drain` is cancelled, then drains within the grace time.
    pub async fn run(self, drain: CancellationToken) {
        let _ = (&self.store, drain);
        todo!()
    }
}

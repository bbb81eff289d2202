//! Composition root: builds the parts from the configuration and runs them on the caller's listener.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    artifacts::Artifacts,
    capacity::disk::{ReadSpace, Space},
    clock::{Clock, SystemClock},
    config::Config,
    http,
    provider::LocalProvider,
    service::{Parts, Service},
    store::{self, Store},
    worker::Worker,
};

/// The built parts, not running yet.
pub struct App {
    worker: Worker,
    metrics: PrometheusHandle,
}

impl App {
    /// Opens store and artifacts. Without addresses of their own both lie in the data directory; with the store in it,
    /// it is this process's alone from now on.
    ///
    /// # Errors
    /// One sentence when a part cannot be built.
    pub async fn open(config: Arc<Config>, metrics: PrometheusHandle) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(&config, clock.clone()).await?;
        let own = config.data_dir.join("artifacts");
        let artifacts = Artifacts::open(&config.artifacts.url, &own).await?;
        let config = with_room_in_sight(config, &artifacts);
        let space: ReadSpace = Arc::new(Space::of);
        let worker = Worker {
            store,
            artifacts,
            provider: Arc::new(LocalProvider::new(&config.worker)),
            config,
            clock,
            space,
        };
        Ok(Self { worker, metrics })
    }

    /// Runs API, page and workers in one process until `shutdown` is cancelled, then drains within the grace time:
    /// no new requests and tasks, event streams end, running work finishes or is handed back.
    ///
    /// # Errors
    /// The listener broke.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let grace = Duration::from_secs(self.worker.config.worker.grace);
        let beside = TaskTracker::new();
        let service = self.service(beside.clone(), shutdown.clone());
        let serving = async {
            let served = http::serve(listener, service).await;
            // Without a listener nobody could end the workers.
            shutdown.cancel();
            served
        };
        // A client that never ends its request must not hold up the end.
        let over = async {
            shutdown.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        let (served, ()) = tokio::join!(
            async {
                tokio::select! {
                    served = serving => served,
                    () = over => Ok(()),
                }
            },
            self.worker.run(shutdown.clone()),
        );
        beside.close();
        if tokio::time::timeout(LAST_WRITES, beside.wait())
            .await
            .is_err()
        {
            tracing::warn!("requests were cut off at the end of the grace time");
        }
        served.context("the listener broke")
    }

    fn service(&self, beside: TaskTracker, shutdown: CancellationToken) -> Service {
        let parts = Parts {
            store: self.worker.store.clone(),
            artifacts: self.worker.artifacts.clone(),
            config: self.worker.config.clone(),
            clock: self.worker.clock.clone(),
            metrics: self.metrics.clone(),
            space: self.worker.space.clone(),
        };
        Service::start(parts, beside, shutdown)
    }
}

/// The store that the configuration names, chosen here once.
async fn open_store(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Store> {
    let (url, retry) = (&config.store.url, config.retry.policy());
    Ok(if url.is_empty() {
        store::embedded::open(&config.data_dir, clock, retry)?
    } else {
        store::redis::open(store::redis::Settings::new(url, retry)).await?
    })
}

/// With the files in a bucket there is no disk to go by, so results are kept for a number of hours.
fn with_room_in_sight(config: Arc<Config>, artifacts: &Artifacts) -> Arc<Config> {
    let results = config.results.without_a_disk();
    if artifacts.folder().is_some() || results == config.results {
        return config;
    }
    tracing::info!(keep = %results.keep, "results.keep is auto, and the files lie in a bucket: hours it is");
    Arc::new(Config {
        results,
        ..Config::clone(&config)
    })
}

/// Time for what requests began and see through without their client, which is a transition or a file at most.
const LAST_WRITES: Duration = Duration::from_secs(1);

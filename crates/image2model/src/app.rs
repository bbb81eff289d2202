//! Composition root: builds the parts from the configuration and runs those of a role, on the caller's listener.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    artifacts::Artifacts,
    capacity::disk::{ReadSpace, Space},
    clock::{Clock, SystemClock},
    config::{Config, Isolation, Keep, Maker, StoreSettings, without_password},
    http::{self, Surface, Tls},
    job::Queue,
    job::RetryPolicy,
    logs::Logs,
    provider::{ApartProvider, ApartSettings, InstantProvider, LocalProvider, Provider},
    service::{DeadLetters, Keyring, Parts, Service},
    store::{self, Keys, Store},
    worker::{
        self, Duty, Worker,
        ownership::{self, Foreign},
    },
};

pub use crate::worker::End;

/// Which parts a process switches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of them.
    Serve,
    /// API and page.
    Api,
    /// The pools of `worker.queues`.
    Worker,
    /// The periodic sweeps.
    Scheduler,
}

impl Role {
    /// Its command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
        }
    }

    /// Whether it is nothing without others, which it meets in a store that all of them reach.
    #[must_use]
    pub fn needs_others(self) -> bool {
        self != Self::Serve
    }

    /// Whether it answers users, and not only those who watch over it.
    #[must_use]
    pub fn has_api(self) -> bool {
        matches!(self, Self::Serve | Self::Api)
    }

    fn schedules(self) -> bool {
        matches!(self, Self::Serve | Self::Scheduler)
    }

    fn duty(self, config: &Config) -> Option<Duty> {
        let queues = match self {
            Self::Serve => Queue::ALL.to_vec(),
            Self::Worker => config.worker.queues.clone(),
            Self::Api | Self::Scheduler => return None,
        };
        Some(Duty {
            role: self.name(),
            queues,
            // Where children make the models, they are replaced.
            is_replaced: self == Self::Worker && cfg!(unix) && !self.works_apart(config),
        })
    }

    /// Whether models are made in processes of their own.
    fn works_apart(self, config: &Config) -> bool {
        config.worker.provider == Maker::Local
            && match config.worker.isolation {
                Isolation::Auto => self == Self::Worker,
                Isolation::On => matches!(self, Self::Worker | Self::Serve),
                Isolation::Off => false,
            }
    }
}

/// The built parts, not running yet.
pub struct App {
    role: Role,
    worker: Worker,
    metrics: PrometheusHandle,
    tls: Option<Tls>,
    logs: Logs,
    /// Others reach it, and it was not told to be open: it has keys, and never does without.
    stays_closed: bool,
}

impl App {
    /// Opens store and artifacts, for an API on `listener` where there is one. Without addresses of their own both lie in the data directory; with the store in it,
    /// it is this process's alone from now on, else any number of processes may have it.
    ///
    /// # Errors
    /// One sentence when a part cannot be built.
    pub async fn open(
        role: Role,
        config: Arc<Config>,
        listener: Option<&TcpListener>,
        metrics: PrometheusHandle,
        logs: Logs,
    ) -> anyhow::Result<Self> {
        let is_exposed = role.has_api() && is_reachable(listener);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // Who watches over a process without an API asks it as it is, inside the house.
        let tls = if role.has_api() {
            Tls::open(&config.http)?
        } else {
            None
        };
        refuse_files_of_another_store(&config)?;
        let own = config.data_dir.join("artifacts");
        let artifacts = Artifacts::open(&config.artifacts.url, &own).await?;
        if has_no_store(&config) && ownership::are_anybodys(&artifacts).await? {
            // Before a store is made there, which would be in the way of those whose files they are.
            return Err(not_its_files(&config, &Foreign::Files));
        }
        let store = open_store(&config, clock.clone()).await?;
        ownership::claim(&*store.keys, &artifacts)
            .await
            .map_err(|foreign| not_its_files(&config, &foreign))?;
        let stays_closed = is_exposed && !config.http.insecure_open;
        if is_exposed {
            refuse_to_be_open(&config, store.keys.clone(), clock.clone()).await?;
        }
        // From here on the data directory is this process's own.
        let folder = config.data_dir.join("logs");
        logs.open(&folder)
            .with_context(|| format!("cannot write logs to {}", folder.display()))?;
        let config = with_room_in_sight(config, &artifacts);
        let space: ReadSpace = Arc::new(Space::of);
        let worker = Worker {
            id: worker::process_id(),
            store,
            artifacts,
            provider: maker(role, &config).await?,
            config,
            clock,
            space,
        };
        Ok(Self {
            role,
            worker,
            metrics,
            tls,
            logs,
            stays_closed,
        })
    }

    /// Runs the role's parts until `shutdown` is cancelled, then drains within the grace time: no new requests and
    /// tasks, event streams end, running work finishes or is handed back. A worn-out worker ends by itself.
    ///
    /// # Errors
    /// The listener broke.
    pub async fn run(
        mut self,
        listener: Option<TcpListener>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<End> {
        let grace = Duration::from_secs(self.worker.config.worker.grace);
        let asked = shutdown.clone();
        // Ends with `shutdown`, or before it when the work that it belongs to has ended.
        let shutdown = shutdown.child_token();
        let beside = TaskTracker::new();
        let service = self.service(beside.clone(), shutdown.clone());
        if self.stays_closed {
            service.keyring.stay_closed();
        }
        let tls = self.tls.take();
        let serving = async {
            let Some(listener) = listener else {
                shutdown.cancelled().await;
                return Ok(());
            };
            let served = http::serve(listener, service, self.surface(), tls).await;
            // Without a listener nobody could end the workers.
            shutdown.cancel();
            served
        };
        // A client that never ends its request must not hold up the end.
        let over = async {
            shutdown.cancelled().await;
            let patience = if asked.is_cancelled() {
                grace
            } else {
                LAST_WRITES
            };
            tokio::time::sleep(patience).await;
        };
        let logging = shutdown.run_until_cancelled(self.logs.gather());
        let (served, end, (), _) = tokio::join!(
            async {
                tokio::select! {
                    served = serving => served,
                    () = over => Ok(()),
                }
            },
            self.work(&shutdown),
            self.schedule(&shutdown),
            logging,
        );
        beside.close();
        if tokio::time::timeout(LAST_WRITES, beside.wait())
            .await
            .is_err()
        {
            tracing::warn!("requests were cut off at the end of the grace time");
        }
        served.context("the listener broke")?;
        Ok(end)
    }

    async fn work(&self, shutdown: &CancellationToken) -> End {
        let Some(duty) = self.role.duty(&self.worker.config) else {
            return End::Drained;
        };
        let end = self.worker.clone().run(duty, shutdown.clone()).await;
        self.worker.provider.close().await;
        shutdown.cancel();
        end
    }

    async fn schedule(&self, shutdown: &CancellationToken) {
        if self.role.schedules() {
            self.worker.clone().schedule(shutdown.clone()).await;
        }
    }

    fn surface(&self) -> Surface {
        if self.role.has_api() {
            Surface::Whole
        } else {
            Surface::Probes
        }
    }

    fn service(&self, beside: TaskTracker, shutdown: CancellationToken) -> Service {
        let parts = Parts {
            store: self.worker.store.clone(),
            artifacts: self.worker.artifacts.clone(),
            config: self.worker.config.clone(),
            clock: self.worker.clock.clone(),
            metrics: self.metrics.clone(),
            space: self.worker.space.clone(),
            logs: self.logs.clone().of(&self.worker.id.0),
        };
        Service::start(parts, beside, shutdown)
    }
}

/// Whether others than this machine reach it.
fn is_reachable(listener: Option<&TcpListener>) -> bool {
    let address = listener.and_then(|listener| listener.local_addr().ok());
    address.is_some_and(|address| !address.ip().to_canonical().is_loopback())
}

/// Without any key a server serves everyone who reaches it, which is for this machine alone.
async fn refuse_to_be_open(
    config: &Config,
    keys: Arc<dyn Keys>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let listen = &config.listen;
    let keyring = Keyring::new(keys, clock, &config.keys, TaskTracker::new());
    if !keyring.is_open().await? {
        return Ok(());
    }
    if !config.http.insecure_open {
        bail!(
            "everyone who reaches {listen} could use this server, which has no keys: make one with `image2model keys \
             create`, listen on 127.0.0.1, or pass --insecure-open"
        );
    }
    tracing::warn!(
        listen,
        "everyone who reaches this address can use the service"
    );
    Ok(())
}

/// Who makes the models, chosen here once.
async fn maker(role: Role, config: &Config) -> anyhow::Result<Arc<dyn Provider>> {
    let settings = &config.worker;
    Ok(match settings.provider {
        Maker::Local if role.works_apart(config) => {
            let apart = ApartSettings::new(settings, share_of_a_child(role, config));
            let started = async { ApartProvider::start(apart?).await };
            Arc::new(started.await.context(
                "no process for decoding can be started; worker.isolation: off does without",
            )?)
        }
        Maker::Local => Arc::new(LocalProvider::new(settings)),
        Maker::Instant => {
            if matches!(role, Role::Serve | Role::Worker) {
                tracing::warn!(
                    "worker.provider is instant: every picture becomes the same small model, which is for measuring only"
                );
            }
            Arc::new(InstantProvider::default())
        }
    })
}

/// Tasks after which a child process is replaced: all queues share the children, so the least of them counts.
fn share_of_a_child(role: Role, config: &Config) -> u64 {
    let queues = role.duty(config).map(|duty| duty.queues);
    let makes = queues.into_iter().flatten();
    let makes = makes.filter(|queue| *queue != Queue::Maintenance);
    let shares = makes.map(|queue| config.workers.of(queue).max_tasks_per_child);
    shares.filter(|share| *share > 0).min().unwrap_or(0)
}

/// Why this store and these files are not started together, and what to do.
fn not_its_files(config: &Config, foreign: &Foreign) -> anyhow::Error {
    let store = match config.store.url.as_str() {
        "" => format!("the store in {}", config.data_dir.display()),
        url => format!("the store at {}", without_password(url)),
    };
    let place = match config.artifacts.url.as_str() {
        "" => config.data_dir.join("artifacts").display().to_string(),
        url => url.to_owned(),
    };
    match foreign {
        Foreign::Files => anyhow!(
            "the files in {place} are another store's, not those of {store}, which would delete them: start with the \
             --store-url, --data-dir and --artifacts-url of the processes that have them; if that store is gone for \
             good, remove {place}/store-name"
        ),
        Foreign::Place(name) => anyhow!(
            "the files of {store} are not in {place}: start with the --data-dir and --artifacts-url of its other \
             processes; if the files were brought there without it, write {name} into {place}/store-name"
        ),
        other => {
            anyhow!("it is not known whether the files in {place} are those of {store}: {other}")
        }
    }
}

/// To the collection of orphans, the files of jobs that this store does not know would be nobody's.
fn refuse_files_of_another_store(config: &Config) -> anyhow::Result<()> {
    let elsewhere = !config.store.url.is_empty() && config.artifacts.url.is_empty();
    if elsewhere && store::embedded::is_home(&config.data_dir) {
        bail!(
            "the data directory {} keeps jobs of its own, which a server over Redis does not know: pass another \
             --data-dir, take them over with `image2model store copy`, or move its store.sqlite3* away if nothing in it is needed",
            config.data_dir.display()
        );
    }
    Ok(())
}

/// Whether the data directory is where the store would be, and has none yet.
pub(crate) fn has_no_store(config: &Config) -> bool {
    config.store.url.is_empty() && !store::embedded::lies_in(&config.data_dir)
}

/// The store that the configuration names, chosen here once.
pub(crate) async fn open_store(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Store> {
    let (url, retry) = (&config.store.url, config.retry.policy());
    if url.is_empty() {
        return Ok(store::embedded::open(&config.data_dir, clock, retry)?);
    }
    let mut settings = redis_settings(&config.store, retry)?;
    if let Keep::Hours(hours) = config.results.without_a_disk().keep {
        settings.vanishes_after = Some(Duration::from_secs(3600 * u64::from(hours)) + NET);
    }
    Ok(store::redis::open(settings).await?)
}

/// How much longer than its results a job's record stays, should nobody remove it.
const NET: Duration = Duration::from_secs(86_400);

/// The same for the command line, which may ask something of a store that servers have open.
///
/// # Errors
/// One sentence when it cannot be opened.
pub(crate) async fn open_beside_servers(
    config: &Config,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Store> {
    let folder = &config.data_dir;
    if config.store.url.is_empty() && store::embedded::is_served(folder) {
        let retry = config.retry.policy();
        return Ok(store::embedded::beside(folder, clock, retry)?);
    }
    open_store(config, clock).await
}

/// The list of given-up work of the store that the configuration names.
///
/// # Errors
/// One sentence when store or artifacts cannot be opened.
pub(crate) async fn open_dead_letters(
    config: &Config,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<DeadLetters> {
    let store = open_beside_servers(config, clock).await?;
    let own = config.data_dir.join("artifacts");
    Ok(DeadLetters {
        jobs: store.jobs,
        artifacts: Artifacts::open(&config.artifacts.url, &own).await?,
    })
}

fn redis_settings(
    store: &StoreSettings,
    retry: RetryPolicy,
) -> anyhow::Result<store::redis::Settings> {
    let read = |key: &str, path: &Path| {
        std::fs::read(path).with_context(|| format!("{key} {} cannot be read", path.display()))
    };
    let given = |key, path: &'_ PathBuf| {
        let named = !path.as_os_str().is_empty();
        named.then(|| read(key, path)).transpose()
    };
    let certificate = given("store.tls_cert", &store.tls_cert)?;
    let key = given("store.tls_key", &store.tls_key)?;
    Ok(store::redis::Settings {
        certificates: store::redis::Certificates {
            authority: given("store.tls_ca", &store.tls_ca)?,
            client: certificate.zip(key),
        },
        sentinel_login: (store.sentinel_user.clone(), store.sentinel_password.clone()),
        shards: store.shards,
        limit: Duration::from_secs_f64(store.timeout),
        connections: store.max_connections_per_node,
        replica_acks: store.replica_acks,
        ack_timeout: Duration::from_secs_f64(store.ack_timeout),
        skip_full_coverage_check: store.skip_full_coverage_check,
        ..store::redis::Settings::new(&store.url, retry)
    })
}

/// With the files in a bucket there is no disk to go by, and with the jobs in a Redis it is not the disk that gets full:
/// then results are kept for a number of hours.
fn with_room_in_sight(config: Arc<Config>, artifacts: &Artifacts) -> Arc<Config> {
    let results = config.results.without_a_disk();
    let goes_by_disk = artifacts.folder().is_some() && config.store.url.is_empty();
    if goes_by_disk || results == config.results {
        return config;
    }
    tracing::warn!(
        keep = %results.keep,
        "results.keep is auto, and over a Redis or a bucket no disk tells how long: results go so many hours after their \
         job's end"
    );
    Arc::new(Config {
        results,
        ..Config::clone(&config)
    })
}

/// Time for what requests began and see through without their client, which is a transition or a file at most.
const LAST_WRITES: Duration = Duration::from_secs(1);

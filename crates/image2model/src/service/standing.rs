//! How the service stands: its components, the machine, and how long results are kept.

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    capacity::{disk::Space, host::Load, metrics::State},
    config::Keep,
    job::{Queue, Timestamp, WorkerId},
    store::{Condition, Presence, SCHEDULER, StoreError, WorkerReport},
};

use super::{
    Service,
    fresh::{FRESH, Fresh},
};

/// Share of the disk in use from which it is degraded, and unhealthy.
const DISK_DEGRADED: f64 = 85.0;
const DISK_UNHEALTHY: f64 = 95.0;
/// Time that store or disk may be gone before this process asks to be left out.
const TOLERATED_MS: i64 = 15_000;
/// Longest wait for the store, so that who asks for health has an answer within the second that probes give it.
const PATIENCE: Duration = Duration::from_millis(900);

/// From best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Healthy,
    Degraded,
    Unhealthy,
}

/// One part and how it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    pub name: &'static str,
    pub health: Health,
    pub took: Duration,
    /// What is wrong or worth saying, for operators.
    pub note: Option<String>,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub at: Timestamp,
    pub uptime: Duration,
    pub components: Vec<Component>,
    /// What the store promises to keep.
    pub promise: Option<String>,
    pub workers: Vec<WorkerReport>,
    /// Who leads the periodic sweeps.
    pub leader: Option<WorkerId>,
    pub disk: Option<Space>,
    pub load: Option<Load>,
}

/// Who works, who leads, and what that means.
type Present = (Vec<WorkerReport>, Option<WorkerId>, Component);

/// What the store answered last.
pub(super) struct Asked {
    store: Fresh<Component>,
    condition: Fresh<Option<Condition>>,
    presence: Fresh<Present>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            store: Fresh::new(FRESH),
            condition: Fresh::new(FRESH),
            presence: Fresh::new(FRESH),
        }
    }
}

impl Standing {
    /// The worst of its components.
    #[must_use]
    pub fn health(&self) -> Health {
        self.components
            .iter()
            .map(|component| component.health)
            .max()
            .unwrap_or(Health::Healthy)
    }
}

impl Service {
    /// Asks every component; the store once a second at most, since anybody may ask.
    pub async fn standing(&self) -> Standing {
        let at = self.now();
        let (mut store, condition, (workers, leader, presence)) = tokio::join!(
            self.store_component(),
            self.condition(),
            self.workers_component()
        );
        let promise = condition.map(|condition| promise(condition, &mut store));
        let (disk, disk_component) = self.disk_component();
        Standing {
            at,
            uptime: Duration::from_millis(at.since(self.started).max(0).unsigned_abs()),
            components: vec![store, presence, disk_component, remote_component()],
            promise,
            workers,
            leader,
            disk,
            load: self.host.load(),
        }
    }

    /// Whether requests should come here: the components that they need, and whether those have been gone too long.
    pub async fn readiness(&self) -> (Vec<Component>, bool) {
        let ((_, _, workers), store) =
            tokio::join!(self.workers_component(), self.store_component());
        let (space, mut disk) = self.disk_component();
        // A full one still serves what is there.
        if space.is_some() {
            disk.health = Health::Healthy;
        }
        let needed = [store, disk];
        let failing = needed.iter().any(|c| c.health == Health::Unhealthy);
        let gone = self.failing_for(failing) >= TOLERATED_MS;
        let mut components = Vec::from(needed);
        components.push(workers);
        (components, !gone)
    }

    /// Reads what the metrics show as state, of the store once a second at most, since anybody may ask; and renders all
    /// metrics.
    pub async fn scrape(&self) -> String {
        let ((workers, ..), depths) =
            tokio::join!(self.workers_component(), in_time(self.depths()));
        let state = State {
            depths: depths.unwrap_or_default(),
            workers,
            disk: self.watched_disk().and_then(Result::ok),
            load: self.host.load(),
        };
        state.record(self.now());
        self.metrics.render()
    }

    /// How long results are kept, for people.
    #[must_use]
    pub fn retention(&self) -> String {
        let results = &self.config.results;
        match results.keep {
            Keep::Hours(hours) => {
                format!("Results are kept for {hours} hours after a job has ended.")
            }
            Keep::Auto => format!(
                "Results are kept until this machine's disk has under 5 GB or 5 % free, whichever is less; then \
                 the oldest go, none under {} hours old.",
                results.keep_at_least_hours
            ),
        }
    }

    /// What the store says of itself, where it does.
    async fn condition(&self) -> Option<Condition> {
        // A server that hangs is what it is to tell of, so it has all its time.
        let jobs = self.store.jobs.clone();
        let read = async move { jobs.condition().await.ok() };
        self.asked.condition.or(&self.tasks, read).await
    }

    async fn store_component(&self) -> Component {
        let jobs = self.store.jobs.clone();
        let read = async move {
            let asked = Instant::now();
            let answer = in_time(jobs.ping()).await.and_then(|answer| answer);
            component("redis", asked, answer.as_ref().copied())
        };
        self.asked.store.or(&self.tasks, read).await
    }

    /// Without live workers nothing is made, and without a leader nothing is swept, but uploads are still taken:
    /// degraded.
    async fn workers_component(&self) -> Present {
        let read = present(self.store.presence.clone());
        self.asked.presence.or(&self.tasks, read).await
    }

    fn disk_component(&self) -> (Option<Space>, Component) {
        let asked = Instant::now();
        let Some(read) = self.watched_disk() else {
            let mut none = component::<io::Error>("disk_space", asked, Ok(()));
            none.note = Some("jobs and files lie elsewhere".to_owned());
            return (None, none);
        };
        match read {
            Ok(space) => {
                let mut disk = component::<io::Error>("disk_space", asked, Ok(()));
                let used = space.used_percent();
                if used > DISK_DEGRADED {
                    disk.note = Some(format!("{used:.1} % of the disk is in use"));
                    disk.health = Health::Degraded;
                }
                if used > DISK_UNHEALTHY {
                    disk.health = Health::Unhealthy;
                }
                (Some(space), disk)
            }
            Err(error) => (None, component("disk_space", asked, Err(&error))),
        }
    }

    /// Room where the files lie, or else where the store does; `None` when no disk here holds either.
    pub(super) fn watched_disk(&self) -> Option<io::Result<Space>> {
        Some((self.space)(self.watched_folder()?))
    }

    /// Where that disk is looked at.
    pub(super) fn watched_folder(&self) -> Option<&Path> {
        let own = || {
            self.config
                .store
                .url
                .is_empty()
                .then_some(self.config.data_dir.as_path())
        };
        self.artifacts.folder().or_else(own)
    }

    /// Milliseconds since the first of the readings that all failed. Those before a long silence say nothing: nobody
    /// knows what was in between.
    fn failing_for(&self, failing: bool) -> i64 {
        let now = self.now();
        let known = self.failing.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if !failing {
            *known = None;
            return 0;
        }
        let since = match *known {
            Some((since, last)) if now.since(last) <= TOLERATED_MS => since,
            _ => now,
        };
        *known = Some((since, now));
        now.since(since)
    }
}

/// What the store answers within [`PATIENCE`].
async fn in_time<T>(asked: impl Future<Output = T>) -> Result<T, StoreError> {
    let late = |_| StoreError::Unavailable("it takes too long to answer".to_owned());
    tokio::time::timeout(PATIENCE, asked).await.map_err(late)
}

async fn present(presence: Arc<dyn Presence>) -> Present {
    let asked = Instant::now();
    let read = async { tokio::try_join!(presence.workers(), presence.leader(SCHEDULER)) };
    match in_time(read).await.and_then(|read| read) {
        Ok((workers, leader)) => {
            let mut celery = component::<StoreError>("celery", asked, Ok(()));
            celery.note = missing(&workers, leader.as_ref());
            if celery.note.is_some() {
                celery.health = Health::Degraded;
            }
            (workers, leader, celery)
        }
        Err(error) => (Vec::new(), None, component("celery", asked, Err(&error))),
    }
}

/// What the store promises to keep; what is to be mended there degrades its component.
fn promise(condition: Condition, store: &mut Component) -> String {
    if store.health == Health::Healthy && !condition.complaints.is_empty() {
        store.health = Health::Degraded;
        store.note = Some(condition.complaints.join("; "));
    }
    condition.promise
}

fn component<E: fmt::Display>(
    name: &'static str,
    asked: Instant,
    answer: Result<(), &E>,
) -> Component {
    if let Err(error) = answer {
        tracing::warn!(component = name, %error, "a component is unhealthy");
    }
    Component {
        name,
        health: if answer.is_ok() {
            Health::Healthy
        } else {
            Health::Unhealthy
        },
        took: asked.elapsed(),
        note: answer.is_err().then(|| "it does not answer".to_owned()),
    }
}

/// Whom jobs wait for.
fn missing(workers: &[WorkerReport], leader: Option<&WorkerId>) -> Option<String> {
    if workers.is_empty() {
        return Some("no worker is alive: jobs wait".to_owned());
    }
    let is_served = |queue: &Queue| {
        workers
            .iter()
            .any(|worker| worker.queues.contains_key(queue.name()))
    };
    let waiting: Vec<_> = Queue::ALL
        .iter()
        .filter(|queue| !is_served(queue))
        .map(|queue| queue.name())
        .collect();
    if !waiting.is_empty() {
        return Some(format!(
            "no live worker takes from {}: tasks there wait",
            waiting.join(", ")
        ));
    }
    if leader.is_none() {
        return Some("no scheduler leads: retries and the tasks of dead workers wait".to_owned());
    }
    None
}

/// Models are made on this machine; there is no remote provider to ask.
fn remote_component() -> Component {
    Component {
        name: "fal_api",
        health: Health::Healthy,
        took: Duration::ZERO,
        note: Some("not configured: models are made here".to_owned()),
    }
}

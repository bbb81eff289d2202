//! Prometheus metrics under the names that existing dashboards know, and ours beside them.
//!
//! Events are counted where they happen, by the functions here, which own every name and label; what is state
//! (depths, workers, the machine) is read when somebody scrapes. The recorder is installed once per process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use metrics::{
    Counter, Histogram, Label, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::{
    capacity::{disk::Space, host::Load},
    job::{Lane, Queue, Timestamp},
    store::{Depth, WorkerReport},
};

/// Upper bounds in seconds; from a status read to a thirty-minute task.
const BUCKETS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 1800.0,
];

/// Installs the process's recorder and describes every metric.
///
/// # Errors
/// A recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)?
        .install_recorder()?;
    describe();
    register_remote();
    Ok(handle)
}

/// A handle that renders nothing, for processes that count nothing.
#[must_use]
pub fn unrecorded() -> PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}

/// Counts answered requests; has the series of those that came before at hand.
#[derive(Default)]
pub struct Requests(RwLock<HashMap<String, Vec<Series>>>);

/// Of one endpoint.
struct Series {
    method: &'static str,
    status: u16,
    answered: Counter,
    took: Histogram,
}

impl Requests {
    /// `endpoint` is the route's pattern, never the path as it came.
    pub fn answered(&self, method: &'static str, endpoint: &str, status: u16, took: Duration) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_endpoint = all.get(endpoint).map(Vec::as_slice).unwrap_or_default();
        let mut of_endpoint = of_endpoint.iter();
        if let Some(known) = of_endpoint.find(|one| one.method == method && one.status == status) {
            known.count(took);
            return;
        }
        drop(all);
        let new = Series::new(method, endpoint, status);
        new.count(took);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Two of the same, added at once, are the same to the recorder.
        all.entry(endpoint.to_owned()).or_default().push(new);
    }
}

impl Series {
    fn new(method: &'static str, endpoint: &str, status: u16) -> Self {
        let labels = [
            Label::new("method", method),
            Label::new("endpoint", endpoint.to_owned()),
        ];
        let took = histogram!("http_request_duration_seconds", labels.iter());
        let [of_method, of_endpoint] = labels;
        let of_status = Label::new("status_code", status.to_string());
        let labels = [of_method, of_endpoint, of_status];
        Self {
            method,
            status,
            answered: counter!("http_requests_total", labels.iter()),
            took,
        }
    }

    fn count(&self, took: Duration) {
        self.answered.increment(1);
        self.took.record(took);
    }
}

/// What an attempt at a task came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// No other attempt follows.
    Failure,
    Retry,
    Cancelled,
    /// Its lease was lost, or its job is gone: the result is nobody's.
    Dropped,
    /// Given back untouched while the worker drains.
    HandedBack,
}

impl Outcome {
    /// The label `status`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Retry => "retry",
            Self::Cancelled => "cancelled",
            Self::Dropped => "dropped",
            Self::HandedBack => "handed_back",
        }
    }
}

/// One attempt at a task is over, however it ended.
pub fn task(name: &'static str, outcome: Outcome, took: Duration) {
    counter!("celery_tasks_total", "task_name" => name, "status" => outcome.name()).increment(1);
    histogram!("celery_task_duration_seconds", "task_name" => name).record(took);
}

/// One event stream was opened (`1.0`) or closed (`-1.0`).
pub fn open_streams(change: f64) {
    gauge!("image2model_event_streams").increment(change);
}

/// What is state rather than event, as read at one scrape.
#[derive(Debug, Default)]
pub struct State {
    pub depths: BTreeMap<(Queue, Lane), Depth>,
    pub workers: Vec<WorkerReport>,
    pub disk: Option<Space>,
    pub load: Option<Load>,
}

impl State {
    /// Sets the gauges.
    pub fn record(&self, now: Timestamp) {
        if let Some(load) = self.load {
            gauge!("system_cpu_usage_percent").set(load.cpu_percent);
            gauge!("system_memory_usage_percent").set(load.memory_percent);
        }
        if let Some(disk) = self.disk {
            gauge!("system_disk_usage_percent").set(disk.used_percent());
            gauge!("image2model_disk_free_bytes").set(disk.free as f64);
        }
        gauge!("active_jobs_total").set(self.active() as f64);
        gauge!("image2model_workers").set(self.workers.len() as f64);
        self.record_queues(now);
        self.record_pools();
    }

    /// Models asked for and not made yet.
    fn active(&self) -> u64 {
        self.depths
            .iter()
            .filter(|((queue, _), _)| matches!(queue, Queue::ModelGeneration | Queue::Priority))
            .map(|(_, depth)| depth.ready + depth.delayed + depth.leased)
            .sum()
    }

    /// Every queue is always there, so that an alert on depth has something to look at.
    fn record_queues(&self, now: Timestamp) {
        let idle = Queue::ALL.map(|queue| ((queue, Lane::local()), Depth::default()));
        let mut depths = BTreeMap::from(idle);
        depths.extend(self.depths.clone());
        for ((queue, lane), depth) in depths {
            for (state, tasks) in [
                ("ready", depth.ready),
                ("delayed", depth.delayed),
                ("leased", depth.leased),
                ("dead", depth.dead),
            ] {
                gauge!("image2model_queue_tasks", "queue" => queue.name(), "lane" => lane.0.clone(), "state" => state)
                    .set(tasks as f64);
            }
            let age = depth.oldest.map_or(0, |oldest| (now.0 - oldest).max(0));
            gauge!("image2model_queue_oldest_seconds", "queue" => queue.name(), "lane" => lane.0)
                .set(age as f64 / 1000.0);
        }
    }

    fn record_pools(&self) {
        let mut pools = BTreeMap::<&str, [usize; 3]>::new();
        for (queue, load) in self.workers.iter().flat_map(|worker| &worker.queues) {
            let pool = pools.entry(queue).or_default();
            pool[0] += load.running;
            pool[1] += load.waiting;
            pool[2] += load.concurrency;
        }
        for (queue, [running, waiting, concurrency]) in pools {
            gauge!("image2model_pool_running", "queue" => queue).set(running as f64);
            gauge!("image2model_pool_waiting", "queue" => queue).set(waiting as f64);
            gauge!("image2model_pool_concurrency", "queue" => queue).set(concurrency as f64);
        }
    }
}

/// The remote provider's metrics, which existing dashboards ask for: all at zero, since this server makes its models
/// itself and no provider counts here yet.
fn register_remote() {
    for operation in ["submit", "status", "result", "cancel"] {
        for status in ["success", "failure"] {
            counter!("fal_api_requests_total", "operation" => operation, "status" => status)
                .absolute(0);
        }
        // To be known is enough; a count of zero is rendered.
        drop(histogram!("fal_api_request_duration_seconds", "operation" => operation));
    }
}

fn describe() {
    describe_counter!("http_requests_total", "HTTP requests answered");
    describe_histogram!(
        "http_request_duration_seconds",
        "Time to the head of an answer"
    );
    describe_counter!("celery_tasks_total", "Attempts at tasks by outcome");
    describe_histogram!("celery_task_duration_seconds", "Time of one attempt");
    describe_counter!(
        "fal_api_requests_total",
        "Requests to the remote provider by outcome; zero while there is none"
    );
    describe_histogram!(
        "fal_api_request_duration_seconds",
        "Time of one request to the remote provider"
    );
    describe_gauge!("active_jobs_total", "Models asked for and not made yet");
    describe_gauge!("system_cpu_usage_percent", "CPU in use on this machine");
    describe_gauge!(
        "system_memory_usage_percent",
        "Memory in use on this machine"
    );
    describe_gauge!(
        "system_disk_usage_percent",
        "Share of the data directory's file system in use"
    );
    describe_gauge!(
        "image2model_disk_free_bytes",
        "Room on the data directory's file system"
    );
    describe_gauge!("image2model_queue_tasks", "Tasks by queue, lane and state");
    describe_gauge!(
        "image2model_queue_oldest_seconds",
        "Age of the oldest ready task"
    );
    describe_gauge!("image2model_workers", "Worker processes alive");
    describe_gauge!("image2model_pool_running", "Tasks being worked on");
    describe_gauge!("image2model_pool_waiting", "Tasks held and waiting");
    describe_gauge!("image2model_pool_concurrency", "Tasks that can run at once");
    describe_gauge!("image2model_event_streams", "Open event streams");
}

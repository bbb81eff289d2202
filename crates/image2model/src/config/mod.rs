//! One typed configuration: defaults < file < environment < flags.
//!
//! The founding document's figures are the defaults under its own keys. Durations are in seconds unless a
//! key says otherwise. Only this module reads the environment. [`load`] lays the layers over each other and
//! remembers where each value came from.

mod layers;
mod quantity;

use std::{path::PathBuf, time::Duration};

pub use layers::{ConfigError, Flag, Loaded, Origin, Sources, load};
pub use quantity::{Keep, Memory};

use serde::{Deserialize, Serialize};

use crate::job::{RetryPolicy, Timestamp};

/// Every setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of API and page.
    pub listen: String,
    /// Where store, artifacts and uploads lie.
    pub data_dir: PathBuf,
    pub store: StoreSettings,
    /// Pools by queue.
    pub workers: Pools,
    pub worker: WorkerSettings,
    pub retry: RetrySettings,
    pub upload: UploadSettings,
    pub results: ResultSettings,
    pub artifacts: ArtifactSettings,
    pub stream: StreamSettings,
    pub http: HttpSettings,
    pub compat: CompatSettings,
    pub log: LogSettings,
}

/// Where jobs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// `redis://[user:password@]host:port/db`; empty keeps them in the data directory. Servers that share a Redis
    /// must share the data directory, too: uploads and models lie there.
    pub url: String,
}

/// The founding document's `WORKER_CONFIGS`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pools {
    pub batch_processing: Pool,
    pub model_generation: Pool,
    pub maintenance: Pool,
    pub priority: Pool,
}

/// One queue's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Tasks run at once.
    pub concurrency: usize,
    /// Tasks after which a worker process is replaced; threads of `serve` stay.
    pub max_tasks_per_child: u64,
    /// `concurrency × prefetch_multiplier` tasks are held, the rest of them waiting.
    pub prefetch_multiplier: usize,
}

/// How this process works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Memory for local work: `60%` of the machine's or the cgroup's limit, or an amount such as `2 GB`.
    pub memory: Memory,
    /// Threads for local work; 0 is one per core.
    pub threads: usize,
    pub lease: u64,
    pub extend_every: u64,
    /// Time to finish running work after SIGTERM before it is handed back.
    pub grace: u64,
    pub sweep_every: f64,
}

/// `job::RetryPolicy` as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    pub max_attempts: u32,
    pub max_crashes: u32,
    pub base: f64,
    pub cap: f64,
}

impl RetrySettings {
    /// As `job/` takes them.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_attempts: self.max_attempts,
            max_crashes: self.max_crashes,
            base: Duration::from_secs_f64(self.base),
            cap: Duration::from_secs_f64(self.cap),
        }
    }
}

/// What one upload may hold and how long it may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UploadSettings {
    pub max_files: usize,
    pub max_file_bytes: u64,
    /// Seconds for the whole of it. At most half of `artifacts.grace`, after which its files count as leftovers.
    pub timeout: u64,
    /// Seconds without a byte after which it is given up.
    pub idle_timeout: u64,
}

/// How long ended jobs stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResultSettings {
    /// `auto` keeps results until the disk has under 5 GB or 5 % free, whichever is less; or a number of hours.
    pub keep: Keep,
    /// Under `auto`, no ended job is removed before this many hours; a number of hours in `keep` stands alone.
    pub keep_at_least_hours: u64,
}

impl ResultSettings {
    /// Jobs that ended before this time may be removed; `None` when none may. Retention goes by it, and so does
    /// whoever counts on the room that retention will make.
    #[must_use]
    pub fn removable_before(&self, now: Timestamp, is_room_short: bool) -> Option<Timestamp> {
        let hours = match self.keep {
            Keep::Hours(hours) => u64::from(hours),
            Keep::Auto if is_room_short => self.keep_at_least_hours,
            Keep::Auto => return None,
        };
        Some(now.before(Duration::from_secs(hours.saturating_mul(3600))))
    }
}

/// How files that no record names are treated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArtifactSettings {
    /// Seconds before such a file is removed. 0 is for a server at rest: it takes the files of an upload that is
    /// being received, which is refused then.
    pub grace: u64,
    /// Seconds between two collections.
    pub collect_every: u64,
}

/// Event streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamSettings {
    /// Seconds that a stream lasts unless its reader asks otherwise.
    pub timeout: u64,
    pub heartbeat: u64,
}

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Host names, besides IP addresses and `localhost`, that requests may name.
    pub hosts: Vec<String>,
    /// Origins, besides the server's own, whose pages may call.
    pub origins: Vec<String>,
}

/// Old behaviour on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct CompatSettings {
    /// Status of an unknown task is `queued` instead of 404.
    pub unknown_task_is_queued: bool,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// A `tracing` filter such as `info,image2model=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            data_dir: PathBuf::from("image2model-data"),
            store: StoreSettings::default(),
            workers: Pools::default(),
            worker: WorkerSettings::default(),
            retry: RetrySettings::default(),
            upload: UploadSettings::default(),
            results: ResultSettings::default(),
            artifacts: ArtifactSettings::default(),
            stream: StreamSettings::default(),
            http: HttpSettings::default(),
            compat: CompatSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for Pools {
    fn default() -> Self {
        let pool = |concurrency, max_tasks_per_child, prefetch_multiplier| Pool {
            concurrency,
            max_tasks_per_child,
            prefetch_multiplier,
        };
        Self {
            batch_processing: pool(4, 50, 1),
            model_generation: pool(8, 100, 2),
            maintenance: pool(2, 1000, 4),
            priority: pool(4, 100, 1),
        }
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            memory: Memory::Percent(60),
            threads: 0,
            lease: 30,
            extend_every: 10,
            grace: 30,
            sweep_every: 1.0,
        }
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            max_crashes: 5,
            base: 2.0,
            cap: 300.0,
        }
    }
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self {
            max_files: 25,
            max_file_bytes: 10 * 1024 * 1024,
            timeout: 1800,
            idle_timeout: 30,
        }
    }
}

impl Default for ResultSettings {
    fn default() -> Self {
        Self {
            keep: Keep::Auto,
            keep_at_least_hours: 24,
        }
    }
}

impl Default for ArtifactSettings {
    fn default() -> Self {
        Self {
            grace: 3600,
            collect_every: 600,
        }
    }
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            timeout: 3600,
            heartbeat: 15,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: "text".to_owned(),
        }
    }
}

impl Pools {
    /// The pool of a queue.
    #[must_use]
    pub fn of(&self, queue: crate::job::Queue) -> Pool {
        use crate::job::Queue;
        match queue {
            Queue::BatchProcessing => self.batch_processing,
            Queue::ModelGeneration => self.model_generation,
            Queue::Maintenance => self.maintenance,
            Queue::Priority => self.priority,
        }
    }
}

impl Config {
    /// Checks what types cannot say; the key and the rule of the first broken one.
    fn validate(&self) -> Result<(), (&'static str, &'static str)> {
        let pools = [
            (
                "workers.batch_processing.concurrency",
                "workers.batch_processing.prefetch_multiplier",
                self.workers.batch_processing,
            ),
            (
                "workers.model_generation.concurrency",
                "workers.model_generation.prefetch_multiplier",
                self.workers.model_generation,
            ),
            (
                "workers.maintenance.concurrency",
                "workers.maintenance.prefetch_multiplier",
                self.workers.maintenance,
            ),
            (
                "workers.priority.concurrency",
                "workers.priority.prefetch_multiplier",
                self.workers.priority,
            ),
        ];
        let counts = pools.iter().flat_map(|(concurrency, prefetch, pool)| {
            [
                (
                    *concurrency,
                    (1..=1024).contains(&pool.concurrency),
                    "from 1 to 1024",
                ),
                (
                    *prefetch,
                    (1..=64).contains(&pool.prefetch_multiplier),
                    "from 1 to 64",
                ),
            ]
        });
        let others = [
            (
                "worker.lease",
                (1..=86_400).contains(&self.worker.lease),
                "from 1 to 86400 seconds",
            ),
            (
                "worker.extend_every",
                self.worker.extend_every > 0 && self.worker.extend_every < self.worker.lease,
                "at least 1 second and under worker.lease",
            ),
            (
                "worker.sweep_every",
                (0.01..=3600.0).contains(&self.worker.sweep_every),
                "from 0.01 to 3600 seconds",
            ),
            (
                "retry.max_attempts",
                (1..=100).contains(&self.retry.max_attempts),
                "from 1 to 100",
            ),
            (
                "retry.max_crashes",
                (1..=100).contains(&self.retry.max_crashes),
                "from 1 to 100",
            ),
            (
                "retry.base",
                (0.0..=3600.0).contains(&self.retry.base),
                "from 0 to 3600 seconds",
            ),
            (
                "retry.cap",
                (0.0..=86_400.0).contains(&self.retry.cap),
                "from 0 to 86400 seconds",
            ),
            (
                "upload.max_files",
                (1..=crate::job::MAX_ITEMS).contains(&self.upload.max_files),
                "from 1 to 25",
            ),
            (
                "upload.timeout",
                (1..=86_400).contains(&self.upload.timeout)
                    && (self.artifacts.grace == 0
                        || self.upload.timeout <= self.artifacts.grace / 2),
                "from 1 to 86400 seconds, and at most half of artifacts.grace unless that is 0",
            ),
            (
                "upload.idle_timeout",
                (1..=3600).contains(&self.upload.idle_timeout),
                "from 1 to 3600 seconds",
            ),
            (
                "stream.timeout",
                (1..=86_400).contains(&self.stream.timeout),
                "from 1 to 86400 seconds",
            ),
            (
                "stream.heartbeat",
                (1..=3600).contains(&self.stream.heartbeat),
                "from 1 to 3600 seconds",
            ),
            (
                "log.format",
                ["text", "json"].contains(&self.log.format.as_str()),
                "text or json",
            ),
        ];
        match counts.chain(others).find(|(_, holds, _)| !holds) {
            Some((key, _, rule)) => Err((key, rule)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_over_before_its_files_count_as_leftovers() {
        for (timeout, grace, holds) in [
            (1800, 3600, true),
            (1801, 3600, false),
            (1800, 60, false),
            (30, 60, true),
            (1800, 0, true),
            (0, 0, false),
        ] {
            let mut config = Config::default();
            config.upload.timeout = timeout;
            config.artifacts.grace = grace;
            let checked = config.validate();
            assert_eq!(checked.is_ok(), holds, "{timeout} {grace}: {checked:?}");
            assert!(checked.err().is_none_or(|(key, _)| key == "upload.timeout"));
        }
    }

    #[test]
    fn a_number_of_hours_stands_alone_and_auto_waits_for_a_lack_of_room() {
        const HOUR: i64 = 3_600_000;
        let now = Timestamp(1000 * HOUR);
        for (keep, at_least, is_room_short, before) in [
            (Keep::Auto, 24, false, None),
            (Keep::Auto, 24, true, Some(Timestamp(976 * HOUR))),
            (Keep::Auto, u64::MAX, true, Some(now.before(Duration::MAX))),
            (Keep::Hours(72), 24, false, Some(Timestamp(928 * HOUR))),
            (Keep::Hours(72), 24, true, Some(Timestamp(928 * HOUR))),
            (Keep::Hours(1), 24, true, Some(Timestamp(999 * HOUR))),
        ] {
            let results = ResultSettings {
                keep,
                keep_at_least_hours: at_least,
            };
            let given = results.removable_before(now, is_room_short);
            assert_eq!(given, before, "{results:?}, {is_room_short}");
        }
        assert!(now.before(Duration::MAX) < Timestamp(0));
    }
}

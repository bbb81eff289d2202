//! One typed configuration: defaults < file < environment < flags.
//!
//! The founding document's figures are the defaults under its own keys. Durations are in seconds unless a
//! key says otherwise. Only this module reads the environment. [`load`] lays the layers over each other and
//! remembers where each value came from.

mod defaults;
mod http;
mod isolation;
mod layers;
mod network;
mod quantity;
mod quota;
mod rules;

use std::{path::PathBuf, time::Duration};

pub use http::HttpSettings;
pub use isolation::Isolation;
pub use layers::{ConfigError, Flag, Loaded, Origin, Sources, load};
pub use network::Network;
pub use quantity::{Keep, Memory};
pub use quota::QuotaSettings;

use serde::{Deserialize, Serialize};

use crate::job::{Queue, RetryPolicy, Timestamp};

/// Every setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of API and page.
    pub listen: String,
    /// Where jobs, uploads and models lie that lie nowhere else.
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
    pub keys: KeySettings,
    pub limits: LimitSettings,
    pub quotas: QuotaSettings,
    pub compat: CompatSettings,
    pub log: LogSettings,
}

/// Where jobs are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// `redis://[user:password@]host:port/db`, `redis+sentinel://host:26379,host2:26379/master` (several masters with
    /// commas) or `redis+cluster://host:6379,host2:6379`, with `rediss` for TLS; empty keeps them in the data
    /// directory. Servers that share a Redis must share the place of uploads and models, too: `artifacts.url`, or one
    /// data directory.
    pub url: String,
    /// Parts that jobs are dealt out to; fixed when the store is made.
    pub shards: u16,
    /// Seconds for a connection and for an answer; a call ends after twice that.
    pub timeout: f64,
    pub max_connections_per_node: usize,
    /// Whether a cluster is served of whose slots some are on no server.
    pub skip_full_coverage_check: bool,
    /// How many replicas must have what a client or a worker is told of.
    pub replica_acks: usize,
    /// Seconds to wait for them.
    pub ack_timeout: f64,
    /// Files in PEM: who is trusted instead of whom this machine trusts, and what this client shows.
    pub tls_ca: PathBuf,
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
    /// Of the sentinels, where they ask for one.
    pub sentinel_user: String,
    pub sentinel_password: String,
}

/// The founding document's `WORKER_CONFIGS`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pools {
    pub batch_processing: Pool,
    pub model_generation: Pool,
    pub maintenance: Pool,
    pub priority: Pool,
    /// Images that wait in one queue before further work is refused (503); 0 for any number.
    pub max_depth: u64,
}

/// One queue's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Tasks run at once.
    pub concurrency: usize,
    /// Tasks after which a worker process is replaced, or its child processes where it has any, 0 for never; threads of
    /// `serve` stay.
    pub max_tasks_per_child: u64,
    /// `concurrency × prefetch_multiplier` tasks are held, the rest of them waiting.
    pub prefetch_multiplier: usize,
}

/// How this process works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Queues that `image2model worker` takes tasks from; `serve` takes from all.
    pub queues: Vec<Queue>,
    /// Memory for local work: `60%` of the machine's or the cgroup's limit, or an amount such as `2 GB`.
    pub memory: Memory,
    pub provider: Maker,
    /// Threads, or processes, for local work; 0 is one per core.
    pub threads: usize,
    pub isolation: Isolation,
    /// Seconds that one image may take in a process of its own, which is killed then; threads cannot be.
    pub time_limit: u64,
    pub lease: u64,
    pub extend_every: u64,
    /// Time to finish running work after SIGTERM before it is handed back.
    pub grace: u64,
    pub sweep_every: f64,
}

/// Who makes the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    /// This machine, from the pictures.
    Local,
    /// Nobody: one small fixed model is every picture's at once, to measure a fleet without the work.
    Instant,
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
    /// The same of a mesh that is to be converted.
    pub max_mesh_bytes: u64,
    /// The same of an archive of pictures.
    pub max_archive_bytes: u64,
    /// Seconds for the whole of it. At most half of `artifacts.grace`, after which its files count as leftovers.
    pub timeout: u64,
    /// Seconds without a byte after which it is given up.
    pub idle_timeout: u64,
    /// Bytes a second that must come, on the average of ten seconds; 0 for any.
    pub min_rate: u64,
    /// Uploads that one process receives at once; one more is refused (503).
    pub max_running: usize,
}

/// How long ended jobs stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResultSettings {
    /// `auto` keeps results until the disk has under 5 GB or 5 % free, whichever is less; or a number of hours. In a
    /// bucket, whose room nobody can see, `auto` is `keep_at_least_hours`.
    pub keep: Keep,
    /// Under `auto`, no ended job is removed before this many hours; a number of hours in `keep` stands alone.
    pub keep_at_least_hours: u64,
}

impl ResultSettings {
    /// These settings where no disk's room can be seen: what `auto` promises, and no more, since nothing else would
    /// ever remove a job.
    #[must_use]
    pub fn without_a_disk(&self) -> Self {
        let hours = u32::try_from(self.keep_at_least_hours).unwrap_or(u32::MAX);
        Self {
            keep: match self.keep {
                Keep::Auto => Keep::Hours(hours.max(1)),
                keep @ Keep::Hours(_) => keep,
            },
            ..self.clone()
        }
    }

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

/// Where uploads and models lie, and how files that no record names are treated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArtifactSettings {
    /// `file:///folder` or `s3://bucket/prefix`; empty keeps them in the data directory. Credentials, region and
    /// endpoint of a bucket come from the usual `AWS_` variables.
    pub url: String,
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
    /// Streams that one process has open at once; one caller's share is a quarter of them or 25, whichever is more, but no more
    /// than half.
    pub max_open: usize,
}

/// Keys that need no store, of one owner; `image2model keys create` makes more, each of its own. The names of the old
/// service, `API_KEY` and `ADMIN_API_KEY`, are understood in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct KeySettings {
    /// Opens the owner's jobs.
    pub user: String,
    /// Opens them and what administers the service.
    pub admin: String,
}

/// How often one key, or without keys one address, may call; 0 switches a window off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests that make work, over all servers together.
    pub per_minute: u32,
    pub per_hour: u32,
    /// All other requests to the API, by each server for itself.
    pub reads_per_minute: u32,
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
    /// Whether `serve` keeps log files in the data directory, too.
    pub files: bool,
    /// Bytes after which such a file is put aside; each day ends one as well.
    pub max_file_bytes: u64,
    /// Files of one type that are kept when they have been put aside, and for how many days.
    pub keep_files: usize,
    pub keep_days: u32,
}

impl Pools {
    /// The pool of a queue.
    #[must_use]
    pub fn of(&self, queue: Queue) -> Pool {
        match queue {
            Queue::BatchProcessing => self.batch_processing,
            Queue::ModelGeneration => self.model_generation,
            Queue::Maintenance => self.maintenance,
            Queue::Priority => self.priority,
        }
    }
}

/// An address as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, place) = rest.rsplit_once('@')?;
        Some((scheme, user.split(':').next()?, place))
    });
    match parts {
        Some((scheme, user, place)) => format!("{scheme}://{user}:***@{place}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn where_no_disk_is_seen_auto_is_what_it_promises() {
        for (keep, at_least, kept) in [
            (Keep::Auto, 24, 24),
            (Keep::Auto, 0, 1),
            (Keep::Auto, u64::MAX, u32::MAX),
            (Keep::Hours(72), 24, 72),
        ] {
            let results = ResultSettings {
                keep,
                keep_at_least_hours: at_least,
            };
            assert_eq!(
                results.without_a_disk().keep,
                Keep::Hours(kept),
                "{results:?}"
            );
        }
    }
}

//! What holds when nothing is set: the founding document's figures where it has them.

use std::path::PathBuf;

use super::{
    ArtifactSettings, CompatSettings, Config, HttpSettings, Isolation, Keep, KeySettings,
    LimitSettings, LogSettings, Maker, Memory, Pool, Pools, QuotaSettings, ResultSettings,
    RetrySettings, StoreSettings, StreamSettings, UploadSettings, WorkerSettings,
};
use crate::job::Queue;

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
            keys: KeySettings::default(),
            limits: LimitSettings::default(),
            quotas: QuotaSettings::default(),
            compat: CompatSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            per_minute: 60,
            per_hour: 1000,
            reads_per_minute: 6000,
        }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            shards: 16,
            timeout: 2.0,
            max_connections_per_node: 50,
            skip_full_coverage_check: true,
            replica_acks: 0,
            ack_timeout: 2.0,
            tls_ca: PathBuf::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            sentinel_user: String::new(),
            sentinel_password: String::new(),
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
            max_depth: 10_000,
        }
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            queues: Queue::ALL.to_vec(),
            memory: Memory::Percent(60),
            provider: Maker::Local,
            threads: 0,
            isolation: Isolation::Auto,
            time_limit: 300,
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
            max_mesh_bytes: 100 * 1024 * 1024,
            max_archive_bytes: 250 * 1024 * 1024,
            timeout: 1800,
            idle_timeout: 30,
            min_rate: 1024,
            max_running: 256,
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
            url: String::new(),
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
            max_open: 16_384,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: "text".to_owned(),
            files: true,
            max_file_bytes: 10_000_000,
            keep_files: 20,
            keep_days: 30,
        }
    }
}

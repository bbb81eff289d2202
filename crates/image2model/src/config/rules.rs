//! What types cannot say of the settings.

use super::Config;

impl Config {
    /// The key and the rule of the first broken one.
    pub(super) fn validate(&self) -> Result<(), (&'static str, &'static str)> {
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
                "worker.queues",
                !self.worker.queues.is_empty(),
                "one or more of batch_processing, model_generation, maintenance and priority",
            ),
            (
                "store.shards",
                (1..=1024).contains(&self.store.shards),
                "from 1 to 1024",
            ),
            (
                "store.timeout",
                (0.1..=60.0).contains(&self.store.timeout),
                "from 0.1 to 60 seconds",
            ),
            (
                "store.max_connections_per_node",
                // One for calls, one for the news of each shard, one for confirmed writes.
                self.store.max_connections_per_node >= usize::from(self.store.shards) + 2,
                "at least store.shards + 2",
            ),
            (
                "store.replica_acks",
                self.store.replica_acks <= 100,
                "from 0 to 100",
            ),
            (
                "store.ack_timeout",
                (0.1..=60.0).contains(&self.store.ack_timeout),
                "from 0.1 to 60 seconds",
            ),
            (
                "store.tls_key",
                self.store.tls_key.as_os_str().is_empty()
                    == self.store.tls_cert.as_os_str().is_empty(),
                "given together with store.tls_cert",
            ),
            (
                "worker.time_limit",
                (1..=86_400).contains(&self.worker.time_limit),
                "from 1 to 86400 seconds",
            ),
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
                "upload.min_rate",
                self.upload.min_rate <= 1 << 30,
                "from 0 to 1073741824 bytes a second",
            ),
            (
                "upload.max_running",
                (1..=65_536).contains(&self.upload.max_running),
                "from 1 to 65536",
            ),
            (
                "http.tls_key",
                self.http.tls_key.as_os_str().is_empty()
                    == self.http.tls_cert.as_os_str().is_empty(),
                "given together with http.tls_cert",
            ),
            (
                "http.origins",
                self.http.origins.iter().all(|origin| is_origin(origin)),
                "a list of origins such as https://example.org, without a path",
            ),
            (
                "http.header_timeout",
                (1..=300).contains(&self.http.header_timeout),
                "from 1 to 300 seconds",
            ),
            (
                "http.max_header_bytes",
                (1024..=65_536).contains(&self.http.max_header_bytes),
                "from 1024 to 65536 bytes",
            ),
            (
                "http.idle_timeout",
                (1..=86_400).contains(&self.http.idle_timeout),
                "from 1 to 86400 seconds",
            ),
            (
                "http.write_timeout",
                (1..=3600).contains(&self.http.write_timeout),
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
                "stream.max_open",
                (1..=1_000_000).contains(&self.stream.max_open),
                "from 1 to 1000000",
            ),
            (
                "log.max_file_bytes",
                (1024..=1 << 30).contains(&self.log.max_file_bytes),
                "from 1024 to 1073741824 bytes",
            ),
            (
                "log.keep_files",
                (1..=10_000).contains(&self.log.keep_files),
                "from 1 to 10000",
            ),
            (
                "log.keep_days",
                (1..=3650).contains(&self.log.keep_days),
                "from 1 to 3650 days",
            ),
            (
                "log.level",
                is_filter(&self.log.level),
                "trace, debug, info, warn, error or off, or several of TARGET=LEVEL by comma",
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

/// Whether browsers could name it in `Origin`.
fn is_origin(text: &str) -> bool {
    let named = url::Url::parse(text).is_ok_and(|url| url.has_host() && url.path() == "/");
    named && !text.ends_with('/')
}

/// Whether each part is a level or says which target it is for. A lone word that is no level would be a target, of which
/// alone everything is logged.
fn is_filter(text: &str) -> bool {
    let levels = ["trace", "debug", "info", "warn", "error", "off"];
    text.split(',').map(str::trim).all(|part| {
        part.contains(['=', '[']) || levels.iter().any(|level| part.eq_ignore_ascii_case(level))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_of_the_log_is_known_or_says_for_what_it_is() {
        for (level, holds) in [
            ("info", true),
            ("WARN", true),
            ("info,access=info, image2model::worker=trace", true),
            ("off,[job{id=1}]=debug", true),
            ("inof", false),
            ("info,hyper", false),
            ("", false),
        ] {
            let mut config = Config::default();
            config.log.level = level.to_owned();
            let checked = config.validate();
            assert_eq!(checked.is_ok(), holds, "{level:?}");
            assert!(checked.err().is_none_or(|(key, _)| key == "log.level"));
        }
    }

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
}

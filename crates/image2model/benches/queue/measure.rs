//! What a stretch of work took: wall time, our own CPU time and that of Redis.

use std::{fs, time::Duration, time::Instant};

use anyhow::{Context, Result};
use redis::Connection;

/// CPU milliseconds are per job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Jobs a second.
    pub(crate) rate: f64,
    pub(crate) client: f64,
    pub(crate) redis: f64,
}

impl Figures {
    /// From seconds for all jobs.
    pub(crate) fn of(jobs: usize, wall: f64, client: f64, redis: f64) -> Self {
        let jobs = jobs as f64;
        Self {
            rate: jobs / wall,
            client: client * 1e3 / jobs,
            redis: redis * 1e3 / jobs,
        }
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.client + self.redis
    }
}

/// Begins when it is made.
pub(crate) struct Stopwatch {
    began: Instant,
    client: Duration,
    redis: f64,
}

impl Stopwatch {
    /// With the Redis that takes part, if any.
    pub(crate) fn start(redis: Option<&mut Connection>) -> Result<Self> {
        Ok(Self {
            redis: redis.map_or(Ok(0.0), redis_cpu)?,
            client: cpu_time(),
            began: Instant::now(),
        })
    }

    pub(crate) fn stop(self, jobs: usize, redis: Option<&mut Connection>) -> Result<Figures> {
        let wall = self.began.elapsed().as_secs_f64();
        let client = cpu_time().saturating_sub(self.client).as_secs_f64();
        let redis = redis.map_or(Ok(0.0), redis_cpu)? - self.redis;
        Ok(Figures::of(jobs, wall, client, redis))
    }
}

/// Seconds of CPU that the server has used.
fn redis_cpu(server: &mut Connection) -> Result<f64> {
    let part = |name| info(server, "cpu", name);
    ["used_cpu_user", "used_cpu_sys"]
        .map(part)
        .into_iter()
        .sum()
}

/// One number of `INFO`.
pub(crate) fn info(server: &mut Connection, section: &str, name: &str) -> Result<f64> {
    let text: String = redis::cmd("INFO").arg(section).query(server)?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(value.context("INFO lacks a number")?.parse()?)
}

/// User and system time of this process, from procfs in ticks of 10 ms; zero where there is none.
fn cpu_time() -> Duration {
    let ticks = || -> Result<u64> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let (_, after_name) = stat.rsplit_once(')').context("no process name")?;
        let mut fields = after_name.split_whitespace().skip(11);
        let mut next = || -> Result<u64> { Ok(fields.next().context("too short")?.parse()?) };
        Ok(next()? + next()?)
    };
    Duration::from_millis(ticks().unwrap_or(0) * 10)
}

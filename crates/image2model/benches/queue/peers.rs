//! Other queues doing no-ops on the same Redis, driven by the scripts in `benches/queue` at the root.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{measure::Figures, noops::CALLERS, say, socket};

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// How many times as much CPU per job it shall need.
    pub(crate) goal: f64,
    program: PathBuf,
    args: Vec<String>,
    jobs: usize,
}

/// What a script prints: seconds for all jobs.
#[derive(Deserialize)]
struct Took {
    wall: f64,
    client: f64,
    redis: f64,
}

/// Those that `benches/queue/install.sh` has installed.
pub(crate) fn installed() -> Vec<Peer> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let scripts = root.join("benches/queue");
    let python = root.join(".cache/queue-bench/bin/python");
    let celery = |name, pool: &str| Peer {
        name,
        goal: 15.0,
        program: python.clone(),
        args: vec![
            scripts.join("noop_celery.py").display().to_string(),
            pool.to_owned(),
            "8".to_owned(),
        ],
        jobs: 1_500,
    };
    let mut peers = Vec::new();
    if python.exists() {
        peers.push(celery("Celery, 8 processes", "prefork"));
        peers.push(celery("Celery, 8 threads", "threads"));
    }
    if scripts.join("node_modules").exists() {
        peers.push(Peer {
            name: "BullMQ, 32 at once",
            goal: 2.0,
            program: PathBuf::from("node"),
            args: vec![
                scripts.join("noop_bullmq.mjs").display().to_string(),
                CALLERS.to_string(),
            ],
            jobs: 9_600,
        });
    }
    if peers.len() < 3 {
        say("benches/queue/install.sh installs Celery and BullMQ, which are left out here\n");
    }
    peers
}

impl Peer {
    /// On the server at `url`, which is emptied.
    pub(crate) fn run(&self, url: &str) -> Result<Figures> {
        let ran = Command::new(&self.program)
            .args(&self.args)
            .arg(self.jobs.to_string())
            .env("NOOP_SOCKET", socket(url)?)
            .output()
            .with_context(|| format!("{} does not start", self.name))?;
        let complaint = String::from_utf8_lossy(&ran.stderr);
        ensure!(ran.status.success(), "{} failed: {complaint}", self.name);
        let Took {
            wall,
            client,
            redis,
        } = serde_json::from_slice(&ran.stdout)?;
        Ok(Figures::of(self.jobs, wall, client, redis))
    }
}

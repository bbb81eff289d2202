//! The workers' register: one hash of all reports, each with the time at which it came. Beside it a hash of who leads
//! each role, and until when.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use redis::{cmd, pipe};
use serde::Deserialize;

use super::{
    Redis,
    keys::{LEADERS, WORKERS},
    queries::server_time,
    unreadable,
};
use crate::{
    job::{Queue, WorkerId},
    store::{Presence, StoreError, WorkerLoad, WorkerReport},
};

/// Milliseconds after which a silent worker is forgotten.
const SILENCE: i64 = 30_000;
/// Milliseconds after which its report is deleted, too: late enough that no report is on its way any more.
const GONE: i64 = 600_000;

/// A report as it was written.
#[derive(Deserialize)]
struct Report {
    /// A program from before there were roles says none.
    #[serde(default)]
    role: String,
    queues: BTreeMap<String, WorkerLoad>,
}

#[async_trait]
impl Presence for Redis {
    async fn report(&self, report: WorkerReport) -> Result<(), StoreError> {
        let text = serde_json::to_string(&report).map_err(unreadable)?;
        let mut note = self.scripts.report.key(WORKERS);
        note.arg(report.worker).arg(text).arg(self.time.given());
        self.server.ask(&note).await
    }

    async fn forget(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.server
            .ask(cmd("HDEL").arg(WORKERS).arg(&worker.0))
            .await
    }

    async fn workers(&self) -> Result<Vec<WorkerReport>, StoreError> {
        let mut read = pipe();
        read.cmd("TIME").hgetall(WORKERS);
        let (time, kept): ((i64, i64), BTreeMap<String, String>) = self.server.ask(&read).await?;
        let now = self.time.or(server_time(time)).0;
        let (mut reports, mut gone) = (Vec::new(), cmd("HDEL"));
        gone.arg(WORKERS);
        let mut any_gone = false;
        for (worker, text) in kept {
            let (seen, text) = text.split_once(' ').unwrap_or_default();
            let seen = seen.parse().map_err(unreadable)?;
            if now - seen < SILENCE {
                reports.push(parsed(worker, text, seen)?);
            } else if now - seen > GONE {
                gone.arg(worker);
                any_gone = true;
            }
        }
        if any_gone {
            self.server.ask::<()>(&gone).await?;
        }
        Ok(reports)
    }

    async fn lead(
        &self,
        role: &str,
        holder: &WorkerId,
        for_: Duration,
    ) -> Result<bool, StoreError> {
        Ok(self.ask_lead(role, &holder.0, for_).await? == holder.0)
    }

    async fn resign(&self, role: &str, holder: &WorkerId) -> Result<(), StoreError> {
        self.ask_lead(role, &holder.0, Duration::ZERO).await?;
        Ok(())
    }

    async fn leader(&self, role: &str) -> Result<Option<WorkerId>, StoreError> {
        let leader = self.ask_lead(role, "", Duration::ZERO).await?;
        Ok(Some(WorkerId(leader)).filter(|leader| !leader.0.is_empty()))
    }
}

impl Redis {
    /// Who leads a role after `asking` has asked for it.
    async fn ask_lead(
        &self,
        role: &str,
        asking: &str,
        for_: Duration,
    ) -> Result<String, StoreError> {
        let length = u64::try_from(for_.as_millis()).unwrap_or(u64::MAX);
        let mut ask = self.scripts.lead.key(LEADERS);
        ask.arg(role).arg(asking).arg(length).arg(self.time.given());
        self.server.ask(&ask).await
    }
}

fn parsed(worker: String, text: &str, seen: i64) -> Result<WorkerReport, StoreError> {
    let report: Report = serde_json::from_str(text).map_err(unreadable)?;
    let known = |(queue, load): (String, _)| Some((Queue::from_name(&queue)?.name(), load));
    Ok(WorkerReport {
        worker,
        role: report.role,
        queues: report.queues.into_iter().filter_map(known).collect(),
        seen,
    })
}

//! The workers' register: one hash of all reports, each with the time at which it came. Beside it a hash of who leads
//! each role, and until when.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use redis::{FromRedisValue, Value, cmd};
use serde::Deserialize;

use super::{Redis, queries::server_time, unreadable};
use crate::{
    job::{Queue, WorkerId},
    store::{Presence, StoreError, WorkerLoad, WorkerReport},
};

/// The key of the register, in the first shard.
const WORKERS: &str = "workers";
/// Beside it, who leads each role.
const LEADERS: &str = "leaders";
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
        let shard = self.shards.first();
        let mut note = self.scripts.report.call();
        note.key(shard.key(WORKERS));
        note.arg(report.worker).arg(text).arg(self.time.given());
        self.nodes.ask(shard, note.cmd()).await
    }

    async fn forget(&self, worker: &WorkerId) -> Result<(), StoreError> {
        let shard = self.shards.first();
        let mut forget = cmd("HDEL");
        forget.arg(shard.key(WORKERS)).arg(&worker.0);
        self.nodes.ask(shard, forget).await
    }

    async fn workers(&self) -> Result<Vec<WorkerReport>, StoreError> {
        let shard = self.shards.first();
        let all = cmd("HGETALL").arg(shard.key(WORKERS)).take();
        let read = vec![(shard, cmd("TIME")), (shard, all)];
        let [time, kept] = <[Value; 2]>::try_from(self.nodes.read_all(read).await?)
            .map_err(|_| unreadable("half an answer"))?;
        let time = FromRedisValue::from_redis_value(time).map_err(unreadable)?;
        let kept: BTreeMap<String, String> =
            FromRedisValue::from_redis_value(kept).map_err(unreadable)?;
        let now = self.time.or(server_time(time)).0;
        let (mut reports, mut gone) = (Vec::new(), cmd("HDEL"));
        gone.arg(shard.key(WORKERS));
        let mut any_gone = false;
        for (worker, text) in kept {
            let (seen, text) = text.split_once(' ').unwrap_or_default();
            let seen = seen.parse().map_err(unreadable)?;
            match age(now, seen) {
                ..SILENCE => reports.push(parsed(worker, text, seen)?),
                SILENCE..=GONE => {}
                _ => {
                    gone.arg(worker);
                    any_gone = true;
                }
            }
        }
        if any_gone {
            self.nodes.ask::<()>(shard, gone).await?;
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
        let shard = self.shards.first();
        let mut ask = self.scripts.lead.call();
        ask.key(shard.key(LEADERS));
        ask.arg(role).arg(asking).arg(length).arg(self.time.given());
        self.nodes.ask(shard, ask.cmd()).await
    }
}

/// Milliseconds since a report came, whatever time it says.
fn age(now: i64, seen: i64) -> i64 {
    now.saturating_sub(seen)
}

pub(super) fn parsed(worker: String, text: &str, seen: i64) -> Result<WorkerReport, StoreError> {
    let report: Report = serde_json::from_str(text).map_err(unreadable)?;
    let known = |(queue, load): (String, _)| Some((Queue::from_name(&queue)?.name(), load));
    Ok(WorkerReport {
        worker,
        role: report.role,
        queues: report.queues.into_iter().filter_map(known).collect(),
        seen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_from_any_time_is_fresh_silent_or_gone() {
        let now = 1_767_323_045_006;
        assert_eq!(age(now, now - 1), 1);
        assert!(age(now, i64::MIN) > GONE);
        assert!(age(now, i64::MAX) < SILENCE);
        assert!(age(i64::MIN, i64::MAX) < SILENCE);
    }
}

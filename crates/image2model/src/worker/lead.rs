//! One of many processes does the periodic sweeps: the one that holds the lead in the store.
//!
//! A leader renews its lead long before it lapses, and gives it up when it ends in order. That two believe themselves
//! leaders for a moment does no harm: each step of a sweep is a transition that the store takes from either.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::store::SCHEDULER;

use super::{Worker, maintenance};

/// How long a lead lasts without its leader: with a look and a sweep after it, far under ten seconds.
const TERM: Duration = Duration::from_secs(5);
/// Time between two renewals, and between two looks of those who wait for their turn.
const LOOK: Duration = Duration::from_secs(1);

/// Asks for the lead until `drain`, sweeps while it is had, and resigns.
pub(super) async fn run(worker: Worker, drain: CancellationToken) {
    let mut leading: Option<Leading> = None;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while drain.run_until_cancelled(looks.tick()).await.is_some() {
        let asked = Instant::now();
        let Some(answer) = drain.run_until_cancelled(ask(&worker)).await else {
            break;
        };
        let leads = match answer {
            // An answer that took as long as a lead lasts does not tell of now.
            Some(leads) => leads && asked.elapsed() < TERM,
            // The lead spares work, and no more: where the store cannot give it, what it still serves is swept by all.
            None => true,
        };
        if leads {
            leading.get_or_insert_with(|| Leading::begin(&worker));
        } else if let Some(lost) = leading.take() {
            tracing::warn!("another process leads the sweeps");
            lost.end().await;
        }
    }
    if let Some(leading) = leading {
        leading.end().await;
    }
    // Also without the lead as far as known: an answer that said so may have been lost.
    if let Err(error) = worker.store.presence.resign(SCHEDULER, &worker.id).await {
        tracing::debug!(%error, "the lead was not given up; it lapses by itself");
    }
}

/// Whether this process leads; `None` when the store does not say.
async fn ask(worker: &Worker) -> Option<bool> {
    let presence = &worker.store.presence;
    presence
        .lead(SCHEDULER, &worker.id, TERM)
        .await
        .inspect_err(|error| tracing::debug!(%error, "the lead could not be asked for"))
        .ok()
}

/// The sweeps that run.
struct Leading {
    ended: CancellationToken,
    sweeps: TaskTracker,
}

impl Leading {
    fn begin(worker: &Worker) -> Self {
        tracing::info!(leader = worker.id.0, "this process leads the sweeps");
        let (ended, sweeps) = (CancellationToken::new(), TaskTracker::new());
        sweeps.spawn(maintenance::sweep(worker.clone(), ended.clone()));
        sweeps.spawn(maintenance::retain(worker.clone(), ended.clone()));
        sweeps.spawn(maintenance::collect(worker.clone(), ended.clone()));
        Self { ended, sweeps }
    }

    async fn end(self) {
        self.ended.cancel();
        self.sweeps.close();
        self.sweeps.wait().await;
    }
}

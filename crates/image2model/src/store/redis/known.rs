//! Jobs as this process last read or wrote them, while it holds leases of theirs, and the server's time as it last told
//! it. A transition decided on them saves the load: its commit is refused where anybody came between, and then it is
//! decided anew on what the server has.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{entry::Loaded, keys::Shard};
use crate::job::{JobId, TaskState, Timestamp};

/// Most jobs that are kept: more than a process works on at a time.
const JOBS: usize = 512;
/// After this long the server's time is asked again, for clocks drift and are set.
const FRESH: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Known {
    kept: Mutex<Kept>,
    /// Each shard's, for servers have clocks of their own.
    told: Mutex<BTreeMap<Shard, (Timestamp, Instant)>>,
}

#[derive(Default)]
struct Kept {
    jobs: HashMap<JobId, Loaded>,
    /// As they came; a job that came again is in it twice.
    order: VecDeque<JobId>,
}

impl Known {
    /// Keeps a job if a task of it is leased.
    pub(super) fn keep(&self, loaded: Loaded) {
        let mut tasks = loaded.entry.iter().flat_map(|entry| &entry.tasks);
        if !tasks.any(|task| matches!(task.state, TaskState::Leased(_))) {
            return;
        }
        let Kept { jobs, order } = &mut *locked(&self.kept);
        order.push_back(loaded.id);
        jobs.insert(loaded.id, loaded);
        if order.len() > JOBS
            && let Some(oldest) = order.pop_front()
            && !order.contains(&oldest)
        {
            jobs.remove(&oldest);
        }
    }

    /// Takes a job out: who decides on it keeps it again as it then is.
    pub(super) fn take(&self, id: JobId) -> Option<Loaded> {
        locked(&self.kept).jobs.remove(&id)
    }

    /// Notes what time the server told just now.
    pub(super) fn hear(&self, shard: Shard, time: Timestamp) {
        let mut told = locked(&self.told);
        // What was under way for the shortest time is the closest, and none is ahead of the server.
        if ago(told.get(&shard)).is_none_or(|known| known < time) {
            told.insert(shard, (time, Instant::now()));
        }
    }

    /// The server's time, late by less than an answer takes; `None` when it was not told for a while.
    pub(super) fn time(&self, shard: Shard) -> Option<Timestamp> {
        ago(locked(&self.told).get(&shard))
    }
}

/// What was told once, as it is now.
fn ago(told: Option<&(Timestamp, Instant)>) -> Option<Timestamp> {
    let (time, heard) = *told?;
    let passed = heard.elapsed();
    (passed < FRESH).then(|| time.after(passed))
}

fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

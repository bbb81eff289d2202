//! Jobs as they were last written: who asks again and again how a job stands costs neither a thread nor a read.
//!
//! Only the writer brings jobs here. It takes out what a batch has changed before it commits and brings it as it then
//! is; between the two the file is read, so nobody is told of what is not durable, or of less than somebody knows.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use super::live::locked;
use crate::job::{Job, JobId};

/// Most jobs that are kept: those that are asked for are mostly those that something happens to.
const JOBS: usize = 512;

/// A job as a transition left it; `None` of one that is gone.
pub(super) type Change = (JobId, Option<Arc<Job>>);

#[derive(Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    jobs: HashMap<JobId, Arc<Job>>,
    /// As they came; a job that came again is in it twice.
    order: VecDeque<JobId>,
}

impl Recent {
    pub(super) fn job(&self, id: JobId) -> Option<Arc<Job>> {
        locked(&self.0).jobs.get(&id).cloned()
    }

    /// Takes out what is about to be changed.
    pub(super) fn close<'a>(&self, changes: impl Iterator<Item = &'a Change>) {
        let mut kept = locked(&self.0);
        for (id, _) in changes {
            kept.jobs.remove(id);
        }
    }

    /// Keeps what is durable now, in the order in which it was written.
    pub(super) fn open<'a>(&self, changes: impl Iterator<Item = &'a Change>) {
        let Kept { jobs, order } = &mut *locked(&self.0);
        for (id, job) in changes {
            let Some(job) = job else {
                jobs.remove(id);
                continue;
            };
            jobs.insert(*id, job.clone());
            order.push_back(*id);
            if order.len() > JOBS
                && let Some(oldest) = order.pop_front()
                && !order.contains(&oldest)
            {
                jobs.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{job::transition, store::conformance::new_job};

    fn change() -> Change {
        let (job, _) =
            transition::create(new_job("127.0.0.1", 1), crate::job::Timestamp(1)).unwrap();
        (job.id, Some(Arc::new(job)))
    }

    #[test]
    fn a_job_is_told_between_its_changes_only() {
        let recent = Recent::default();
        let change = change();
        assert_eq!(recent.job(change.0), None);
        recent.open([&change].into_iter());
        assert_eq!(recent.job(change.0), change.1);
        recent.close([&change].into_iter());
        assert_eq!(recent.job(change.0), None);
        let gone = (change.0, None);
        recent.open([&change, &gone].into_iter());
        assert_eq!(recent.job(change.0), None);
    }

    #[test]
    fn of_many_jobs_the_last_are_kept() {
        let recent = Recent::default();
        let first = change();
        recent.open([&first].into_iter());
        for _ in 1..JOBS {
            recent.open([&change()].into_iter());
        }
        // Changed again, it is one of the last.
        recent.open([&first].into_iter());
        for _ in 1..JOBS {
            recent.open([&change()].into_iter());
            assert!(recent.job(first.0).is_some());
        }
        recent.open([&change()].into_iter());
        assert_eq!(recent.job(first.0), None);
        let kept = locked(&recent.0);
        assert!(kept.jobs.len() <= JOBS && kept.order.len() <= JOBS);
    }
}

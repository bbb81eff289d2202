//! The trait, each method handed on.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{
    Redis,
    entry::{Entry, Writing},
    transitions,
};
use crate::{
    job::{
        Fact, FileRecord, ItemId, Job, JobId, Lane, Lease, Owner, Queue, Task, TaskId, Timestamp,
        transition::{Completion, Failure, NewJob},
    },
    store::{
        Condition, Created, Cursor, Depth, Died, Held, Jobs, News, Page, Progress, Reserve,
        Reserved, StoreError, Swept,
    },
};

impl Redis {
    /// Each job's leases in one transition, all jobs at once; the answers in the order asked. What depends on how far
    /// items have come is decided on what is loaded. Leases on a server that is gone are unknown, unless all are.
    async fn each_held(
        &self,
        leases: &[Lease],
        by_progress: bool,
        decide: impl Fn(&mut Option<Entry>, &Lease, Timestamp) -> Result<Held, StoreError> + Sync,
    ) -> Result<Vec<Held>, StoreError> {
        let mut jobs: BTreeMap<JobId, Vec<usize>> = BTreeMap::new();
        for (number, lease) in leases.iter().enumerate() {
            jobs.entry(lease.task.job).or_default().push(number);
        }
        let decide = &decide;
        let calls = jobs.iter().map(|(id, numbers)| {
            let leases = || numbers.iter().filter_map(|number| leases.get(*number));
            let decide = move |entry: &mut Option<Entry>, now| {
                let decided = leases().map(|lease| decide(entry, lease, now));
                decided.collect::<Result<Vec<_>, _>>()
            };
            async move {
                if by_progress {
                    let items = items(leases());
                    self.transact_with(*id, &items, Writing::OneOfMany, decide)
                        .await
                } else {
                    let none_lost = |held: &Vec<Held>| !held.contains(&Held::Lost);
                    self.transact_held(*id, Writing::OneOfMany, none_lost, decide)
                        .await
                }
            }
        });
        let answers = futures::future::join_all(calls).await;
        let mut held = vec![Held::Unknown; leases.len()];
        let (mut gone, mut any_answer) = (None, jobs.is_empty());
        for ((job, numbers), answers) in jobs.iter().zip(answers) {
            let answers = match answers {
                Ok(answers) => answers,
                Err(error @ StoreError::Unavailable(_)) => {
                    gone = Some(error);
                    continue;
                }
                // No work can come of it; the sweep sets its tasks aside.
                Err(error @ StoreError::Damaged(_)) => {
                    tracing::error!(%job, %error, "the tasks of a job are given up");
                    vec![Held::Lost; numbers.len()]
                }
                Err(error) => return Err(error),
            };
            any_answer = true;
            for (number, answer) in numbers.iter().zip(answers) {
                if let Some(held) = held.get_mut(*number) {
                    *held = answer;
                }
            }
        }
        match gone {
            Some(error) if !any_answer => Err(error),
            _ => Ok(held),
        }
    }
}

/// The items that these leases' tasks make.
fn items<'a>(leases: impl IntoIterator<Item = &'a Lease>) -> Vec<u8> {
    let tasks = leases.into_iter().map(|lease| &lease.task);
    tasks.filter_map(|task| task.work.generated()).collect()
}

#[async_trait]
impl Jobs for Redis {
    async fn create_job(&self, new: NewJob) -> Result<Created, StoreError> {
        let create = |entry: &mut _, now| transitions::create_job(entry, new.clone(), now);
        match self.transact_new(new.id, create).await {
            Err(StoreError::Removed) => {
                let fingerprint = new.fingerprint.as_deref();
                Err(self.why_removed(new.id, fingerprint).await?)
            }
            created => created,
        }
    }

    async fn repeated(
        &self,
        id: JobId,
        owner: &Owner,
        fingerprint: &str,
    ) -> Result<Option<Job>, StoreError> {
        let asked = Some(fingerprint);
        let find = |entry: &mut _, _| transitions::repeated(entry, owner, asked);
        match self.transact_new(id, find).await {
            Err(StoreError::Removed) => Err(self.why_removed(id, asked).await?),
            found => found,
        }
    }

    async fn reserve(&self, ask: Reserve) -> Result<Vec<Reserved>, StoreError> {
        self.reserve_from_all(&ask).await
    }

    async fn start(&self, leases: &[Lease]) -> Result<Vec<Held>, StoreError> {
        self.each_held(leases, false, transitions::start).await
    }

    async fn extend(&self, leases: &[Lease], duration: Duration) -> Result<Vec<Held>, StoreError> {
        self.each_held(leases, false, |entry, lease, now| {
            transitions::extend(entry, lease, now.after(duration))
        })
        .await
    }

    async fn hand_back(&self, leases: &[Lease]) -> Result<(), StoreError> {
        self.each_held(leases, true, |entry, lease, now| {
            transitions::hand_back(entry, lease, now);
            Ok(Held::Lost)
        })
        .await?;
        Ok(())
    }

    async fn progress(&self, updates: Vec<Progress>) -> Result<(), StoreError> {
        self.note_progress(updates).await
    }

    async fn complete(&self, lease: &Lease, completion: Completion) -> Result<(), StoreError> {
        self.transact_held(
            lease.task.job,
            Writing::Told,
            |()| true,
            |entry, now| transitions::complete(entry, lease, completion.clone(), now),
        )
        .await
    }

    async fn fail(&self, lease: &Lease, failure: Failure) -> Result<(), StoreError> {
        let items = items([lease]);
        self.transact_with(lease.task.job, &items, Writing::Told, |entry, now| {
            transitions::fail(entry, lease, failure.clone(), &self.retry, now)
        })
        .await
    }

    async fn request_format(&self, item: ItemId, format: &str) -> Result<(), StoreError> {
        self.transact_new(item.job(), |entry, now| {
            transitions::request_format(entry, item, format, now)
        })
        .await
        .map_err(|error| match error {
            StoreError::Removed => StoreError::NotFound,
            other => other,
        })
    }

    async fn cancel(&self, id: JobId) -> Result<Job, StoreError> {
        self.transact_told(id, transitions::cancel).await
    }

    async fn delete(&self, id: JobId) -> Result<Job, StoreError> {
        self.transact_told(id, transitions::delete).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.one(id).await
    }

    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>, StoreError> {
        self.many(ids).await
    }

    async fn list(
        &self,
        owner: &Owner,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.page(owner, after, limit).await
    }

    async fn facts(&self, id: JobId, after: u32) -> Result<Option<Vec<Fact>>, StoreError> {
        let job = self.one(id).await?;
        Ok(job.map(|job| job.facts.into_iter().skip(after as usize).collect()))
    }

    async fn newest_progress(&self, ids: &[JobId]) -> Result<Vec<Progress>, StoreError> {
        self.newest_of(ids).await
    }

    fn watch(&self) -> broadcast::Receiver<News> {
        self.live.watch()
    }

    async fn wait_for_ready(&self, queue: Queue) {
        self.live.wait_for_ready(queue).await;
    }

    async fn task(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        self.task_of(id).await
    }

    async fn position(&self, task: &TaskId) -> Result<Option<u64>, StoreError> {
        self.position_of(task).await
    }

    async fn depths(&self) -> Result<BTreeMap<(Queue, Lane), Depth>, StoreError> {
        self.all_depths().await
    }

    async fn dead(&self, after: Option<&Died>, limit: usize) -> Result<Vec<Task>, StoreError> {
        self.newest_dead(after, limit).await
    }

    async fn bury(&self, id: &TaskId) -> Result<(), StoreError> {
        self.transact_told(id.job, |entry, _| transitions::bury(entry, id))
            .await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        self.sweep_all().await
    }

    async fn removable(
        &self,
        ended_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        self.ended(ended_before, limit).await
    }

    async fn request_removal(&self, id: JobId) -> Result<(), StoreError> {
        let asked = self.transact(id, transitions::request_removal).await;
        // One that cannot be read would be the first to be removed for ever.
        if matches!(asked, Err(StoreError::NotFound | StoreError::Damaged(_))) {
            self.forget_ended(id).await?;
        }
        asked
    }

    async fn removed(&self, lease: &Lease) -> Result<(), StoreError> {
        self.transact(lease.task.job, |entry, _| {
            transitions::removed(entry, lease)
        })
        .await
    }

    async fn named(&self, keys: &[(JobId, String)]) -> Result<Vec<bool>, StoreError> {
        self.some_named(keys).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.write_ping().await
    }

    async fn condition(&self) -> Result<Condition, StoreError> {
        self.stand().await
    }

    async fn file(&self, name: &str) -> Result<Option<(JobId, FileRecord)>, StoreError> {
        self.file_of(name).await
    }
}

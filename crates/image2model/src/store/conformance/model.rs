//! The store that `job/` alone would be: the oracle of the random walk.

use std::collections::BTreeMap;

use crate::{
    job::{
        Fact, FactKind, Flow, Job, JobId, Lease, Queue, RetryPolicy, Task, TaskId, TaskState,
        Timestamp, Work, WorkerId, fair,
        transition::{self, Completion, Failure, Fate, NewJob, Refused},
    },
    store::{Held, StoreError, Swept},
};

/// Everything a store keeps, in the plainest form.
#[derive(Default)]
pub(super) struct Model {
    pub(super) jobs: BTreeMap<JobId, Entry>,
    /// Score and place of each task that was ever enqueued.
    order: BTreeMap<TaskId, (f64, usize)>,
    enqueued: usize,
    served: BTreeMap<Queue, f64>,
    flows: BTreeMap<(Queue, Flow), f64>,
    retry: RetryPolicy,
}

pub(super) struct Entry {
    pub(super) job: Job,
    pub(super) tasks: Vec<Task>,
}

type Answer = Result<(), StoreError>;

impl Model {
    /// Whether the job is new.
    pub(super) fn create(&mut self, new: NewJob, now: Timestamp) -> Result<bool, StoreError> {
        if let Some(Entry { job, .. }) = self.jobs.get(&new.id) {
            transition::repeats(job, &new.owner, new.fingerprint.as_deref())?;
            return Ok(false);
        }
        let (job, tasks) = transition::create(new, now)?;
        tasks.iter().for_each(|task| self.enqueue(task));
        self.jobs.insert(job.id, Entry { job, tasks });
        Ok(true)
    }

    /// The names of ready tasks in the order in which they are to be served.
    pub(super) fn ready(&self, queue: Queue) -> Vec<TaskId> {
        let tasks = self.jobs.values().flat_map(|entry| &entry.tasks);
        let mut ready: Vec<_> = tasks
            .filter(|task| task.queue == queue && task.state == TaskState::Ready)
            .map(|task| (self.order[&task.id], task.id.clone()))
            .collect();
        ready.sort_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        ready.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn reserve(&mut self, lease: &Lease, worker: WorkerId, until: Timestamp) {
        let score = self.order[&lease.task].0;
        let (_, task) = self.task(&lease.task).unwrap();
        transition::reserve(task, worker, lease.token.clone(), until).unwrap();
        let queue = task.queue;
        let served = self.served.entry(queue).or_default();
        *served = served.max(score);
    }

    pub(super) fn start(&mut self, lease: &Lease, now: Timestamp) -> Held {
        let Some((job, task)) = self.task(&lease.task) else {
            return Held::Lost;
        };
        held(transition::start(job, task, &lease.token, now), job, task)
    }

    pub(super) fn extend(&mut self, lease: &Lease, until: Timestamp) -> Held {
        let Some((job, task)) = self.task(&lease.task) else {
            return Held::Lost;
        };
        held(transition::extend(task, &lease.token, until), job, task)
    }

    pub(super) fn hand_back(&mut self, lease: &Lease, now: Timestamp) {
        if let Some((job, task)) = self.task(&lease.task)
            && let Ok(fate) = transition::hand_back(job, task, &lease.token, now)
        {
            self.settle(&lease.task, fate);
        }
    }

    pub(super) fn complete(&mut self, lease: &Lease, made: Completion, now: Timestamp) -> Answer {
        let entry = self.jobs.get(&lease.task.job);
        if entry.is_some_and(|e| transition::already_completed(&e.job, &lease.task.work, &made)) {
            return Ok(());
        }
        let (job, task) = self.task(&lease.task).ok_or(StoreError::LeaseLost)?;
        transition::complete(job, task, &lease.token, made, now)?;
        self.settle(&lease.task, Fate::Gone);
        Ok(())
    }

    /// `random` as the retry policy takes it.
    pub(super) fn fail(
        &mut self,
        lease: &Lease,
        failure: Failure,
        random: f64,
        now: Timestamp,
    ) -> Answer {
        let retry = self.retry;
        let (job, task) = self.task(&lease.task).ok_or(StoreError::LeaseLost)?;
        let fate = transition::fail(job, task, &lease.token, failure, &retry, random, now)?;
        self.settle(&lease.task, fate);
        Ok(())
    }

    pub(super) fn cancel(&mut self, id: JobId, now: Timestamp) -> Answer {
        let entry = self.jobs.get_mut(&id).ok_or(StoreError::NotFound)?;
        transition::cancel(&mut entry.job, &mut entry.tasks, now);
        Ok(())
    }

    pub(super) fn delete(&mut self, id: JobId, now: Timestamp) -> Answer {
        let entry = self.jobs.get_mut(&id).ok_or(StoreError::NotFound)?;
        let removal = transition::delete(&mut entry.job, &mut entry.tasks, now);
        self.add(removal);
        Ok(())
    }

    pub(super) fn bury(&mut self, id: &TaskId) -> Answer {
        let entry = self.jobs.get_mut(&id.job).ok_or(StoreError::NotFound)?;
        Ok(transition::bury(&mut entry.tasks, id)?)
    }

    /// Jobs that may be removed by now, whatever their order.
    pub(super) fn removable(&self, before: Timestamp) -> Vec<JobId> {
        let removing = |task: &Task| {
            task.id.work == Work::Remove && !matches!(task.state, TaskState::Dead { .. })
        };
        let entries = self.jobs.values();
        let due = entries.filter(|Entry { job, tasks }| {
            job.kept_since().is_some_and(|since| since < before) && !tasks.iter().any(removing)
        });
        due.map(|entry| entry.job.id).collect()
    }

    pub(super) fn request_format(
        &mut self,
        id: JobId,
        item: u8,
        format: &str,
        now: Timestamp,
    ) -> Answer {
        let Entry { job, tasks } = self.jobs.get(&id).ok_or(StoreError::NotFound)?;
        let task = transition::request_format(job, tasks, id.item(item), format, now)?;
        self.add(task);
        Ok(())
    }

    pub(super) fn request_removal(&mut self, id: JobId, now: Timestamp) -> Answer {
        let Entry { job, tasks } = self.jobs.get(&id).ok_or(StoreError::NotFound)?;
        let task = transition::request_removal(job, tasks, now)?;
        self.add(task);
        Ok(())
    }

    pub(super) fn removed(&mut self, lease: &Lease) -> Answer {
        let (_, task) = self.task(&lease.task).ok_or(StoreError::LeaseLost)?;
        transition::removed(task, &lease.token)?;
        self.jobs.remove(&lease.task.job);
        Ok(())
    }

    /// Promotes and takes back what is due. `told` are the facts that the store recorded for a job: among leases
    /// of one job that lapse together, its order stands.
    pub(super) fn sweep(&mut self, told: &BTreeMap<JobId, Vec<Fact>>, now: Timestamp) -> Swept {
        let mut swept = Swept::default();
        let tasks = self.jobs.values_mut().flat_map(|entry| &mut entry.tasks);
        for task in tasks {
            if matches!(task.state, TaskState::Delayed { until } if until <= now) {
                transition::promote(task).unwrap();
                swept.promoted += 1;
            }
        }
        let lapsed = |task: &Task| matches!(&task.state, TaskState::Leased(l) if l.until <= now);
        swept.expired_leases = self.take_back(told, now, lapsed);
        swept
    }

    /// Takes back the picked leases and tells how many.
    pub(super) fn take_back(
        &mut self,
        told: &BTreeMap<JobId, Vec<Fact>>,
        now: Timestamp,
        picked: impl Fn(&Task) -> bool,
    ) -> u64 {
        let mut lost: Vec<_> = self
            .jobs
            .values()
            .flat_map(|entry| entry.tasks.iter().map(move |task| (entry, task)))
            .filter(|(_, task)| picked(task))
            .map(|(entry, task)| (first_told(told, &entry.job, task), task.id.clone()))
            .collect();
        lost.sort();
        let retry = self.retry;
        for (_, id) in &lost {
            let (job, task) = self.task(id).unwrap();
            let fate = transition::expire(job, task, &retry, now).unwrap();
            self.settle(id, fate);
        }
        lost.len() as u64
    }

    pub(super) fn task(&mut self, id: &TaskId) -> Option<(&mut Job, &mut Task)> {
        let Entry { job, tasks } = self.jobs.get_mut(&id.job)?;
        Some((job, tasks.iter_mut().find(|task| task.id == *id)?))
    }

    fn settle(&mut self, id: &TaskId, fate: Fate) {
        if fate == Fate::Gone
            && let Some(entry) = self.jobs.get_mut(&id.job)
        {
            entry.tasks.retain(|task| task.id != *id);
        }
    }

    /// A new task; a dead one of its name makes room.
    fn add(&mut self, task: Option<Task>) {
        let Some(task) = task else { return };
        self.enqueue(&task);
        let tasks = &mut self.jobs.get_mut(&task.id.job).unwrap().tasks;
        tasks.retain(|dead| dead.id != task.id);
        tasks.push(task);
    }

    /// Flows are never forgotten here: forgetting them must make no difference.
    fn enqueue(&mut self, task: &Task) {
        let served = self.served.get(&task.queue).copied().unwrap_or(0.0);
        let flow = (task.queue, task.flow.clone());
        let score = fair::score(served, self.flows.get(&flow).copied(), 1.0);
        self.flows.insert(flow, score);
        self.enqueued += 1;
        self.order.insert(task.id.clone(), (score, self.enqueued));
    }
}

/// Where the store's new facts of a job first speak of a task's item.
fn first_told(told: &BTreeMap<JobId, Vec<Fact>>, job: &Job, task: &Task) -> usize {
    let new = told.get(&job.id).into_iter().flatten();
    let Work::Generate { item } = task.id.work else {
        return usize::MAX;
    };
    new.skip(job.facts.len())
        .position(|fact| subject(&fact.kind) == Some(item))
        .unwrap_or(usize::MAX)
}

fn subject(kind: &FactKind) -> Option<u8> {
    match kind {
        FactKind::Started { item }
        | FactKind::Retrying { item, .. }
        | FactKind::ItemCompleted { item }
        | FactKind::ItemFailed { item, .. }
        | FactKind::ItemCancelled { item } => Some(*item),
        FactKind::Queued | FactKind::Ended { .. } => None,
    }
}

fn held(answer: Result<(), Refused>, job: &Job, task: &Task) -> Held {
    match answer {
        Err(_) => Held::Lost,
        Ok(()) if transition::told_to_stop(job, task) => Held::Cancelled,
        Ok(()) => Held::Yes,
    }
}

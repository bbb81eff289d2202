//! Each transition of the store: load, let `job/` decide, write.

use std::sync::Arc;

use super::{
    rows::{self, DELAYED, LEASED},
    tasks::enqueue,
    writer::Tx,
};
use crate::{
    job::{
        ItemId, Job, JobId, Lease, Task, TaskId, TaskState, Timestamp, Work,
        transition::{self, Completion, Failure, Fate, NewJob},
    },
    store::{Created, Held, StoreError, Swept},
};

/// Most tasks that one step of the sweep moves, so that others get their turn between.
pub(super) const SWEEP: usize = 200;

impl Tx<'_> {
    fn job(&self, id: JobId) -> Result<Job, StoreError> {
        rows::job(self.connection, id)?.ok_or(StoreError::NotFound)
    }

    /// Writes a job and tells of its facts after number `known`.
    fn save(&mut self, job: &Job, known: u32) -> Result<(), StoreError> {
        rows::update_job(self.connection, job)?;
        self.keep(job);
        let news: Vec<_> = job.facts.iter().skip(known as usize).cloned().collect();
        if !news.is_empty() {
            self.effects.facts.push((job.id, known + 1, news));
        }
        Ok(())
    }

    /// Has a job that was written told as it is now.
    fn keep(&mut self, job: &Job) {
        let kept = Arc::new(job.clone());
        self.effects.jobs.push((job.id, Some(kept)));
    }

    /// The job and the task that a lease speaks of.
    fn leased(&self, lease: &Lease) -> Result<(Job, Task), StoreError> {
        let task = rows::find_task(self.connection, &lease.task)?.ok_or(StoreError::LeaseLost)?;
        Ok((self.job(lease.task.job)?, task))
    }

    /// Ends the telling of progress of begun work and notes with its item how far it was. Only for the lease's holder,
    /// or when the lease is taken back (`token` is `None`): a late one stops nobody.
    fn halt(&self, job: &mut Job, task: &Task, token: Option<&str>) {
        let (TaskState::Leased(held), Work::Generate { item }) = (&task.state, &task.id.work)
        else {
            return;
        };
        if held.started && token.is_none_or(|token| token == held.token) {
            let percent = self.live.halt(job.id.item(*item));
            transition::reach(job, *item, percent);
        }
    }

    fn settle(&mut self, task: &Task, fate: Fate) -> Result<(), StoreError> {
        match fate {
            Fate::Gone => rows::delete_task(self.connection, &task.id),
            Fate::Kept => {
                match (&task.state, &task.id.work) {
                    (TaskState::Ready, _) => {
                        self.effects.ready.insert(task.queue);
                    }
                    (TaskState::Dead { .. }, Work::Convert { .. }) => {
                        self.effects.beyond.push(task.id.job);
                    }
                    _ => {}
                }
                rows::update_task(self.connection, task)
            }
        }
    }
}

pub(super) fn create_job(tx: &mut Tx<'_>, new: NewJob) -> Result<Created, StoreError> {
    if let Some(job) = rows::job(tx.connection, new.id)? {
        transition::repeats(&job, &new.owner, new.fingerprint.as_deref())?;
        return Ok(Created::Existing(job));
    }
    if let Some(fingerprint) = rows::remembered(tx.connection, new.id, tx.now)? {
        return Err(StoreError::removed(
            new.fingerprint.as_deref(),
            &fingerprint,
        ));
    }
    let (job, tasks) = transition::create(new, tx.now)?;
    rows::insert_job(tx.connection, &job)?;
    tx.keep(&job);
    tx.effects.facts.push((job.id, 1, job.facts.clone()));
    enqueue(tx, &tasks)?;
    Ok(Created::New(job))
}

pub(super) fn start(tx: &mut Tx<'_>, lease: &Lease) -> Result<Held, StoreError> {
    held(start_one(tx, lease))
}

fn start_one(tx: &mut Tx<'_>, lease: &Lease) -> Result<Held, StoreError> {
    let (mut job, mut task) = tx.leased(lease)?;
    let known = job.last_fact();
    transition::start(&mut job, &mut task, &lease.token, tx.now)?;
    rows::update_task(tx.connection, &task)?;
    if job.last_fact() > known {
        tx.save(&job, known)?;
    }
    Ok(still_held(&job, &task))
}

pub(super) fn extend(
    tx: &mut Tx<'_>,
    lease: &Lease,
    duration: std::time::Duration,
) -> Result<Held, StoreError> {
    let renew = || {
        let (job, mut task) = tx.leased(lease)?;
        transition::extend(&mut task, &lease.token, tx.now.after(duration))?;
        rows::update_task(tx.connection, &task)?;
        Ok(still_held(&job, &task))
    };
    held(renew())
}

/// In a batch a lost lease is an answer about that lease alone.
fn held(outcome: Result<Held, StoreError>) -> Result<Held, StoreError> {
    match outcome {
        Err(StoreError::LeaseLost) => Ok(Held::Lost),
        other => other,
    }
}

fn still_held(job: &Job, task: &Task) -> Held {
    if transition::told_to_stop(job, task) {
        Held::Cancelled
    } else {
        Held::Yes
    }
}

/// Gives one task back; a lease that was lost needs no giving back.
pub(super) fn hand_back(tx: &mut Tx<'_>, lease: &Lease) -> Result<(), StoreError> {
    let (mut job, mut task) = match tx.leased(lease) {
        Err(StoreError::LeaseLost) => return Ok(()),
        other => other?,
    };
    let known = job.last_fact();
    tx.halt(&mut job, &task, Some(&lease.token));
    let Ok(fate) = transition::hand_back(&mut job, &mut task, &lease.token, tx.now) else {
        return Ok(());
    };
    tx.settle(&task, fate)?;
    tx.save(&job, known)
}

pub(super) fn complete(
    tx: &mut Tx<'_>,
    lease: &Lease,
    completion: Completion,
) -> Result<(), StoreError> {
    let mut job = rows::job(tx.connection, lease.task.job)?.ok_or(StoreError::LeaseLost)?;
    if transition::already_completed(&job, &lease.task.work, &completion) {
        return Ok(());
    }
    let mut task = rows::find_task(tx.connection, &lease.task)?.ok_or(StoreError::LeaseLost)?;
    let known = job.last_fact();
    transition::complete(&mut job, &mut task, &lease.token, completion, tx.now)?;
    rows::delete_task(tx.connection, &task.id)?;
    if job.last_fact() == known {
        tx.effects.beyond.push(job.id);
    }
    tx.save(&job, known)
}

pub(super) fn fail(tx: &mut Tx<'_>, lease: &Lease, failure: Failure) -> Result<(), StoreError> {
    let (mut job, mut task) = tx.leased(lease)?;
    let known = job.last_fact();
    tx.halt(&mut job, &task, Some(&lease.token));
    let (retry, random) = (tx.retry, random());
    let fate = transition::fail(
        &mut job,
        &mut task,
        &lease.token,
        failure,
        retry,
        random,
        tx.now,
    )?;
    tx.settle(&task, fate)?;
    tx.save(&job, known)
}

pub(super) fn request_format(
    tx: &mut Tx<'_>,
    item: ItemId,
    format: &str,
) -> Result<(), StoreError> {
    let job = tx.job(item.job())?;
    let tasks = rows::tasks_of(tx.connection, job.id)?;
    let task = transition::request_format(&job, &tasks, item, format, tx.now)?;
    enqueue(tx, task.as_slice())
}

pub(super) fn cancel(tx: &mut Tx<'_>, id: JobId) -> Result<Job, StoreError> {
    let (job, ()) = end_early(tx, id, transition::cancel)?;
    Ok(job)
}

pub(super) fn delete(tx: &mut Tx<'_>, id: JobId) -> Result<Job, StoreError> {
    let (was_deleted, known) = {
        let job = tx.job(id)?;
        (job.deleted, job.last_fact())
    };
    let (job, removal) = end_early(tx, id, transition::delete)?;
    enqueue(tx, removal.as_slice())?;
    if !was_deleted && job.last_fact() == known {
        tx.effects.beyond.push(id);
    }
    Ok(job)
}

/// Lets `decide` take tasks away, and with them perhaps the job to its end.
fn end_early<T>(
    tx: &mut Tx<'_>,
    id: JobId,
    decide: impl FnOnce(&mut Job, &mut Vec<Task>, Timestamp) -> T,
) -> Result<(Job, T), StoreError> {
    let mut job = tx.job(id)?;
    let known = job.last_fact();
    let before = rows::tasks_of(tx.connection, id)?;
    let mut after = before.clone();
    let decided = decide(&mut job, &mut after, tx.now);
    for task in before.iter().filter(|task| !after.contains(task)) {
        rows::delete_task(tx.connection, &task.id)?;
    }
    tx.save(&job, known)?;
    Ok((job, decided))
}

pub(super) fn bury(tx: &mut Tx<'_>, id: &TaskId) -> Result<(), StoreError> {
    let mut tasks = rows::tasks_of(tx.connection, id.job)?;
    transition::bury(&mut tasks, id)?;
    rows::delete_task(tx.connection, id)
}

pub(super) fn request_removal(tx: &mut Tx<'_>, id: JobId) -> Result<(), StoreError> {
    let job = tx.job(id)?;
    let tasks = rows::tasks_of(tx.connection, id)?;
    let task = transition::request_removal(&job, &tasks, tx.now)?;
    enqueue(tx, task.as_slice())
}

pub(super) fn removed(tx: &mut Tx<'_>, lease: &Lease) -> Result<(), StoreError> {
    let mut task = rows::find_task(tx.connection, &lease.task)?.ok_or(StoreError::LeaseLost)?;
    transition::removed(&mut task, &lease.token)?;
    tx.effects.beyond.push(lease.task.job);
    if let Some(job) = rows::job(tx.connection, lease.task.job)? {
        rows::remember(tx.connection, &job, tx.now)?;
    }
    tx.effects.jobs.push((lease.task.job, None));
    rows::delete_job(tx.connection, lease.task.job)
}

/// One step of the sweep; call again while it did something.
pub(super) fn sweep(tx: &mut Tx<'_>) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for mut task in due(tx, DELAYED)? {
        transition::promote(&mut task)?;
        tx.settle(&task, Fate::Kept)?;
        swept.promoted += 1;
    }
    for task in due(tx, LEASED)? {
        let poisoned = take_back(tx, task)?;
        swept.expired_leases += 1;
        swept.poisoned += u64::from(poisoned);
    }
    Ok(swept)
}

/// Takes back every lease, whatever its time.
pub(super) fn take_back_all(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for task in rows::tasks(tx.connection, "state = 2", &[])? {
        take_back(tx, task)?;
    }
    Ok(())
}

/// Whether this was the crash too many.
fn take_back(tx: &mut Tx<'_>, mut task: Task) -> Result<bool, StoreError> {
    let mut job = tx.job(task.id.job)?;
    let known = job.last_fact();
    let retry = tx.retry;
    tx.halt(&mut job, &task, None);
    let fate = transition::expire(&mut job, &mut task, retry, tx.now)?;
    tx.settle(&task, fate)?;
    if job.last_fact() > known {
        tx.save(&job, known)?;
    }
    Ok(matches!(task.state, TaskState::Dead { .. }))
}

fn due(tx: &Tx<'_>, state: i64) -> Result<Vec<Task>, StoreError> {
    let most = i64::try_from(SWEEP).unwrap_or(i64::MAX);
    rows::tasks(
        tx.connection,
        "state = ?1 AND state > 0 AND due <= ?2 ORDER BY due LIMIT ?3",
        &[&state, &tx.now.0, &most],
    )
}

/// 0 to 1, to spread retries; a UUID's random bits will do.
fn random() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u64_pair().1 & u64::from(u32::MAX);
    bits as f64 / f64::from(u32::MAX)
}

/// Whether a step of the sweep left something to do.
pub(super) fn more(step: &Swept) -> bool {
    step.promoted + step.expired_leases >= SWEEP as u64
}

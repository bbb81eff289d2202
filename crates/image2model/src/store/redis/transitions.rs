//! What each call does to a job, in the words of `job/`.

use std::collections::BTreeMap;

use super::entry::Entry;
use crate::{
    job::{
        ItemId, Job, Lease, Owner, RetryPolicy, Task, TaskId, TaskState, Timestamp, Work,
        transition::{self, Completion, Failure, Fate, NewJob},
    },
    store::{Created, Held, StoreError, Swept},
};

pub(super) fn create_job(
    entry: &mut Option<Entry>,
    new: NewJob,
    now: Timestamp,
) -> Result<Created, StoreError> {
    if let Some(job) = repeated(entry, &new.owner, new.fingerprint.as_deref())? {
        return Ok(Created::Existing(job));
    }
    let (job, tasks) = transition::create(new, now)?;
    let made = Created::New(job.clone());
    *entry = Some(Entry {
        job,
        tasks,
        progress: BTreeMap::new(),
    });
    Ok(made)
}

pub(super) fn repeated(
    entry: &Option<Entry>,
    owner: &Owner,
    fingerprint: Option<&str>,
) -> Result<Option<Job>, StoreError> {
    let Some(Entry { job, .. }) = entry else {
        return Ok(None);
    };
    transition::repeats(job, owner, fingerprint)?;
    Ok(Some(job.clone()))
}

pub(super) fn start(
    entry: &mut Option<Entry>,
    lease: &Lease,
    now: Timestamp,
) -> Result<Held, StoreError> {
    let Some((job, task)) = with_task(entry, &lease.task) else {
        return Ok(Held::Lost);
    };
    let started = transition::start(job, task, &lease.token, now);
    held(started.map_err(StoreError::from), job, task)
}

pub(super) fn extend(
    entry: &mut Option<Entry>,
    lease: &Lease,
    until: Timestamp,
) -> Result<Held, StoreError> {
    let Some((job, task)) = with_task(entry, &lease.task) else {
        return Ok(Held::Lost);
    };
    let renewed = transition::extend(task, &lease.token, until);
    held(renewed.map_err(StoreError::from), job, task)
}

/// In a batch a lost lease is an answer about that lease alone.
fn held(outcome: Result<(), StoreError>, job: &Job, task: &Task) -> Result<Held, StoreError> {
    match outcome {
        Err(StoreError::LeaseLost) => Ok(Held::Lost),
        Err(error) => Err(error),
        Ok(()) if transition::told_to_stop(job, task) => Ok(Held::Cancelled),
        Ok(()) => Ok(Held::Yes),
    }
}

/// Gives one task back; a lease that was lost needs no giving back.
pub(super) fn hand_back(entry: &mut Option<Entry>, lease: &Lease, now: Timestamp) {
    reach(entry, &lease.task, Some(&lease.token));
    if let Some((job, task)) = with_task(entry, &lease.task)
        && let Ok(fate) = transition::hand_back(job, task, &lease.token, now)
    {
        settle(entry, &lease.task, fate);
    }
}

pub(super) fn complete(
    entry: &mut Option<Entry>,
    lease: &Lease,
    completion: Completion,
    now: Timestamp,
) -> Result<(), StoreError> {
    let job = entry.as_ref().map(|entry| &entry.job);
    if job.is_some_and(|job| transition::already_completed(job, &lease.task.work, &completion)) {
        return Ok(());
    }
    let (job, task) = with_task(entry, &lease.task).ok_or(StoreError::LeaseLost)?;
    transition::complete(job, task, &lease.token, completion, now)?;
    settle(entry, &lease.task, Fate::Gone);
    Ok(())
}

pub(super) fn fail(
    entry: &mut Option<Entry>,
    lease: &Lease,
    failure: Failure,
    retry: &RetryPolicy,
    now: Timestamp,
) -> Result<(), StoreError> {
    reach(entry, &lease.task, Some(&lease.token));
    let (job, task) = with_task(entry, &lease.task).ok_or(StoreError::LeaseLost)?;
    let random = fastrand::f64();
    let fate = transition::fail(job, task, &lease.token, failure, retry, random, now)?;
    settle(entry, &lease.task, fate);
    Ok(())
}

pub(super) fn request_format(
    entry: &mut Option<Entry>,
    item: ItemId,
    format: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let entry = entry.as_mut().ok_or(StoreError::NotFound)?;
    let task = transition::request_format(&entry.job, &entry.tasks, item, format, now)?;
    enqueue(entry, task);
    Ok(())
}

pub(super) fn cancel(entry: &mut Option<Entry>, now: Timestamp) -> Result<Job, StoreError> {
    let Entry { job, tasks, .. } = entry.as_mut().ok_or(StoreError::NotFound)?;
    transition::cancel(job, tasks, now);
    Ok(job.clone())
}

pub(super) fn delete(entry: &mut Option<Entry>, now: Timestamp) -> Result<Job, StoreError> {
    let entry = entry.as_mut().ok_or(StoreError::NotFound)?;
    let removal = transition::delete(&mut entry.job, &mut entry.tasks, now);
    enqueue(entry, removal);
    Ok(entry.job.clone())
}

pub(super) fn bury(entry: &mut Option<Entry>, id: &TaskId) -> Result<(), StoreError> {
    let entry = entry.as_mut().ok_or(StoreError::NotFound)?;
    Ok(transition::bury(&mut entry.tasks, id)?)
}

pub(super) fn request_removal(entry: &mut Option<Entry>, now: Timestamp) -> Result<(), StoreError> {
    let entry = entry.as_mut().ok_or(StoreError::NotFound)?;
    let task = transition::request_removal(&entry.job, &entry.tasks, now)?;
    enqueue(entry, task);
    Ok(())
}

pub(super) fn removed(entry: &mut Option<Entry>, lease: &Lease) -> Result<(), StoreError> {
    let (_, task) = with_task(entry, &lease.task).ok_or(StoreError::LeaseLost)?;
    transition::removed(task, &lease.token)?;
    *entry = None;
    Ok(())
}

/// Promotes or takes back those of the tasks that are due.
pub(super) fn sweep(
    entry: &mut Option<Entry>,
    tasks: &[TaskId],
    retry: &RetryPolicy,
    now: Timestamp,
) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for id in tasks {
        let lapsed = entry.as_ref().and_then(|entry| entry.task(id));
        if lapsed.is_some_and(|task| is_lapsed(task, now)) {
            reach(entry, id, None);
        }
        let Some((job, task)) = with_task(entry, id) else {
            continue;
        };
        match &task.state {
            TaskState::Delayed { until } if *until <= now => {
                transition::promote(task)?;
                swept.promoted += 1;
            }
            TaskState::Leased(_) if is_lapsed(task, now) => {
                let fate = transition::expire(job, task, retry, now)?;
                swept.expired_leases += 1;
                swept.poisoned += u64::from(matches!(task.state, TaskState::Dead { .. }));
                settle(entry, id, fate);
            }
            _ => {}
        }
    }
    Ok(swept)
}

fn is_lapsed(task: &Task, now: Timestamp) -> bool {
    matches!(&task.state, TaskState::Leased(lease) if lease.until <= now)
}

/// Notes with its item how far begun work was. Only for the lease's holder, or when the lease is taken back (`token`
/// is `None`): a late one notes nothing.
fn reach(entry: &mut Option<Entry>, id: &TaskId, token: Option<&str>) {
    let (Some(entry), Work::Generate { item }) = (entry, &id.work) else {
        return;
    };
    let Some(TaskState::Leased(held)) = entry.task(id).map(|task| &task.state) else {
        return;
    };
    let ends = held.started && token.is_none_or(|token| token == held.token);
    if let Some(percent) = entry.progress.get(item).filter(|_| ends) {
        transition::reach(&mut entry.job, *item, *percent);
    }
}

fn with_task<'a>(entry: &'a mut Option<Entry>, id: &TaskId) -> Option<(&'a mut Job, &'a mut Task)> {
    entry.as_mut()?.with_task(id)
}

/// A new task; a dead one of its name makes room.
fn enqueue(entry: &mut Entry, task: Option<Task>) {
    if let Some(task) = task {
        entry.tasks.retain(|dead| dead.id != task.id);
        entry.tasks.push(task);
    }
}

fn settle(entry: &mut Option<Entry>, id: &TaskId, fate: Fate) {
    if let Some(entry) = entry
        && fate == Fate::Gone
    {
        entry.tasks.retain(|task| task.id != *id);
    }
}

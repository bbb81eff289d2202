//! From ready to leased and back: who holds a task, and what becomes of it when he lets go without a result.

use super::{
    FactKind, Fate, ItemStatus, Job, LeaseState, Notice, Refused, Task, TaskState, Timestamp,
    end_item, held, item_mut, record,
};
use crate::job::{RetryPolicy, WorkerId};

/// Gives a ready task to a worker until `until`. `token` must be new.
///
/// # Errors
/// [`Refused::WrongState`] unless the task is ready.
pub fn reserve(
    task: &mut Task,
    worker: WorkerId,
    token: String,
    until: Timestamp,
) -> Result<(), Refused> {
    if task.state != TaskState::Ready {
        return Err(Refused::WrongState);
    }
    task.state = TaskState::Leased(LeaseState {
        worker,
        token,
        until,
        started: false,
    });
    Ok(())
}

/// Begins the work. Beginning twice under one lease is beginning once.
///
/// # Errors
/// [`Refused::LeaseLost`].
pub fn start(job: &mut Job, task: &mut Task, token: &str, now: Timestamp) -> Result<(), Refused> {
    let lease = held(task, token)?;
    if std::mem::replace(&mut lease.started, true) {
        return Ok(());
    }
    if let Some(number) = task.id.work.generated() {
        if let Some(item) = item_mut(job, number) {
            item.status = ItemStatus::Processing;
        }
        record(job, FactKind::Started { item: number }, now);
    }
    Ok(())
}

/// Renews a lease until `until`.
///
/// # Errors
/// [`Refused::LeaseLost`].
pub fn extend(task: &mut Task, token: &str, until: Timestamp) -> Result<(), Refused> {
    held(task, token)?.until = until;
    Ok(())
}

/// Whether the task's holder must stop because its job was cancelled.
#[must_use]
pub fn told_to_stop(job: &Job, task: &Task) -> bool {
    job.cancel_requested && task.id.work.generated().is_some()
}

/// Gives a task back untouched. It keeps its place in the queue and loses neither attempt nor crash.
///
/// # Errors
/// [`Refused::LeaseLost`].
pub fn hand_back(
    job: &mut Job,
    task: &mut Task,
    token: &str,
    now: Timestamp,
) -> Result<Fate, Refused> {
    let started = held(task, token)?.started;
    Ok(release(job, task, started, "handed_back", now))
}

/// Takes back a lease, whose time has passed or whose holder is dead. Of begun work this is a crash.
///
/// # Errors
/// [`Refused::WrongState`] unless the task is leased.
pub fn expire(
    job: &mut Job,
    task: &mut Task,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Fate, Refused> {
    let TaskState::Leased(LeaseState { started, .. }) = task.state else {
        return Err(Refused::WrongState);
    };
    if started {
        task.crashes = task.crashes.saturating_add(1);
        let number = task.id.work.generated();
        if let Some(item) = number.and_then(|number| item_mut(job, number)) {
            item.crashes = task.crashes;
        }
        if task.crashes >= policy.max_crashes && !told_to_stop(job, task) {
            poison(job, task, now);
            return Ok(Fate::Kept);
        }
    }
    Ok(release(job, task, started, "worker_lost", now))
}

/// Notes that an attempt at item `number` had come to `percent` when it ended; never goes back.
pub fn reach(job: &mut Job, number: u8, percent: u8) {
    if let Some(item) = item_mut(job, number) {
        item.reached = item.reached.max(percent);
    }
}

/// Makes a delayed task ready.
///
/// # Errors
/// [`Refused::WrongState`] unless the task is delayed.
pub fn promote(task: &mut Task) -> Result<(), Refused> {
    if !matches!(task.state, TaskState::Delayed { .. }) {
        return Err(Refused::WrongState);
    }
    task.state = TaskState::Ready;
    Ok(())
}

/// Back to ready; begun work of a cancelled job ends instead.
fn release(job: &mut Job, task: &mut Task, started: bool, code: &str, now: Timestamp) -> Fate {
    if let Some(number) = task.id.work.generated().filter(|_| started) {
        if told_to_stop(job, task) {
            end_item(job, number, ItemStatus::Cancelled, None, now);
            return Fate::Gone;
        }
        retrying(job, number, code, now, now);
    }
    task.state = TaskState::Ready;
    Fate::Kept
}

/// An item waits for its next attempt, which comes at `at` or later.
pub(super) fn retrying(job: &mut Job, number: u8, code: &str, at: Timestamp, now: Timestamp) {
    let mut reached = 0;
    if let Some(item) = item_mut(job, number) {
        item.status = ItemStatus::Retrying;
        reached = item.reached;
    }
    let kind = FactKind::Retrying {
        item: number,
        at,
        code: code.to_owned(),
        reached,
    };
    record(job, kind, now);
}

fn poison(job: &mut Job, task: &mut Task, now: Timestamp) {
    let error = Notice {
        code: "poison".to_owned(),
        message: format!(
            "given up after {} workers died at this image or were cut off from it",
            task.crashes
        ),
    };
    give_up(job, task, error, now);
}

/// Nothing more is tried: the task lies dead with its error, and its item has failed.
pub(super) fn give_up(job: &mut Job, task: &mut Task, error: Notice, now: Timestamp) {
    task.state = TaskState::Dead {
        at: now,
        code: error.code.clone(),
        message: error.message.clone(),
    };
    if let Some(number) = task.id.work.generated() {
        end_item(job, number, ItemStatus::Failed, Some(error), now);
    }
}

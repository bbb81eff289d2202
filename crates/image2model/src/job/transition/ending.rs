//! The ends: results and errors handed in, and the client's cancel.

use super::{
    Completion, Failure, Fate, ItemStatus, Job, Refused, Task, TaskId, TaskState, Timestamp, Work,
    end_item, held_and_started,
    holding::{give_up, retrying},
    item_mut, request_removal, told_to_stop,
};
use crate::job::RetryPolicy;

/// Takes a result; the task is gone. After a cancel it still counts for its item.
///
/// # Errors
/// [`Refused::LeaseLost`]; [`Refused::WrongState`] when the work has not begun or is a removal, which
/// [`removed`] ends.
pub fn complete(
    job: &mut Job,
    task: &mut Task,
    token: &str,
    completion: Completion,
    now: Timestamp,
) -> Result<(), Refused> {
    held_and_started(task, token)?;
    match task.id.work {
        Work::Generate { item: number } => {
            let item = item_mut(job, number).ok_or(Refused::NoSuchItem)?;
            item.files = completion.files;
            item.warnings = completion.warnings;
            end_item(job, number, ItemStatus::Completed, None, now);
        }
        Work::Convert { item: number, .. } => {
            let item = item_mut(job, number).ok_or(Refused::NoSuchItem)?;
            item.files.extend(completion.files);
        }
        Work::Remove => return Err(Refused::WrongState),
    }
    Ok(())
}

/// Whether this very completion was taken before: its answer was lost and it is handed in again. Artifact keys
/// are unique to an attempt, so having its files is having taken it.
#[must_use]
pub fn already_completed(job: &Job, work: &Work, completion: &Completion) -> bool {
    let (Work::Generate { item } | Work::Convert { item, .. }) = work else {
        return false;
    };
    job.item(*item).is_some_and(|item| {
        !completion.files.is_empty()
            && item.status == ItemStatus::Completed
            && completion
                .files
                .iter()
                .all(|file| item.files.iter().any(|known| known.key == file.key))
    })
}

/// Ends an attempt with an error: the next one is scheduled, or the task lies dead and its item has failed.
/// `random` (0 to 1) spreads the wait.
///
/// # Errors
/// [`Refused::LeaseLost`]; [`Refused::WrongState`] when the work has not begun.
pub fn fail(
    job: &mut Job,
    task: &mut Task,
    token: &str,
    failure: Failure,
    policy: &RetryPolicy,
    random: f64,
    now: Timestamp,
) -> Result<Fate, Refused> {
    held_and_started(task, token)?;
    let number = task.id.work.generated();
    if let Some(number) = number.filter(|_| told_to_stop(job, task)) {
        end_item(job, number, ItemStatus::Cancelled, None, now);
        return Ok(Fate::Gone);
    }
    task.attempts = task.attempts.saturating_add(1);
    if let Some(item) = number.and_then(|number| item_mut(job, number)) {
        item.attempts = task.attempts;
    }
    match policy.wait(task.attempts, failure.retry, random) {
        Some(wait) => {
            let until = now.after(wait);
            task.state = TaskState::Delayed { until };
            if let Some(number) = number {
                retrying(job, number, &failure.error.code, until, now);
            }
        }
        None => give_up(job, task, failure.error, now),
    }
    Ok(Fate::Kept)
}

/// Accepts a cancel: items that nobody works on end at once and their tasks go; running ones end with their
/// worker's answer. An ended job stays as it is.
pub fn cancel(job: &mut Job, tasks: &mut Vec<Task>, now: Timestamp) {
    if job.ended.is_some() {
        return;
    }
    job.cancel_requested = true;
    tasks.retain(|task| {
        let begun = matches!(&task.state, TaskState::Leased(lease) if lease.started);
        let dead = matches!(task.state, TaskState::Dead { .. });
        let Some(number) = task.id.work.generated().filter(|_| !begun && !dead) else {
            return true;
        };
        end_item(job, number, ItemStatus::Cancelled, None, now);
        false
    });
}

/// Hides a job from its owner for good and has it end: as [`cancel`] where it has not. `Some` is the task that removes
/// it, where nothing is left to end; else whoever keeps house asks for that later, as of any job that has had its time.
pub fn delete(job: &mut Job, tasks: &mut Vec<Task>, now: Timestamp) -> Option<Task> {
    cancel(job, tasks, now);
    job.deleted = true;
    request_removal(job, tasks, now).ok().flatten()
}

/// Takes a dead task off the list, because another does its work now.
///
/// # Errors
/// [`Refused::NotDead`] where there is none or it is not dead.
pub fn bury(tasks: &mut Vec<Task>, id: &TaskId) -> Result<(), Refused> {
    let is_dead = |task: &Task| matches!(task.state, TaskState::Dead { .. });
    let found = |task: &Task| task.id == *id && is_dead(task);
    let place = tasks.iter().position(found).ok_or(Refused::NotDead)?;
    tasks.remove(place);
    Ok(())
}

/// Whether the holder of a removal may delete the job.
///
/// # Errors
/// [`Refused::LeaseLost`]; [`Refused::WrongState`] when it has not begun or is other work.
pub fn removed(task: &mut Task, token: &str) -> Result<(), Refused> {
    held_and_started(task, token)?;
    if task.id.work == Work::Remove {
        Ok(())
    } else {
        Err(Refused::WrongState)
    }
}

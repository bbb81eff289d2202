//! Every legal move of a job and its tasks.
//!
//! | move | task before → after | item before → after | facts |
//! | --- | --- | --- | --- |
//! | `create` | – → ready | – → queued | queued |
//! | `reserve` | ready → leased | | |
//! | `start` | leased → leased, started | queued, retrying → processing | started |
//! | `extend` | leased → leased | | |
//! | `hand_back` | leased → ready | processing → retrying | retrying, if it had started |
//! | `complete` | leased → gone | processing → completed | item completed, job ended |
//! | `fail`, attempts left | leased → delayed | processing → retrying | retrying |
//! | `fail`, none left | leased → dead | processing → failed | item failed, job ended |
//! | `promote` | delayed → ready | | |
//! | `expire`, not started | leased → ready | | |
//! | `expire`, started | leased → ready, or dead when poison | processing → retrying, failed | retrying, or item failed, job ended |
//! | `cancel` | all but started ones → gone | queued, retrying → cancelled | item cancelled, job ended |
//! | `hand_back`, `fail`, `expire` of a started task after `cancel` | leased → gone | processing → cancelled | item cancelled, job ended |
//! | `request_format` | –, dead → ready | | |
//! | `request_removal` | –, dead → ready | | |
//! | `delete` | as `cancel`; of an ended job, as `request_removal` | as `cancel` | as `cancel` |
//! | `bury` | dead → gone | | |
//!
//! Only a `Generate` task moves an item and records facts; the others move alone. A lease is lost when it is
//! taken back, not when its time passes: until `expire` its holder may still renew it and hand in.
//!
//! A deleted job stays deleted. What runs of it ends as after a cancel, and then its removal is asked for.
//!
//! Progress is no move. Before `hand_back`, `fail` and `expire` of begun work a store says by [`reach`] how far the
//! attempt was, so that the fact of the retry tells every reader the same.
//!
//! A move that is not in the table is [`Refused`] and changes nothing.

mod ending;
mod holding;
#[cfg(test)]
mod tests;

use super::{
    About, Fact, FactKind, FileRecord, Flow, Item, ItemId, ItemStatus, Job, JobId, Lane,
    LeaseState, MAX_ITEMS, Notice, Owner, Priority, Queue, Task, TaskId, TaskState, Timestamp,
    Work,
};

pub use ending::{already_completed, bury, cancel, complete, delete, fail, removed};
pub use holding::{expire, extend, hand_back, promote, reach, reserve, start, told_to_stop};

/// What a client asks to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub id: JobId,
    pub owner: Owner,
    pub flow: Flow,
    pub priority: Priority,
    pub options: Vec<(String, String)>,
    pub formats: Vec<String>,
    pub fingerprint: Option<String>,
    pub about: About,
    /// In order; the first becomes item 1. 1 to [`super::MAX_ITEMS`].
    pub items: Vec<NewItem>,
}

/// One uploaded image, already stored under its artifact key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    pub filename: String,
    pub media_type: String,
    pub size: u64,
    pub upload: String,
}

/// What a successful attempt made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Completion {
    pub files: Vec<FileRecord>,
    pub warnings: Vec<Notice>,
}

/// Why an attempt failed, and whether another can help.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub error: Notice,
    pub retry: Retry,
}

/// What an error says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same input will fail again.
    Never,
    /// With the policy's backoff.
    Backoff,
    /// Not before this long.
    After(std::time::Duration),
}

/// A move that the table does not allow; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the lease was lost")]
    LeaseLost,
    #[error("the task is not in a state for this")]
    WrongState,
    #[error("the job has not ended")]
    NotEnded,
    #[error("the job is being removed")]
    BeingRemoved,
    #[error("another request made this job")]
    KeyReused,
    #[error("the job was deleted")]
    Deleted,
    #[error("the task is not given up")]
    NotDead,
    #[error("the item has no model")]
    NoModel,
    #[error("the job has no such item")]
    NoSuchItem,
    #[error("a job has 1 to {MAX_ITEMS} items")]
    ItemCount,
}

/// Whether a task is still there after a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Fate {
    Kept,
    Gone,
}

/// A new job with its items, and the tasks that make them, in the items' order.
///
/// # Errors
/// [`Refused::ItemCount`].
pub fn create(new: NewJob, now: Timestamp) -> Result<(Job, Vec<Task>), Refused> {
    if new.items.is_empty() || new.items.len() > MAX_ITEMS {
        return Err(Refused::ItemCount);
    }
    let items = (1..).zip(new.items).map(|(number, item)| Item {
        number,
        filename: item.filename,
        media_type: item.media_type,
        size: item.size,
        upload: item.upload,
        status: ItemStatus::Queued,
        attempts: 0,
        crashes: 0,
        reached: 0,
        warnings: Vec::new(),
        error: None,
        files: Vec::new(),
    });
    let mut job = Job {
        id: new.id,
        owner: new.owner,
        flow: new.flow,
        priority: new.priority,
        created: now,
        ended: None,
        cancel_requested: false,
        options: new.options,
        formats: new.formats,
        fingerprint: new.fingerprint,
        about: new.about,
        deleted: false,
        items: items.collect(),
        facts: Vec::new(),
    };
    record(&mut job, FactKind::Queued, now);
    let tasks = job
        .items
        .iter()
        .map(|item| task(&job, Work::Generate { item: item.number }, now))
        .collect();
    Ok((job, tasks))
}

/// Whether a job that is there already is what `owner` asks for again, by this fingerprint.
///
/// # Errors
/// [`Refused::KeyReused`] where it is another's or asked for something else; [`Refused::Deleted`].
pub fn repeats(job: &Job, owner: &Owner, fingerprint: Option<&str>) -> Result<(), Refused> {
    if job.owner != *owner || job.fingerprint.as_deref() != fingerprint {
        return Err(Refused::KeyReused);
    }
    if job.deleted {
        return Err(Refused::Deleted);
    }
    Ok(())
}

/// The task that writes a completed item's model in a further format; `None` when there is nothing to do.
/// `tasks` are the job's.
///
/// # Errors
/// [`Refused::NoSuchItem`], [`Refused::NoModel`], [`Refused::BeingRemoved`].
pub fn request_format(
    job: &Job,
    tasks: &[Task],
    item: ItemId,
    format: &str,
    now: Timestamp,
) -> Result<Option<Task>, Refused> {
    let found = job.item(item.number()).ok_or(Refused::NoSuchItem)?;
    if found.status != ItemStatus::Completed {
        return Err(Refused::NoModel);
    }
    if found.files.iter().any(|file| file.format == format) {
        return Ok(None);
    }
    if job.deleted || alive(tasks, &Work::Remove) {
        return Err(Refused::BeingRemoved);
    }
    let work = Work::Convert {
        item: found.number,
        format: format.to_owned(),
    };
    Ok((!alive(tasks, &work)).then(|| task(job, work, now)))
}

/// The task that removes an ended job; `None` when it is on its way already. `tasks` are the job's.
///
/// # Errors
/// [`Refused::NotEnded`].
pub fn request_removal(job: &Job, tasks: &[Task], now: Timestamp) -> Result<Option<Task>, Refused> {
    if job.ended.is_none() {
        return Err(Refused::NotEnded);
    }
    Ok((!alive(tasks, &Work::Remove)).then(|| task(job, Work::Remove, now)))
}

/// A dead task may be asked for again.
fn alive(tasks: &[Task], work: &Work) -> bool {
    tasks
        .iter()
        .any(|task| task.id.work == *work && !matches!(task.state, TaskState::Dead { .. }))
}

fn task(job: &Job, work: Work, now: Timestamp) -> Task {
    let queue = match (&work, job.priority) {
        (Work::Generate { .. }, Priority::Normal) => Queue::ModelGeneration,
        (Work::Generate { .. }, Priority::High) => Queue::Priority,
        (Work::Convert { .. }, _) => Queue::BatchProcessing,
        (Work::Remove, _) => Queue::Maintenance,
    };
    Task {
        id: TaskId { job: job.id, work },
        queue,
        lane: Lane::local(),
        flow: job.flow.clone(),
        enqueued: now,
        state: TaskState::Ready,
        attempts: 0,
        crashes: 0,
    }
}

/// Adds a fact, and returns its time: never before the last one's, though clocks of servers differ and are set back.
fn record(job: &mut Job, kind: FactKind, now: Timestamp) -> Timestamp {
    let at = job.facts.last().map_or(now, |last| now.max(last.at));
    job.facts.push(Fact { at, kind });
    at
}

/// Ends an item, and the job with the last one.
fn end_item(job: &mut Job, number: u8, status: ItemStatus, error: Option<Notice>, now: Timestamp) {
    let Some(item) = item_mut(job, number) else {
        return;
    };
    item.status = status;
    let kind = match (status, &error) {
        (ItemStatus::Completed, _) => FactKind::ItemCompleted { item: number },
        (ItemStatus::Cancelled, _) => FactKind::ItemCancelled { item: number },
        (_, error) => FactKind::ItemFailed {
            item: number,
            code: error
                .as_ref()
                .map_or_else(String::new, |error| error.code.clone()),
        },
    };
    item.error = error;
    let at = record(job, kind, now);
    if job.ended.is_none() && job.items.iter().all(|item| item.status.is_final()) {
        job.ended = Some(at);
        let status = job.status();
        record(job, FactKind::Ended { status }, now);
    }
}

fn item_mut(job: &mut Job, number: u8) -> Option<&mut Item> {
    job.items.iter_mut().find(|item| item.number == number)
}

/// The lease of the task's current holder, if `token` is its.
fn held<'a>(task: &'a mut Task, token: &str) -> Result<&'a mut LeaseState, Refused> {
    match &mut task.state {
        TaskState::Leased(lease) if lease.token == token => Ok(lease),
        _ => Err(Refused::LeaseLost),
    }
}

/// As [`held`], of work that has begun.
fn held_and_started(task: &mut Task, token: &str) -> Result<(), Refused> {
    if held(task, token)?.started {
        Ok(())
    } else {
        Err(Refused::WrongState)
    }
}

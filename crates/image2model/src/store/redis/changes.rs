//! The difference between a job before and after a transition, as operations.

use super::{
    commit::{DEAD, DELAYED, ENDED, LEASED, OWNER, Operations},
    entry::Entry,
    keys::lane_name,
    live::Told,
    record, unreadable,
};
use crate::{
    job::{Job, Task, TaskState, Work},
    store::StoreError,
};

/// Every flow's share is the same until keys give some more.
const WEIGHT: &str = "1";

pub(super) fn write(
    to: &mut Operations,
    before: Option<&Entry>,
    after: Option<&Entry>,
) -> Result<(), StoreError> {
    write_job(to, before, after)?;
    for old in before.iter().flat_map(|entry| &entry.tasks) {
        let new = after.and_then(|entry| entry.task(&old.id));
        if new != Some(old) {
            write_task(to, Some(old), new, old)?;
        }
    }
    for new in after.iter().flat_map(|entry| &entry.tasks) {
        if before.and_then(|entry| entry.task(&new.id)).is_none() {
            write_task(to, None, Some(new), new)?;
        }
    }
    let told = told(before, after);
    if !told.is_empty() {
        to.add(["tell", &text(&told)?]);
    }
    Ok(())
}

fn write_job(
    to: &mut Operations,
    before: Option<&Entry>,
    after: Option<&Entry>,
) -> Result<(), StoreError> {
    let any = before.or(after);
    let id = any
        .map(|entry| entry.job.id.to_string())
        .unwrap_or_default();
    let owner = OWNER.to_string();
    match (before, after) {
        (None, Some(new)) => {
            // What was remembered of one before it.
            if to.replaces_gone {
                to.add(["delete"]);
            }
            to.add(["add", &owner, &new.job.created.0.to_string(), &id]);
        }
        (Some(old), None) => {
            to.add(["remove", &owner, &id]);
            to.add(["delete"]);
            remember(to, &old.job);
        }
        _ => {}
    }
    if let Some(new) = after
        && (before.map(|old| &old.job) != Some(&new.job) || names(before) != names(after))
    {
        to.add_job(record::write(&new.job)?, &names(after));
    }
    // One with tasks stays: they would be left behind.
    let rests = |entry: Option<&Entry>| {
        entry.is_some_and(|entry| entry.job.ended.is_some() && entry.tasks.is_empty())
    };
    match (to.vanishes_after, rests(before), rests(after)) {
        (Some(time), false, true) => to.add(["expire", &time.as_secs().to_string()]),
        (Some(_), true, false) if after.is_some() => to.add(["persist"]),
        _ => {}
    }
    match (removable(before), removable(after)) {
        (old, Some(at)) if old != Some(at) => {
            to.add(["add", &ENDED.to_string(), &at.to_string(), &id]);
        }
        (Some(_), None) => to.add(["remove", &ENDED.to_string(), &id]),
        _ => {}
    }
    forget_progress(to, before, after);
    change_holding(to, before, after);
    Ok(())
}

/// A job that goes leaves its fingerprint where a repeat of it may still come.
fn remember(to: &mut Operations, job: &Job) {
    if let Some((fingerprint, until)) = job.remembered(to.now) {
        let seconds = until.since(to.now) / 1000 + 1;
        let gone = format!("{} {fingerprint}", until.0);
        to.add(["remember", &gone, &seconds.to_string()]);
    }
}

/// What the owner has changes with what the job comes to.
fn change_holding(to: &mut Operations, before: Option<&Entry>, after: Option<&Entry>) {
    let counted = |entry: Option<&Entry>| {
        let job = entry.map(|entry| &entry.job).filter(|job| job.is_counted());
        job.map(Job::holding).unwrap_or_default()
    };
    let (old, new) = (counted(before), counted(after));
    if old == new {
        return;
    }
    let Some(Entry { job, .. }) = before.or(after) else {
        return;
    };
    let more = |new: u64, old: u64| (i128::from(new) - i128::from(old)).to_string();
    let key = to.shard.holding(&job.owner);
    let key = to.key(key).to_string();
    let (images, bytes) = (more(new.images, old.images), more(new.bytes, old.bytes));
    to.add(["hold", &key, &images, &bytes]);
}

/// Progress ends with its item.
fn forget_progress(to: &mut Operations, before: Option<&Entry>, after: Option<&Entry>) {
    let (Some(before), Some(after)) = (before, after) else {
        return;
    };
    for (old, new) in before.job.items.iter().zip(&after.job.items) {
        if new.status.is_final() && !old.status.is_final() {
            let key = to.shard.progress(after.job.id, new.number);
            let key = to.key(key).to_string();
            to.add(["forget", &key]);
        }
    }
}

/// From `old` to `new`; `any` is either, for what both share.
fn write_task(
    to: &mut Operations,
    old: Option<&Task>,
    new: Option<&Task>,
    any: &Task,
) -> Result<(), StoreError> {
    let id = any.id.to_string();
    let lane = to.lane(any.queue, &any.lane);
    to.touch(&any.id);
    let stays = match (old, new) {
        (Some(old), Some(new)) => {
            std::mem::discriminant(&old.state) == std::mem::discriminant(&new.state)
        }
        _ => false,
    };
    if let Some(old) = old.filter(|_| !stays) {
        leave(to, &old.state, lane, &id);
    }
    let Some(new) = new else {
        to.add(["drop", &id]);
        return Ok(());
    };
    if old.map(record) != Some(record(new)) {
        to.add(["put", &id, &text(&record(new))?]);
    }
    let (number, enqueued) = (lane.to_string(), new.enqueued.0.to_string());
    match &new.state {
        TaskState::Ready if stays => {}
        TaskState::Ready if old.is_none_or(is_dead) => {
            let (name, flow) = (lane_name(new.queue, &new.lane), &new.flow.0);
            to.add(["enqueue", &number, &name, &id, &enqueued, flow, WEIGHT]);
        }
        TaskState::Ready => to.add(["ready", &number, &id, &enqueued]),
        TaskState::Delayed { until } => {
            to.add([
                "add",
                &(lane + DELAYED).to_string(),
                &until.0.to_string(),
                &id,
            ]);
        }
        TaskState::Leased(lease) => {
            to.add(["lease", &id, &text(lease)?]);
            to.add([
                "add",
                &(lane + LEASED).to_string(),
                &lease.until.0.to_string(),
                &id,
            ]);
        }
        TaskState::Dead { at, .. } => {
            to.add(["add", &(lane + DEAD).to_string(), &at.0.to_string(), &id]);
        }
    }
    Ok(())
}

fn leave(to: &mut Operations, state: &TaskState, lane: usize, id: &str) {
    match state {
        TaskState::Ready => to.add(["unready", &lane.to_string(), id]),
        TaskState::Delayed { .. } => to.add(["remove", &(lane + DELAYED).to_string(), id]),
        TaskState::Leased(_) => {
            to.add(["unlease", id]);
            to.add(["remove", &(lane + LEASED).to_string(), id]);
        }
        TaskState::Dead { .. } => to.add(["remove", &(lane + DEAD).to_string(), id]),
    }
}

/// A task as its record says it: a lease stands elsewhere, for `reserve` writes it alone.
fn record(task: &Task) -> Task {
    let mut task = task.clone();
    if matches!(task.state, TaskState::Leased(_)) {
        task.state = TaskState::Ready;
    }
    task
}

fn is_dead(task: &Task) -> bool {
    matches!(task.state, TaskState::Dead { .. })
}

/// The names of a job's tasks, as `load.lua` reads them.
fn names(entry: Option<&Entry>) -> String {
    let tasks = entry.into_iter().flat_map(|entry| &entry.tasks);
    tasks
        .map(|task| task.id.to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

/// When a job ended, as its removal goes by, that nobody removes yet.
fn removable(entry: Option<&Entry>) -> Option<i64> {
    let entry = entry?;
    let removing = |task: &Task| task.id.work == Work::Remove && !is_dead(task);
    let ended = entry.job.kept_since()?;
    (!entry.tasks.iter().any(removing)).then_some(ended.0)
}

/// What others are told: new facts, or else what became of a further format or of the job itself, and queues with more
/// to do.
fn told(before: Option<&Entry>, after: Option<&Entry>) -> Vec<Told> {
    let Some(Entry { job, tasks, .. }) = after else {
        let gone = before.map(|entry| Told::Beyond { job: entry.job.id });
        return gone.into_iter().collect();
    };
    let mut told = Vec::new();
    let known = before.map_or(0, |entry| entry.job.facts.len());
    if job.facts.len() > known {
        told.push(Told::Facts {
            job: job.id,
            first: u32::try_from(known + 1).unwrap_or(u32::MAX),
            facts: job.facts.iter().skip(known).cloned().collect(),
        });
    } else if before.is_some_and(|old| is_beyond(old, job, tasks)) {
        told.push(Told::Beyond { job: job.id });
    }
    for task in tasks.iter().filter(|task| task.state == TaskState::Ready) {
        let old = before.and_then(|entry| entry.task(&task.id));
        let ready = Told::Ready { queue: task.queue };
        if old.is_none_or(|old| old.state != TaskState::Ready) && !told.contains(&ready) {
            told.push(ready);
        }
    }
    told
}

/// Whether there is something new of a job that no fact says.
fn is_beyond(before: &Entry, job: &Job, tasks: &[Task]) -> bool {
    files(&before.job) != files(job) || before.job.deleted != job.deleted || gives_up(before, tasks)
}

/// Whether the writing of a further format is given up.
fn gives_up(before: &Entry, after: &[Task]) -> bool {
    let mut dead = after
        .iter()
        .filter(|task| is_dead(task) && matches!(task.id.work, Work::Convert { .. }));
    dead.any(|task| before.task(&task.id).is_none_or(|old| !is_dead(old)))
}

fn files(job: &Job) -> usize {
    job.items.iter().map(|item| item.files.len()).sum()
}

pub(super) fn text(record: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(unreadable)
}

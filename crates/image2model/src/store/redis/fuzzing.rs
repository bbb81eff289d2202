//! What fuzzing does to what a Redis answers: records that others wrote, or something damaged.

use std::collections::BTreeMap;

use redis::{FromRedisValue, Value, streams::StreamReadReply};

use super::{
    commit::Commit,
    entry::{Entry, Gone, Loaded, TaskRead, task},
    keys::{Shards, lane_name, lane_of},
    live, presence, queries, record, transitions,
};
use crate::{
    access::rate::{Admission, Window},
    job::{Job, JobId, RetryPolicy, TaskId, Timestamp, Work},
};

/// One byte for what is read, and then how it was kept.
///
/// What is read is written and read the same again, and what `job/` decides on it can be written.
pub(crate) fn replies(bytes: &[u8]) {
    let [kind, kept @ ..] = bytes else {
        return;
    };
    let text = std::str::from_utf8(kept);
    match (kind % 6, text) {
        (0, _) => record(kept),
        (1, Ok(text)) => entry(text),
        (2, Ok(text)) => words(text),
        (3, Ok(text)) => live::hear(text),
        (4, Ok(text)) => {
            let (seen, report) = text.split_once(' ').unwrap_or_default();
            let _ = presence::parsed("worker".to_owned(), report, seen.parse().unwrap_or(0));
        }
        (5, _) => answers(kept),
        _ => {}
    }
}

fn record(kept: &[u8]) {
    let Ok(job) = record::read(kept) else {
        return;
    };
    let written = record::write(&job).expect("it was read");
    assert_eq!(record::read(&written), Ok(job.clone()));
    asked(&job);
}

/// What others ask a job that they have read.
fn asked(job: &Job) {
    let _ = (
        job.status(),
        job.holding(),
        job.last_fact(),
        job.kept_since(),
    );
    let _ = job.remembered(Timestamp(0));
    assert!(job.artifact_keys().count() >= job.items.len());
}

/// Lines: the job, then record and lease (if any) of each task by turns.
fn entry(text: &str) {
    let mut lines = text.lines();
    let Ok(job) = record::read(lines.next().unwrap_or_default().as_bytes()) else {
        return;
    };
    let mut read: Vec<TaskRead> = Vec::new();
    while let Some(record) = lines.next() {
        let lease = lines.next().unwrap_or_default();
        read.push((String::new(), record.to_owned(), lease.to_owned()));
    }
    let mut loaded = Loaded::nothing(Shards(16).of(job.id), job.id);
    let Ok(tasks) = loaded.tasks(&read) else {
        return;
    };
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.id.clone()).collect();
    loaded.entry = Some(Entry {
        job,
        tasks,
        progress: BTreeMap::new(),
    });
    let retry = RetryPolicy::default();
    for now in [0, 1_767_323_045_006, i64::MAX].map(Timestamp) {
        loaded.now = now;
        decided(&loaded, |entry| {
            drop(transitions::sweep(entry, &ids, &retry, now));
        });
        decided(&loaded, |entry| drop(transitions::cancel(entry, now)));
        decided(&loaded, |entry| drop(transitions::delete(entry, now)));
        decided(&loaded, |entry| {
            drop(transitions::request_removal(entry, now));
        });
    }
}

/// What comes of a decision can be written, and be read again.
fn decided(loaded: &Loaded, decide: impl FnOnce(&mut Option<Entry>)) {
    let mut after = loaded.entry.clone();
    decide(&mut after);
    if after == loaded.entry {
        return;
    }
    Commit::between(loaded, after.as_ref(), None).expect("what was decided can be written");
    let Some(Entry { job, .. }) = after else {
        return;
    };
    asked(&job);
    let written = record::write(&job).expect("it was decided");
    assert_eq!(record::read(&written), Ok(job));
}

/// Names and other short texts.
fn words(text: &str) {
    if let Ok(id) = text.parse::<TaskId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(work) = text.parse::<Work>() {
        assert_eq!(work.to_string().parse(), Ok(work));
    }
    if let Ok(id) = text.parse::<JobId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Some((queue, lane)) = lane_of(text) {
        assert_eq!(lane_name(queue, &lane), text);
    }
    if let Ok(gone) = text.parse::<Gone>() {
        let again = format!("{} {}", gone.until.0, gone.fingerprint);
        assert_eq!(again.parse(), Ok(gone));
    }
    let (record, lease) = text.split_once('\n').unwrap_or((text, ""));
    let lease = Some(lease.to_owned()).filter(|lease| !lease.is_empty());
    if let Ok(read) = task(record, lease.as_ref()) {
        let again = serde_json::to_string(&read).expect("it was read");
        assert_eq!(task(&again, None), Ok(read));
    }
}

/// An answer as it comes over the wire, taken for each kind of answer that is asked for.
fn answers(wire: &[u8]) {
    let Ok(value) = redis::parse_redis_value(wire) else {
        return;
    };
    type Load = (i64, String, Vec<u8>, String, Vec<String>, Vec<TaskRead>);
    let _ = read::<Load>(&value);
    let _ = read::<StreamReadReply>(&value);
    let _ = read::<Vec<Vec<(String, f64)>>>(&value);
    let _ = read::<BTreeMap<String, String>>(&value);
    let _ = read::<(u64, Vec<(String, String)>)>(&value);
    if let Some(time) = read(&value) {
        let _ = queries::server_time(time);
    }
    if let Some((admitted, now, whole)) = read::<(i64, i64, Vec<i64>)>(&value) {
        let windows = [Window::per_minute(60), Window::per_hour(u32::MAX)];
        let read = Admission::read(&windows, admitted == 1, &whole, now);
        let (_, wait) = (read.tightest(), read.next_in());
        assert!(
            read.standings
                .iter()
                .all(|standing| standing.next_in <= wait)
        );
    }
}

fn read<T: FromRedisValue>(value: &Value) -> Option<T> {
    T::from_redis_value(value.clone()).ok()
}

//! Keys and arguments of `commit.lua`: what was loaded, and the operations that lead from there.

use std::time::Duration;

use super::{
    changes,
    entry::{Entry, Loaded},
    keys::Shard,
};
use crate::{
    job::{Lane, Owner, Queue, TaskId, Timestamp},
    store::StoreError,
};

/// Numbers among KEYS of two sorted sets, and those of a queue and lane from its first on.
pub(super) const ENDED: usize = 8;
pub(super) const OWNER: usize = 9;
const SETS: [&str; 6] = ["ready", "delayed", "leased", "dead", "age", "flows"];
pub(super) const DELAYED: usize = 1;
pub(super) const LEASED: usize = 2;
pub(super) const DEAD: usize = 3;

pub(super) struct Commit {
    /// The version that the job will have.
    pub(super) next: String,
    pub(super) keys: Vec<String>,
    pub(super) args: Vec<Vec<u8>>,
}

impl Commit {
    /// From what was loaded to what was decided.
    pub(super) fn between(
        loaded: &Loaded,
        after: Option<&Entry>,
        vanishes_after: Option<Duration>,
    ) -> Result<Self, StoreError> {
        let mut operations = Operations::new(loaded, after);
        operations.vanishes_after = vanishes_after;
        changes::write(&mut operations, loaded.entry.as_ref(), after)?;
        Ok(operations.commit(loaded))
    }
}

/// Operations as they are collected.
pub(super) struct Operations {
    pub(super) shard: Shard,
    /// When it was decided.
    pub(super) now: Timestamp,
    /// Whether a removed job is remembered where this one goes.
    pub(super) replaces_gone: bool,
    /// How long after its end a job vanishes that nobody has removed.
    pub(super) vanishes_after: Option<Duration>,
    keys: Vec<String>,
    lanes: Vec<(Queue, Lane, usize)>,
    touched: Vec<TaskId>,
    args: Vec<Vec<u8>>,
}

impl Operations {
    fn new(loaded: &Loaded, after: Option<&Entry>) -> Self {
        let (shard, id) = (loaded.shard, loaded.id);
        let entry = loaded.entry.as_ref().or(after);
        let owner = entry.map_or_else(Owner::open, |entry| entry.job.owner.clone());
        let of_shard = |name| shard.key(name);
        let mut keys = vec![shard.job(id)];
        keys.extend(
            [
                "tasks", "leases", "places", "place", "served", "lanes", "ended",
            ]
            .map(of_shard),
        );
        keys.extend([shard.owner(&owner), shard.key("news")]);
        Self {
            shard,
            now: loaded.now,
            replaces_gone: loaded.gone.is_some(),
            vanishes_after: None,
            keys,
            lanes: Vec::new(),
            touched: Vec::new(),
            args: Vec::new(),
        }
    }

    /// Adds an operation.
    pub(super) fn add<const N: usize>(&mut self, words: [&str; N]) {
        self.args.extend(words.map(|word| word.as_bytes().to_vec()));
    }

    /// Adds the writing of the job's record and the names of all its tasks.
    pub(super) fn add_job(&mut self, record: Vec<u8>, tasks: &str) {
        self.add(["job"]);
        self.args.push(record);
        self.add([tasks]);
    }

    /// The task's lease must be what it was.
    pub(super) fn touch(&mut self, task: &TaskId) {
        self.touched.push(task.clone());
    }

    /// The number of a key.
    pub(super) fn key(&mut self, key: String) -> usize {
        self.keys.push(key);
        self.keys.len()
    }

    /// The number of the first key of a queue and lane.
    pub(super) fn lane(&mut self, queue: Queue, lane: &Lane) -> usize {
        let mut known = self.lanes.iter();
        if let Some((.., first)) = known.find(|(q, l, _)| *q == queue && l == lane) {
            return *first;
        }
        let first = self.keys.len() + 1;
        let sets = SETS.map(|set| self.shard.lane(set, queue, lane));
        self.keys.extend(sets);
        self.lanes.push((queue, lane.clone(), first));
        first
    }

    fn commit(self, loaded: &Loaded) -> Commit {
        let next = format!("{:x}", fastrand::u64(..));
        let mut words = vec![
            loaded.version.clone(),
            next.clone(),
            self.touched.len().to_string(),
        ];
        for task in &self.touched {
            words.push(task.to_string());
            words.push(loaded.leases.get(task).cloned().unwrap_or_default());
        }
        let mut args: Vec<_> = words.into_iter().map(String::into_bytes).collect();
        args.extend(self.args);
        Commit {
            next,
            keys: self.keys,
            args,
        }
    }
}

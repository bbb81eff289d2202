//! A random walk through a store: submissions, workers that die, replies that are lost, jumps in time. After
//! every step the whole store must be what the model is.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    time::Duration,
};

use super::{
    Fixture, LEASE, completion,
    dice::Dice,
    failure,
    model::{Entry, Model},
    new_job,
};
use crate::{
    clock::Clock,
    job::{
        Fact, FactKind, JobId, Lease, Priority, Queue, Task, TaskState, Timestamp, Work,
        transition::Retry,
    },
    store::{Created, Held, StoreError},
};

/// Steps of one walk, and of a soak's.
const STEPS: usize = 400;
const SOAK: usize = 20_000;
/// Jobs at once; few, so that most steps meet something going on.
const JOBS: usize = 12;

/// What the store and the model disagree on.
pub(super) type Difference = String;

/// `STORE_WALK_SEED` repeats a walk but for the random part of the retries' waits.
pub(crate) async fn a_random_walk_follows_the_model(it: Fixture) {
    let given = asked("STORE_WALK_SEED");
    let seed = given.map_or_else(
        || uuid::Uuid::new_v4().as_u64_pair().0,
        |text| text.parse().unwrap(),
    );
    let soak = asked("I2M_SOAK").is_some_and(|set| set == "1");
    let steps = if soak { SOAK } else { STEPS };
    if let Err(difference) = walk(it, seed, steps).await {
        panic!("STORE_WALK_SEED={seed} repeats this: {difference}");
    }
}

/// What whoever runs the tests has asked for.
#[expect(clippy::disallowed_methods, reason = "no setting of the program")]
fn asked(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// A walk that met nothing would prove nothing.
pub(crate) async fn a_long_walk_meets_every_state(it: Fixture) {
    let met = walk(it, 2, 2_000).await.unwrap();
    for state in [
        "job Queued",
        "job Processing",
        "job Completed",
        "job Failed",
        "job Cancelled",
        "item Queued",
        "item Processing",
        "item Retrying",
        "item Completed",
        "item Failed",
        "item Cancelled",
        "task Ready",
        "task Delayed",
        "task Leased",
        "task Dead",
        "a crash",
        "a converted model",
        "a removal",
        "a deletion",
        "a burial",
        "a refused key",
    ] {
        assert!(met.contains(state), "no {state} among {met:?}");
    }
}

/// Walks until the store differs from the model; else tells what was met.
pub(super) async fn walk(
    it: Fixture,
    seed: u64,
    steps: usize,
) -> Result<BTreeSet<String>, Difference> {
    let mut walk = Walk {
        it,
        model: Model::default(),
        dice: Dice(seed),
        leases: Vec::new(),
        made: 0,
        met: BTreeSet::new(),
    };
    for step in 0..steps {
        walk.step()
            .await
            .map_err(|what| format!("step {step}: {what}"))?;
        walk.note();
    }
    Ok(walk.met)
}

struct Walk {
    it: Fixture,
    model: Model,
    dice: Dice,
    /// Every lease that was ever handed out, newest last; most of them are lost or done.
    leases: Vec<Lease>,
    made: u32,
    met: BTreeSet<String>,
}

impl Walk {
    async fn step(&mut self) -> Result<(), Difference> {
        self.it.pass(Duration::from_millis(self.dice.below(50)));
        let what = match self.dice.below(82) {
            0..=7 => self.create().await?,
            8..=19 => self.reserve().await?,
            20..=29 => self.start().await?,
            30..=35 => self.extend().await?,
            36..=37 => self.hand_back().await?,
            38..=44 => self.complete().await?,
            45..=52 => self.fail().await?,
            53..=55 => self.cancel().await?,
            56..=67 => self.request().await?,
            68..=73 => self.removed().await?,
            74..=78 => self.sweep().await?,
            79 => self.delete().await?,
            80 => self.bury().await?,
            _ => self.reopen().await?,
        };
        self.compare()
            .await
            .map_err(|difference| format!("after {what}: {difference}"))
    }

    fn note(&mut self) {
        for Entry { job, tasks } in self.model.jobs.values() {
            self.met.insert(format!("job {:?}", job.status()));
            for item in &job.items {
                self.met.insert(format!("item {:?}", item.status));
                if item.crashes > 0 {
                    self.met.insert("a crash".to_owned());
                }
                if item.files.len() > 1 {
                    self.met.insert("a converted model".to_owned());
                }
            }
            for task in tasks {
                let state = match task.state {
                    TaskState::Ready => "task Ready",
                    TaskState::Delayed { .. } => "task Delayed",
                    TaskState::Leased(_) => "task Leased",
                    TaskState::Dead { .. } => "task Dead",
                };
                self.met.insert(state.to_owned());
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.it.clock.now()
    }

    /// Most often a lease that holds, else a late one.
    fn lease(&mut self) -> Option<Lease> {
        let tasks = self.model.jobs.values().flat_map(|entry| &entry.tasks);
        let tokens: BTreeSet<_> = tasks.filter_map(token).collect();
        let holds = |lease: &&Lease| tokens.contains(lease.token.as_str());
        let mut from: Vec<_> = self.leases.iter().filter(holds).cloned().collect();
        if from.is_empty() || self.dice.below(4) == 0 {
            from = self.leases.iter().rev().take(12).cloned().collect();
        }
        (!from.is_empty()).then(|| self.dice.pick(&from).clone())
    }

    fn any_job(&mut self) -> Option<JobId> {
        let nth = self.dice.below(self.model.jobs.len().max(1) as u64);
        self.model.jobs.keys().nth(nth.try_into().unwrap()).copied()
    }

    /// A reply may be lost: then the same is asked for again.
    fn repeats(&mut self) -> u64 {
        1 + u64::from(self.dice.below(4) == 0)
    }

    async fn create(&mut self) -> Result<&'static str, Difference> {
        self.made += 1;
        let flow = *self.dice.pick(&["a", "b", "c"]);
        let mut new = new_job(flow, 0);
        new.id = JobId::derived("walk", &self.made.to_string());
        new.fingerprint = Some("same".to_owned());
        new.items = new_job("", 1 + self.dice.below(4) as usize).items;
        if self.dice.below(3) == 0 {
            new.priority = Priority::High;
        }
        if self.model.jobs.len() >= JOBS || self.dice.below(6) == 0 {
            let Some(id) = self.any_job() else {
                return Ok("nothing");
            };
            new.id = id;
            if self.dice.below(2) == 0 {
                new.fingerprint = Some("other".to_owned());
            }
        }
        let made = self.it.jobs().create_job(new.clone()).await;
        let made = made.map(|created| matches!(created, Created::New(_)));
        let expected = self.model.create(new, self.now());
        if expected == Err(StoreError::KeyReused) {
            self.met.insert("a refused key".to_owned());
        }
        same("create", &made, &expected)
    }

    async fn reserve(&mut self) -> Result<&'static str, Difference> {
        let queue = match self.dice.below(3) {
            0 => Queue::ModelGeneration,
            _ => *self.dice.pick(&Queue::ALL),
        };
        let limit = 1 + self.dice.below(4) as usize;
        let expected: Vec<_> = self.model.ready(queue).into_iter().take(limit).collect();
        let ask = super::ask(queue, limit);
        let (worker, until) = (ask.worker.clone(), self.now().after(ask.lease));
        let reserved = self.it.jobs().reserve(ask).await.map_err(said)?;
        let ids: Vec<_> = reserved.iter().map(|r| r.task.id.clone()).collect();
        same("reserve", &ids, &expected)?;
        for reserved in reserved {
            let known = |old: &Lease| old.token == reserved.lease.token;
            if self.leases.iter().any(known) {
                return Err("a token came twice".to_owned());
            }
            self.model.reserve(&reserved.lease, worker.clone(), until);
            let (_, task) = self.model.task(&reserved.task.id).unwrap();
            same("reserved task", &reserved.task, task)?;
            self.leases.push(reserved.lease);
        }
        Ok("reserve")
    }

    async fn start(&mut self) -> Result<&'static str, Difference> {
        let leases: Vec<_> = [self.lease(), self.lease()].into_iter().flatten().collect();
        let now = self.now();
        for _ in 0..self.repeats() {
            let held = self.it.jobs().start(&leases).await.map_err(said)?;
            let expected: Vec<Held> = leases.iter().map(|l| self.model.start(l, now)).collect();
            same("start", &held, &expected)?;
        }
        Ok("start")
    }

    async fn extend(&mut self) -> Result<&'static str, Difference> {
        let leases: Vec<_> = [self.lease(), self.lease()].into_iter().flatten().collect();
        let until = self.now().after(LEASE);
        let held = self.it.jobs().extend(&leases, LEASE).await.map_err(said)?;
        let renewed = leases.iter().map(|l| self.model.extend(l, until));
        same("extend", &held, &renewed.collect())
    }

    async fn hand_back(&mut self) -> Result<&'static str, Difference> {
        let leases: Vec<_> = [self.lease(), self.lease()].into_iter().flatten().collect();
        let now = self.now();
        self.it.jobs().hand_back(&leases).await.map_err(said)?;
        leases.iter().for_each(|l| self.model.hand_back(l, now));
        Ok("hand_back")
    }

    async fn complete(&mut self) -> Result<&'static str, Difference> {
        let Some(lease) = self.lease() else {
            return Ok("nothing");
        };
        let format = match &lease.task.work {
            Work::Convert { format, .. } => format,
            _ => "glb",
        };
        let made = completion(&lease, format);
        for _ in 0..self.repeats() {
            let answer = self.it.jobs().complete(&lease, made.clone()).await;
            let expected = self.model.complete(&lease, made.clone(), self.now());
            same("complete", &answer, &expected)?;
        }
        Ok("complete")
    }

    async fn fail(&mut self) -> Result<&'static str, Difference> {
        let Some(lease) = self.lease() else {
            return Ok("nothing");
        };
        let after = Retry::After(Duration::from_secs(self.dice.below(9)));
        let failure = failure(*self.dice.pick(&[Retry::Never, Retry::Backoff, after]));
        let answer = self.it.jobs().fail(&lease, failure.clone()).await;
        let task = self.it.jobs().task(&lease.task).await.map_err(said)?;
        let before = self.model.task(&lease.task).map(|(_, task)| task.clone());
        let expected = self.model.fail(&lease, failure, 0.0, self.now());
        same("fail", &answer, &expected)?;
        // The wait is random: within its bounds the store's word is taken.
        if expected.is_ok()
            && let Some((job, known)) = self.model.task(&lease.task)
            && let (TaskState::Delayed { until }, Some(task)) = (&mut known.state, task)
            && let TaskState::Delayed { until: said } = task.state
        {
            let errors = before.map_or(0, |task| task.attempts);
            let spread = 1_000 << errors;
            if !(0..=spread).contains(&said.since(*until)) {
                return Err(format!("a wait until {said:?}, at least {until:?}"));
            }
            *until = said;
            if let Some(fact) = job.facts.last_mut()
                && let FactKind::Retrying { at, .. } = &mut fact.kind
                && matches!(lease.task.work, Work::Generate { .. })
            {
                *at = said;
            }
        }
        Ok("fail")
    }

    async fn cancel(&mut self) -> Result<&'static str, Difference> {
        let begun = self.lease().map(|lease| lease.task.job);
        let id = match self.dice.below(3) {
            0 => JobId::random(),
            1 => begun.unwrap_or_else(JobId::random),
            _ => self.any_job().unwrap_or_else(JobId::random),
        };
        let answer = self.it.jobs().cancel(id).await.map(|_| ());
        same("cancel", &answer, &self.model.cancel(id, self.now()))
    }

    async fn delete(&mut self) -> Result<&'static str, Difference> {
        let id = self.any_job().unwrap_or_else(JobId::random);
        for _ in 0..self.repeats() {
            let answer = self.it.jobs().delete(id).await.map(|_| ());
            let expected = self.model.delete(id, self.now());
            if expected.is_ok() {
                self.met.insert("a deletion".to_owned());
            }
            same("delete", &answer, &expected)?;
        }
        Ok("delete")
    }

    /// Most often a dead task is there to be buried.
    async fn bury(&mut self) -> Result<&'static str, Difference> {
        let tasks = self.model.jobs.values().flat_map(|entry| &entry.tasks);
        let mut from: Vec<_> = tasks.map(|task| task.id.clone()).collect();
        let dead = self.it.jobs().dead(None, 1).await.map_err(said)?;
        from.extend(dead.into_iter().map(|task| task.id));
        let Some(id) = from.last() else {
            return Ok("nothing");
        };
        let id = match self.dice.below(4) {
            0 => self.dice.pick(&from).clone(),
            _ => id.clone(),
        };
        let answer = self.it.jobs().bury(&id).await;
        let expected = self.model.bury(&id);
        if expected.is_ok() {
            self.met.insert("a burial".to_owned());
        }
        same("bury", &answer, &expected)
    }

    async fn request(&mut self) -> Result<&'static str, Difference> {
        let Some(id) = self.any_job() else {
            return Ok("nothing");
        };
        if self.dice.below(2) == 0 {
            let answer = self.it.jobs().request_removal(id).await;
            return same(
                "removal",
                &answer,
                &self.model.request_removal(id, self.now()),
            );
        }
        let item = 1 + self.dice.below(4) as u8;
        let format = *self.dice.pick(&["glb", "stl", "ply"]);
        let answer = self.it.jobs().request_format(id.item(item), format).await;
        let expected = self.model.request_format(id, item, format, self.now());
        same("request_format", &answer, &expected)
    }

    async fn removed(&mut self) -> Result<&'static str, Difference> {
        // Most leases are of other work, which `removed` must refuse.
        let removal = |lease: &&Lease| lease.task.work == Work::Remove;
        let last = self.leases.iter().rev().find(removal).cloned();
        let Some(lease) = last.or_else(|| self.lease()) else {
            return Ok("nothing");
        };
        let now = self.now();
        let held = self.it.jobs().start(std::slice::from_ref(&lease)).await;
        same("start", &held, &Ok(vec![self.model.start(&lease, now)]))?;
        let lease = match self.dice.below(8) {
            0 => self.lease().unwrap_or(lease),
            _ => lease,
        };
        let answer = self.it.jobs().removed(&lease).await;
        let expected = self.model.removed(&lease);
        if expected.is_ok() {
            self.met.insert("a removal".to_owned());
        }
        same("removed", &answer, &expected)
    }

    async fn sweep(&mut self) -> Result<&'static str, Difference> {
        let longest = *self.dice.pick(&[1, 5, 5, 40]);
        self.it.pass(Duration::from_secs(self.dice.below(longest)));
        let mut swept = self.it.jobs().sweep().await.map_err(said)?;
        let told = self.facts().await?;
        swept.poisoned = 0;
        same("sweep", &swept, &self.model.sweep(&told, self.now()))
    }

    /// The process dies; whatever was leased is taken back by the next.
    async fn reopen(&mut self) -> Result<&'static str, Difference> {
        let Some(reopen) = self.it.reopen.clone() else {
            return Ok("nothing");
        };
        self.it.restart(reopen.as_ref());
        let told = self.facts().await?;
        let leased = |task: &Task| token(task).is_some();
        self.model.take_back(&told, self.now(), leased);
        Ok("reopen")
    }

    async fn facts(&self) -> Result<BTreeMap<JobId, Vec<Fact>>, Difference> {
        let mut told = BTreeMap::new();
        for id in self.model.jobs.keys() {
            let facts = self.it.jobs().facts(*id, 0).await.map_err(said)?;
            told.insert(*id, facts.unwrap_or_default());
        }
        Ok(told)
    }

    async fn compare(&mut self) -> Result<(), Difference> {
        let ids: Vec<_> = self.model.jobs.keys().copied().collect();
        let jobs = self.it.jobs().jobs(&ids).await.map_err(said)?;
        for (found, Entry { job, tasks }) in jobs.iter().zip(self.model.jobs.values()) {
            same("job", &found.as_ref(), &Some(job))?;
            for task in tasks {
                let found = self.it.jobs().task(&task.id).await.map_err(said)?;
                same("task", &found.as_ref(), &Some(task))?;
            }
        }
        let kept: usize = self
            .model
            .jobs
            .values()
            .map(|entry| entry.tasks.len())
            .sum();
        let depths = self.it.jobs().depths().await.map_err(said)?;
        let found: u64 = depths
            .values()
            .map(|d| d.ready + d.delayed + d.leased + d.dead)
            .sum();
        same("number of tasks", &found, &(kept as u64))?;
        let before = self.now();
        let mut removable = self.it.jobs().removable(before, 99).await.map_err(said)?;
        removable.sort_unstable();
        same("removable", &removable, &self.model.removable(before))?;
        for (ahead, id) in self.model.ready(Queue::ModelGeneration).iter().enumerate() {
            let position = self.it.jobs().position(id).await.map_err(said)?;
            same("position", &position, &Some(ahead as u64))?;
        }
        Ok(())
    }
}

fn token(task: &Task) -> Option<&str> {
    match &task.state {
        TaskState::Leased(lease) => Some(&lease.token),
        _ => None,
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    store: &T,
    model: &T,
) -> Result<&'static str, Difference> {
    if store == model {
        Ok(what)
    } else {
        Err(format!(
            "{what}\nin the store {store:?}\nin the model {model:?}"
        ))
    }
}

fn said(error: StoreError) -> Difference {
    let error: Box<dyn std::error::Error> = error.into();
    format!("the store said: {error}")
}

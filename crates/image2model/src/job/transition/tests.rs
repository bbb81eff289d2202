//! Random sequences of moves, and what must hold whatever they are.

use std::{collections::BTreeMap, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::{
    Completion, Failure, Fate, NewItem, NewJob, Refused, Retry, bury, cancel, complete, create,
    delete, expire, extend, fail, hand_back, promote, repeats, request_format, request_removal,
    reserve, start,
};
use crate::job::{
    About, Fact, FactKind, FileRecord, Flow, Item, ItemStatus, Job, JobId, JobStatus, Notice,
    Owner, Priority, RetryPolicy, Task, TaskId, TaskState, Timestamp, Work, WorkerId,
};

/// A move at the `usize`th task or lease, counted round.
#[derive(Debug, Clone)]
enum Move {
    Reserve(usize),
    Start(usize),
    Extend(usize),
    HandBack(usize),
    Complete(usize),
    Fail(usize, Retry, f64),
    Expire(usize),
    Promote(usize),
    RequestFormat(usize),
    Cancel,
    Delete,
    Bury(usize),
    RequestRemoval,
}

fn any_move() -> impl Strategy<Value = Move> {
    let any = 0..64_usize;
    let retry = prop_oneof![
        Just(Retry::Never),
        Just(Retry::Backoff),
        (0..60_u64).prop_map(|s| Retry::After(Duration::from_secs(s))),
    ];
    prop_oneof![
        6 => any.clone().prop_map(Move::Reserve),
        8 => any.clone().prop_map(Move::Start),
        1 => any.clone().prop_map(Move::Extend),
        2 => any.clone().prop_map(Move::HandBack),
        2 => any.clone().prop_map(Move::Complete),
        4 => (any.clone(), retry, 0.0..=1.0).prop_map(|(n, retry, random)| Move::Fail(n, retry, random)),
        5 => any.clone().prop_map(Move::Expire),
        4 => any.clone().prop_map(Move::Promote),
        2 => any.prop_map(Move::RequestFormat),
        1 => Just(Move::Cancel),
        1 => Just(Move::Delete),
        1 => (0..64_usize).prop_map(Move::Bury),
        1 => Just(Move::RequestRemoval),
    ]
}

fn new_job(items: usize) -> NewJob {
    let item = NewItem {
        filename: "photo.png".to_owned(),
        media_type: "image/png".to_owned(),
        size: 1,
        upload: "upload".to_owned(),
    };
    NewJob {
        id: JobId::random(),
        owner: Owner::open(),
        flow: Flow("flow".to_owned()),
        priority: Priority::Normal,
        options: Vec::new(),
        formats: Vec::new(),
        fingerprint: None,
        about: About::default(),
        items: vec![item; items],
    }
}

#[derive(Clone)]
struct World {
    job: Job,
    tasks: Vec<Task>,
    /// Every lease ever given, in order.
    leases: Vec<(TaskId, String)>,
    /// Whose it is now, kept by the test's own book.
    current: BTreeMap<TaskId, String>,
    now: Timestamp,
}

impl World {
    fn new(items: usize) -> Self {
        let now = Timestamp(1_000);
        let (job, tasks) = create(new_job(items), now).unwrap();
        Self {
            job,
            tasks,
            leases: Vec::new(),
            current: BTreeMap::new(),
            now,
        }
    }

    /// Does what a store does around a move.
    fn make(&mut self, step: &Move) -> Result<(), Refused> {
        self.now = Timestamp(self.now.0 + 1);
        let now = self.now;
        match step {
            Move::Cancel => {
                cancel(&mut self.job, &mut self.tasks, now);
                self.forget_gone();
                Ok(())
            }
            Move::Delete => {
                let removal = delete(&mut self.job, &mut self.tasks, now);
                self.forget_gone();
                self.add(removal);
                Ok(())
            }
            Move::Bury(n) => {
                let id = self.nth_task(*n).map(|task| task.id.clone());
                id.map_or(Ok(()), |id| bury(&mut self.tasks, &id))
            }
            Move::RequestRemoval => {
                let task = request_removal(&self.job, &self.tasks, now)?;
                self.add(task);
                Ok(())
            }
            Move::RequestFormat(n) => {
                let item = u8::try_from(n % 4).unwrap();
                let format = ["stl", "ply"][n % 2];
                let id = self.job.id.item(item);
                let task = request_format(&self.job, &self.tasks, id, format, now)?;
                self.add(task);
                Ok(())
            }
            Move::Reserve(n) => self.reserve(*n),
            Move::Promote(n) => self.nth_task(*n).map_or(Ok(()), promote),
            Move::Expire(n) => self.expire(*n),
            Move::Start(n) => self.holding(*n, |job, task, token| {
                start(job, task, token, now).map(|()| Fate::Kept)
            }),
            Move::Extend(n) => self.holding(*n, |_, task, token| {
                extend(task, token, now).map(|()| Fate::Kept)
            }),
            Move::HandBack(n) => {
                self.letting_go(*n, |job, task, token| hand_back(job, task, token, now))
            }
            Move::Complete(n) => self.letting_go(*n, |job, task, token| {
                complete(job, task, token, made(task, token), now).map(|()| Fate::Gone)
            }),
            Move::Fail(n, retry, random) => self.letting_go(*n, |job, task, token| {
                let error = Notice {
                    code: "error".to_owned(),
                    message: String::new(),
                };
                let retry = *retry;
                let (failure, policy) = (Failure { error, retry }, RetryPolicy::default());
                fail(job, task, token, failure, &policy, *random, now)
            }),
        }
    }

    fn nth_task(&mut self, n: usize) -> Option<&mut Task> {
        let count = self.tasks.len().max(1);
        self.tasks.get_mut(n % count)
    }

    fn reserve(&mut self, n: usize) -> Result<(), Refused> {
        let (token, until) = (format!("{}", self.leases.len()), self.now);
        let Some(task) = self.nth_task(n) else {
            return Ok(());
        };
        reserve(task, WorkerId("w".to_owned()), token.clone(), until)?;
        let id = task.id.clone();
        self.leases.push((id.clone(), token.clone()));
        self.current.insert(id, token);
        Ok(())
    }

    fn expire(&mut self, n: usize) -> Result<(), Refused> {
        let now = self.now;
        let Some(id) = self.nth_task(n).map(|task| task.id.clone()) else {
            return Ok(());
        };
        let task = self.tasks.iter_mut().find(|task| task.id == id).unwrap();
        let fate = expire(&mut self.job, task, &RetryPolicy::default(), now)?;
        self.let_go(&id, fate);
        Ok(())
    }

    fn holding(
        &mut self,
        n: usize,
        act: impl FnOnce(&mut Job, &mut Task, &str) -> Result<Fate, Refused>,
    ) -> Result<(), Refused> {
        let count = self.leases.len().max(1);
        // Late leases are asked for as often as the last few.
        let Some((id, token)) = self.leases.iter().rev().nth(n % count.min(6)).cloned() else {
            return Ok(());
        };
        let task = self.tasks.iter_mut().find(|task| task.id == id);
        let answer = task.map_or(Err(Refused::LeaseLost), |task| {
            act(&mut self.job, task, &token)
        });
        if self.current.get(&id) != Some(&token) {
            assert_eq!(answer, Err(Refused::LeaseLost), "a stale lease");
        }
        answer.map(|fate| {
            if fate == Fate::Gone {
                self.tasks.retain(|task| task.id != id);
            }
        })
    }

    fn letting_go(
        &mut self,
        n: usize,
        act: impl FnOnce(&mut Job, &mut Task, &str) -> Result<Fate, Refused>,
    ) -> Result<(), Refused> {
        let mut id = None;
        self.holding(n, |job, task, token| {
            id = Some(task.id.clone());
            act(job, task, token)
        })?;
        if let Some(id) = id {
            self.current.remove(&id);
        }
        Ok(())
    }

    fn let_go(&mut self, id: &TaskId, fate: Fate) {
        self.current.remove(id);
        if fate == Fate::Gone {
            self.tasks.retain(|task| task.id != *id);
        }
    }

    fn forget_gone(&mut self) {
        let tasks = &self.tasks;
        self.current
            .retain(|id, _| tasks.iter().any(|task| task.id == *id));
    }

    fn add(&mut self, task: Option<Task>) {
        if let Some(task) = task {
            self.tasks.retain(|dead| dead.id != task.id);
            self.tasks.push(task);
        }
    }

    /// What must hold at any time, and between the state before and this one.
    fn check(&self, before: &Self) {
        let (old, new) = (&before.job, &self.job);
        assert!(new.facts.starts_with(&old.facts), "facts were rewritten");
        for (was, is) in old.items.iter().zip(&new.items) {
            check_item(was, is);
        }
        if old.ended.is_some() {
            assert_eq!((old.status(), old.ended), (new.status(), new.ended));
            assert_eq!(old.facts, new.facts, "a fact after the end");
        }
        assert!(new.deleted || !old.deleted, "a deleted job came back");
        if new.deleted {
            assert!(new.cancel_requested || new.ended.is_some(), "it goes on");
        }
        check_facts(new);
        for item in &new.items {
            let waits = self.tasks.iter().any(|task| {
                task.id.work == Work::Generate { item: item.number }
                    && !matches!(task.state, TaskState::Dead { .. })
            });
            assert_eq!(waits, !item.status.is_final(), "a task for each open item");
        }
    }
}

fn made(task: &Task, token: &str) -> Completion {
    let format = match &task.id.work {
        Work::Convert { format, .. } => format.clone(),
        _ => "glb".to_owned(),
    };
    let file = FileRecord {
        name: token.to_owned(),
        format,
        media_type: String::new(),
        size: 1,
        key: token.to_owned(),
        created: Timestamp(0),
    };
    Completion {
        files: vec![file],
        warnings: Vec::new(),
    }
}

fn check_item(was: &Item, is: &Item) {
    let policy = RetryPolicy::default();
    assert!(
        is.attempts <= policy.max_attempts,
        "{} attempts",
        is.attempts
    );
    assert!(is.crashes <= policy.max_crashes, "{} crashes", is.crashes);
    assert!(is.attempts >= was.attempts && is.crashes >= was.crashes);
    if was.status.is_final() {
        let outcome = |item: &Item| (item.status, item.error.clone(), item.attempts, item.crashes);
        assert_eq!(outcome(was), outcome(is), "an outcome changed");
        assert!(is.files.starts_with(&was.files));
    }
    assert_eq!(is.error.is_some(), is.status == ItemStatus::Failed);
    assert_eq!(is.files.is_empty(), is.status != ItemStatus::Completed);
}

fn check_facts(job: &Job) {
    let count = |is: &dyn Fn(&FactKind) -> bool| job.facts.iter().filter(|f| is(&f.kind)).count();
    assert_eq!(job.facts[0].kind, FactKind::Queued);
    assert_eq!(count(&|kind| *kind == FactKind::Queued), 1);
    let ends = count(&|kind| matches!(kind, FactKind::Ended { .. }));
    assert_eq!(ends, usize::from(job.ended.is_some()));
    if let Some(at) = job.ended {
        let status = job.status();
        let kind = FactKind::Ended { status };
        assert_eq!(job.facts.last(), Some(&Fact { at, kind }));
    }
    for item in &job.items {
        let number = item.number;
        let ends = count(&|kind| {
            *kind == FactKind::ItemCompleted { item: number }
                || *kind == FactKind::ItemCancelled { item: number }
                || matches!(kind, FactKind::ItemFailed { item, .. } if *item == number)
        });
        assert_eq!(ends, usize::from(item.status.is_final()), "item {number}");
    }
    assert!(job.facts.is_sorted_by_key(|fact| fact.at));
}

proptest! {
    #[test]
    fn whatever_happens_the_promises_hold(items in 1..=3_usize, moves in vec(any_move(), 0..120)) {
        let mut world = World::new(items);
        for step in &moves {
            let before = world.clone();
            if world.make(step).is_err() {
                prop_assert_eq!(&world.job, &before.job, "a refused move changed the job");
                prop_assert_eq!(&world.tasks, &before.tasks, "a refused move changed a task");
            }
            world.check(&before);
        }
        // From anywhere the job can be brought to its one end.
        for round in 0..40 {
            for step in [Move::Promote(round), Move::Reserve(round), Move::Start(0), Move::Complete(0), Move::Expire(round)] {
                let before = world.clone();
                let _ = world.make(&step);
                world.check(&before);
            }
        }
        prop_assert!(world.job.ended.is_some(), "{:?}", world.job);
    }

    #[test]
    fn a_cancelled_job_ends_as_cancelled(items in 1..=3_usize, moves in vec(any_move(), 0..40)) {
        let mut world = World::new(items);
        for step in &moves {
            let _ = world.make(step);
        }
        let before = world.job.status();
        let open = world.job.ended.is_none();
        let _ = world.make(&Move::Cancel);
        for round in 0..12 {
            let _ = world.make(&Move::Expire(round));
        }
        let expected = if open { JobStatus::Cancelled } else { before };
        prop_assert_eq!(world.job.status(), expected);
    }
}

#[test]
fn a_deleted_job_is_removed_as_soon_as_nothing_works_on_it() {
    let removal = |world: &World| {
        let mut works = world.tasks.iter().map(|task| &task.id.work);
        works.any(|work| *work == Work::Remove)
    };
    let waiting = after(&[Move::Delete]);
    assert_eq!(waiting.job.status(), JobStatus::Cancelled);
    assert!(removal(&waiting));
    assert_eq!(waiting.job.kept_since(), Some(Timestamp(0)));

    let mut running = after(&[Move::Reserve(0), Move::Start(0), Move::Delete]);
    assert!(!removal(&running) && running.job.kept_since().is_none());
    running.make(&Move::Complete(0)).unwrap();
    assert_eq!(running.job.kept_since(), Some(Timestamp(0)));
    let late = running.make(&Move::RequestFormat(1));
    assert_eq!(late, Err(Refused::BeingRemoved));
    let again = running.make(&Move::Delete);
    assert!(again.is_ok() && removal(&running));
}

#[test]
fn a_repeat_is_of_the_same_owner_and_content() {
    let new = NewJob {
        fingerprint: Some("same".to_owned()),
        ..new_job(1)
    };
    let (mut job, _) = create(new, Timestamp(1)).unwrap();
    let (own, same) = (job.owner.clone(), Some("same"));
    assert_eq!(repeats(&job, &own, same), Ok(()));
    let other = Owner("other".to_owned());
    assert_eq!(repeats(&job, &other, same), Err(Refused::KeyReused));
    assert_eq!(repeats(&job, &own, None), Err(Refused::KeyReused));
    job.deleted = true;
    assert_eq!(repeats(&job, &own, same), Err(Refused::Deleted));
}

/// The job of one item after each of the moves has been made.
fn after(moves: &[Move]) -> World {
    let mut world = World::new(1);
    for step in moves {
        world.make(step).unwrap();
    }
    world
}

#[test]
fn moves_that_are_not_in_the_table_are_refused() {
    let begun = [Move::Reserve(0), Move::Start(0)];
    let cases: [(&[Move], Move, Refused); 9] = [
        (&begun, Move::Bury(0), Refused::NotDead),
        (&[Move::Reserve(0)], Move::Reserve(0), Refused::WrongState),
        (&[Move::Reserve(0)], Move::Complete(0), Refused::WrongState),
        (&[], Move::Expire(0), Refused::WrongState),
        (&begun, Move::Promote(0), Refused::WrongState),
        (&begun, Move::RequestFormat(1), Refused::NoModel),
        (&begun, Move::RequestFormat(3), Refused::NoSuchItem),
        (&begun, Move::RequestRemoval, Refused::NotEnded),
        (
            &[Move::Reserve(0), Move::HandBack(0)],
            Move::Start(0),
            Refused::LeaseLost,
        ),
    ];
    for (before, step, refused) in cases {
        let mut world = after(before);
        assert_eq!(world.make(&step), Err(refused), "{step:?} after {before:?}");
    }
}

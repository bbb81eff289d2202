use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use tempfile::TempDir;

use super::{Copied, CopyError, Side, Stand, copy};
use crate::{
    access::{Key, Scope, Token, link::Secret},
    job::{
        ItemStatus, JobId, Lane, Owner, Queue, RetryPolicy, Task, TaskState, Timestamp, WorkerId,
        transition::NewJob,
    },
    store::{
        Put, Record, Records, Reserve, Store, StoreError, WorkerReport,
        conformance::{self, Fixture, ManualClock, filling::fill},
        embedded,
        redis::{
            self, Settings, Time,
            tests::real::{ClusterFleet, RealServer},
        },
    },
};

/// Data directories and Redis servers on one clock.
#[derive(Default)]
struct Bench {
    clock: Arc<ManualClock>,
}

impl Bench {
    fn folder(&self) -> (TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = embedded::open(dir.path(), self.clock.clone(), RetryPolicy::default());
        (dir, store.unwrap())
    }

    /// The store at an address, whatever lies behind it.
    async fn at(&self, url: &str, shards: u16) -> Store {
        let settings = Settings {
            shards,
            time: Time::Given(self.clock.clone()),
            ..Settings::new(url, RetryPolicy::default())
        };
        redis::open(settings).await.unwrap()
    }

    async fn fill(&self, store: &Store) {
        let it = Fixture {
            open: Some(store.clone()),
            clock: self.clock.clone(),
            reopen: None,
            _kept: Arc::new(()),
        };
        fill(&it).await;
    }
}

async fn copied(from: &Store, to: &Store) -> Result<Copied, CopyError> {
    copy(from, to, &mut |_| ()).await
}

/// All records by id, the tasks in their order.
async fn all(store: &Store) -> BTreeMap<JobId, Record> {
    let ids = store.records.ids().await.unwrap();
    let records = store.records.records(&ids).await.unwrap();
    let records = records.into_iter().map(Option::unwrap);
    let all: BTreeMap<_, _> = records.map(|record| (record.job.id, record)).collect();
    assert_eq!(all.len(), ids.len(), "each once");
    all
}

async fn reserve(store: &Store, queue: Queue, limit: usize) -> Vec<Task> {
    let ask = Reserve {
        queue,
        lane: Lane::local(),
        worker: WorkerId("worker".to_owned()),
        limit,
        lease: Duration::from_secs(30),
    };
    let reserved = store.jobs.reserve(ask).await.unwrap();
    reserved.into_iter().map(|one| one.task).collect()
}

/// In which order each flow's tasks are handed out, by queue and flow.
async fn served(store: &Store) -> BTreeMap<(Queue, String), Vec<String>> {
    let mut served: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for queue in Queue::ALL {
        for task in reserve(store, queue, 1000).await {
            let flow = (task.queue, task.flow.0.clone());
            served.entry(flow).or_default().push(task.id.to_string());
        }
    }
    served
}

/// What readers see of a store.
async fn assert_alike(one: &Store, other: &Store) {
    assert_eq!(all(one).await, all(other).await);
    let (one, other) = (&one.jobs, &other.jobs);
    assert_eq!(one.depths().await, other.depths().await);
    let late = Timestamp(i64::MAX);
    let removable = |mut jobs: Vec<JobId>| {
        jobs.sort_unstable();
        jobs
    };
    assert_eq!(
        removable(one.removable(late, 100).await.unwrap()),
        removable(other.removable(late, 100).await.unwrap())
    );
    for owner in [Owner::open(), Owner("someone".to_owned())] {
        let page = one.list(&owner, None, 100).await.unwrap();
        assert!(!page.jobs.is_empty());
        assert_eq!(page, other.list(&owner, None, 100).await.unwrap());
    }
    assert_eq!(
        one.dead(None, 100).await.unwrap().len(),
        other.dead(None, 100).await.unwrap().len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_comes_over_to_a_cluster_and_back() {
    let fleet = ClusterFleet::start(3, 0);
    let bench = Bench::default();
    let (_kept, from) = bench.folder();
    bench.fill(&from).await;
    let over = bench.at(&fleet.url(), 16).await;
    let (_back, back) = bench.folder();
    let first = copied(&from, &over).await.unwrap();
    assert_eq!(first.source, first.target);
    assert_eq!((first.jobs, first.tasks), (12, 16), "{first:?}");
    assert_alike(&from, &over).await;
    let second = copied(&over, &back).await.unwrap();
    assert_eq!(second.target, first.source);
    assert_alike(&from, &back).await;
}

#[tokio::test]
async fn every_state_comes_over_and_back() {
    for shards in [1, 16] {
        let bench = Bench::default();
        let (_kept, from) = bench.folder();
        bench.fill(&from).await;
        let server = RealServer::start(&[]);
        let over = bench.at(&server.url(), shards).await;
        let (_back, back) = bench.folder();

        let first = copied(&from, &over).await.unwrap();
        assert_eq!(first.source, first.target);
        assert_eq!((first.jobs, first.tasks), (12, 16), "{first:?}");
        assert_eq!(first.present, 0);
        assert_alike(&from, &over).await;
        let second = copied(&over, &back).await.unwrap();
        assert_eq!(second.source, first.source);
        assert_eq!(second.target, first.source);
        assert_alike(&from, &back).await;

        let again = copied(&from, &over).await.unwrap();
        assert_eq!((again.jobs, again.present), (0, first.jobs));
        assert_eq!(again.target, first.target);

        assert_every_state(&all(&back).await);
        let before = served(&from).await;
        assert_eq!(served(&back).await, before);
        if shards == 1 {
            assert_eq!(served(&over).await, before);
        }
    }
}

/// The filling leaves nothing out, and no lease is left.
fn assert_every_state(all: &BTreeMap<JobId, Record>) {
    let tasks = || all.values().flat_map(|record| &record.tasks);
    let (mut ready, mut delayed, mut dead) = (0, 0, 0);
    for task in tasks() {
        match task.state {
            TaskState::Ready => ready += 1,
            TaskState::Delayed { .. } => delayed += 1,
            TaskState::Dead { .. } => dead += 1,
            TaskState::Leased(_) => panic!("{task:?}"),
        }
    }
    assert_eq!((ready, delayed, dead), (13, 1, 2));
    assert_eq!(tasks().filter(|task| task.crashes == 1).count(), 1);
    let queues = tasks().map(|task| task.queue);
    assert_eq!(queues.collect::<BTreeSet<_>>().len(), 4);
    let items = || all.values().flat_map(|record| &record.job.items);
    for status in [
        ItemStatus::Queued,
        ItemStatus::Retrying,
        ItemStatus::Completed,
        ItemStatus::Failed,
        ItemStatus::Cancelled,
    ] {
        assert!(items().any(|item| item.status == status), "{status:?}");
    }
    assert!(items().any(|item| item.reached == 40));
}

/// Opening a data directory takes leases back by itself; in a Redis the copy does.
#[tokio::test]
async fn leases_in_a_redis_are_taken_back_first() {
    let bench = Bench::default();
    let server = RealServer::start(&[]);
    let from = bench.at(&server.url(), 1).await;
    bench.fill(&from).await;
    let (_kept, to) = bench.folder();
    let whole = copied(&from, &to).await.unwrap();
    assert_eq!((whole.jobs, whole.tasks), (12, 16));
    assert_eq!(whole.source, whole.target);
    assert_alike(&from, &to).await;
    assert_every_state(&all(&to).await);
    assert_eq!(served(&to).await, served(&from).await);
}

#[tokio::test]
async fn what_came_over_goes_on() {
    let bench = Bench::default();
    let (_kept, from) = bench.folder();
    bench.fill(&from).await;
    let server = RealServer::start(&[]);
    let over = bench.at(&server.url(), 1).await;
    copied(&from, &over).await.unwrap();
    bench.clock.pass(Duration::from_secs(10));
    assert_eq!(over.jobs.sweep().await.unwrap().promoted, 1);
    assert_eq!(from.jobs.sweep().await.unwrap().promoted, 1);
    assert_eq!(served(&over).await, served(&from).await);
    let dead = over.jobs.dead(None, 9).await.unwrap();
    assert_eq!(dead.len(), 2);
    let given_up = dead.iter().find(|task| task.id.work.generated().is_none());
    let item = given_up.unwrap().id.job.item(1);
    over.jobs.request_format(item, "obj").await.unwrap();
    assert_eq!(reserve(&over, Queue::BatchProcessing, 9).await.len(), 1);
}

/// A store that breaks in the middle of a copy.
struct Breaking {
    inner: Arc<dyn Records>,
    /// Records that it still takes.
    left: AtomicUsize,
    /// Whether leases stay.
    busy: bool,
}

#[async_trait]
impl Records for Breaking {
    async fn take_back_leases(&self) -> Result<(), StoreError> {
        if self.busy {
            return Ok(());
        }
        self.inner.take_back_leases().await
    }

    async fn ids(&self) -> Result<Vec<JobId>, StoreError> {
        self.inner.ids().await
    }

    async fn records(&self, ids: &[JobId]) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.records(ids).await
    }

    async fn put(&self, mut records: Vec<Record>) -> Result<Vec<Put>, StoreError> {
        records.truncate(self.left.swap(0, Ordering::Relaxed));
        self.inner.put(records).await?;
        Err(StoreError::Full)
    }
}

fn breaking(store: &Store, left: usize, busy: bool) -> Store {
    let inner = store.records.clone();
    let left = AtomicUsize::new(left);
    Store {
        records: Arc::new(Breaking { inner, left, busy }),
        ..store.clone()
    }
}

#[tokio::test]
async fn a_copy_that_broke_off_is_gone_on_with() {
    let bench = Bench::default();
    let (_kept, from) = bench.folder();
    bench.fill(&from).await;
    let server = RealServer::start(&[]);
    let (_other, folder) = bench.folder();
    for target in [bench.at(&server.url(), 16).await, folder] {
        let broken = copied(&from, &breaking(&target, 5, false)).await;
        let (side, error) = (Side::Target, StoreError::Full);
        assert_eq!(broken, Err(CopyError::Broken { side, error }));
        let whole = copied(&from, &target).await.unwrap();
        assert_eq!((whole.present, whole.jobs), (5, 7));
        assert_eq!(whole.source, whole.target);
    }
}

/// Over Redis a waiting task is queued up first and gets its state then.
#[tokio::test]
async fn a_break_between_two_steps_is_mended() {
    let bench = Bench::default();
    let (_kept, from) = bench.folder();
    bench.fill(&from).await;
    from.records.take_back_leases().await.unwrap();
    let waits = |task: &Task| matches!(task.state, TaskState::Delayed { .. });
    let mut half: Vec<_> = all(&from).await.into_values().collect();
    half.retain(|record| record.tasks.iter().any(waits));
    assert_eq!(half.len(), 1);
    for task in half.iter_mut().flat_map(|record| &mut record.tasks) {
        task.state = TaskState::Ready;
    }
    let server = RealServer::start(&[]);
    let over = bench.at(&server.url(), 16).await;
    assert_eq!(over.records.put(half).await, Ok(vec![Put::Written]));
    let whole = copied(&from, &over).await.unwrap();
    assert_eq!(whole.source, whole.target);
    assert_alike(&from, &over).await;
}

#[tokio::test]
async fn what_is_there_and_differs_is_left_alone_and_named() {
    let bench = Bench::default();
    let (_kept, from) = bench.folder();
    let id = create(&from).await;
    let server = RealServer::start(&[]);
    let (_other, folder) = bench.folder();
    for target in [bench.at(&server.url(), 16).await, folder] {
        copied(&from, &target).await.unwrap();
        let cancelled = target.jobs.cancel(id).await.unwrap();
        let refused = copied(&from, &target).await;
        assert_eq!(refused, Err(CopyError::Differs(id)));
        assert_eq!(target.jobs.job(id).await, Ok(Some(cancelled)));
        let other = create(&target).await;
        let refused = copied(&from, &target).await;
        assert_eq!(refused, Err(CopyError::Foreign(other)));
    }
}

async fn create(store: &Store) -> JobId {
    let new: NewJob = conformance::new_job("a", 1);
    let id = new.id;
    store.jobs.create_job(new).await.unwrap();
    id
}

#[tokio::test]
async fn a_store_at_work_is_not_copied() {
    let bench = Bench::default();
    let server = RealServer::start(&[]);
    let from = bench.at(&server.url(), 16).await;
    let (_kept, to) = bench.folder();
    create(&from).await;
    let report = WorkerReport {
        worker: "host-7".to_owned(),
        role: "worker".to_owned(),
        queues: BTreeMap::new(),
        seen: 0,
    };
    from.presence.report(report).await.unwrap();
    let workers = vec!["host-7".to_owned()];
    for (one, other, side) in [(&from, &to, Side::Source), (&to, &from, Side::Target)] {
        let refused = copied(one, other).await.unwrap_err();
        let workers = workers.clone();
        assert_eq!(refused, CopyError::AtWork { side, workers });
        assert!(refused.to_string().contains("host-7"), "{refused}");
    }
    bench.clock.pass(Duration::from_secs(31));
    let task = reserve(&from, Queue::ModelGeneration, 1).await.remove(0);
    let busy = breaking(&from, 0, true);
    assert_eq!(
        copied(&busy, &to).await,
        Err(CopyError::Taken(task.id.job)),
        "a worker came back"
    );
    assert_eq!(copied(&from, &to).await.unwrap().jobs, 1);
}

#[tokio::test]
async fn one_store_under_two_names_is_noticed() {
    let bench = Bench::default();
    let server = RealServer::start(&[]);
    let one = bench.at(&server.url(), 16).await;
    let other = bench.at(&server.url(), 16).await;
    assert_eq!(copied(&one, &other).await, Err(CopyError::SameStore));
    assert_eq!(one.presence.workers().await, Ok(Vec::new()));
    let (_kept, folder) = bench.folder();
    let itself = copied(&folder, &folder.clone()).await;
    assert_eq!(itself, Err(CopyError::SameStore));
}

#[tokio::test]
async fn more_than_one_answer_holds_come_over_in_order() {
    let bench = Bench::default();
    let (_kept, from) = bench.folder();
    let (ended, waiting) = (1_150, 250);
    let ids = join_all((0..ended + waiting).map(|_| create(&from))).await;
    // The last ones, and some between.
    let ends = ids.iter().enumerate();
    let ends = ends.filter(|(number, _)| number % 5 == 4 || *number >= 312);
    join_all(ends.map(|(_, id)| from.jobs.cancel(*id))).await;
    let server = RealServer::start(&[]);
    let over = bench.at(&server.url(), 1).await;
    let mut told = Vec::new();
    let copied = copy(&from, &over, &mut |stand| told.push(stand)).await;
    let copied = copied.unwrap();
    assert_eq!(copied.jobs, ended + waiting);
    assert_eq!(copied.tasks, waiting);
    assert_eq!(copied.source, copied.target);
    assert!(told.windows(2).all(|two| {
        let [before, after] = two else { return false };
        before.step != after.step || before.done < after.done
    }));
    let stands = |step: &str| {
        told.iter()
            .rfind(|stand| stand.step == step)
            .map(|Stand { done, of, .. }| (*done, *of))
    };
    assert_eq!(stands("copying"), Some((1400, 1400)));
    assert_eq!(served(&over).await, served(&from).await);
}

#[tokio::test]
async fn keys_go_along_with_the_jobs_that_they_open() {
    let bench = Bench::default();
    let (_kept, from) = bench.folder();
    let server = RealServer::start(&[]);
    let to = bench.at(&server.url(), 16).await;
    let key = |n| {
        Key::of(
            &Token::from_bytes(&[n; 32]),
            Scope::User,
            Timestamp(n.into()),
        )
    };
    for n in [1, 2] {
        from.keys.add_key(key(n)).await.unwrap();
        let secret = Secret::from_bytes(&[n; 32]);
        from.keys.add_secret(secret, Timestamp(5)).await.unwrap();
    }
    from.keys
        .revoke_key(&key(1).id, Timestamp(7))
        .await
        .unwrap();
    let used = [(key(2).id, Timestamp(8))];
    from.keys.note_used(&used).await.unwrap();
    for _ in 0..2 {
        copy(&from, &to, &mut |_| ()).await.unwrap();
        assert_eq!(to.keys.register().await, from.keys.register().await);
    }
}

use std::{fs, path::Path, sync::Arc, time::Duration};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Embedded, open};
use crate::{
    clock::Clock,
    job::{
        FactKind, Holding, ItemStatus, JobStatus, Lane, Owner, Queue, RetryPolicy, TaskId,
        TaskState, Work, WorkerId,
        transition::{Completion, NewJob},
    },
    store::{
        Created, Register, Reserve, Reserved, Store, StoreError,
        conformance::{self, Fixture, ManualClock, suite},
    },
};

suite!(super::fixture);

async fn fixture() -> Fixture {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::default());
    let reopen = {
        let (dir, clock) = (dir.clone(), clock.clone());
        move || opened(dir.path(), &clock)
    };
    Fixture {
        open: Some(reopen()),
        clock,
        reopen: Some(Arc::new(reopen)),
        _kept: dir,
    }
}

fn opened(dir: &Path, clock: &Arc<ManualClock>) -> Store {
    open(dir, clock.clone(), RetryPolicy::default()).unwrap()
}

fn fresh() -> (TempDir, Arc<ManualClock>, Store) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::default();
    let store = opened(dir.path(), &clock);
    (dir, clock, store)
}

fn refusal(dir: &Path) -> String {
    open(
        dir,
        Arc::new(ManualClock::default()),
        RetryPolicy::default(),
    )
    .map(|_| ())
    .unwrap_err()
    .to_string()
}

fn new_job(items: usize) -> NewJob {
    conformance::new_job("127.0.0.1", items)
}

async fn reserve(store: &Store, limit: usize) -> Vec<Reserved> {
    let ask = Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId("worker".to_owned()),
        limit,
        lease: Duration::from_secs(30),
    };
    store.jobs.reserve(ask).await.unwrap()
}

#[tokio::test]
async fn opening_takes_back_what_the_dead_process_held() {
    let (dir, clock, store) = fresh();
    let new = new_job(3);
    let id = new.id;
    store.jobs.create_job(new).await.unwrap();
    let held = reserve(&store, 2).await;
    let started = [held[0].lease.clone()];
    store.jobs.start(&started).await.unwrap();
    drop(store);
    let store = opened(dir.path(), &clock);
    let job = store.jobs.job(id).await.unwrap().unwrap();
    let crashes: Vec<_> = job.items.iter().map(|item| item.crashes).collect();
    assert_eq!(crashes, [1, 0, 0]);
    assert_eq!(job.items[0].status, ItemStatus::Retrying);
    assert_eq!(job.items[1].status, ItemStatus::Queued);
    let last = job.facts.last().map(|fact| &fact.kind);
    assert!(
        matches!(last, Some(FactKind::Retrying { item: 1, code, .. }) if code == "worker_lost")
    );
    assert_eq!(reserve(&store, 9).await.len(), 3);
    let late = store
        .jobs
        .complete(&started[0], Completion::default())
        .await;
    assert_eq!(late, Err(StoreError::LeaseLost));
}

#[tokio::test]
async fn the_fifth_death_of_the_process_is_poison() {
    let (dir, clock, mut store) = fresh();
    let new = new_job(1);
    let id = new.id;
    store.jobs.create_job(new).await.unwrap();
    for _ in 0..5 {
        let held = reserve(&store, 1).await.remove(0);
        store.jobs.start(&[held.lease]).await.unwrap();
        drop(store);
        store = opened(dir.path(), &clock);
    }
    let job = store.jobs.job(id).await.unwrap().unwrap();
    assert_eq!(job.status(), JobStatus::Failed);
    assert!(reserve(&store, 1).await.is_empty());
}

#[tokio::test]
async fn one_directory_serves_one_process() {
    let (dir, clock, store) = fresh();
    let refused = refusal(dir.path());
    let expected = format!(
        "the data directory {} is in use by another process: stop that one, or pass another --data-dir",
        dir.path().display()
    );
    assert_eq!(refused, expected);
    let other = store.clone();
    drop(store);
    assert_eq!(refusal(dir.path()), expected, "a clone keeps it");
    drop(other);
    opened(dir.path(), &clock);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = refusal(&file.join("data"));
    let expected = format!(
        "cannot write to the data directory {}/data: ",
        file.display()
    );
    assert!(refused.starts_with(&expected), "{refused}");
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let (dir, _, store) = fresh();
    drop(store);
    let file = dir.path().join("store.sqlite3");
    let connection = Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let refused = refusal(dir.path());
    assert!(refused.contains("format version 7"), "{refused}");
    assert!(refused.contains("versions up to 4"), "{refused}");
    let connection = Connection::open(&file).unwrap();
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 7);
}

/// What versions 3 and 4 brought, undone.
const BEFORE_FAIR_USE: &str = "DROP TABLE name;
    DROP TRIGGER job_comes; DROP TRIGGER job_changes; DROP TRIGGER job_goes;
    DROP TABLE holdings; DROP TABLE remembered;
    ALTER TABLE jobs DROP COLUMN images; ALTER TABLE jobs DROP COLUMN bytes;
    PRAGMA user_version = 2;";

#[tokio::test]
async fn what_owners_have_in_a_store_of_before_is_counted_when_it_is_opened() {
    let (dir, clock, store) = fresh();
    let mut new = new_job(3);
    new.owner = Owner("somebody".to_owned());
    store.jobs.create_job(new.clone()).await.unwrap();
    let held = reserve(&store, 1).await.remove(0).lease;
    let leases = std::slice::from_ref(&held);
    store.jobs.start(leases).await.unwrap();
    let made = conformance::completion(&held, "glb");
    store.jobs.complete(&held, made).await.unwrap();
    store.jobs.create_job(new_job(1)).await.unwrap();
    let counted = store.limits.holding(&new.owner).await.unwrap();
    assert_eq!((counted.images, counted.bytes), (2, 310));
    drop(store);
    let connection = Connection::open(dir.path().join("store.sqlite3")).unwrap();
    connection.execute_batch(BEFORE_FAIR_USE).unwrap();
    drop(connection);
    let store = opened(dir.path(), &clock);
    assert_eq!(store.limits.holding(&new.owner).await, Ok(counted));
    let nobody = store.limits.holding(&Owner::open()).await;
    assert_eq!(nobody, Ok(Holding::default()));
    store.jobs.cancel(new.id).await.unwrap();
    let left = store.limits.holding(&new.owner).await.unwrap();
    assert_eq!((left.images, left.bytes), (0, 310));
}

#[tokio::test]
async fn a_store_from_before_there_were_keys_gets_their_tables() {
    let (dir, clock, store) = fresh();
    let new = new_job(1);
    let id = new.id;
    store.jobs.create_job(new).await.unwrap();
    drop(store);
    let connection = Connection::open(dir.path().join("store.sqlite3")).unwrap();
    connection.execute_batch(BEFORE_FAIR_USE).unwrap();
    let older = "DROP TABLE keys; DROP TABLE secrets; PRAGMA user_version = 1;";
    connection.execute_batch(older).unwrap();
    drop(connection);
    let store = opened(dir.path(), &clock);
    assert!(store.jobs.job(id).await.unwrap().is_some());
    assert_eq!(store.keys.register().await, Ok(Register::default()));
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("store.sqlite3"), "no database".repeat(99)).unwrap();
    let refused = refusal(dir.path());
    assert!(refused.starts_with("cannot use the store"), "{refused}");
}

/// A full disk as SQLite sees it: no page may be added any more.
async fn fill(embedded: &Embedded, pages: u32) {
    embedded
        .writer
        .run(move |tx| {
            let limit =
                tx.connection
                    .pragma_update_and_check(None, "max_page_count", pages, |row| {
                        row.get::<_, u32>(0)
                    })?;
            assert!(pages > 1 || limit > 1, "it is never under what is used");
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_disk_writes_nothing_and_the_writer_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let embedded = Arc::new(
        open::embedded(
            dir.path(),
            Arc::new(ManualClock::default()),
            RetryPolicy::default(),
        )
        .unwrap(),
    );
    let store = Store {
        jobs: embedded.clone(),
        keys: Arc::new(embedded.keys.clone()),
        limits: embedded.clone(),
        presence: embedded.clone(),
        records: embedded.clone(),
    };
    let first = new_job(1);
    let first_id = first.id;
    store.jobs.create_job(first).await.unwrap();
    fill(&embedded, 1).await;
    let mut watch = store.jobs.watch();
    let mut written = Vec::new();
    let full = loop {
        let new = new_job(25);
        let id = new.id;
        match store.jobs.create_job(new).await {
            Ok(_) => written.push(id),
            Err(error) => break (error, id),
        }
        assert!(written.len() < 1_000, "the disk was never full");
    };
    assert_eq!(full.0, StoreError::Full);
    assert_eq!(store.jobs.job(full.1).await, Ok(None));
    let half = TaskId {
        job: full.1,
        work: Work::Generate { item: 1 },
    };
    assert_eq!(store.jobs.task(&half).await, Ok(None));
    assert!(store.jobs.job(first_id).await.unwrap().is_some());
    let mut told = 0;
    while watch.try_recv().is_ok() {
        told += 1;
    }
    assert_eq!(told, written.len(), "news of what is durable only");
    fill(&embedded, u32::MAX - 1).await;
    let again = store.jobs.create_job(new_job(25)).await;
    assert!(matches!(again, Ok(Created::New(_))), "{again:?}");
}

#[tokio::test]
async fn a_panic_fails_one_transition_only() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let embedded = open::embedded(dir.path(), clock, RetryPolicy::default()).unwrap();
    let new = new_job(1);
    let id = new.id;
    let panicked = embedded.writer.run::<(), _>(move |tx| {
        super::transitions::create_job(tx, new)?;
        panic!("on purpose");
    });
    let pinged = crate::store::Jobs::ping(&embedded);
    let (panicked, pinged) = tokio::join!(panicked, pinged);
    assert!(matches!(panicked, Err(StoreError::Unavailable(_))));
    assert_eq!(pinged, Ok(()));
    assert_eq!(crate::store::Jobs::job(&embedded, id).await, Ok(None));
}

/// The indices are partial: a query that does not repeat their condition reads the whole table.
#[tokio::test]
async fn the_busy_queries_use_their_indices() {
    let (dir, _, _store) = fresh();
    let connection = Connection::open(dir.path().join("store.sqlite3")).unwrap();
    for (sql, index) in [
        (
            "SELECT * FROM tasks WHERE queue = 'q' AND lane = 'l' AND state = 0 ORDER BY score, place LIMIT 8",
            "tasks_ready",
        ),
        (
            "SELECT * FROM tasks WHERE state = 2 AND state > 0 AND due <= 5 ORDER BY due LIMIT 200",
            "tasks_due",
        ),
        (
            "SELECT * FROM tasks WHERE state = 3 AND state > 0 ORDER BY due DESC, place DESC LIMIT 9",
            "tasks_due",
        ),
        (
            "SELECT record FROM jobs WHERE owner = 'o' AND (created, id) < (1, x'00') ORDER BY created DESC, id DESC LIMIT 3",
            "jobs_by_owner",
        ),
        (
            "SELECT id FROM jobs WHERE ended < 5 ORDER BY ended LIMIT 3",
            "jobs_by_end",
        ),
        (
            "DELETE FROM flows WHERE queue = 'q' AND lane = 'l' AND last <= 4.0",
            "flows_by_last",
        ),
    ] {
        let plan: Vec<String> = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap()
            .query_map([], |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let plan = plan.join("; ");
        assert!(
            plan.contains(index) && !plan.contains("TEMP B-TREE"),
            "{sql}\n{plan}"
        );
    }
}

#[tokio::test]
async fn time_is_the_stores_own() {
    let (_dir, clock, store) = fresh();
    let new = new_job(1);
    let id = new.id;
    store.jobs.create_job(new).await.unwrap();
    let held = reserve(&store, 1).await.remove(0);
    let until = clock.now().after(Duration::from_secs(30));
    assert!(matches!(held.task.state, TaskState::Leased(lease) if lease.until == until));
    assert_eq!(
        store.jobs.job(id).await.unwrap().unwrap().created,
        clock.now()
    );
}

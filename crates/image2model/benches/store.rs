//! What the embedded store costs: no-op jobs a second through create, reserve, start and complete under 32
//! callers, beside a bare SQLite loop that writes the same rows with ideal group commits.

use std::{fs, future::Future, path::Path, sync::Arc, time::Duration, time::Instant};

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use image2model::{
    clock::SystemClock,
    job::{
        FileRecord, Flow, Job, JobId, Lane, Owner, Priority, Queue, RetryPolicy, Timestamp,
        WorkerId,
        transition::{Completion, NewItem, NewJob},
    },
    store::{Created, Reserve, Store, embedded},
};
use rusqlite::{Connection, params};

const CALLERS: usize = 32;
const BATCH: usize = 8;
const JOBS: usize = 300 * CALLERS;
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    say(&format!(
        "{JOBS} no-op jobs, {CALLERS} callers, reserved {BATCH} at a time"
    ));
    say("round  who    jobs/s  CPU ms/job");
    let mut shares = Vec::new();
    for round in 1..=ROUNDS {
        let store = measured(|| runtime.block_on(through_the_store()))?;
        let bare = measured(through_bare_sqlite)?;
        for (who, figures) in [("store", &store), ("bare", &bare)] {
            let Figures { rate, cpu } = figures;
            say(&format!("{round:>5}  {who:<5}  {rate:>6.0}  {cpu:>10.3}"));
        }
        shares.push(store.rate / bare.rate);
    }
    shares.sort_by(f64::total_cmp);
    let median = shares[ROUNDS / 2];
    say(&format!(
        "the store does {:.0} % of the bare rate (median)",
        median * 100.0
    ));
    Ok(())
}

struct Figures {
    rate: f64,
    cpu: f64,
}

/// `work` returns how long the measured part of it took.
fn measured(work: impl FnOnce() -> Result<(Duration, Duration)>) -> Result<Figures> {
    let (wall, cpu) = work()?;
    Ok(Figures {
        rate: JOBS as f64 / wall.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e3 / JOBS as f64,
    })
}

async fn through_the_store() -> Result<(Duration, Duration)> {
    let dir = tempfile::tempdir()?;
    let store = embedded::open(dir.path(), Arc::new(SystemClock), RetryPolicy::default())?;
    let (began, spent) = (Instant::now(), cpu_time());
    spread(|_| create_share(store.clone())).await?;
    spread(|caller| work(store.clone(), caller)).await?;
    let took = (began.elapsed(), cpu_time().saturating_sub(spent));
    ensure!(store.jobs.depths().await?.is_empty(), "tasks were left");
    Ok(took)
}

/// Runs one task per caller, on all cores.
async fn spread<F>(make: impl Fn(usize) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let callers = (0..CALLERS).map(|caller| tokio::spawn(make(caller)));
    for done in join_all(callers).await {
        done??;
    }
    Ok(())
}

async fn create_share(store: Store) -> Result<()> {
    for _ in 0..JOBS / CALLERS {
        store.jobs.create_job(new_job()).await?;
    }
    Ok(())
}

async fn work(store: Store, caller: usize) -> Result<()> {
    let ask = Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId(format!("worker-{caller}")),
        limit: BATCH,
        lease: Duration::from_secs(30),
    };
    loop {
        let reserved = store.jobs.reserve(ask.clone()).await?;
        if reserved.is_empty() {
            return Ok(());
        }
        let leases: Vec<_> = reserved.into_iter().map(|task| task.lease).collect();
        store.jobs.start(&leases).await?;
        let done = leases.iter().map(|lease| {
            store
                .jobs
                .complete(lease, completion(lease.task.job, &lease.token))
        });
        try_join_all(done).await?;
    }
}

fn new_job() -> NewJob {
    NewJob {
        id: JobId::random(),
        owner: Owner::open(),
        flow: Flow("127.0.0.1".to_owned()),
        priority: Priority::Normal,
        options: vec![("model".to_owned(), "inflate".to_owned())],
        formats: vec!["glb".to_owned()],
        fingerprint: None,
        items: vec![NewItem {
            filename: "photo.jpg".to_owned(),
            media_type: "image/jpeg".to_owned(),
            size: 1_000_000,
            upload: "uploads/0/0/1".to_owned(),
        }],
    }
}

fn completion(job: JobId, token: &str) -> Completion {
    let file = FileRecord {
        name: format!("{job}-1.glb"),
        format: "glb".to_owned(),
        media_type: "model/gltf-binary".to_owned(),
        size: 1_000_000,
        key: format!("jobs/{job}/1/{token}/model.glb"),
        created: Timestamp(0),
    };
    Completion {
        files: vec![file],
        warnings: Vec::new(),
    }
}

/// The rows of one job through its life: as created, started and completed.
struct Records([String; 3]);

async fn records() -> Result<Records> {
    let dir = tempfile::tempdir()?;
    let store = embedded::open(dir.path(), Arc::new(SystemClock), RetryPolicy::default())?;
    let Created::New(queued) = store.jobs.create_job(new_job()).await? else {
        anyhow::bail!("a new store had a job");
    };
    let text = async |id| -> Result<String> {
        let job: Option<Job> = store.jobs.job(id).await?;
        Ok(serde_json::to_string(&job)?)
    };
    let first = text(queued.id).await?;
    let ask = Reserve {
        queue: Queue::ModelGeneration,
        lane: Lane::local(),
        worker: WorkerId("w".to_owned()),
        limit: 1,
        lease: Duration::from_secs(30),
    };
    let lease = store.jobs.reserve(ask).await?.remove(0).lease;
    store.jobs.start(std::slice::from_ref(&lease)).await?;
    let second = text(queued.id).await?;
    let made = completion(queued.id, &lease.token);
    store.jobs.complete(&lease, made).await?;
    Ok(Records([first, second, text(queued.id).await?]))
}

fn through_bare_sqlite() -> Result<(Duration, Duration)> {
    let Records([queued, started, completed]) =
        tokio::runtime::Runtime::new()?.block_on(records())?;
    let dir = tempfile::tempdir()?;
    let db = bare(&dir.path().join("bare.sqlite3"))?;
    let (began, spent) = (Instant::now(), cpu_time());
    for first in (0..JOBS).step_by(CALLERS) {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for n in first..first + CALLERS {
            bare_create(&db, n, &queued)?;
        }
        db.execute_batch("COMMIT")?;
    }
    for _ in 0..JOBS / (CALLERS * BATCH) + 1 {
        db.execute_batch("BEGIN IMMEDIATE")?;
        let mut taken = Vec::new();
        for _ in 0..CALLERS {
            taken.extend(bare_reserve(&db)?);
        }
        db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        for job in &taken {
            bare_update(&db, job, 1)?;
            bare_record(&db, job, &started, None)?;
        }
        db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        for job in &taken {
            db.prepare_cached("DELETE FROM tasks WHERE job = ?1 AND work = 'generate/1'")?
                .execute([job])?;
            bare_record(&db, job, &completed, Some(1))?;
        }
        db.execute_batch("COMMIT")?;
    }
    let took = (began.elapsed(), cpu_time().saturating_sub(spent));
    let left: i64 = db.query_row("SELECT count(*) FROM tasks", [], |row| row.get(0))?;
    ensure!(left == 0, "{left} tasks were left");
    Ok(took)
}

fn bare(file: &Path) -> Result<Connection> {
    let db = Connection::open(file)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch(include_str!("../src/store/embedded/schema.sql"))?;
    Ok(db)
}

fn bare_create(db: &Connection, n: usize, record: &str) -> Result<()> {
    let id = JobId::random().as_uuid().into_bytes();
    db.prepare_cached("INSERT INTO jobs (id, owner, created, record) VALUES (?1, 'open', ?2, ?3)")?
        .execute(params![id, 1_700_000_000_000_i64, record])?;
    db.prepare_cached(
        "INSERT INTO tasks (job, work, queue, lane, flow, enqueued, score, attempts, crashes, state) \
         VALUES (?1, 'generate/1', 'model_generation', 'local', '127.0.0.1', ?2, ?3, 0, 0, 0)",
    )?
    .execute(params![id, 1_700_000_000_000_i64, n as f64])?;
    db.prepare_cached(
        "INSERT INTO flows (queue, lane, flow, last) VALUES ('model_generation', 'local', '127.0.0.1', ?1) \
         ON CONFLICT DO UPDATE SET last = excluded.last",
    )?
    .execute([n as f64])?;
    Ok(())
}

fn bare_reserve(db: &Connection) -> Result<Vec<[u8; 16]>> {
    let mut statement = db.prepare_cached(
        "SELECT job, score FROM tasks WHERE queue = 'model_generation' AND lane = 'local' AND state = 0 \
         ORDER BY score, place LIMIT ?1",
    )?;
    let found = statement.query_map([BATCH as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<([u8; 16], f64)> = found.collect::<rusqlite::Result<_>>()?;
    for (job, _) in &found {
        bare_update(db, job, 0)?;
    }
    if let Some((_, score)) = found.last() {
        db.prepare_cached(
            "INSERT INTO served (queue, lane, score) VALUES ('model_generation', 'local', ?1) \
             ON CONFLICT DO UPDATE SET score = excluded.score",
        )?
        .execute([score])?;
    }
    Ok(found.into_iter().map(|(job, _)| job).collect())
}

fn bare_update(db: &Connection, job: &[u8; 16], started: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE tasks SET state = 2, due = ?2, worker = 'worker-1', \
         token = '0123456789abcdef0123456789abcdef', started = ?3 WHERE job = ?1 AND work = 'generate/1'",
    )?
    .execute(params![job, 1_700_000_030_000_i64, started])?;
    Ok(())
}

fn bare_record(db: &Connection, job: &[u8; 16], record: &str, ended: Option<i64>) -> Result<()> {
    db.prepare_cached("UPDATE jobs SET ended = ?2, record = ?3 WHERE id = ?1")?
        .execute(params![job, ended, record])?;
    Ok(())
}

/// User and system time of this process, from procfs in ticks of 10 ms; zero where there is none.
fn cpu_time() -> Duration {
    let ticks = || -> Result<u64> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let (_, after_name) = stat.rsplit_once(')').context("no process name")?;
        let mut fields = after_name.split_whitespace().skip(11);
        let mut next = || -> Result<u64> { Ok(fields.next().context("too short")?.parse()?) };
        Ok(next()? + next()?)
    };
    Duration::from_millis(ticks().unwrap_or(0) * 10)
}

#[expect(clippy::print_stdout, reason = "a bench reports on standard output")]
fn say(line: &str) {
    println!("{line}");
}

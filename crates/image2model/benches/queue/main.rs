//! What the queue costs: no-op jobs through create, reserve, start and complete under 32 callers, for both stores,
//! beside bare loops that send the same to the same servers, and beside Celery and BullMQ doing no-ops.
//!
//! Rates swing with what else a machine does; CPU time per job, Redis' own included, is what is judged. All of one
//! round run one after the other on the same redis-server, and medians of the rounds are compared.

mod bare_redis;
mod bare_sqlite;
mod measure;
mod memory;
mod noops;
mod peers;
#[expect(
    dead_code,
    unused_imports,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests' own server, which a bench only starts"
)]
#[path = "../../tests/it/support/redis/mod.rs"]
mod real;
mod recorder;

use std::sync::Arc;

use anyhow::{Context, Result};
use image2model::{
    clock::SystemClock,
    job::RetryPolicy,
    store::{
        Store, embedded,
        redis::{self as over_redis, Time},
    },
};
use redis::{Client, Connection};

use self::{
    bare_redis::Recording,
    measure::{Figures, Stopwatch},
    noops::{BATCH, CALLERS},
    peers::Peer,
    real::RealServer,
};

const JOBS: usize = 300 * CALLERS;
const ROUNDS: usize = 3;

const OURS: &str = "ours over Redis";
const SCRIPTS: &str = "the same scripts, bare";
const EMBEDDED: &str = "ours, embedded";
const SQLITE: &str = "the same rows, bare";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let server = RealServer::start(&["--appendonly", "yes", "--appendfsync", "everysec"]);
    let mut control = Client::open(server.url())?.get_connection()?;
    let recording = runtime.block_on(Recording::make(&server.url(), &mut control, JOBS))?;
    let peers = peers::installed();
    say(&format!(
        "{JOBS} no-op jobs of one image, {CALLERS} callers, reserved {BATCH} at a time; CPU in ms per job\n"
    ));
    say("round  who                       jobs/s  client   Redis     sum");
    let mut table = Table::default();
    for round in 1..=ROUNDS {
        let ours = runtime.block_on(through_redis(&server.url(), &mut control))?;
        table.add(round, OURS, ours);
        let bare = runtime.block_on(recording.replay(&server.url(), &mut control))?;
        table.add(round, SCRIPTS, bare);
        for peer in &peers {
            table.add(round, peer.name, peer.run(&server.url())?);
        }
        table.add(round, EMBEDDED, runtime.block_on(through_sqlite())?);
        table.add(round, SQLITE, runtime.block_on(bare_sqlite::run(JOBS))?);
    }
    table.judge(&peers);
    let trips = recording.requests() as f64 / JOBS as f64;
    verdict("requests to Redis per job", trips, Goal::AtMost(5.0));
    let bytes = runtime.block_on(memory::of_an_ended_job(&server.url(), &mut control))?;
    let what = "bytes in Redis per ended job of four images";
    verdict(what, bytes, Goal::AtMost(1_536.0));
    Ok(())
}

async fn through_redis(url: &str, control: &mut Connection) -> Result<Figures> {
    let store = emptied(url, Time::Server, control).await?;
    // Connects, and sends each script once.
    noops::create(&store, CALLERS).await?;
    noops::work_off(&store).await?;
    let watch = Stopwatch::start(Some(control))?;
    noops::create(&store, JOBS).await?;
    noops::work_off(&store).await?;
    watch.stop(JOBS, Some(control))
}

async fn through_sqlite() -> Result<Figures> {
    let dir = tempfile::tempdir()?;
    let store = embedded::open(dir.path(), Arc::new(SystemClock), RetryPolicy::default())?;
    let watch = Stopwatch::start(None)?;
    noops::create(&store, JOBS).await?;
    noops::work_off(&store).await?;
    watch.stop(JOBS, None)
}

/// Our store over an emptied Redis.
async fn emptied(url: &str, time: Time, control: &mut Connection) -> Result<Store> {
    redis::cmd("FLUSHALL").exec(control)?;
    let settings = over_redis::Settings {
        time,
        ..over_redis::Settings::new(url, RetryPolicy::default())
    };
    Ok(over_redis::open(settings).await?)
}

/// Everybody's figures of all rounds.
#[derive(Default)]
struct Table(Vec<(&'static str, Figures)>);

impl Table {
    fn add(&mut self, round: usize, who: &'static str, figures: Figures) {
        let Figures {
            rate,
            client,
            redis,
        } = figures;
        let sum = figures.cpu();
        say(&format!(
            "{round:>5}  {who:<24}{rate:>8.0}  {client:>6.3}  {redis:>6.3}  {sum:>6.3}"
        ));
        self.0.push((who, figures));
    }

    /// The middle one of somebody's rounds.
    fn median(&self, who: &str, of: impl Fn(&Figures) -> f64) -> f64 {
        let rounds = self.0.iter().filter(|(name, _)| *name == who);
        let mut rounds: Vec<f64> = rounds.map(|(_, figures)| of(figures)).collect();
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn judge(&self, peers: &[Peer]) {
        let cpu = |who| self.median(who, Figures::cpu);
        let rate = |who| self.median(who, |figures| figures.rate);
        say("");
        let factor = cpu(OURS) / cpu(SCRIPTS);
        let what = format!("CPU per job, {OURS} / {SCRIPTS}");
        verdict(&what, factor, Goal::AtMost(1.6));
        for peer in peers {
            let what = format!("CPU per job, {} / {OURS}", peer.name);
            verdict(&what, cpu(peer.name) / cpu(OURS), Goal::AtLeast(peer.goal));
        }
        let share = rate(EMBEDDED) / rate(SQLITE);
        let what = format!("jobs/s, {EMBEDDED} / {SQLITE}");
        verdict(&what, share, Goal::AtLeast(0.5));
    }
}

#[derive(Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

fn verdict(what: &str, value: f64, goal: Goal) {
    let (met, goal) = match goal {
        Goal::AtLeast(least) => (value >= least, format!("at least {least}")),
        Goal::AtMost(most) => (value <= most, format!("at most {most}")),
    };
    let met = if met { "met" } else { "missed" };
    say(&format!("{what}: {value:.2} (goal: {goal}; {met})"));
}

/// The socket's path, for those who do not speak in URLs.
fn socket(url: &str) -> Result<&str> {
    url.strip_prefix("redis+unix://")
        .context("the server is not on a socket")
}

#[expect(clippy::print_stdout, reason = "a bench reports on standard output")]
fn say(line: &str) {
    println!("{line}");
}

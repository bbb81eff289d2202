//! What a model costs and how true it is: CPU time by step, peak memory, throughput on one and two threads,
//! and, over pictures, silhouette and colours of the front against the photo.
//!
//! `cargo bench -p reconstruct [-- FOLDER…]`; without folders, samples and the corpus where they are there.
//! An own harness, since what counts is CPU time by step and memory, for which criterion has no place.

#![expect(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

mod fidelity;
mod memory;
mod photo;

use std::{
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

use cpu_time::ThreadTime;
use reconstruct::{Error, Format, Limits, Observer, Options, Silent, Step, format, reconstruct};

/// Runs of each measurement, of which the median counts.
const RUNS: usize = 9;

fn main() -> Result<(), Error> {
    let small = photo::jpeg(1152, 868);
    let large = photo::jpeg(4000, 3000);
    println!("# one model: 20,000 faces to GLB, CPU on one thread, median of {RUNS}\n");
    times("1 megapixel", &small, 250.0, None)?;
    times("12 megapixels", &large, 800.0, Some(250.0))?;
    throughput(&small)?;
    fidelity::report(&folders());
    Ok(())
}

/// One model and its file, as every measurement makes it.
fn convert(photo: &[u8], observer: &dyn Observer) -> Result<usize, Error> {
    let model = reconstruct(
        photo,
        None,
        &Options::default(),
        &Limits::default(),
        observer,
    )?;
    observer.begin(Step::Write);
    Ok(format::write(&model, Format::Glb, "bench")?.len())
}

/// Notes the thread's CPU time at which each step begins.
struct Clock {
    begun: Mutex<Vec<(Step, Duration)>>,
}

impl Clock {
    fn new() -> Self {
        Self {
            begun: Mutex::new(Vec::new()),
        }
    }

    /// CPU time of each step, in the order of [`Step::ALL`]; the whole is their sum.
    fn steps(self, end: Duration) -> Vec<Duration> {
        let begun = self.begun.into_inner().unwrap_or_default();
        let ends = begun.iter().skip(1).map(|&(_, at)| at).chain([end]);
        let spans: Vec<_> = begun
            .iter()
            .zip(ends)
            .map(|(&(s, at), end)| (s, end - at))
            .collect();
        Step::ALL
            .iter()
            .map(|&step| {
                spans
                    .iter()
                    .filter(|&&(s, _)| s == step)
                    .map(|&(_, t)| t)
                    .sum()
            })
            .collect()
    }
}

impl Observer for Clock {
    fn begin(&self, step: Step) {
        if let Ok(mut begun) = self.begun.lock() {
            begun.push((step, ThreadTime::now().as_duration()));
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

fn times(name: &str, photo: &[u8], goal_ms: f64, goal_mb: Option<f64>) -> Result<(), Error> {
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let clock = Clock::new();
        convert(photo, &clock)?;
        runs.push(clock.steps(ThreadTime::now().as_duration()));
    }
    let total = median(runs.iter().map(|steps| steps.iter().sum()));
    println!("{name}: {}", verdict(ms(total), goal_ms, "ms"));
    let mut before = 0.0;
    for (k, step) in Step::ALL.into_iter().enumerate() {
        let own = median(runs.iter().map(|steps| steps[k]));
        if own > Duration::ZERO {
            let share = 100.0 * ms(own) / ms(total);
            println!(
                "  {:<9} {:7.1} ms {share:4.0} %  (before it {before:3.0} %)",
                step.name(),
                ms(own)
            );
            before += share;
        }
    }
    let peak = memory::peak_of(|| convert(photo, &Silent))? as f64 / 1e6;
    match goal_mb {
        Some(goal) => println!("  peak      {}\n", verdict(peak, goal, "MB")),
        None => println!("  peak      {peak:7.1} MB\n"),
    }
    Ok(())
}

fn throughput(photo: &[u8]) -> Result<(), Error> {
    println!("# throughput: 1-megapixel pictures side by side\n");
    let mut single = 0.0;
    for threads in [1_usize, 2] {
        let each = 12;
        let start = Instant::now();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| (0..each).try_for_each(|_| convert(photo, &Silent).map(drop)))
                })
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or(Ok(())))
        })?;
        let rate = (threads * each) as f64 / start.elapsed().as_secs_f64();
        if threads == 1 {
            single = rate;
        }
        println!(
            "  {threads} thread(s): {rate:6.2} pictures/s, {:4.2} times one",
            rate / single
        );
    }
    println!();
    Ok(())
}

/// Folders named after `--`, else those of the repository that exist.
fn folders() -> Vec<PathBuf> {
    let named: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .filter(|arg| !arg.to_string_lossy().starts_with("--"))
        .map(PathBuf::from)
        .collect();
    if !named.is_empty() {
        return named;
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    // The corpus holds the samples too.
    let corpus = root.join(".cache/corpus");
    vec![if corpus.is_dir() {
        corpus
    } else {
        root.join("samples")
    }]
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn verdict(value: f64, goal: f64, unit: &str) -> String {
    let word = if value <= goal { "met" } else { "MISSED" };
    format!("{value:7.1} {unit} (goal ≤ {goal} {unit}: {word})")
}

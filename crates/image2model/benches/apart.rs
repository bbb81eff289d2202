//! What decoding apart costs: the same pictures to the same models in-process, in a warm child and in a fresh child for
//! each. CPU time is what is judged, children included; of the times on the clock, which swing with what else a machine
//! does, the shortest is told.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use image2model::{
    config::WorkerSettings,
    provider::{ApartProvider, ApartSettings, LocalProvider, ModelRequest, Provider},
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 10;

/// Ticks of `/proc/self/stat` in a second, everywhere.
const TICKS: f64 = 100.0;

const PICTURES: [(&str, &str); 4] = [
    ("duck.jpg", "inflate"),
    ("doughnut.png", "inflate"),
    ("landscape.jpg", "relief"),
    ("logo.png", "extrude"),
];

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let settings = WorkerSettings::default();
    let children = |max_tasks| -> Result<_> {
        Ok(ApartSettings {
            program: PathBuf::from(env!("CARGO_BIN_EXE_image2model")),
            ..ApartSettings::new(&settings, max_tasks)?
        })
    };
    say(&format!("{ROUNDS} rounds; ms per picture: CPU, shortest"));
    say("picture             in-process        warm child       fresh child");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    for (name, model) in PICTURES {
        let picture: Bytes = fs::read(samples.join(name)).context(name)?.into();
        let request = ModelRequest::parse(Some(model), &[], &[])?;
        let mut line = format!("{name:<14}");
        for max_tasks in [None, Some(0), Some(1)] {
            let provider: Arc<dyn Provider> = match max_tasks {
                None => Arc::new(LocalProvider::new(&settings)),
                Some(tasks) => Arc::new(ApartProvider::start(children(tasks)?).await?),
            };
            let (cpu, shortest) = rounds(&*provider, &picture, &request).await?;
            line.push_str(&format!("{cpu:>10.1}{shortest:>8.1}"));
        }
        say(&line);
    }
    Ok(())
}

/// CPU time and the shortest time, in ms per picture.
async fn rounds(
    provider: &dyn Provider,
    picture: &Bytes,
    request: &ModelRequest,
) -> Result<(f64, f64)> {
    let before = cpu()?;
    let mut shortest = Duration::MAX;
    for _ in 0..ROUNDS {
        shortest = shortest.min(once(provider, picture, request).await?);
    }
    // Children count once they have been waited for.
    provider.close().await;
    let cpu = (cpu()? - before) / ROUNDS as f64;
    Ok((cpu * 1e3, shortest.as_secs_f64() * 1e3))
}

/// Seconds on a processor of this process and of its ended children.
fn cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').context("no name")?;
    let ticks = after_name.split_whitespace().skip(11).take(4);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

async fn once(
    provider: &dyn Provider,
    picture: &Bytes,
    request: &ModelRequest,
) -> Result<Duration> {
    let began = Instant::now();
    let made = provider.generate(
        picture.clone(),
        request,
        "bench",
        Arc::new(|_, _| {}),
        CancellationToken::new(),
    );
    made.await.map_err(|failure| anyhow!("{failure:?}"))?;
    Ok(began.elapsed())
}

#[expect(clippy::print_stdout, reason = "the bench's answer")]
fn say(line: &str) {
    println!("{line}");
}

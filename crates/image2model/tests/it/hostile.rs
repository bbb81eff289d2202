//! Pictures that break decoders, as libraries keep them for their own tests: each becomes a model or is refused by
//! name, in time and within its memory, and the server goes on.
//!
//! A hundred of them, as each kind of model by turns; with `I2M_HOSTILE=1` all of them, as every kind. They are all
//! sent as PNG, so that nothing but the decoder refuses them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use reconstruct::{Limits, ModelKind, Options};
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{
    Client, Event, Server, children, hostile, is_there, peak_bytes, processor_time, root,
};

/// Those of the short version, below the folder that `scripts/fetch-hostile.sh` fills.
const LISTED: &str = include_str!("../../../../tests/hostile.txt");
/// Another release of Debian may have dropped a few of them.
const LEAST: usize = 90;
/// Requests under way.
const AT_ONCE: usize = 4;
/// From the begin of an item's work to its end, as far as the machine is the server's own.
const SLOWEST: Duration = Duration::from_secs(10);
/// Bytes of a process, where no picture is stated to need more.
const MEMORY: u64 = 400_000_000;
/// What a picture may be refused for. A decoder that died or took too long is no refusal.
const REFUSALS: [&str; 7] = [
    "unknown_format",
    "truncated",
    "damaged",
    "too_large",
    "too_small",
    "no_content",
    "over_budget",
];

/// A picture to be made into one kind of model.
struct Asked {
    path: PathBuf,
    kind: ModelKind,
}

/// What came of it.
struct Told {
    asked: Asked,
    came: Came,
    /// By the server's own clock; nothing where the upload was refused.
    took: Duration,
}

enum Came {
    /// With the bytes that it was estimated to need.
    Model(u64),
    /// By the code that the server gave.
    Refused(String),
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_picture_becomes_a_model_or_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(
        &home.path().join("data"),
        &[
            ("WORKER__ISOLATION", "on"),
            ("WORKER__THREADS", "2"),
            ("WORKER__TIME_LIMIT", "30"),
            // The same two decoders read all of them, and what breaks one is not tried again.
            ("WORKERS__BATCH_PROCESSING__MAX_TASKS_PER_CHILD", "0"),
            ("WORKERS__MODEL_GENERATION__MAX_TASKS_PER_CHILD", "0"),
            ("WORKERS__PRIORITY__MAX_TASKS_PER_CHILD", "0"),
            ("RETRY__MAX_ATTEMPTS", "1"),
            ("LIMITS__PER_MINUTE", "0"),
        ],
    );
    let client = Client::new(server.port);
    let came: Vec<_> = stream::iter(asked())
        .map(|asked| tell(&client, asked))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut told = Vec::new();
    let mut wrong = Vec::new();
    for one in came {
        match one {
            Ok(one) => told.push(one),
            Err(what) => wrong.push(what),
        }
    }
    told.sort_by_key(|one| std::cmp::Reverse(one.took));
    let decoders = children(server.pid());
    for late in told.iter().filter(|one| one.took > SLOWEST) {
        wrong.extend(alone(&client, &late.asked, &decoders).await.err());
    }
    let largest = decoders.iter().map(|pid| peak_bytes(*pid)).max().unwrap();
    println!("{}", summary(&told, largest, server.peak_bytes()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let needed = told.iter().filter_map(|one| match one.came {
        Came::Model(estimate) => Some(estimate),
        Came::Refused(_) => None,
    });
    let needed: Vec<_> = needed.collect();
    assert!(!needed.is_empty() && needed.len() < told.len());
    let allowed = needed.into_iter().fold(MEMORY, u64::max);
    assert!(largest <= allowed, "a decoder held {largest} bytes");
    let own = server.peak_bytes();
    assert!(own <= MEMORY, "the server held {own} bytes");

    assert_eq!(client.get("/health").await.status, StatusCode::OK);
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    assert!(!decoders.iter().any(|pid| is_there(*pid)), "{decoders:?}");
}

fn folder() -> PathBuf {
    root().join(".cache/hostile")
}

fn asked() -> Vec<Asked> {
    let every = |path: PathBuf| {
        ModelKind::ALL.map(|kind| Asked {
            path: path.clone(),
            kind,
        })
    };
    if hostile() {
        let mut all = Vec::new();
        list(&folder(), &mut all);
        all.sort_unstable();
        return all.into_iter().flat_map(every).collect();
    }
    let listed = LISTED.lines().map(|name| folder().join(name));
    let there: Vec<_> = listed.filter(|path| path.is_file()).collect();
    let found = there.len();
    assert!(
        found >= LEAST,
        "{found} pictures: scripts/fetch-hostile.sh brings them"
    );
    let kinds = ModelKind::ALL.into_iter().cycle();
    let by_turns = there.into_iter().zip(kinds);
    by_turns.map(|(path, kind)| Asked { path, kind }).collect()
}

/// All files below a folder.
fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder);
    for entry in entries.expect("scripts/fetch-hostile.sh brings them") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, found);
        } else {
            found.push(path);
        }
    }
}

impl Asked {
    fn name(&self) -> String {
        let path = self.path.strip_prefix(folder()).unwrap();
        format!("{} as {}", path.display(), self.kind.name())
    }
}

/// Sends a picture and waits for its end; an error says what should not have been.
async fn tell(client: &Client, asked: Asked) -> Result<Told, String> {
    let bytes = fs::read(&asked.path).unwrap();
    let ended = ending(client, &bytes, asked.kind).await;
    let (came, took) = ended.map_err(|what| format!("{}: {what}", asked.name()))?;
    Ok(Told { asked, came, took })
}

/// Asks again for what was late, with nothing else under way. Beside others, be they other tests, time on the clock says
/// little: what the decoders compute is judged.
async fn alone(client: &Client, asked: &Asked, decoders: &[u32]) -> Result<(), String> {
    let computed = || -> Duration { decoders.iter().map(|pid| processor_time(*pid)).sum() };
    let before = computed();
    let bytes = fs::read(&asked.path).unwrap();
    let ended = ending(client, &bytes, asked.kind).await;
    let took = computed() - before;
    ended.map_err(|what| format!("{}: {what}", asked.name()))?;
    if took > SLOWEST {
        return Err(format!("{} took {took:?} of a processor", asked.name()));
    }
    Ok(())
}

async fn ending(
    client: &Client,
    picture: &[u8],
    kind: ModelKind,
) -> Result<(Came, Duration), String> {
    let options = [("model", kind.name())];
    let sent = client.upload(&[picture.to_vec()], &options, None).await;
    let sent = sent.map_err(|error| error.to_string())?;
    if sent.status.is_client_error() {
        let code = sent.body["code"].as_str();
        let code = code.ok_or_else(|| format!("{} without a code: {}", sent.status, sent.body))?;
        let code = format!("{} {code}", sent.status.as_u16());
        return Ok((Came::Refused(code), Duration::ZERO));
    }
    let id = sent.body["job_id"].as_str();
    let id = id.ok_or_else(|| format!("{}: {}", sent.status, sent.body))?;
    let took = worked(&client.events(id).await)?;
    let job = client.job(id).await;
    let item = &job["items"][0];
    if item["status"] == "completed" {
        check_model(client, item).await?;
        let limits = Limits::default();
        let estimate = reconstruct::peak_bytes(picture, None, &Options::of(kind), &limits);
        return Ok((Came::Model(estimate.map_err(|e| e.to_string())?), took));
    }
    match (item["error_code"].as_str(), item["error"].as_str()) {
        (Some(code), Some(words)) if REFUSALS.contains(&code) && !words.is_empty() => {
            Ok((Came::Refused(code.to_owned()), took))
        }
        _ => Err(item.to_string()),
    }
}

/// Time between the first and the last that is told of an item's work.
fn worked(events: &[Event]) -> Result<Duration, String> {
    let mut times = events
        .iter()
        .filter(|event| event.name == "file_update" && event.fact().is_some())
        .filter_map(|event| event.data["timestamp"].as_u64());
    match (times.next(), times.next_back()) {
        (Some(began), Some(ended)) => Ok(Duration::from_millis(ended.saturating_sub(began))),
        _ => Err(format!("its begin or its end was not told: {events:?}")),
    }
}

/// That a whole GLB can be fetched.
async fn check_model(client: &Client, item: &Value) -> Result<(), String> {
    let files = item["files"].as_array().into_iter().flatten();
    let mut glb = files.filter(|file| file["format"] == "glb");
    let url = glb.next().and_then(|file| file["url"].as_str());
    let path = url.and_then(|url| url.strip_prefix("/api/v1"));
    let path = path.ok_or_else(|| format!("it has no GLB: {item}"))?;
    let (status, model) = client.bytes(path).await;
    let length = model.get(8..12).map(|four| four.try_into().unwrap());
    let length = length.map(u32::from_le_bytes);
    if status == StatusCode::OK
        && model.starts_with(b"glTF")
        && length.is_some_and(|length| length as usize == model.len())
    {
        Ok(())
    } else {
        Err(format!("{path} is no whole GLB: {status}"))
    }
}

/// `told` begins with the slowest.
fn summary(told: &[Told], largest: u64, own: u64) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in told {
        let kind = match &one.came {
            Came::Model(_) => "model",
            Came::Refused(code) => code,
        };
        *counts.entry(kind).or_default() += 1;
    }
    let slowest = told.iter().take(5);
    let slowest = slowest.map(|one| format!("{:?} {}", one.took, one.asked.name()));
    format!(
        "{} asked for, which came to {counts:?}\nslowest: {}\nlargest decoder {} MB, server {} MB",
        told.len(),
        slowest.collect::<Vec<_>>().join(", "),
        largest / 1_000_000,
        own / 1_000_000,
    )
}

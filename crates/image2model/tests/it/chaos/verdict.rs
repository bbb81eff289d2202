//! What must hold when all is whole again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    time::Duration,
};

use futures::{StreamExt as _, stream};
use serde_json::Value;

use super::{
    clients::{Accepted, Clients, Followed, download, follow},
    house::Kind,
};
use crate::support::Event;

/// Calls at once.
const AT_ONCE: usize = 16;
/// Time in which a job has ended once nobody is killed any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every accepted job has ended well, each of its items once, and its models can be had.
pub(super) async fn on_jobs(clients: &Clients, accepted: &[Accepted]) {
    let ids: BTreeSet<_> = accepted.iter().map(|job| &job.id).collect();
    assert_eq!(ids.len(), accepted.len(), "two keys got one job");
    let judged = stream::iter(accepted).for_each_concurrent(AT_ONCE, async |accepted| {
        let ended = tokio::time::timeout(PATIENCE, ended(clients, &accepted.id));
        let job = ended.await;
        let job = job.unwrap_or_else(|_| panic!("{} is lost: it does not end", accepted.id));
        let events = follow(clients.clone(), accepted.clone()).await.facts;
        on_job(accepted, &job, &events);
        for item in job["items"].as_array().unwrap() {
            let url = item["files"][0]["url"].as_str().unwrap();
            let path = url.strip_prefix("/api/v1").unwrap();
            let bytes = download(clients, path).await;
            assert!(bytes.starts_with(b"glTF"), "{item}");
        }
    });
    judged.await;
}

async fn ended(clients: &Clients, id: &str) -> Value {
    let mut look = tokio::time::interval(Duration::from_millis(100));
    loop {
        look.tick().await;
        let job = clients.get(&format!("/jobs/{id}")).await;
        let status = job["status"].as_str().unwrap();
        if ["completed", "failed", "cancelled"].contains(&status) {
            return job;
        }
    }
}

fn on_job(accepted: &Accepted, job: &Value, events: &[(u32, Event)]) {
    let told = || format!("{job:#}\n{events:#?}");
    assert_eq!(job["status"], "completed", "{}", told());
    let items = job["items"].as_array().unwrap();
    assert_eq!(items.len(), accepted.items, "{}", told());
    for item in items {
        let files = item["files"].as_array().unwrap();
        let formats: Vec<_> = files.iter().map(|file| &file["format"]).collect();
        assert_eq!(formats, ["glb"], "published other than once: {}", told());
        assert_eq!(
            item["attempts"],
            0,
            "nothing but accidents happened: {}",
            told()
        );
        let completed = |(_, event): &&(u32, Event)| {
            event.data["file_id"] == item["file_id"] && event.data["status"] == "completed"
        };
        let completed = events.iter().filter(completed).count();
        assert_eq!(completed, 1, "completed other than once: {}", told());
    }
    let facts: Vec<_> = events.iter().map(|(number, _)| *number).collect();
    assert!(
        facts.iter().copied().eq(1..=facts.len() as u32),
        "{}",
        told()
    );
    let ends = events.iter().filter(|(_, event)| event.is_last()).count();
    assert!(
        ends == 1 && events.last().unwrap().1.is_last(),
        "{}",
        told()
    );
}

/// Each reader heard all facts in their order; or, where a new primary lacked what an old one had told, came at the
/// end to the same.
pub(super) async fn on_readers(clients: &Clients, followed: &[Followed]) {
    let mut revised = 0;
    for reader in followed {
        let heard: Vec<_> = reader.facts.iter().map(|(number, _)| *number).collect();
        let told = || format!("{}: {:#?}", reader.job.id, reader.facts);
        assert!(heard.first() == Some(&1), "{}", told());
        for pair in heard.windows(2) {
            assert!(pair[1] <= pair[0] + 1, "a gap in {heard:?}: {}", told());
        }
        let facts = follow(clients.clone(), reader.job.clone()).await.facts;
        let heard_all = facts.len() == reader.facts.len()
            && facts
                .iter()
                .zip(&reader.facts)
                .all(|((_, fact), (_, heard))| fact.data == heard.data);
        revised += usize::from(!heard_all);
        let last = reader.facts.iter().map(|(_, event)| event);
        assert_eq!(
            standing(last),
            standing(facts.iter().map(|(_, event)| event)),
            "{}",
            told()
        );
    }
    println!(
        "{} readers, {revised} of them told something anew",
        followed.len()
    );
}

/// What an item is by the last that was told of it, and the job's end.
fn standing<'a>(facts: impl Iterator<Item = &'a Event>) -> BTreeMap<String, String> {
    let told = facts.filter_map(|event| {
        let of = match event.data["file_id"].as_str() {
            Some(id) if event.name == "file_update" => id.to_owned(),
            _ if event.is_last() => "job".to_owned(),
            _ => return None,
        };
        Some((of, event.data["status"].as_str().unwrap().to_owned()))
    });
    told.collect()
}

/// No task was begun again after its worker was told that its result is taken, and nothing panicked.
pub(super) fn on_log(log: &Path) {
    let text = fs::read_to_string(log).unwrap();
    let (mut begun, mut taken) = (0, HashMap::new());
    let mut again = Vec::new();
    for line in text.lines() {
        assert!(!line.contains("panicked"), "{line}");
        // A line may be cut off by a kill.
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let task = line["fields"]["task"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        match line["fields"]["message"].as_str() {
            Some("an attempt begins") => {
                begun += 1;
                if let Some(before) = taken.get(&task) {
                    again.push((Value::clone(before), line));
                }
            }
            Some("the result was taken") => {
                let before = taken.insert(task, line.clone());
                assert!(before.is_none(), "taken twice: {before:?} {line}");
            }
            _ => {}
        }
    }
    println!("{begun} attempts, {} results taken", taken.len());
    assert!(!taken.is_empty() && again.is_empty(), "{again:#?}");
}

pub(super) fn on_kills(killed: &BTreeMap<Kind, usize>, each: usize) {
    assert_eq!(killed.len(), 4);
    assert!(killed.values().all(|killed| *killed == each), "{killed:?}");
}

use std::time::Duration;

use axum::{body::Body, body::BodyDataStream, http::StatusCode};
use futures::StreamExt;
use image2model::{
    access::{Key, Scope, Token},
    job::{JobId, Owner, Queue, transition::Retry},
    store::Progress,
};
use proptest::prelude::{Strategy, any};
use serde_json::Value;
use tower::ServiceExt;

use super::{Api, assert_problem, redacted, request};

/// One event as it came over the wire.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Event {
    /// Its number, where it is a fact.
    fn fact(&self) -> Option<u32> {
        self.id.parse().ok()
    }
}

/// An open stream, read event by event.
struct Reader {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(api: &Api, job: JobId, query: &str, last: Option<&str>) -> Self {
        let last = last.map(|last| ("last-event-id", last));
        Self::with(api, job, query, last).await
    }

    async fn with(api: &Api, job: JobId, query: &str, header: Option<(&str, &str)>) -> Self {
        let path = format!("/api/v1/status/tasks/{job}/stream{query}");
        let mut request = request("GET", &path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = api.router.clone().oneshot(request).await.unwrap();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parsed(block);
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn parsed(block: &str) -> Event {
    let field = |name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim_start().to_owned()
    };
    Event {
        id: field("id:"),
        name: field("event:"),
        data: serde_json::from_str(&field("data:")).unwrap(),
    }
}

/// Drives a job of three images through every kind of fact.
async fn eventful(api: &Api) -> JobId {
    let job = api.job(&["a.png", "b.png", "c.png"]).await;
    play(api, job).await;
    job
}

async fn play(api: &Api, job: JobId) {
    let started = api.start(Queue::ModelGeneration).await;
    let progress = |percent| Progress {
        item: job.item(1),
        percent,
        step: "shape".to_owned(),
    };
    let jobs = &api.service.store.jobs;
    jobs.progress(vec![progress(40)]).await.unwrap();
    api.fail(&started[2].lease, Retry::After(Duration::from_millis(1)))
        .await;
    jobs.progress(vec![progress(80)]).await.unwrap();
    api.complete(&started[0].lease).await;
    api.fail(&started[1].lease, Retry::Never).await;
    loop {
        jobs.sweep().await.unwrap();
        if let Some(task) = api.start(Queue::ModelGeneration).await.first() {
            return api.complete(&task.lease).await;
        }
    }
}

#[tokio::test]
async fn every_fact_is_one_numbered_event_and_the_stream_ends_with_the_job() {
    let api = Api::new();
    let job = eventful(&api).await;
    let reader = Reader::open(&api, job, "", None).await;
    assert_eq!(reader.headers["content-type"], "text/event-stream");
    assert_eq!(reader.headers["cache-control"], "no-cache");
    assert_eq!(reader.headers["x-accel-buffering"], "no");
    let events = reader.rest().await;
    let shown: Vec<_> = events
        .iter()
        .map(|event| serde_json::json!([event.id, event.name, redacted(event.data.clone())]))
        .collect();
    insta::assert_json_snapshot!(shown);
    for event in &events {
        for member in ["status", "progress", "message", "task_id", "timestamp"] {
            assert!(
                !event.data[member].is_null(),
                "{} lacks {member}",
                event.name
            );
        }
    }
}

#[tokio::test]
async fn a_live_reader_hears_what_a_late_one_is_told_and_progress_between() {
    let api = Api::new();
    let job = api.job(&["a.png", "b.png", "c.png"]).await;
    let live = Reader::open(&api, job, "", None).await;
    let (live, ()) = tokio::join!(live.rest(), play(&api, job));
    let late = Reader::open(&api, job, "", None).await.rest().await;
    let facts: Vec<_> = live
        .iter()
        .filter(|event| event.fact().is_some())
        .cloned()
        .collect();
    assert_eq!(facts, late);

    let told: Vec<_> = live
        .iter()
        .filter(|event| event.fact().is_none() && event.name == "file_update")
        .map(|event| event.data["progress"].as_u64().unwrap())
        .collect();
    assert!(told.is_sorted() && told.last() == Some(&80), "{told:?}");
    assert!(live.iter().any(|event| event.name == "task_progress"));
    assert_between_facts(&live);
}

/// What is no fact carries the number of the fact before it.
fn assert_between_facts(events: &[Event]) {
    let mut last = 0;
    for event in events {
        match event.fact() {
            Some(fact) => last = fact,
            None => {
                let (whole, minor) = event.id.split_once('.').unwrap();
                assert_eq!(whole, last.to_string(), "{event:?}");
                assert!(minor.parse::<u32>().unwrap() > 0);
            }
        }
    }
}

#[test]
fn a_reader_that_reconnects_anywhere_misses_nothing_and_hears_nothing_twice() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut random = proptest::test_runner::TestRunner::deterministic();
    let cuts = proptest::collection::vec((1..8_usize, any::<bool>()), 1..6);
    for _ in 0..20 {
        let cuts = cuts.new_tree(&mut random).unwrap();
        let cuts = proptest::strategy::ValueTree::current(&cuts);
        runtime.block_on(reconnecting(&cuts));
    }
}

/// Reads a live job's stream, breaking it off after so many events each time; names the last event by header or query.
async fn reconnecting(cuts: &[(usize, bool)]) {
    let api = Api::new();
    let job = api.job(&["a.png", "b.png", "c.png"]).await;
    let reading = async {
        let mut heard = Vec::<Event>::new();
        for (count, by_query) in cuts.iter().chain([&(usize::MAX, false)]) {
            let last = heard.last().map(|event| event.id.clone());
            let mut reader = match last {
                Some(id) if *by_query => {
                    Reader::open(&api, job, &format!("?last_event_id={id}"), None).await
                }
                id => Reader::open(&api, job, "", id.as_deref()).await,
            };
            if reader.status == StatusCode::NO_CONTENT {
                break;
            }
            for _ in 0..*count {
                match reader.next().await {
                    Some(event) => heard.push(event),
                    None => break,
                }
            }
        }
        heard
    };
    let (heard, ()) = tokio::join!(reading, play(&api, job));
    let known = api.service.store.jobs.job(job).await.unwrap().unwrap();
    let numbers: Vec<_> = heard.iter().filter_map(Event::fact).collect();
    assert_eq!(
        numbers,
        (1..=known.last_fact()).collect::<Vec<_>>(),
        "{cuts:?}"
    );
    assert_between_facts(&heard);
    let facts = heard.into_iter().filter(|event| event.fact().is_some());
    let late = Reader::open(&api, job, "", None).await.rest().await;
    assert_eq!(facts.collect::<Vec<_>>(), late, "{cuts:?}");
}

/// Reads until an event that tells this of a file.
async fn until(reader: &mut Reader, heard: &mut Vec<Event>, name: &str, progress: u64) {
    loop {
        let event = reader.next().await.unwrap();
        heard.push(event);
        let event = heard.last().unwrap();
        if event.name == name && event.data["progress"] == progress {
            return;
        }
    }
}

/// What every way to ask says of the progress of a job of one image.
async fn asked(api: &Api, job: JobId) -> Vec<u64> {
    let mut said = Vec::new();
    let item = job.item(1);
    for (path, member) in [
        (format!("jobs/{job}"), "/items/0/progress".to_owned()),
        (
            format!("status/jobs/{job}/progress"),
            format!("/files/{item}/progress"),
        ),
        (
            format!("status/jobs/{job}/progress"),
            "/overall_progress".to_owned(),
        ),
        (format!("status/{job}"), "/progress".to_owned()),
        (format!("status/{item}"), "/progress".to_owned()),
    ] {
        let body = api.get(&format!("/api/v1/{path}")).await.json();
        said.push(body.pointer(&member).unwrap().as_u64().unwrap());
    }
    said
}

#[tokio::test]
async fn progress_stays_where_it_was_when_an_attempt_follows_another_whenever_one_joins() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let jobs = &api.service.store.jobs;
    let progress = async |percent| {
        let step = "shape".to_owned();
        let item = job.item(1);
        let newest = Progress {
            item,
            percent,
            step,
        };
        jobs.progress(vec![newest]).await.unwrap();
    };
    let mut early = (Reader::open(&api, job, "", None).await, Vec::new());
    let started = api.start(Queue::ModelGeneration).await;
    progress(40).await;
    until(&mut early.0, &mut early.1, "file_update", 40).await;
    api.fail(&started[0].lease, Retry::After(Duration::from_millis(1)))
        .await;
    until(&mut early.0, &mut early.1, "task_retry", 40).await;
    assert_eq!(asked(&api, job).await, [40; 5], "between two attempts");
    let mut between = (Reader::open(&api, job, "", None).await, Vec::new());
    let started = loop {
        jobs.sweep().await.unwrap();
        if let Some(task) = api.start(Queue::ModelGeneration).await.pop() {
            break task;
        }
    };
    progress(20).await;
    assert_eq!(asked(&api, job).await, [40; 5], "in the second attempt");
    let mut late = (Reader::open(&api, job, "", None).await, Vec::new());
    progress(70).await;
    for (reader, heard) in [&mut early, &mut between, &mut late] {
        until(reader, heard, "file_update", 70).await;
    }
    assert_eq!(asked(&api, job).await, [70; 5]);
    api.complete(&started.lease).await;

    let mut told = Vec::new();
    for (reader, mut heard) in [early, between, late] {
        heard.extend(reader.rest().await);
        for name in ["file_update", "task_progress"] {
            let of = heard.iter().filter(|event| event.name == name);
            let percents: Vec<_> = of.map(|event| event.data["progress"].as_u64()).collect();
            // What happened before one joined is told as it was.
            assert!(percents.is_sorted() && percents.len() > 1, "{percents:?}");
        }
        heard.retain(|event| event.fact().is_some());
        told.push(heard);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    let second = told[0].iter().filter(|event| event.name == "file_update");
    assert_eq!(second.clone().nth(1).unwrap().data["progress"], 40);
}

#[tokio::test]
async fn a_reader_that_has_the_last_fact_is_told_that_there_is_no_more() {
    let api = Api::new();
    let job = eventful(&api).await;
    let last = api
        .service
        .store
        .jobs
        .job(job)
        .await
        .unwrap()
        .unwrap()
        .last_fact();
    for (known, status) in [
        (format!("{last}"), 204),
        (format!("{last}.7"), 204),
        (format!("{}", last + 5), 204),
        (format!("{}.3", last - 1), 200),
        ("nonsense".to_owned(), 200),
    ] {
        let reader = Reader::open(&api, job, "", Some(&known)).await;
        assert_eq!(reader.status, status, "{known}");
    }
    let before = format!("{}.3", last - 1);
    let rest = Reader::open(&api, job, "", Some(&before))
        .await
        .rest()
        .await;
    assert_eq!(rest.len(), 1);
    assert_eq!(
        (rest[0].fact(), rest[0].name.as_str()),
        (Some(last), "task_completed")
    );
}

#[tokio::test]
async fn failed_and_cancelled_jobs_end_in_their_own_events() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let started = api.start(Queue::ModelGeneration).await;
    api.fail(&started[0].lease, Retry::Never).await;
    let events = Reader::open(&api, job, "", None).await.rest().await;
    let end = events.last().unwrap();
    assert_eq!(end.name, "task_failed");
    assert!(end.data["error"].as_str().unwrap().contains("truncated"));

    let job = api.job(&["a.png"]).await;
    api.service.store.jobs.cancel(job).await.unwrap();
    let events = Reader::open(&api, job, "", None).await.rest().await;
    let [.., file, end] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(
        (file.name.as_str(), &file.data["error"]),
        ("file_update", &"cancelled".into())
    );
    assert_eq!(end.name, "task_cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_beats_every_fifteen_seconds_and_ends_at_its_time() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let opened = tokio::time::Instant::now();
    let events = Reader::open(&api, job, "?timeout=40", None)
        .await
        .rest()
        .await;
    let names: Vec<_> = events
        .iter()
        .map(|e| (e.id.as_str(), e.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("1", "task_queued"),
            ("1.1", "heartbeat"),
            ("1.2", "heartbeat"),
            ("1.3", "connection_timeout"),
        ]
    );
    assert!(opened.elapsed().as_secs() >= 40);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_within_half_a_minute_of_its_key() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let [gone, good] = [1, 2].map(|seed| Token::from_bytes(&[seed; 32]));
    let keys = &api.service.store.keys;
    for token in [&gone, &good] {
        let mut key = Key::of(token, Scope::User, api.service.now());
        key.owner = Owner::open();
        keys.add_key(key).await.unwrap();
    }
    api.service.keyring.look().await.unwrap();
    let open = async |token: &Token| {
        let bearer = format!("Bearer {}", token.reveal());
        Reader::with(&api, job, "", Some(("authorization", &bearer))).await
    };
    let (mut ended, mut beside) = (open(&gone).await, open(&good).await);
    assert_eq!(ended.next().await.unwrap().name, "task_queued");
    keys.revoke_key(&gone.id(), api.service.now())
        .await
        .unwrap();
    let revoked = tokio::time::Instant::now();
    let rest = ended.rest().await;
    assert_eq!(rest.last().unwrap().name, "stream_error", "{rest:?}");
    let after = revoked.elapsed();
    assert!(after <= Duration::from_secs(30), "{after:?}");
    assert_eq!(beside.next().await.unwrap().name, "task_queued");
    for _ in 0..3 {
        assert_eq!(beside.next().await.unwrap().name, "heartbeat");
    }
}

#[tokio::test]
async fn a_timeout_is_1_to_86400_seconds() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    for timeout in ["0", "86401", "-1", "x", "1.5"] {
        let path = format!("/api/v1/status/tasks/{job}/stream?timeout={timeout}");
        assert_problem(&api.get(&path).await, 400);
    }
    assert_problem(&api.get("/api/v1/status/tasks/x/stream").await, 400);
}

#[tokio::test]
async fn open_streams_end_at_shutdown() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let mut reader = Reader::open(&api, job, "", None).await;
    assert_eq!(reader.next().await.unwrap().name, "task_queued");
    api.service.shutdown.cancel();
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn a_reader_that_does_not_read_falls_back_to_the_record() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let mut reader = Reader::open(&api, job, "", None).await;
    assert_eq!(reader.next().await.unwrap().name, "task_queued");
    let started = api.start(Queue::ModelGeneration).await;
    let jobs = &api.service.store.jobs;
    for percent in 0..90 {
        let progress = Progress {
            item: job.item(1),
            percent,
            step: "shape".to_owned(),
        };
        jobs.progress(vec![progress]).await.unwrap();
        tokio::task::yield_now().await;
    }
    api.complete(&started[0].lease).await;
    let facts: Vec<_> = reader.rest().await.iter().filter_map(Event::fact).collect();
    assert_eq!(facts, [2, 3, 4]);
}

//! Clients as they should be: what had no answer, or one of 502 to 504, is asked again, elsewhere and under the same
//! key.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::Value;

use crate::support::{Client, Event, Sent, tiny};

/// Time in which any call has had an answer, and any job has ended.
const PATIENCE: Duration = Duration::from_secs(90);
/// Wait after a call without an answer.
const AGAIN: Duration = Duration::from_millis(100);

/// The way to every API server.
#[derive(Clone)]
pub(super) struct Clients {
    apis: Arc<[Client]>,
    next: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    broken: Arc<AtomicUsize>,
}

/// A job that the service has said to have.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) id: String,
    pub(super) items: usize,
}

/// What a reader of one job's events was told.
pub(super) struct Followed {
    pub(super) job: Accepted,
    pub(super) facts: Vec<(u32, Event)>,
    /// Whether it was told that there is nothing more to be told.
    pub(super) told_of_end: bool,
}

impl Clients {
    pub(super) fn new(apis: impl Into<Vec<Client>>) -> Self {
        Self {
            apis: apis.into().into(),
            next: Arc::default(),
            refused: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// What they had to bear, in words.
    pub(super) fn told(&self) -> String {
        let (refused, broken) = (self.refused.load(Relaxed), self.broken.load(Relaxed));
        format!("{refused} calls refused for now, {broken} without an answer")
    }

    pub(super) fn any(&self) -> Client {
        let next = self.next.fetch_add(1, Relaxed);
        self.apis[next % self.apis.len()].clone()
    }

    /// The first answer that is no "not now".
    async fn ask<F>(&self, call: impl Fn(Client) -> F) -> Sent
    where
        F: Future<Output = reqwest::Result<Sent>>,
    {
        let asking = async {
            loop {
                let wait = match call(self.any()).await {
                    Ok(sent) if !(502..=504).contains(&sent.status.as_u16()) => return sent,
                    Ok(sent) => {
                        self.refused.fetch_add(1, Relaxed);
                        let after = sent.retry_after;
                        let seconds = after.unwrap_or_else(|| panic!("no Retry-After: {sent:?}"));
                        Duration::from_secs(seconds)
                    }
                    Err(_) => {
                        self.broken.fetch_add(1, Relaxed);
                        AGAIN
                    }
                };
                tokio::time::sleep(wait).await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        answered.unwrap_or_else(|_| panic!("no answer in {PATIENCE:?}"))
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let get = |client: Client| {
            let path = path.to_owned();
            async move { client.try_get(&path).await }
        };
        let sent = self.ask(get).await;
        assert!(sent.status.is_success(), "{path}: {sent:?}");
        sent.body
    }
}

/// A file's bytes.
pub(super) async fn download(clients: &Clients, path: &str) -> Vec<u8> {
    loop {
        match clients.any().bytes(path).await {
            (status, bytes) if status.is_success() => return bytes,
            (status, _) => assert_eq!(status, 503, "{path}"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A job of one to three pictures, as often as it takes until it is accepted.
pub(super) async fn submit(clients: &Clients, number: usize, seed: u64) -> Accepted {
    let items = 1 + number % 3;
    let pictures: Vec<_> = (0..items).map(|n| tiny((3 * number + n) as u64)).collect();
    let key = format!("{seed}-{number}");
    let upload = |client: Client| {
        let (pictures, key) = (pictures.clone(), key.clone());
        async move { client.upload(&pictures, &[], Some(&key)).await }
    };
    let sent = clients.ask(upload).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let id = sent.body["job_id"].as_str().unwrap().to_owned();
    Accepted { id, items }
}

/// Reads a job's events to its end over any number of connections.
pub(super) async fn follow(clients: Clients, job: Accepted) -> Followed {
    let mut followed = Followed {
        job: job.clone(),
        facts: Vec::new(),
        told_of_end: false,
    };
    let mut last: Option<String> = None;
    let reading = async {
        while !followed.told_of_end {
            let known = last.clone();
            let hear = |event: Event| {
                last = Some(event.id.clone());
                if let Some(number) = event.fact() {
                    followed.told_of_end = event.is_last();
                    followed.facts.push((number, event));
                }
                followed.told_of_end
            };
            let heard = clients.any().listen(&job.id, known.as_deref(), hear).await;
            match heard.map(|status| status.as_u16()) {
                Ok(204) => followed.told_of_end = true,
                Ok(200) | Err(_) => {}
                Ok(503) => tokio::time::sleep(2 * AGAIN).await,
                Ok(status) => panic!("{}: {status}", job.id),
            }
            if !followed.told_of_end {
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let read = tokio::time::timeout(2 * PATIENCE, reading).await;
    read.unwrap_or_else(|_| panic!("the stream of {} does not end", job.id));
    followed
}

//! Limits and idempotency over several API processes that share one Redis.

use std::{path::PathBuf, time::Instant};

use futures::future::join_all;
use reqwest::{
    StatusCode,
    multipart::{Form, Part},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{RealServer, Server, role, tiny};

const KEY: &str = "a-key-of-the-tests-for-everybody";

/// Some API processes over one Redis.
struct Fleet {
    servers: Vec<Server>,
    http: reqwest::Client,
    _redis: RealServer,
    _home: TempDir,
}

impl Fleet {
    fn start(processes: usize, settings: &[(&str, &str)]) -> Self {
        let redis = RealServer::start(&[]);
        let home = tempfile::tempdir().unwrap();
        let url = redis.url();
        let mut all = vec![("STORE__URL", url.as_str()), ("KEYS__USER", KEY)];
        all.extend(settings);
        let words = ["api", "--listen=127.0.0.1:0"];
        let start = |number| {
            // Each has a log of its own.
            let dir: PathBuf = home.path().join(format!("data{number}"));
            let mut command = role(&words, &dir, &all);
            let files = format!("file://{}", home.path().join("files").display());
            command.env("IMAGE2MODEL_ARTIFACTS__URL", files);
            Server::run(command, &dir)
        };
        Self {
            servers: (0..processes).map(start).collect(),
            http: reqwest::Client::new(),
            _redis: redis,
            _home: home,
        }
    }

    fn url(&self, number: usize, path: &str) -> String {
        let port = self.servers[number % self.servers.len()].port;
        format!("http://127.0.0.1:{port}/api/v1{path}")
    }

    /// Uploads a picture to the server of that turn.
    async fn upload(&self, number: usize, idempotency_key: Option<&str>) -> reqwest::Response {
        let part = Part::bytes(tiny(1)).file_name("1.png");
        let form = Form::new().part("files", part.mime_str("image/png").unwrap());
        let mut request = self.http.post(self.url(number, "/upload"));
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let sent = request.bearer_auth(KEY).multipart(form).send();
        sent.await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let sent = self.http.get(self.url(0, path)).bearer_auth(KEY).send();
        sent.await.unwrap().json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_exact_over_all_servers() {
    let fleet = Fleet::start(3, &[("LIMITS__PER_MINUTE", "60")]);
    let began = Instant::now();
    let answers = join_all((0..180).map(|number| fleet.upload(number, None))).await;
    // One flows back in each second, and the first may be in a second that has begun.
    let flowed_back = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let (mut passed, mut refused) = (0, 0);
    for answer in answers {
        match answer.status() {
            StatusCode::OK => passed += 1,
            StatusCode::TOO_MANY_REQUESTS => {
                refused += 1;
                assert!(answer.headers().contains_key("retry-after"));
                assert_eq!(answer.headers()["x-ratelimit-limit"], "60");
            }
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
    assert_eq!(passed + refused, 180);
    assert!(
        (60..=60 + flowed_back).contains(&passed),
        "{passed} of 60 and {flowed_back}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_repeats_at_once_over_two_servers_make_one_job() {
    let mut fleet = Fleet::start(2, &[("LIMITS__PER_MINUTE", "0"), ("LIMITS__PER_HOUR", "0")]);
    let answers = join_all((0..50).map(|number| fleet.upload(number, Some("once")))).await;
    let mut bodies = Vec::new();
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::OK);
        bodies.push(answer.json::<Value>().await.unwrap());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    let jobs = fleet.get("/jobs?limit=100").await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");
    assert!(fleet.servers.remove(0).terminate().0.success());
    let again = fleet.upload(0, Some("once")).await;
    let again: Value = again.json().await.unwrap();
    assert_eq!(again, bodies[0], "from the other one, too");
}

//! Who gets what answer: every route of the table, for everybody who may ask.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, header},
};
use image2model::{
    access::{Key, Scope, Token},
    http::{self, Access},
    job::{JobId, Owner, Queue, Timestamp, transition::Retry},
    service::Caller,
};
use serde_json::json;

use super::{Answer, Api, Part, form_with, picture, request, text};

/// Statuses for: no key, one that is not known, a revoked one, another owner's, the owner's, an administrator's.
type Row = [u16; 6];

const OPEN: Row = [200; 6];
/// Of the owner's job or file; an administrator is not its owner.
const OWN: Row = [401, 403, 403, 404, 200, 404];
/// Of whoever asks.
const EACH: Row = [401, 403, 403, 200, 200, 200];
/// Without a body, which is told to those who may send one.
const WORK: Row = [401, 403, 403, 422, 422, 422];

/// Of an administrator alone, who is answered with that status.
const fn admin(status: u16) -> Row {
    [401, 403, 403, 403, 403, status]
}

pub(super) const GENERATE: &str = "POST /api/v1/models/generate";

/// One line for each route.
const ROWS: &[(&str, Row)] = &[
    ("GET /health", OPEN),
    ("GET /health/live", OPEN),
    ("GET /health/ready", OPEN),
    ("GET /metrics", OPEN),
    ("GET /", OPEN),
    ("GET /plain", OPEN),
    ("GET /openapi.json", OPEN),
    ("GET /docs", OPEN),
    ("GET /docs/style.css", OPEN),
    // Its key is a field of its body.
    ("POST /plain", [422; 6]),
    ("GET /job/{job_id}", OWN),
    ("GET /api/v1/health", OPEN),
    ("GET /api/v1/health/detailed", OPEN),
    ("GET /api/v1/health/metrics", OPEN),
    ("GET /api/v1/health/liveness", OPEN),
    ("GET /api/v1/health/readiness", OPEN),
    ("GET /api/v1/health/ready", OPEN),
    ("POST /api/v1/upload", WORK),
    ("POST /api/v1/upload/batch", WORK),
    ("POST /api/v1/upload/zip", WORK),
    ("GET /api/v1/upload/status/{file_id}", OWN),
    ("GET /api/v1/upload/batch/{batch_id}/status", OWN),
    ("GET /api/v1/models/available", OPEN),
    ("POST /api/v1/models/convert", WORK),
    ("GET /api/v1/models/download/{job_id}", OWN),
    ("GET /api/v1/status/{task_id}", OWN),
    ("GET /api/v1/status/tasks/{task_id}", OWN),
    ("GET /api/v1/status/tasks/{task_id}/status", OWN),
    ("GET /api/v1/status/tasks/{task_id}/stream", OWN),
    ("GET /api/v1/status/jobs/{job_id}/progress", OWN),
    ("GET /api/v1/download/{job_id}/all", OWN),
    ("GET /api/v1/download/{job_id}/{filename}", OWN),
    ("GET /api/v1/download/direct/{filename}", OWN),
    ("GET /api/v1/usage", EACH),
    ("GET /api/v1/jobs", EACH),
    ("GET /api/v1/jobs/{job_id}", OWN),
    (
        "POST /api/v1/jobs/{job_id}/cancel",
        [401, 403, 403, 404, 202, 404],
    ),
    // Of the owner's image, which is named in its body.
    (GENERATE, OWN),
    ("GET /api/v1/models/job/{job_id}", OWN),
    (
        "POST /api/v1/jobs/{job_id}/retry",
        [401, 403, 403, 404, 409, 404],
    ),
    ("GET /api/v1/jobs/{job_id}/events", OWN),
    ("GET /api/v1/debug/job/{job_id}", admin(200)),
    ("GET /api/v1/admin/disk-usage", admin(200)),
    ("POST /api/v1/admin/cleanup", admin(200)),
    // Nothing is said of what the body is.
    ("POST /api/v1/admin/cleanup-job", admin(415)),
    ("GET /api/v1/admin/list-files", admin(200)),
    ("GET /api/v1/admin/system-health", admin(200)),
    ("GET /api/v1/admin/dead-letters", admin(200)),
    ("POST /api/v1/admin/dead-letters/{id}/requeue", admin(404)),
    ("GET /api/v1/logs/statistics", admin(200)),
    ("POST /api/v1/logs/rotate", admin(200)),
    ("DELETE /api/v1/logs/cleanup", admin(200)),
    ("GET /api/v1/logs/analyze", admin(200)),
    ("GET /api/v1/logs/summary/daily", admin(200)),
    ("GET /api/v1/logs/types", admin(200)),
    ("POST /api/v1/logs/export", admin(422)),
    (
        "GET /api/v1/logs/export/{export_id}/{export_name}",
        admin(404),
    ),
    ("GET /api/v1/logs/health", admin(200)),
    (
        "DELETE /api/v1/jobs/{job_id}",
        [401, 403, 403, 404, 204, 404],
    ),
    ("DELETE /api/v1/admin/delete-job/{job_id}", admin(200)),
];

/// A service with keys, and a finished job of the one that is the owner's.
pub(super) struct Tenants {
    pub(super) api: Api,
    pub(super) owner: Token,
    pub(super) other: Token,
    admin: Token,
    revoked: Token,
}

impl Tenants {
    async fn new() -> Self {
        Self::of(Api::new()).await
    }

    pub(super) async fn of(api: Api) -> Self {
        let token = |seed| Token::from_bytes(&[seed; 32]);
        let (owner, other, admin, revoked) = (token(1), token(2), token(3), token(4));
        let keys = api.service.store.keys.clone();
        for (token, scope) in [
            (&owner, Scope::User),
            (&other, Scope::User),
            (&admin, Scope::Admin),
            (&revoked, Scope::User),
        ] {
            let key = Key::of(token, scope, Timestamp(0));
            keys.add_key(key).await.unwrap();
        }
        keys.revoke_key(&revoked.id(), Timestamp(1)).await.unwrap();
        api.service.keyring.look().await.unwrap();
        Self {
            api,
            owner,
            other,
            admin,
            revoked,
        }
    }

    async fn job(&self) -> JobId {
        let headers = [("authorization", &*bearer(&self.owner))];
        let form = form_with(&[picture("duck.png", b"bytes")], &headers);
        let answer = self.api.send(form).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let id = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
        for reserved in self.api.start(Queue::ModelGeneration).await {
            self.api.complete(&reserved.lease).await;
        }
        id
    }

    /// In the order of a [`Row`].
    fn callers(&self) -> [(&'static str, Option<Token>); 6] {
        [
            ("no key", None),
            ("an unknown key", Some(Token::from_bytes(&[9; 32]))),
            ("a revoked key", Some(self.revoked.clone())),
            ("another owner", Some(self.other.clone())),
            ("the owner", Some(self.owner.clone())),
            ("an administrator", Some(self.admin.clone())),
        ]
    }

    /// The path with a link that the holder of `token` could get.
    pub(super) fn signed(&self, token: &Token, path: &str) -> String {
        let owner = Owner(token.id().as_str().to_owned());
        self.api
            .service
            .keyring
            .signer(&Caller::of(owner))
            .sign(path)
    }

    async fn status(&self, method: &Method, path: &str, token: Option<&Token>) -> u16 {
        self.status_of(asking(method, path, token)).await
    }

    async fn status_of(&self, asked: Request<Body>) -> u16 {
        self.api.send(asked).await.status.as_u16()
    }
}

#[tokio::test]
async fn an_administrators_links_open_nothing_of_another_owners() {
    let tenants = Tenants::new().await;
    let headers = [("authorization", &*bearer(&tenants.owner))];
    let form = form_with(&[picture("duck.png", b"bytes")], &headers);
    assert_eq!(tenants.api.send(form).await.status, 200);
    for started in tenants.api.start(Queue::ModelGeneration).await {
        tenants.api.fail(&started.lease, Retry::Never).await;
    }
    let admin = async |method, path: &str| {
        let asked = asking(&method, path, Some(&tenants.admin));
        tenants.api.send(asked).await.json()
    };
    let list = "/api/v1/admin/dead-letters";
    let dead = admin(Method::GET, list).await;
    let dead = dead["dead_letters"][0]["id"].as_str().unwrap();
    let taken_up = admin(Method::POST, &format!("{list}/{dead}/requeue")).await;
    let stream = taken_up["stream_url"].as_str().unwrap();
    assert!(stream.contains("?link="), "{stream}");
    assert_eq!(tenants.status(&Method::GET, stream, None).await, 404);
}

pub(super) fn bearer(token: &Token) -> String {
    format!("Bearer {}", token.reveal())
}

pub(super) fn asking(method: &Method, path: &str, token: Option<&Token>) -> Request<Body> {
    let mut asked = request(method.as_str(), path);
    if let Some(token) = token {
        asked = asked.header("authorization", bearer(token));
    }
    asked.body(Body::empty()).unwrap()
}

/// The same with a body that names the job's image.
fn about_image(asked: Request<Body>, job: JobId) -> Request<Body> {
    let (mut head, _) = asked.into_parts();
    let json = HeaderValue::from_static("application/json");
    head.headers.insert(header::CONTENT_TYPE, json);
    let ask = json!({"file_id": job.item(1)}).to_string();
    Request::from_parts(head, ask.into())
}

/// The route's path for one job.
pub(super) fn filled(path: &str, job: JobId) -> String {
    let file = format!("{job}_01_glb.glb");
    let filled = path
        .replace("{job_id}", &job.to_string())
        .replace("{task_id}", &job.to_string())
        .replace("{batch_id}", &job.to_string())
        .replace("{file_id}", &job.item(1).to_string())
        .replace("{id}", &format!("{job}:generate:1"))
        .replace("{export_id}/{export_name}", &format!("{job}/logs.json"))
        .replace("{filename}", &file);
    assert!(
        !filled.contains('{'),
        "{path} has a part that is not known here"
    );
    filled
}

#[tokio::test]
async fn every_route_answers_each_caller_as_its_line_says() {
    let tenants = Tenants::new().await;
    let job = tenants.job().await;
    let expected: BTreeMap<_, _> = ROWS.iter().copied().collect();
    assert_eq!(expected.len(), ROWS.len(), "a route has two lines");
    let routes = http::table(&tenants.api.service);
    let mut wrong = Vec::new();
    for route in &routes {
        let name = format!("{} {}", route.method, route.path);
        let Some(row) = expected.get(&*name) else {
            wrong.push(format!("{name} has no line in ROWS"));
            continue;
        };
        // What removes a job has one of its own.
        let job = match route.method {
            Method::DELETE => tenants.job().await,
            _ => job,
        };
        let path = filled(&route.path, job);
        for ((who, token), status) in tenants.callers().iter().zip(row) {
            let mut asked = asking(&route.method, &path, token.as_ref());
            if name == GENERATE {
                asked = about_image(asked, job);
            }
            let got = tenants.status_of(asked).await;
            if got != *status {
                wrong.push(format!("{name} answers {who} with {got}, not {status}"));
            }
        }
        // A link does where the table says so, as its owner's key would, and nowhere else.
        for (who, token, column) in [("owner", &tenants.owner, 4), ("other", &tenants.other, 3)] {
            let linked = tenants.signed(token, &path);
            let got = tenants.status(&route.method, &linked, None).await;
            let status = row[if route.access == Access::Linked {
                column
            } else {
                0
            }];
            if got != status {
                wrong.push(format!(
                    "{name} answers a link of the {who} with {got}, not {status}"
                ));
            }
        }
    }
    for (name, _) in ROWS {
        if !routes
            .iter()
            .any(|route| format!("{} {}", route.method, route.path) == *name)
        {
            wrong.push(format!("{name} has a line and is no route"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_link_opens_its_own_path_for_its_own_hour() {
    let tenants = Tenants::new().await;
    let job = tenants.job().await;
    let path = format!("/api/v1/download/{job}/{job}_01_glb.glb");
    let url = tenants.signed(&tenants.owner, &path);
    let shown = tenants.api.send(asking(
        &Method::GET,
        &format!("/api/v1/jobs/{job}"),
        Some(&tenants.owner),
    ));
    let shown = shown.await.json();
    let given = &shown["items"][0]["files"][0]["url"];
    assert!(
        given
            .as_str()
            .unwrap()
            .starts_with(&format!("{path}?link=")),
        "{given}"
    );
    assert!(
        shown["stream_url"]
            .as_str()
            .unwrap()
            .contains("/stream?link="),
        "{shown}"
    );

    let get = async |path: &str| tenants.status(&Method::GET, path, None).await;
    assert_eq!(get(&url).await, 200);
    let preview = url.replace("_01_glb.glb", "_01_preview.png");
    assert_eq!(get(&preview).await, 401, "another file of the same job");
    tenants.api.later(std::time::Duration::from_secs(3600));
    assert_eq!(get(&url).await, 401);
}

#[tokio::test]
async fn whoever_shows_no_key_is_told_what_to_show() {
    let tenants = Tenants::new().await;
    let answer = tenants.api.get("/api/v1/jobs").await;
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    assert!(answer.text().contains("Authorization: Bearer KEY"));
    for malformed in ["i2m_", "Basic eDp5", "Bearer"] {
        let asked = request("GET", "/api/v1/jobs").header("authorization", malformed);
        let answer = tenants.api.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 401, "{malformed}");
    }
    let wrong = asking(&Method::GET, "/api/v1/jobs", Some(&tenants.revoked));
    let answer = tenants.api.send(wrong).await;
    assert_eq!(answer.json()["details"]["code"], "key_refused");
    assert!(!answer.text().contains(tenants.revoked.reveal()));
}

/// Sends the form of a browser without scripts.
async fn send_plain(api: &Api, parts: &[Part]) -> Answer {
    let form = form_with(parts, &[("accept", "text/html")]);
    let (mut head, body) = form.into_parts();
    head.uri = "/plain".parse().unwrap();
    api.send(Request::from_parts(head, body)).await
}

#[tokio::test]
async fn a_form_without_scripts_has_its_key_in_it_and_leads_to_a_signed_page() {
    let tenants = Tenants::new().await;
    let api = &tenants.api;
    let form = api.get("/plain").await.text();
    assert!(form.contains("action=\"/plain\"") && form.contains("type=\"password\" name=\"key\""));
    let duck = || picture("duck.png", b"bytes");
    let (good, revoked) = (tenants.owner.reveal(), tenants.revoked.reveal());
    for (parts, status) in [
        (vec![duck()], 422),
        (vec![duck(), text("key", good)], 422),
        (vec![text("key", ""), duck()], 401),
        (vec![text("key", "i2m_wrong"), duck()], 403),
        (vec![text("key", revoked), duck()], 403),
        (vec![text("key", &"x".repeat(2000)), duck()], 422),
        (vec![text("key", good), text("key", good), duck()], 422),
    ] {
        let answer = send_plain(api, &parts).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.text().contains(good));
    }
    assert_eq!(
        api.files_on_disk(),
        0,
        "nothing is kept of what was refused"
    );

    let accepted = send_plain(api, &[text("key", good), duck()]).await;
    assert_eq!(accepted.status, 303, "{}", accepted.text());
    for reserved in api.start(Queue::ModelGeneration).await {
        api.complete(&reserved.lease).await;
    }
    let page = api.get(accepted.header("location")).await;
    assert_eq!(page.status, 200);
    let page = page.text();
    let links: Vec<_> = page.split("href=\"/api").skip(1).collect();
    assert!(!links.is_empty(), "{page}");
    for link in links {
        let link = format!("/api{}", link.split('"').next().unwrap());
        assert_eq!(api.get(&link).await.status, 200, "{link}");
    }
}

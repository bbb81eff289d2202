use std::time::Duration;

use image2model::{
    access::Token,
    job::{Queue, Timestamp},
};
use serde_json::{Value, json};

use super::{Answer, Api, ROOM, assert_problem, request};

pub(super) const ADMIN: &str = "an-administrators-key";
pub(super) const USER: &str = "a-users-key";

/// A service with an administrator.
pub(super) fn with_keys() -> Api {
    Api::with(
        |config| {
            config.keys.admin = ADMIN.to_owned();
            config.keys.user = USER.to_owned();
        },
        ROOM,
    )
}

impl Api {
    /// Asks with a key; `body` is sent as JSON where there is one.
    pub(super) async fn ask(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let asked = request(method, path).header("authorization", format!("Bearer {key}"));
        let asked = match body {
            Some(body) => asked
                .header("content-type", "application/json")
                .body(body.to_string().into()),
            None => asked.body(String::new().into()),
        };
        self.send(asked.unwrap()).await
    }

    /// Asks as an administrator, and gets 200.
    pub(super) async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let path = format!("/api/v1{path}");
        let answer = self.ask(ADMIN, method, &path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// A job with one model, of the user.
    pub(super) async fn finished_job(&self) -> String {
        let mut form = super::form(&[super::picture("a.png", b"picture")]);
        let key = format!("Bearer {USER}").parse().unwrap();
        form.headers_mut().insert("authorization", key);
        let accepted = self.send(form).await.json();
        let started = self.start(Queue::ModelGeneration).await;
        self.complete(&started[0].lease).await;
        accepted["job_id"].as_str().unwrap().to_owned()
    }

    /// Does what maintenance does of removals, and tells how many.
    async fn removals(&self) -> usize {
        self.start(Queue::Maintenance).await.len()
    }
}

#[tokio::test]
async fn what_administrates_asks_for_an_administrators_key() {
    let api = with_keys();
    for (method, path) in [
        ("GET", "/api/v1/admin/disk-usage"),
        ("POST", "/api/v1/admin/cleanup"),
        ("POST", "/api/v1/admin/cleanup-job"),
        ("GET", "/api/v1/admin/list-files"),
        ("DELETE", "/api/v1/admin/delete-job/x"),
        ("GET", "/api/v1/admin/system-health"),
        ("GET", "/api/v1/debug/job/x"),
    ] {
        assert_problem(&api.ask(USER, method, path, None).await, 403);
        let bare = request(method, path).body(String::new().into()).unwrap();
        assert_problem(&api.send(bare).await, 401);
    }
    assert!(
        !Token::given(ADMIN).is_well_formed(),
        "a key of an operator's own"
    );
}

#[tokio::test]
async fn room_and_files_are_told_of_uploads_and_results() {
    let api = with_keys();
    let job = api.finished_job().await;
    let usage = api.admin("GET", "/admin/disk-usage", None).await;
    let (uploads, results) = (&usage["upload_dir"], &usage["output_dir"]);
    assert_eq!(
        (&uploads["total_files"], &results["total_files"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(uploads["disk_total_gb"], 100.0);
    assert_eq!(uploads["disk_used_gb"], 10.0);
    assert_eq!(results["disk_usage_percent"], 10.0);

    let files = api
        .admin("GET", "/admin/list-files?directory=results", None)
        .await;
    assert_eq!(
        (&files["directory"], &files["total_files"]),
        (&json!("results"), &json!(2))
    );
    let item = &files["items"][0];
    assert_eq!(
        (&item["path"], &item["file_count"]),
        (&json!(job), &json!(2))
    );
    assert_eq!(item["is_directory"], true);
    assert_eq!(files["uploads"][0]["file_count"], 1);
    assert_eq!(files["results"], files["items"]);
    for query in ["directory=etc", "limit=0", "limit=x"] {
        let path = format!("/api/v1/admin/list-files?{query}");
        assert_problem(&api.ask(ADMIN, "GET", &path, None).await, 422);
    }

    let health = api.admin("GET", "/admin/system-health", None).await;
    assert_eq!(health["status"], "degraded");
    let warnings = health["warnings"].to_string();
    assert!(
        warnings.contains("celery: no worker is alive"),
        "{warnings}"
    );
    assert_eq!(health["disk_usage"]["output_dir"]["total_files"], 2);
}

#[tokio::test]
async fn a_clean_up_tells_what_goes_before_it_goes() {
    let api = with_keys();
    api.finished_job().await;
    let young = api.admin("POST", "/admin/cleanup", None).await;
    assert_eq!(
        (&young["files_removed"], &young["cleanup_hours"]),
        (&json!(0), &json!(24))
    );

    api.later(Duration::from_secs(2 * 3600));
    let hour = |dry_run: bool| Some(json!({"hours": 1, "dry_run": dry_run}));
    let told = api.admin("POST", "/admin/cleanup", hour(true)).await;
    assert_eq!(
        (&told["files_removed"], &told["directories_removed"]),
        (&json!(3), &json!(1))
    );
    assert!(told["freed_space_mb"].as_f64().unwrap() > 0.0);
    assert_eq!(api.removals().await, 0, "it was only told");

    let mut done = api.admin("POST", "/admin/cleanup", hour(false)).await;
    done["dry_run"] = true.into();
    done["timestamp"] = told["timestamp"].clone();
    assert_eq!(done, told);
    assert_eq!(api.removals().await, 1);

    for body in [
        json!({"hours": -1}),
        json!({"hours": 87_601}),
        json!({"hours": 0, "dryRun": true}),
        json!([1, 2]),
        json!([]),
        json!([24, true]),
    ] {
        let answer = api
            .ask(ADMIN, "POST", "/api/v1/admin/cleanup", Some(body))
            .await;
        assert_problem(&answer, 422);
    }
    let path = "/api/v1/admin/cleanup?hours=0&dry_run=true";
    let answer = api.ask(ADMIN, "POST", path, None).await;
    assert_problem(&answer, 422);
    assert_eq!(api.removals().await, 0, "nothing went");
}

#[tokio::test]
async fn a_job_is_removed_whoevers_it_is_and_cancelled_first() {
    let api = with_keys();
    let done = api.finished_job().await;
    let told = api
        .admin("POST", "/admin/cleanup-job", Some(json!({"job_id": done})))
        .await;
    assert_eq!(
        (&told["job_id"], &told["files_removed"]),
        (&json!(done), &json!(3))
    );
    assert_eq!(told["errors"], json!([]));

    let form = |name: &str| {
        let mut form = super::form(&[super::picture(name, b"picture")]);
        let key = format!("Bearer {USER}").parse().unwrap();
        form.headers_mut().insert("authorization", key);
        form
    };
    let waiting = api.send(form("a.png")).await.json();
    let waiting = waiting["job_id"].as_str().unwrap();
    let path = format!("/admin/delete-job/{waiting}");
    let told = api.admin("DELETE", &path, None).await;
    assert_eq!(
        (&told["job_id"], &told["files_removed"]),
        (&json!(waiting), &json!(1))
    );
    assert!(told["message"].is_string());
    assert_eq!(api.removals().await, 2);

    let running = api.send(form("b.png")).await.json();
    let running = running["job_id"].as_str().unwrap();
    let lease = api.start(Queue::ModelGeneration).await.remove(0).lease;
    let path = format!("/admin/delete-job/{running}");
    let told = api.admin("DELETE", &path, None).await;
    assert_eq!(told["files_removed"], 1, "nobody waits for what runs");
    let path = format!("/api/v1/jobs/{running}");
    assert_problem(&api.ask(USER, "GET", &path, None).await, 404);
    assert_eq!(api.removals().await, 0, "something works on it");
    api.complete(&lease).await;
    let store = &api.service.store.jobs;
    let removable = store.removable(Timestamp(1), 9).await.unwrap();
    assert_eq!(removable, [running.parse().unwrap()]);

    let unknown = "00000000-0000-4000-8000-000000000000";
    let path = format!("/api/v1/admin/delete-job/{unknown}");
    assert_problem(&api.ask(ADMIN, "DELETE", &path, None).await, 404);
    let body = Some(json!({"job_id": "x"}));
    assert_problem(
        &api.ask(ADMIN, "POST", "/api/v1/admin/cleanup-job", body)
            .await,
        400,
    );
}

#[tokio::test]
async fn any_job_can_be_looked_into() {
    let api = with_keys();
    let job = api.finished_job().await;
    let shown = api.admin("GET", &format!("/debug/job/{job}"), None).await;
    assert_eq!(
        (&shown["found"], &shown["metadata"]["status"]),
        (&json!(true), &json!("completed"))
    );
    assert_eq!(shown["files"].as_array().unwrap().len(), 2);
    let unknown = "/debug/job/00000000-0000-4000-8000-000000000000";
    let shown = api.admin("GET", unknown, None).await;
    assert_eq!(
        (&shown["found"], &shown["files"]),
        (&json!(false), &json!([]))
    );
    assert_problem(
        &api.ask(ADMIN, "GET", "/api/v1/debug/job/x", None).await,
        400,
    );
}

use axum::body::Body;
use image2model::artifacts::ArtifactKey;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

use super::{
    Answer, Api, ROOM,
    admin::{ADMIN, USER, with_keys},
    assert_problem, request,
    slow::slow_form,
};

/// Has what this thread does written to the service's log.
fn listening(api: &Api) -> DefaultGuard {
    let lines = api.service.logs.layer().unwrap();
    let subscriber = tracing_subscriber::registry().with(lines);
    tracing::subscriber::set_default(subscriber)
}

/// A service that has written a line of each type today.
async fn talking() -> (Api, DefaultGuard) {
    let api = with_keys();
    let guard = listening(&api);
    api.get("/health").await;
    api.admin("POST", "/admin/cleanup", None).await;
    tracing::warn!("the room gets short");
    tracing::error!("part 17 is broken");
    (api, guard)
}

fn today() -> String {
    jiff::Timestamp::now()
        .to_string()
        .chars()
        .take(10)
        .collect()
}

#[tokio::test]
async fn every_type_is_counted_and_the_replica_is_named() {
    let (api, _guard) = talking().await;
    let told = api.admin("GET", "/logs/statistics", None).await;
    assert_eq!(told["replica"], "this-process");
    for kind in ["application", "access", "audit", "errors"] {
        assert_eq!(told["by_type"][kind]["files"], 1, "{told}");
    }
    assert!(told["log_directory"].as_str().unwrap().ends_with("logs"));
    assert_eq!(told["disk_usage"]["free_gb"], 90.0);
    let types = api.admin("GET", "/logs/types", None).await;
    assert_eq!(types["total_types"], 4);
    assert_eq!(
        types["log_types"],
        json!(["application", "access", "audit", "errors"])
    );
    let health = api.admin("GET", "/logs/health", None).await;
    assert_eq!(
        (&health["status"], &health["issues"]),
        (&json!("healthy"), &json!([]))
    );
}

#[tokio::test]
async fn levels_requests_and_errors_are_analyzed() {
    let (api, _guard) = talking().await;
    let all = api.admin("GET", "/logs/analyze", None).await;
    assert_eq!(
        (&all["log_levels"]["ERROR"], &all["log_levels"]["WARN"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(all["error_patterns"]["part # is broken"], 1);
    assert_eq!(all["request_patterns"]["GET /health 200"], 1);
    assert_eq!(all["performance_metrics"]["requests"], 2);
    assert!(all["lines_analyzed"].as_u64().unwrap() >= 5);
    let errors = api
        .admin("GET", "/logs/analyze?log_type=errors&hours_back=1", None)
        .await;
    assert_eq!(errors["lines_analyzed"], 1);

    let day = api.admin("GET", "/logs/summary/daily", None).await;
    assert_eq!(day["date"], today());
    assert_eq!(
        day["top_errors"],
        json!([{"message": "part # is broken", "count": 1}])
    );
    let events = day["system_events"].to_string();
    assert!(
        events.contains("an administrator's act method=POST"),
        "{events}"
    );
    let empty = api
        .admin("GET", "/logs/summary/daily?date=2001-02-03", None)
        .await;
    assert_eq!(empty["total_log_entries"], 0);
}

#[tokio::test]
async fn files_are_put_aside_and_removed_when_they_are_old() {
    let (api, guard) = talking().await;
    drop(guard);
    let rotation = api.admin("POST", "/logs/rotate", None).await;
    assert_eq!(
        rotation["rotated_files"].as_array().unwrap().len(),
        4,
        "{rotation}"
    );
    assert_eq!(
        (&rotation["skipped_files"], &rotation["errors"]),
        (&json!([]), &json!([]))
    );
    let again = api.admin("POST", "/logs/rotate", None).await;
    let only = json!(["access.log"]);
    assert_eq!(again["rotated_files"], only, "of the request before");
    assert_eq!(again["skipped_files"].as_array().unwrap().len(), 3);

    let young = api.admin("DELETE", "/logs/cleanup", None).await;
    assert_eq!(
        (&young["status"], &young["removed_files"]),
        (&json!("completed"), &json!([]))
    );
    api.later(std::time::Duration::from_secs(2 * 86_400));
    let old = api
        .admin("DELETE", "/logs/cleanup?older_than_days=1", None)
        .await;
    assert_eq!(old["removed_files"].as_array().unwrap().len(), 5);
    assert!(old["total_size_removed_mb"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn an_export_is_a_file_that_only_administrators_get() {
    let (api, guard) = talking().await;
    drop(guard);
    let day = today();
    for (format, kinds, words) in [
        ("json", "audit,errors", "part 17 is broken"),
        (
            "csv",
            "application",
            "timestamp,log_type,level,target,message,fields",
        ),
        ("txt", "", "WARN it::http::logs: the room gets short"),
    ] {
        let asked = format!(
            "/logs/export?start_date={day}&end_date={day}&log_types={kinds}&format={format}"
        );
        let export = api.admin("POST", &asked, None).await;
        assert_eq!(export["status"], "started");
        assert_eq!(export["parameters"]["format"], format);
        let path = export["download_url"].as_str().unwrap();
        assert!(path.contains(export["export_id"].as_str().unwrap()));
        let file = api.ask(ADMIN, "GET", path, None).await;
        assert_eq!(file.status, 200, "{}", file.text());
        assert!(file.text().contains(words), "{}", file.text());
        assert!(
            file.header("content-disposition")
                .contains(&format!("logs.{format}"))
        );
        if format == "json" {
            let lines: Vec<Value> = serde_json::from_slice(&file.body).unwrap();
            assert_eq!(lines.len(), 3, "an act's begin and end, and an error");
        }
        assert_problem(&api.ask(USER, "GET", path, None).await, 403);
    }
}

impl Api {
    async fn export(&self, query: &str, key: &str) -> Answer {
        let asked = request("POST", &format!("/api/v1/logs/export?{query}"))
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("idempotency-key", key);
        self.send(asked.body(Body::empty()).unwrap()).await
    }
}

/// Has the claim of an export be another process's.
async fn claimed_by_another(api: &Api, export: Uuid) {
    let (artifacts, claim) = (&api.service.artifacts, ArtifactKey::claim(export));
    let told = String::from_utf8(artifacts.get(&claim).await.unwrap().to_vec()).unwrap();
    let others = told.replace("this-process", "another-process");
    assert_ne!(others, told);
    artifacts.delete(&claim).await.unwrap();
    artifacts.put(&claim, others.into()).await.unwrap();
}

#[tokio::test]
async fn an_export_under_an_idempotency_key_is_made_once() {
    let (api, guard) = talking().await;
    drop(guard);
    let (query, artifacts) = (
        "start_date=2001-02-03&end_date=2001-02-04",
        &api.service.artifacts,
    );
    let first = api.export(query, "k").await;
    assert_eq!(first.status, 200, "{}", first.text());
    let first = first.json();
    let files = api.files_on_disk();
    assert_eq!(api.export(query, "k").await.json(), first);
    assert_eq!(api.files_on_disk(), files, "the repeat makes nothing");
    for other in [
        "start_date=2001-02-03&end_date=2001-02-05",
        "start_date=2001-02-03&end_date=2001-02-04&format=csv",
        "start_date=2001-02-03&end_date=2001-02-04&log_types=audit",
    ] {
        let refused = api.export(other, "k").await;
        assert_eq!(assert_problem(&refused, 422)["code"], "key_reused");
    }
    assert_eq!(api.files_on_disk(), files);
    assert_problem(&api.export(query, " ").await, 400);
    let another = api.export(query, "another").await.json();
    assert_ne!(another["export_id"], first["export_id"]);

    // One that this process could not finish is made at last.
    let id = first["export_id"].as_str().unwrap().parse().unwrap();
    let file = ArtifactKey::export(id, "logs.json");
    artifacts.delete(&file).await.unwrap();
    assert_eq!(api.export(query, "k").await.json(), first);
    assert!(artifacts.exists(&file).await.unwrap());

    // Another process has begun it.
    claimed_by_another(&api, id).await;
    let shown = api.export(query, "k").await.json();
    assert_eq!(shown["replica"], "another-process", "whose log it is of");
    artifacts.delete(&file).await.unwrap();
    let again = api.export(query, "k").await.json();
    assert_eq!(again, first, "it has died since: here is one at a time");
}

#[tokio::test]
async fn an_export_that_another_of_a_fleet_makes_is_waited_for_a_while() {
    let api = Api::with(
        |config| {
            config.keys.admin = ADMIN.to_owned();
            config.store.url = "redis://where-the-others-are".to_owned();
        },
        ROOM,
    );
    let (query, artifacts) = (
        "start_date=2001-02-03&end_date=2001-02-04",
        &api.service.artifacts,
    );
    let first = api.export(query, "k").await.json();
    let id = first["export_id"].as_str().unwrap().parse().unwrap();
    claimed_by_another(&api, id).await;
    let file = ArtifactKey::export(id, "logs.json");
    artifacts.delete(&file).await.unwrap();
    assert_problem(&api.export(query, "k").await, 409);
    api.later(std::time::Duration::from_secs(15 * 60));
    assert_eq!(api.export(query, "k").await.json(), first);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_named_with_its_bounds() {
    let api = with_keys();
    for (method, path, words) in [
        ("DELETE", "cleanup?older_than_days=0", "from 1 to 365"),
        ("GET", "analyze?hours_back=169", "from 1 to 168"),
        (
            "GET",
            "analyze?log_type=secrets",
            "application, access, audit, errors",
        ),
        ("GET", "analyze?log_type=", "log_type is"),
        ("GET", "summary/daily?date=yesterday", "a day as YYYY-MM-DD"),
        (
            "GET",
            "summary/daily?date=2026-02-30",
            "a day as YYYY-MM-DD",
        ),
        ("POST", "export", "start_date is missing"),
        (
            "POST",
            "export?start_date=2026-01-02&end_date=2026-01-01",
            "must not be before",
        ),
        (
            "POST",
            "export?start_date=2026-01-01&end_date=2026-01-01&format=xml",
            "json, csv, txt",
        ),
    ] {
        let answer = api
            .ask(ADMIN, method, &format!("/api/v1/logs/{path}"), None)
            .await;
        assert_problem(&answer, 422);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    for path in [
        "export/x/logs.json",
        "export/00000000-0000-4000-8000-000000000000/logs.csv",
    ] {
        assert_problem(
            &api.ask(ADMIN, "GET", &format!("/api/v1/logs/{path}"), None)
                .await,
            404,
        );
    }
    assert_problem(
        &api.ask(USER, "GET", "/api/v1/logs/statistics", None).await,
        403,
    );
}

#[tokio::test]
async fn a_request_whose_client_leaves_is_in_the_log() {
    let api = Api::new();
    let (request, body) = slow_form();
    let asking = api.asking(request);
    // Once the second has room, the first was taken.
    body.send(b"--".to_vec()).await;
    body.send(b"x".to_vec()).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    body.breaks().await;
    api.quiet().await;
    let folder = api.service.logs.folder().unwrap();
    let log = std::fs::read_to_string(folder.join("access.log")).unwrap();
    assert!(log.contains("\"endpoint\":\"/api/v1/upload\""), "{log}");
    assert!(log.contains("\"status\":499"), "{log}");
}

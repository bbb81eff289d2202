use std::time::{Duration, Instant};

use image2model::{
    capacity::disk::Space,
    job::{Queue, WorkerId},
    store::{SCHEDULER, WorkerLoad, WorkerReport},
};
use serde_json::json;

use super::{
    Api, GB, ROOM,
    admin::{ADMIN, USER},
    assert_problem,
};

#[tokio::test]
async fn the_plain_health_answers_under_all_its_paths() {
    let api = Api::new();
    for path in ["/health", "/health/", "/api/v1/health", "/api/v1/health/"] {
        let body = api.get(path).await.json();
        assert_eq!(body["status"], "healthy", "{path}");
        assert_eq!(body["service"], "image2model-backend");
        assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    }
    let alive = api.get("/api/v1/health/liveness").await.json();
    assert_eq!(alive["status"], "alive");
}

#[tokio::test]
async fn without_a_worker_it_is_degraded_and_still_ready() {
    let api = Api::new();
    for path in ["/api/v1/health/readiness", "/api/v1/health/ready"] {
        let ready = api.get(path).await;
        assert_eq!(ready.status, 200);
        let body = ready.json();
        assert_eq!(body["status"], "ready");
        let components = body["components"].as_array().unwrap();
        let celery = components.iter().find(|c| c["name"] == "celery").unwrap();
        assert_eq!(celery["status"], "degraded");
    }
    assert_eq!(
        api.get("/api/v1/health/detailed").await.json()["status"],
        "degraded"
    );
}

#[tokio::test]
async fn the_detailed_report_names_what_monitors_look_for() {
    let api = Api::new();
    has_worker(&api, &Queue::ALL).await;
    has_leader(&api).await;
    let answer = api.get("/api/v1/health/detailed").await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["status"], "healthy");
    let names: Vec<_> = body["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| {
            assert!(component["response_time_ms"].is_number());
            component["name"].as_str().unwrap()
        })
        .collect();
    assert_eq!(names, ["redis", "celery", "disk_space", "fal_api"]);
    let celery = &body["components"][1]["details"];
    assert_eq!(celery["active_workers"], 1);
    assert_eq!(celery["workers"][0], "worker-1");
    assert_eq!(celery["pools"][0]["role"], "worker");
    assert_eq!(celery["scheduler"], "scheduler-1");
    assert_eq!(
        body["components"][3]["details"]["note"],
        "not configured: models are made here"
    );
    for member in [
        "platform",
        "cpu_usage_percent",
        "memory_usage_percent",
        "memory_available_gb",
        "disk_usage_percent",
        "disk_free_gb",
        "load_average",
    ] {
        assert!(!body["system"][member].is_null(), "{member}");
    }
    assert_eq!(body["results"]["keep"], "auto");
    assert!(
        body["results"]["text"]
            .as_str()
            .unwrap()
            .contains("5 GB or 5 %")
    );
}

#[tokio::test]
async fn names_of_the_inside_are_told_to_administrators_alone_where_there_are_keys() {
    let api = Api::with(
        |config| {
            config.keys.admin = ADMIN.to_owned();
            config.keys.user = USER.to_owned();
        },
        ROOM,
    );
    has_worker(&api, &Queue::ALL).await;
    has_leader(&api).await;
    let path = "/api/v1/health/detailed";
    let whole = api.ask(ADMIN, "GET", path, None).await.text();
    for name in ["worker-1", "scheduler-1"] {
        assert!(whole.contains(name), "{whole}");
        for told in [api.get(path).await, api.ask(USER, "GET", path, None).await] {
            let body = told.json();
            assert!(!told.text().contains(name), "{body}");
            assert_eq!(body["status"], "healthy");
            assert_eq!(
                body["components"][1]["details"],
                json!({"active_workers": 1})
            );
        }
    }
}

/// A worker of some queues has just reported.
async fn has_worker(api: &Api, queues: &[Queue]) {
    let loads = queues.iter().map(|q| (q.name(), WorkerLoad::default()));
    let report = WorkerReport {
        worker: "worker-1".to_owned(),
        role: "worker".to_owned(),
        queues: loads.collect(),
        seen: 0,
    };
    api.service.store.presence.report(report).await.unwrap();
}

async fn has_leader(api: &Api) {
    let (leader, term) = (WorkerId("scheduler-1".to_owned()), Duration::from_secs(5));
    let presence = &api.service.store.presence;
    assert!(presence.lead(SCHEDULER, &leader, term).await.unwrap());
}

#[tokio::test]
async fn whom_jobs_wait_for_is_told() {
    let api = Api::new();
    let told = async || {
        let body = api.get("/api/v1/health/detailed").await.json();
        let celery = &body["components"][1];
        let note = celery["details"]["note"].as_str().map(str::to_owned);
        (celery["status"] == "degraded", note.unwrap_or_default())
    };
    // The store is asked once a second.
    let soon = async |wanted: (bool, &str)| {
        let begun = Instant::now();
        loop {
            let (is_degraded, note) = told().await;
            if (is_degraded, note.as_str()) == wanted {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{note}, not {wanted:?}"
            );
            tokio::task::yield_now().await;
        }
    };
    soon((true, "no worker is alive: jobs wait")).await;
    has_worker(&api, &[Queue::ModelGeneration, Queue::Maintenance]).await;
    let some = "no live worker takes from batch_processing, priority: tasks there wait";
    soon((true, some)).await;
    has_worker(&api, &Queue::ALL).await;
    let nobody = "no scheduler leads: retries and the tasks of dead workers wait";
    soon((true, nobody)).await;
    has_leader(&api).await;
    soon((false, "")).await;
}

#[tokio::test]
async fn a_full_disk_is_degraded_and_then_unhealthy() {
    let disk = |free| Space {
        total: 1000 * GB,
        free,
    };
    for (free, status, word) in [
        (150, 200, "healthy"),
        (149, 200, "degraded"),
        (49, 503, "unhealthy"),
    ] {
        let api = Api::with(|_| {}, disk(free * GB));
        let answer = api.get("/api/v1/health/detailed").await;
        assert_eq!(answer.status, status, "{free} GB free");
        let report = if status == 503 {
            assert_eq!(answer.header("retry-after"), "5");
            assert_problem(&answer, 503)["details"].clone()
        } else {
            answer.json()
        };
        assert_eq!(report["components"][2]["status"], word, "{free} GB free");
    }
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let api = Api::new();
    for path in ["/metrics", "/api/v1/health/metrics"] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
    }
}

#[tokio::test]
async fn what_no_route_names_and_what_a_route_does_not_do_are_problems() {
    let api = Api::new();
    let body = assert_problem(&api.get("/api/v1/nothing/here").await, 404);
    assert_eq!(body["instance"], "/api/v1/nothing/here");
    let wrong = api.post("/api/v1/health").await;
    assert_problem(&wrong, 405);
    assert_eq!(wrong.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn the_root_gives_name_and_version_to_programs() {
    let api = Api::new();
    let body = api.get("/").await.json();
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert!(body["message"].is_string());
}

#[tokio::test]
async fn a_part_that_is_gone_for_fifteen_seconds_takes_the_process_out() {
    let api = Api::new();
    let ready = async || api.get("/api/v1/health/ready").await;
    *api.space.lock().unwrap() = None;
    assert_eq!(ready().await.status, 200);
    api.later(Duration::from_secs(14));
    assert_eq!(ready().await.status, 200);
    api.later(Duration::from_secs(1));
    let unready = ready().await;
    assert_eq!(unready.header("retry-after"), "5");
    let body = assert_problem(&unready, 503);
    assert_eq!(body["details"]["status"], "not_ready");
    assert_eq!(body["details"]["failed_components"][0], "disk_space");

    *api.space.lock().unwrap() = Some(ROOM);
    assert_eq!(ready().await.status, 200);
    *api.space.lock().unwrap() = None;
    assert_eq!(ready().await.status, 200);
}

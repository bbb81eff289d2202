//! Health, readiness and metrics, under the names that monitors look for.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    capacity::disk::Space,
    config::Keep,
    job::Timestamp,
    service::{Component, Health, Service, Standing},
};

use super::{access, error::Problem, openapi::Doc};

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
const SERVICE: &str = "image2model-backend";
const GB: f64 = 1e9;
/// Seconds after which another look at an unhealthy process is worthwhile.
const LOOK_AGAIN: u32 = 5;

/// That this process answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Basic {
    #[schemars(extend("const" = "healthy"))]
    status: &'static str,
    service: &'static str,
    version: &'static str,
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
}

pub(super) async fn basic(State(service): State<Service>) -> Json<Basic> {
    Json(Basic {
        status: "healthy",
        service: SERVICE,
        version: VERSION,
        timestamp: service.now().to_string(),
    })
}

/// That this process lives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Liveness {
    #[schemars(extend("const" = "alive"))]
    status: &'static str,
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
}

pub(super) async fn liveness(State(service): State<Service>) -> Json<Liveness> {
    Json(Liveness {
        status: "alive",
        timestamp: service.now().to_string(),
    })
}

/// That requests may come to this process.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Readiness {
    #[schemars(extend("const" = "ready"))]
    status: &'static str,
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
    components: Vec<ComponentState>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ComponentState {
    /// `redis` (the store, whichever it is), `disk_space`, `celery` (the workers) or `fal_api` (the remote provider).
    name: &'static str,
    #[schemars(with = "HealthWord")]
    status: &'static str,
}

pub(super) async fn readiness(State(service): State<Service>) -> Result<Json<Readiness>, Problem> {
    let (components, ready) = service.readiness().await;
    if !ready {
        let failed: Vec<_> = components
            .iter()
            .filter(|component| component.health == Health::Unhealthy)
            .map(|component| component.name)
            .collect();
        let message = format!("Not ready: {} failing.", failed.join(", "));
        let details = json!({"status": "not_ready", "failed_components": failed});
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, message);
        return Err(problem.with_details(details).retry_after(LOOK_AGAIN));
    }
    let state = |component: &Component| ComponentState {
        name: component.name,
        status: word(component.health),
    };
    Ok(Json(Readiness {
        status: "ready",
        timestamp: service.now().to_string(),
        components: components.iter().map(state).collect(),
    }))
}

pub(super) async fn detailed(
    State(service): State<Service>,
    headers: HeaderMap,
) -> Result<Json<Report>, Problem> {
    let (standing, inside) =
        tokio::join!(service.standing(), access::sees_inside(&service, &headers));
    let report = report(&standing, &service, inside);
    if standing.health() == Health::Unhealthy {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "A component that is needed is unhealthy.",
        );
        return Err(problem.with_details(json!(report)).retry_after(LOOK_AGAIN));
    }
    Ok(Json(report))
}

pub(super) async fn metrics(State(service): State<Service>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], service.scrape().await)
}

/// Everything else at a process that has no API.
pub(super) async fn nothing_else() -> Problem {
    let message =
        "This process has no API; it answers to /health, /health/live, /health/ready and /metrics.";
    Problem::new(StatusCode::NOT_FOUND, message)
}

pub(super) fn docs() -> Vec<Doc> {
    let time = "2026-01-02T03:04:05.678Z";
    let component = json!({"name": "redis", "status": "healthy"});
    let mut asked = component.clone();
    asked["response_time_ms"] = json!(0.4);
    asked["details"] = json!({});
    vec![
        Doc::get("/health", "health", "health")
            .also("/api/v1/health")
            .says("Whether this process answers", "")
            .answers::<Basic>(
                200,
                "It does.",
                json!({"status": "healthy", "service": SERVICE, "version": VERSION, "timestamp": time}),
            ),
        Doc::get("/health/live", "health", "liveness")
            .also("/api/v1/health/liveness")
            .says("Whether this process lives", "If not, it is to be started anew.")
            .answers::<Liveness>(200, "It does.", json!({"status": "alive", "timestamp": time})),
        Doc::get("/health/ready", "health", "readiness")
            .also("/api/v1/health/ready")
            .also("/api/v1/health/readiness")
            .says("Whether requests may come here", "Not while the store or the disk has been gone for 15 s.")
            .answers::<Readiness>(
                200,
                "They may.",
                json!({"status": "ready", "timestamp": time, "components": [component]}),
            ),
        Doc::get("/api/v1/health/detailed", "health", "report")
            .says(
                "The service with everything that it needs",
                "Where there are keys, the names of processes and servers are for administrators.",
            )
            .answers::<Report>(
                200,
                "How it stands.",
                json!({
                    "status": "healthy",
                    "service": SERVICE,
                    "version": VERSION,
                    "timestamp": time,
                    "system": {"platform": "linux", "cpu_usage_percent": 3.5, "cpu_count": 4},
                    "components": [asked],
                    "uptime_seconds": 86_400.5,
                    "results": {"keep": "auto", "keep_at_least_hours": 24, "text": "Models are kept for a day."},
                }),
            ),
        Doc::get("/metrics", "health", "metrics")
            .also("/api/v1/health/metrics")
            .says("Metrics", "In the text format of Prometheus.")
            .sends(200, "The metrics.", "text/plain"),
    ]
}

pub(super) fn word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Degraded => "degraded",
        Health::Unhealthy => "unhealthy",
    }
}

/// How a component does, from best to worst.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "it stands for the words of `word` in the API's description"
)]
enum HealthWord {
    Healthy,
    Degraded,
    Unhealthy,
}

/// The service with everything that it needs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// The worst of `components`.
    #[schemars(with = "HealthWord")]
    status: &'static str,
    service: &'static str,
    version: &'static str,
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
    system: Machine,
    components: Vec<ComponentReport>,
    /// Seconds since this process started.
    uptime_seconds: f64,
    results: Kept,
}

/// The machine; what it does not tell is missing.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Machine {
    platform: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_usage_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_usage_percent: Option<f64>,
    /// Gigabytes of a thousand million bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_available_gb: Option<f64>,
    /// Gigabytes of a thousand million bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_total_gb: Option<f64>,
    /// Over 1, 5 and 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    load_average: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_usage_percent: Option<f64>,
    /// Gigabytes of a thousand million bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_free_gb: Option<f64>,
    /// Gigabytes of a thousand million bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_total_gb: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ComponentReport {
    #[serde(flatten)]
    state: ComponentState,
    /// Milliseconds that it took to ask it.
    response_time_ms: f64,
    /// What else there is to say of it, by component.
    details: Map<String, Value>,
}

/// How long results are kept.
#[derive(Debug, Serialize, JsonSchema)]
struct Kept {
    /// `results.keep` of the configuration.
    #[schemars(with = "String")]
    keep: Keep,
    /// Hours.
    keep_at_least_hours: u64,
    /// In words.
    text: String,
}

/// With the names of processes and servers only for those who may see the `inside`.
fn report(standing: &Standing, service: &Service, inside: bool) -> Report {
    Report {
        status: word(standing.health()),
        service: SERVICE,
        version: VERSION,
        timestamp: standing.at.to_string(),
        system: system(standing),
        components: standing
            .components
            .iter()
            .map(|component| shown(component, standing, inside))
            .collect(),
        uptime_seconds: standing.uptime.as_secs_f64(),
        results: Kept {
            keep: service.config.results.keep,
            keep_at_least_hours: service.config.results.keep_at_least_hours,
            text: service.retention(),
        },
    }
}

fn system(standing: &Standing) -> Machine {
    let gb = |bytes: u64| bytes as f64 / GB;
    let (load, disk) = (standing.load, standing.disk);
    Machine {
        platform: std::env::consts::OS,
        cpu_usage_percent: load.map(|load| load.cpu_percent),
        cpu_count: load.map(|load| load.cores),
        memory_usage_percent: load.map(|load| load.memory_percent),
        memory_available_gb: load.map(|load| gb(load.memory_available)),
        memory_total_gb: load.map(|load| gb(load.memory_total)),
        load_average: load.map(|load| load.average),
        disk_usage_percent: disk.map(Space::used_percent),
        disk_free_gb: disk.map(|disk| gb(disk.free)),
        disk_total_gb: disk.map(|disk| gb(disk.total)),
    }
}

fn shown(component: &Component, standing: &Standing, inside: bool) -> ComponentReport {
    let mut details = Map::new();
    match component.name {
        "celery" => details = workers(standing, inside),
        "redis" if inside => {
            let promise = standing.promise.iter();
            details.extend(promise.map(|promise| ("durability".to_owned(), json!(promise))));
        }
        "disk_space" => {
            if let Some(disk) = standing.disk {
                details.insert("usage_percent".to_owned(), json!(disk.used_percent()));
                details.insert("free_gb".to_owned(), json!(disk.free as f64 / GB));
            }
        }
        _ => {}
    }
    let names_servers = component.name == "redis";
    if let Some(note) = &component.note
        && (inside || !names_servers)
    {
        details.insert("note".to_owned(), json!(note));
    }
    ComponentReport {
        state: ComponentState {
            name: component.name,
            status: word(component.health),
        },
        response_time_ms: component.took.as_secs_f64() * 1000.0,
        details,
    }
}

fn workers(standing: &Standing, inside: bool) -> Map<String, Value> {
    let reports = &standing.workers;
    let count = ("active_workers".to_owned(), json!(reports.len()));
    if !inside {
        return Map::from_iter([count]);
    }
    let names: Vec<_> = reports.iter().map(|report| &report.worker).collect();
    let pools: Vec<_> = reports
        .iter()
        .map(|report| {
            json!({
                "worker": report.worker,
                "role": report.role,
                "queues": report.queues,
                "seen_seconds_ago": standing.at.since(Timestamp(report.seen)).max(0) / 1000,
            })
        })
        .collect();
    Map::from_iter([
        count,
        ("workers".to_owned(), json!(names)),
        ("pools".to_owned(), json!(pools)),
        (
            "scheduler".to_owned(),
            json!(standing.leader.as_ref().map(|leader| &leader.0)),
        ),
    ])
}

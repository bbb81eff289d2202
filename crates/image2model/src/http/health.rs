//! Health, readiness and metrics, under the names that monitors look for.

use std::time::Instant;

use axum::{
    Json,
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    capacity,
    job::Timestamp,
    service::{Component, Health, Service, Standing},
};

use super::{error::Problem, render};

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
const SERVICE: &str = "image2model-backend";
const GB: f64 = 1e9;

pub(super) async fn basic(State(service): State<Service>) -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "service": SERVICE,
        "version": VERSION,
        "timestamp": render::time(service.now()),
    }))
}

pub(super) async fn liveness(State(service): State<Service>) -> Json<Value> {
    Json(json!({"status": "alive", "timestamp": render::time(service.now())}))
}

pub(super) async fn readiness(State(service): State<Service>) -> Result<Json<Value>, Problem> {
    let (components, ready) = service.readiness().await;
    if !ready {
        let failed: Vec<_> = components
            .iter()
            .filter(|component| component.health == Health::Unhealthy)
            .map(|component| component.name)
            .collect();
        let message = format!("Not ready: {} failing.", failed.join(", "));
        let details = json!({"status": "not_ready", "failed_components": failed});
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).with_details(details));
    }
    let components: Vec<_> = components
        .iter()
        .map(|component| json!({"name": component.name, "status": word(component.health)}))
        .collect();
    Ok(Json(json!({
        "status": "ready",
        "timestamp": render::time(service.now()),
        "components": components,
    })))
}

pub(super) async fn detailed(State(service): State<Service>) -> Result<Json<Value>, Problem> {
    let standing = service.standing().await;
    let report = report(&standing, &service);
    if standing.health() == Health::Unhealthy {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "A component that is needed is unhealthy.",
        );
        return Err(problem.with_details(report));
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

/// Counts each answer under its route's pattern, so that a stranger's paths make no new series.
pub(super) async fn count(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let endpoint = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched".to_owned(), |path| path.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let known = matches!(method.as_str(), "GET" | "HEAD" | "POST" | "OPTIONS");
    let label = if known { method.as_str() } else { "other" };
    capacity::metrics::request(label, &endpoint, status, began.elapsed());
    let took_ms = began.elapsed().as_secs_f64() * 1000.0;
    tracing::info!(target: "access", %method, endpoint, path, status, took_ms, "request");
    response
}

pub(super) fn word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Degraded => "degraded",
        Health::Unhealthy => "unhealthy",
    }
}

fn report(standing: &Standing, service: &Service) -> Value {
    let components: Vec<_> = standing
        .components
        .iter()
        .map(|component| shown(component, standing))
        .collect();
    json!({
        "status": word(standing.health()),
        "service": SERVICE,
        "version": VERSION,
        "timestamp": render::time(standing.at),
        "system": system(standing),
        "components": components,
        "uptime_seconds": standing.uptime.as_secs_f64(),
        "results": {
            "keep": service.config.results.keep,
            "keep_at_least_hours": service.config.results.keep_at_least_hours,
            "text": service.retention(),
        },
    })
}

fn system(standing: &Standing) -> Value {
    let mut system = json!({"platform": std::env::consts::OS});
    if let Some(load) = standing.load {
        system["cpu_usage_percent"] = json!(load.cpu_percent);
        system["cpu_count"] = json!(load.cores);
        system["memory_usage_percent"] = json!(load.memory_percent);
        system["memory_available_gb"] = json!(load.memory_available as f64 / GB);
        system["memory_total_gb"] = json!(load.memory_total as f64 / GB);
        system["load_average"] = json!(load.average);
    }
    if let Some(disk) = standing.disk {
        system["disk_usage_percent"] = json!(disk.used_percent());
        system["disk_free_gb"] = json!(disk.free as f64 / GB);
        system["disk_total_gb"] = json!(disk.total as f64 / GB);
    }
    system
}

fn shown(component: &Component, standing: &Standing) -> Value {
    let mut details = match component.name {
        "celery" => workers(standing),
        "redis" => standing
            .promise
            .as_ref()
            .map_or_else(|| json!({}), |promise| json!({"durability": promise})),
        "disk_space" => standing.disk.map_or_else(
            || json!({}),
            |disk| json!({"usage_percent": disk.used_percent(), "free_gb": disk.free as f64 / GB}),
        ),
        _ => json!({}),
    };
    if let Some(note) = &component.note {
        details["note"] = json!(note);
    }
    json!({
        "name": component.name,
        "status": word(component.health),
        "response_time_ms": component.took.as_secs_f64() * 1000.0,
        "details": details,
    })
}

fn workers(standing: &Standing) -> Value {
    let reports = &standing.workers;
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
    json!({
        "active_workers": reports.len(),
        "workers": names,
        "pools": pools,
        "scheduler": standing.leader.as_ref().map(|leader| &leader.0),
    })
}

//! The whole HTTP surface: route table and layer order on this screen; one file per resource; `error.rs` is the
//! only map to status codes. Handlers parse, call `service`, wrap.
//!
//! It never looks into the store or speaks to workers, and holds nothing between two requests.
//!
//! A request passes what is [`around`] all routes and what its route asks of its caller down to its handler. What any of them refuses is
//! a [`error::Problem`], which [`error::Asked`] writes out on the way back.

mod access;
mod admin;
mod around;
mod caller;
mod code;
mod dead;
mod download;
mod error;
mod events;
mod facts;
mod form;
mod form_field;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod generate;
mod guard;
mod health;
mod jobs;
mod limits;
mod logs;
mod models;
mod openapi;
mod pace;
mod page;
mod parts;
mod plain;
mod plain_upload;
mod render;
mod retry;
mod routes;
mod serve;
mod status;
mod stream;
mod upload;
mod usage;
mod words;
mod zip;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    http::Method,
    routing::{get, post},
};
use tower::{Layer, ServiceBuilder};
use tower_http::normalize_path::{NormalizePath, NormalizePathLayer};

use crate::service::Service;

use self::{
    access::Access::{Admin, Form, Keyed, Linked, Open, Work},
    form::Intake,
    openapi::Description,
    routes::Routes,
};

pub use access::Access;
pub use code::errors_page;
pub use routes::Route;
pub use serve::{Surface, Tls, TlsError, serve};

/// Every route and what it asks of the one who calls it.
fn routes(service: &Service) -> Routes {
    let limit = |intake: Intake| DefaultBodyLimit::max(intake.body_limit(&service.config.upload));
    let upload = post(upload::create).layer(limit(Intake::Pictures));
    let zip = post(zip::create).layer(limit(Intake::Archive));
    let convert = post(models::convert).layer(limit(Intake::Meshes));
    let plain_upload = post(plain_upload::create).layer(limit(Intake::Pictures));
    let described = Extension(Arc::new(Description::default()));
    let json = get(openapi::json).layer(described.clone());
    let docs_page = get(openapi::docs_page).layer(described);

    probe_routes(service)
        .get("/", Open, page::index)
        .route(Method::GET, "/openapi.json", Open, json)
        .route(Method::GET, "/docs", Open, docs_page)
        .get("/docs/style.css", Open, openapi::style)
        .get("/plain", Open, plain::upload_form)
        .route(Method::POST, "/plain", Form, plain_upload)
        .get("/job/{job_id}", Linked, plain::job)
        .under("/api/v1")
        .get("/health", Open, health::basic)
        .get("/health/detailed", Open, health::detailed)
        .get("/health/metrics", Open, health::metrics)
        .get("/health/liveness", Open, health::liveness)
        .get("/health/readiness", Open, health::readiness)
        .get("/health/ready", Open, health::readiness)
        .route(Method::POST, "/upload", Work, upload.clone())
        .route(Method::POST, "/upload/batch", Work, upload)
        .route(Method::POST, "/upload/zip", Work, zip)
        .get("/upload/status/{file_id}", Keyed, upload::file_status)
        .get(
            "/upload/batch/{batch_id}/status",
            Keyed,
            upload::batch_status,
        )
        .get("/models/available", Open, models::available)
        .route(Method::POST, "/models/convert", Work, convert)
        .get("/models/download/{job_id}", Linked, models::download)
        .post("/models/generate", Work, generate::create)
        .get("/models/job/{job_id}", Keyed, generate::standing)
        .get("/status/{task_id}", Keyed, status::task)
        .get("/status/tasks/{task_id}", Keyed, status::task)
        .get("/status/tasks/{task_id}/status", Keyed, status::task)
        .get("/status/tasks/{task_id}/stream", Linked, stream::open)
        .get("/status/jobs/{job_id}/progress", Keyed, status::progress)
        .get("/download/{job_id}/all", Keyed, download::all)
        .get("/download/{job_id}/{filename}", Linked, download::file)
        .get("/download/direct/{filename}", Linked, download::direct)
        .get("/usage", Keyed, usage::read)
        .get("/jobs", Keyed, jobs::list)
        .get("/jobs/{job_id}", Keyed, jobs::one)
        .delete("/jobs/{job_id}", Keyed, jobs::delete)
        .post("/jobs/{job_id}/cancel", Keyed, jobs::cancel)
        .post("/jobs/{job_id}/retry", Work, retry::create)
        .get("/jobs/{job_id}/events", Keyed, facts::page)
        .get("/admin/dead-letters", Admin, dead::list)
        .post("/admin/dead-letters/{id}/requeue", Admin, dead::requeue)
        .get("/debug/job/{job_id}", Admin, admin::debug_job)
        .get("/admin/disk-usage", Admin, admin::disk_usage)
        .post("/admin/cleanup", Admin, admin::cleanup)
        .post("/admin/cleanup-job", Admin, admin::cleanup_job)
        .get("/admin/list-files", Admin, admin::list_files)
        .delete("/admin/delete-job/{job_id}", Admin, admin::delete_job)
        .get("/admin/system-health", Admin, admin::system_health)
        .get("/logs/statistics", Admin, logs::statistics)
        .post("/logs/rotate", Admin, logs::rotate)
        .delete("/logs/cleanup", Admin, logs::clean_up)
        .get("/logs/analyze", Admin, logs::analyze)
        .get("/logs/summary/daily", Admin, logs::daily)
        .get("/logs/types", Admin, logs::types)
        .post("/logs/export", Admin, logs::export)
        .get(
            "/logs/export/{export_id}/{export_name}",
            Admin,
            logs::exported,
        )
        .get("/logs/health", Admin, logs::health)
}

/// What whoever watches over a process asks for, of any role.
fn probe_routes(service: &Service) -> Routes {
    Routes::new(service)
        .get("/health", Open, health::basic)
        .get("/health/live", Open, health::liveness)
        .get("/health/ready", Open, health::readiness)
        .get("/metrics", Open, health::metrics)
}

/// What answers all of it: the routes within their layers.
pub type Answering = NormalizePath<Router>;

/// All routes. Serve it with the clients' addresses ([`axum::extract::ConnectInfo`] in each request): without keys they
/// are the flows of fair queueing.
pub fn router(service: Service) -> Answering {
    let (routes, _) = routes(&service).into_parts();
    finished(routes.fallback(page::asset), service)
}

/// The route table, for whoever describes or tests it.
pub fn table(service: &Service) -> Vec<Route> {
    routes(service).into_parts().1
}

/// Lines of the route table that the API's description lacks, and those that it has and the table has not.
pub fn undescribed(service: &Service) -> Vec<String> {
    openapi::undescribed(&table(service))
}

/// Health and metrics alone, for a process that has no API.
pub fn probes(service: Service) -> Answering {
    let (routes, _) = probe_routes(&service).into_parts();
    finished(routes.fallback(health::nothing_else), service)
}

/// The routes within what is done for every request, all of which is one layer to the router, since each costs two
/// boxes a request.
fn finished(routes: Router<Service>, service: Service) -> Answering {
    let whole = routes
        .layer(
            ServiceBuilder::new()
                .layer(around::AroundLayer(service.clone()))
                .option_layer(guard::cors(&service.config.http)),
        )
        .with_state(service);

    // `/x/` is `/x`, without a redirect that would drop a body.
    NormalizePathLayer::trim_trailing_slash().layer(whole)
}

//! The whole HTTP surface: route table and layer order on this screen; one file per resource; `error.rs` is the
//! only map to status codes. Handlers parse, call `service`, wrap.
//!
//! It never looks into the store or speaks to workers, and holds nothing between two requests.
//!
//! A request passes the layers from the top of the list in [`finished`] down to its handler. What a handler or a
//! layer refuses is a [`error::Problem`], which [`error::finish`] writes out on the way back.

mod caller;
mod download;
mod error;
mod events;
mod form;
mod guard;
mod health;
mod jobs;
mod models;
mod pace;
mod page;
mod plain;
mod render;
mod serve;
mod status;
mod stream;
mod upload;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, header},
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use tower::{Layer, ServiceBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer, normalize_path::NormalizePathLayer,
    set_header::SetResponseHeaderLayer,
};

use self::form::Intake;
use crate::service::Service;

pub use serve::{Surface, serve};

/// All routes over `service`. Serve it with the clients' addresses
/// (`into_make_service_with_connect_info::<SocketAddr>()`): they are the flows of fair queueing.
pub fn router(service: Service) -> Router {
    let limit = |intake: Intake| DefaultBodyLimit::max(intake.body_limit(&service.config.upload));
    let pace = from_fn_with_state(service.clone(), pace::keep);
    let upload = post(upload::create).layer(limit(Intake::Pictures));
    let upload = upload.layer(pace.clone());
    let convert = post(models::convert).layer(limit(Intake::Meshes));
    let convert = convert.layer(pace);

    let api = Router::new()
        .route("/health", get(health::basic))
        .route("/health/detailed", get(health::detailed))
        .route("/health/metrics", get(health::metrics))
        .route("/health/liveness", get(health::liveness))
        .route("/health/readiness", get(health::readiness))
        .route("/health/ready", get(health::readiness))
        .route("/upload", upload.clone())
        .route("/upload/batch", upload)
        .route("/upload/status/{file_id}", get(upload::file_status))
        .route("/upload/batch/{batch_id}/status", get(upload::batch_status))
        .route("/models/available", get(models::available))
        .route("/models/convert", convert)
        .route("/models/download/{job_id}", get(models::download))
        .route("/status/{task_id}", get(status::task))
        .route("/status/tasks/{task_id}", get(status::task))
        .route("/status/tasks/{task_id}/status", get(status::task))
        .route("/status/tasks/{task_id}/stream", get(stream::open))
        .route("/status/jobs/{job_id}/progress", get(status::progress))
        .route("/download/{job_id}/all", get(download::all))
        .route("/download/{job_id}/{filename}", get(download::file))
        .route("/download/direct/{filename}", get(download::direct))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{job_id}", get(jobs::one))
        .route("/jobs/{job_id}/cancel", post(jobs::cancel));

    let whole = Router::new()
        .nest("/api/v1", api)
        .route("/", get(page::index))
        .merge(probe_routes())
        .route("/plain", get(plain::upload_form))
        .route("/job/{job_id}", get(plain::job))
        .fallback(page::asset);
    finished(whole, service)
}

/// Health and metrics alone, for a process that has no API.
pub fn probes(service: Service) -> Router {
    finished(probe_routes().fallback(health::nothing_else), service)
}

/// What whoever watches over a process asks for, of any role.
fn probe_routes() -> Router<Service> {
    Router::new()
        .route("/health", get(health::basic))
        .route("/health/live", get(health::liveness))
        .route("/health/ready", get(health::readiness))
        .route("/metrics", get(health::metrics))
}

/// The routes within all layers.
fn finished(routes: Router<Service>, service: Service) -> Router {
    let whole = routes
        .layer(
            ServiceBuilder::new()
                .layer(from_fn(health::count))
                .layer(default_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .layer(default_header(header::X_FRAME_OPTIONS, "DENY"))
                .layer(default_header(header::REFERRER_POLICY, "same-origin"))
                .layer(default_header(
                    header::CONTENT_SECURITY_POLICY,
                    "default-src 'none'; frame-ancestors 'none'",
                ))
                .layer(from_fn(error::finish))
                .layer(CatchPanicLayer::custom(error::panicked))
                .layer(from_fn_with_state(service.clone(), guard::check))
                .option_layer(guard::cors(&service.config.http)),
        )
        .with_state(service);

    // `/x/` is `/x`, without a redirect that would drop a body.
    Router::new().fallback_service(NormalizePathLayer::trim_trailing_slash().layer(whole))
}

fn default_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

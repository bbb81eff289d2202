//! `/openapi.json`, and `/docs` for people: the route table, the types of the answers and what each resource tells of
//! its routes ([`Doc`]), put together. Nothing is written down twice: paths and access are the table's, fields are
//! the types', options and limits the catalogue's and the configuration's.
//!
//! A route without a [`Doc`], and a [`Doc`] without a route, fail a test (`tests/it/http/openapi.rs`).

mod describe;
mod doc;
mod form;
mod page;
mod words;

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{Method, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::service::Service;

use super::{
    Route, admin, dead, download, error::Problem, facts, generate, health, jobs, logs, models,
    page as site, plain, plain_upload, retry, status, stream, upload, usage, zip,
};

pub(super) use doc::{Doc, Parameter};
pub(super) use form::{archive, meshes, pictures, plain as plain_form};
pub(super) use words::{FileStatus, ID_PATTERN, Id};

/// Everything that is told of routes, resource by resource.
fn docs() -> Vec<Doc> {
    [
        upload::docs(),
        zip::docs(),
        models::docs(),
        generate::docs(),
        jobs::docs(),
        facts::docs(),
        retry::docs(),
        usage::docs(),
        admin::docs(),
        dead::docs(),
        logs::docs(),
        status::docs(),
        stream::docs(),
        download::docs(),
        health::docs(),
        site::docs(),
        plain::docs(),
        plain_upload::docs(),
        own_docs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Routes of the table that nothing is told of, and what is told of routes that are not in it.
pub(super) fn undescribed(table: &[Route]) -> Vec<String> {
    let line = |method: &Method, path: &str| format!("{method} {path}");
    let routes: BTreeSet<_> = table.iter().map(|r| line(&r.method, &r.path)).collect();
    let told: BTreeSet<_> = docs()
        .iter()
        .flat_map(|doc| doc.paths.iter().map(|path| line(&doc.method, path)))
        .collect();
    routes.symmetric_difference(&told).cloned().collect()
}

/// The description of one router, written when it is first asked for.
#[derive(Default)]
pub(super) struct Description {
    open: OnceLock<Written>,
    keyed: OnceLock<Written>,
}

struct Written {
    /// As it goes over the wire.
    document: Bytes,
    page: Bytes,
}

impl Description {
    /// Where nobody needs a key, none is asked for.
    async fn written(&self, service: &Service) -> Result<&Written, Problem> {
        let is_open = service.keyring.is_open().await?;
        let place = if is_open { &self.open } else { &self.keyed };
        Ok(place.get_or_init(|| {
            let upload = &service.config.upload;
            let document = describe::document(&super::table(service), docs(), upload, is_open);
            let page = page::html(&document);
            Written {
                document: document.to_string().into(),
                page: page.into(),
            }
        }))
    }
}

type Described = Extension<Arc<Description>>;

/// `GET /openapi.json`
pub(super) async fn json(
    State(service): State<Service>,
    Extension(described): Described,
) -> Result<impl IntoResponse, Problem> {
    let written = described.written(&service).await?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, written.document.clone()))
}

/// `GET /docs`
pub(super) async fn docs_page(
    State(service): State<Service>,
    Extension(described): Described,
) -> Result<Response, Problem> {
    let written = described.written(&service).await?;
    Ok(site::html(written.page.clone()).into_response())
}

/// `GET /docs/style.css`
pub(super) async fn style() -> impl IntoResponse {
    let described = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (described, include_str!("style.css"))
}

fn own_docs() -> Vec<Doc> {
    vec![
        Doc::get("/openapi.json", "description", "describe")
            .says(
                "This description",
                "OpenAPI 3.1, made from the program itself.",
            )
            .answers::<serde_json::Map<String, Value>>(
                200,
                "The description.",
                json!({"openapi": "3.1.0"}),
            ),
        Doc::get("/docs", "description", "read_description")
            .says(
                "This description as a page",
                "It loads nothing from elsewhere.",
            )
            .sends(200, "The page.", "text/html"),
        Doc::get("/docs/style.css", "description", "read_description_style")
            .says("How that page looks", "")
            .sends(200, "The style sheet.", "text/css"),
    ]
}

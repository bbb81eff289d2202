//! The embedded web page and its assets.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::{Embed, EmbeddedFile};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::service::Service;

use super::{error::Problem, health, openapi::Doc, plain, render};

/// `web/dist` as it was when the binary was built; empty where it was not.
#[derive(Embed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// The page may load from this origin only; models' textures are handed to the viewer as `blob:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' blob: data:; connect-src 'self' blob: data:; worker-src 'self' blob:; \
    manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// `GET /`: the page for browsers, name and version for programs.
pub(super) async fn index(
    State(service): State<Service>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut response = if !render::prefers_page(&headers) {
        Json(Greeting::new()).into_response()
    } else if let Some(file) = Dist::get("index.html") {
        asset_response("index.html", file, &headers)
    } else {
        plain::upload_form(State(service)).await?.into_response()
    };
    response
        .headers_mut()
        .append(header::VARY, header::ACCEPT.into());
    Ok(response)
}

/// What a program reads at `/`.
#[derive(Debug, Serialize, JsonSchema)]
struct Greeting {
    message: &'static str,
    version: &'static str,
}

pub(super) fn docs() -> Vec<Doc> {
    let greeting = Greeting::new();
    vec![
        Doc::get("/", "pages", "index")
            .says(
                "Name and version, or the page",
                "The page is for those whose `Accept` prefers HTML.",
            )
            .answers::<Greeting>(200, "Which of the two `Accept` prefers.", json!(greeting))
            .sends(200, "", "text/html")
            .ends(304, "The page has not changed."),
    ]
}

impl Greeting {
    fn new() -> Self {
        Self {
            message: "image2model turns images into 3D models",
            version: health::VERSION,
        }
    }
}

/// Everything that no route names: an asset of the page, or nothing.
pub(super) async fn asset(
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let path = uri.path().trim_start_matches('/');
    match Dist::get(path) {
        Some(_) if method != Method::GET && method != Method::HEAD => Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("/{path} does not answer to {method}."),
        )),
        Some(file) => Ok(asset_response(path, file, &headers)),
        None => Err(Problem::not_found("page or resource")),
    }
}

fn asset_response(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let tag: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{tag}\"");
    // The build puts a hash of their content into the names of all files below `assets`.
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    // With a 304 too: a browser puts its headers over those that it has kept, and another policy would stop the page.
    let described = [
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::ETAG, tag.clone()),
    ];
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known == tag.as_str())
    {
        return (StatusCode::NOT_MODIFIED, described).into_response();
    }
    let kind = [(header::CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    (described, kind, file.data).into_response()
}

/// A page that we write ourselves: no scripts, and no styles but our own.
pub(super) fn html(text: impl IntoResponse) -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(text))
}

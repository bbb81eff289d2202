//! The service without scripts: an upload form, a job's page that refreshes itself, a page for refusals.

use std::fmt::Write as _;

use axum::{
    extract::{Path, State},
    http::header,
    response::IntoResponse,
};
use reconstruct::{
    Format,
    options::{DEFAULT_FACE_LIMIT, MAX_FACE_LIMIT},
};

use crate::{
    job::{Item, Job},
    provider::ModelInfo,
    service::{Caller, Service, Signer},
    store::Progress,
};

use super::{caller::job_id, error::Problem, openapi::Doc, page, render};

/// Seconds between two looks at a job that has not ended.
const REFRESH: u32 = 2;
/// The first field of the form on a server with keys.
const KEY_FIELD: &str = "<p><label>Key<br><input type=\"password\" name=\"key\" \
    autocomplete=\"current-password\" required></label></p>";

/// `GET /plain`
pub(super) async fn upload_form(
    State(service): State<Service>,
) -> Result<impl IntoResponse, Problem> {
    let (action, key) = if service.keyring.is_open().await? {
        ("/api/v1/upload/", "")
    } else {
        ("/plain", KEY_FIELD)
    };
    let models = ModelInfo::all()
        .into_iter()
        .fold(String::new(), |mut all, model| {
            let (name, words) = (model.name, escaped(model.description));
            let _ = write!(all, "<option value=\"{name}\">{name}: {words}</option>");
            all
        });
    let formats = Format::ALL
        .iter()
        .filter(|format| **format != Format::Glb)
        .fold(String::new(), |mut all, format| {
            let name = format.extension();
            let _ = write!(
                all,
                "<label><input type=\"checkbox\" name=\"format\" value=\"{name}\"> {name}</label> "
            );
            all
        });
    let most = service.config.upload.max_files;
    let megabytes = service.config.upload.max_file_bytes / (1024 * 1024);
    let retention = escaped(&service.retention());
    Ok(page::html(document(
        "Photos to 3D models",
        "",
        &format!(
            "<h1>Photos to 3D models</h1>\
             <form method=\"post\" action=\"{action}\" enctype=\"multipart/form-data\">{key}\
             <p><label>Up to {most} photos (JPEG, PNG or WebP, {megabytes} MB each)<br>\
             <input type=\"file\" name=\"files\" accept=\"image/jpeg,image/png,image/webp\" multiple required></label></p>\
             <p><label>Model<br><select name=\"model\">{models}</select></label></p>\
             <p><label>Most triangles<br><input type=\"number\" name=\"face_limit\" min=\"1\" \
             max=\"{MAX_FACE_LIMIT}\" placeholder=\"{DEFAULT_FACE_LIMIT}\"></label></p>\
             <p><label>Longest edge in mm<br><input type=\"number\" name=\"size_mm\" min=\"1\" max=\"10000\" \
             step=\"any\" placeholder=\"100\"></label></p>\
             <fieldset><legend>Formats besides GLB</legend>{formats}</fieldset>\
             <p><button>Create models</button></p></form><p>{retention}</p>"
        ),
    )))
}

/// `GET /job/{job_id}`: how the job stands, and links to what it made.
pub(super) async fn job(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = job_id(&id)?;
    let progress = service.progress(id).await?;
    let job = service.job(&caller, id).await?;
    let signer = service.keyring.signer(&caller);
    let head = if job.ended.is_none() {
        format!("<meta http-equiv=\"refresh\" content=\"{REFRESH}\">")
    } else {
        String::new()
    };
    let mut body = format!(
        "<h1>Your models</h1><p>{}, {} %</p><ul>",
        render::job_status(job.status()),
        render::job_percent(&job, &progress)
    );
    for one in &job.items {
        body.push_str(&item(&job, one, &progress, &signer));
    }
    let _ = write!(
        body,
        "</ul><p>{}</p><p><a href=\"/plain\">More photos</a></p>",
        escaped(&service.retention())
    );
    let newest = [(header::CACHE_CONTROL, "no-store")];
    Ok((newest, page::html(document("Your models", &head, &body))))
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        Doc::get("/plain", "pages", "upload_form")
            .says("An upload form without scripts", "")
            .sends(200, "The page.", "text/html"),
        Doc::get("/job/{job_id}", "pages", "job_page")
            .says(
                "A job as a page without scripts",
                "It loads itself anew until the job has ended.",
            )
            .sends(200, "The page.", "text/html"),
    ]
}

fn item(job: &Job, item: &Item, progress: &[Progress], signer: &Signer) -> String {
    let mut shown = format!("<li><b>{}</b>: ", escaped(&item.filename));
    let _ = match render::item_error(item) {
        Some(error) => write!(shown, "failed: {}", escaped(&error)),
        None => write!(
            shown,
            "{}, {} %",
            render::file_status(item.status),
            render::percent(job, item, progress)
        ),
    };
    for warning in &item.warnings {
        let _ = write!(shown, "<br>{}", escaped(&warning.message));
    }
    if let Some(preview) = item.files.iter().find(|file| file.format == "preview") {
        let url = render::file_url(job, preview, signer);
        let _ = write!(
            shown,
            "<br><img src=\"{url}\" alt=\"picture of the model of {}\" width=\"256\">",
            escaped(&item.filename)
        );
    }
    shown.push_str("<br>");
    for file in item.files.iter().filter(|file| file.format != "preview") {
        let _ = write!(
            shown,
            "<a href=\"{}\" download>{}</a> ({} kB) ",
            render::file_url(job, file, signer),
            escaped(&file.format),
            file.size.div_ceil(1000)
        );
    }
    shown.push_str("</li>");
    shown
}

/// A refusal for a person before a browser.
pub(super) fn refused(title: &str, message: &str) -> impl IntoResponse {
    page::html(document(
        title,
        "",
        &format!(
            "<h1>{}</h1><p role=\"alert\">{}</p><p><a href=\"/\">Back</a></p>",
            escaped(title),
            escaped(message)
        ),
    ))
}

fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title>{head}</head><body><main>{body}</main></body></html>\n",
        escaped(title)
    )
}

pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

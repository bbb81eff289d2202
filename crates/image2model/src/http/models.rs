//! The catalogue, a model in a format of choice, and meshes of others to be converted.

use axum::{
    Json,
    extract::{Path, Query, State, multipart::MultipartRejection},
    http::HeaderMap,
    response::Response,
};
use reconstruct::Format;
use serde::Deserialize;
use serde_json::json;

use crate::{
    provider::ModelInfo,
    service::{Caller, Service},
};

use super::{
    caller::{item_id, job_id, shortened},
    download,
    error::Problem,
    form::Intake,
    openapi::{self, Doc, Parameter},
    parts::Parts,
    upload,
};

pub(super) async fn available() -> Json<Vec<ModelInfo>> {
    Json(ModelInfo::all())
}

/// `POST /models/convert`: as an upload, but the files are meshes.
pub(super) async fn convert(
    State(service): State<Service>,
    caller: Caller,
    headers: HeaderMap,
    parts: Result<Parts, MultipartRejection>,
) -> Result<Response, Problem> {
    let parts = parts.map_err(|_| upload::no_form(Intake::Meshes, &headers))?;
    upload::accept(service, caller, &headers, parts, Intake::Meshes).await
}

#[derive(Deserialize)]
pub(super) struct Choice {
    format: Option<String>,
    file_id: Option<String>,
}

/// `GET /models/download/{job_id}?format=&file_id=`: a format that is not there yet is written first.
pub(super) async fn download(
    State(service): State<Service>,
    caller: Caller,
    Path(job): Path<String>,
    Query(choice): Query<Choice>,
) -> Result<Response, Problem> {
    let job = job_id(&job)?;
    let format = format(choice.format.as_deref())?;
    let item = match choice.file_id {
        Some(file) => {
            let item = item_id(&file)?;
            if item.job() != job {
                return Err(Problem::not_found("file"));
            }
            item
        }
        None => service.only_item(&caller, job).await?.map_err(|job| {
            Problem::bad_request(format!(
                "The job has {} files; say which by file_id.",
                job.items.len()
            ))
        })?,
    };
    let opened = service.model(&caller, item, format.extension()).await?;
    Ok(download::attachment(opened))
}

pub(super) fn docs() -> Vec<Doc> {
    let formats = Format::ALL.map(Format::extension);
    vec![
        Doc::get("/api/v1/models/available", "models", "list_models")
            .says(
                "The models that can be asked for",
                "With their options and formats; the default is the first.",
            )
            .answers::<Vec<ModelInfo>>(200, "The models.", json!(ModelInfo::all())),
        upload::answered(
            Doc::post("/api/v1/models/convert", "models", "convert")
                .says(
                    "Meshes to other formats",
                    "As an upload, but the files are meshes that others made.",
                )
                .takes_form(openapi::meshes),
        ),
        download::file_docs(
            Doc::get(
                "/api/v1/models/download/{job_id}",
                "models",
                "download_model",
            )
            .says(
                "A model in a format of choice",
                "A format that is not there yet is written first.",
            )
            .asks(Parameter::query(
                "format",
                "The format.",
                json!({"type": "string", "enum": formats, "default": Format::Glb.extension()}),
            ))
            .asks(Parameter::query(
                "file_id",
                "Which image's model, where the job has several.",
                json!({"type": "string", "format": "uuid", "pattern": openapi::ID_PATTERN}),
            ))
            .refuses(409, "The image has no model, or none yet.")
            .refuses(422, "There is no such format.")
            .refuses(507, "The disk is full."),
        ),
    ]
}

fn format(name: Option<&str>) -> Result<Format, Problem> {
    let Some(name) = name else {
        return Ok(Format::Glb);
    };
    Format::from_extension(name).ok_or_else(|| {
        let known = Format::ALL.map(Format::extension).join(", ");
        let message = format!("format is {:?}; it must be one of {known}", shortened(name));
        Problem::field("format", message, "value_error")
    })
}

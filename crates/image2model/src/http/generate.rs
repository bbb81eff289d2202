//! A model of an image that was uploaded before, and how its job stands: the old clients' second way to a model.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    job::{Job, JobId, JobStatus},
    provider::{ModelRequest, RequestError},
    service::{Caller, Service},
};

use super::{
    caller::{item_id, job_id},
    error::Problem,
    openapi::{Doc, Id},
    pace::{Late, cause},
    render, upload,
};

/// Bytes of the longest body that is no form: what axum reads without being told a limit.
pub(super) const LARGEST_BODY: usize = 2 * 1024 * 1024;

/// What `POST /models/generate` is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Generate")]
pub(super) struct Ask {
    /// An image of an upload.
    #[schemars(with = "Id")]
    file_id: String,
    /// A model of the catalogue; `tripo3d` is the default one.
    #[serde(default = "old_model")]
    model_type: String,
    #[serde(default)]
    quality: Quality,
    /// Every model of ours wears a texture; without one asked for it is the smallest.
    #[serde(default = "yes")]
    texture_enabled: bool,
}

fn old_model() -> String {
    "tripo3d".to_owned()
}

fn yes() -> bool {
    true
}

/// How fine a model is.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Quality {
    Low,
    #[default]
    Standard,
    High,
}

impl Quality {
    /// Most faces, and the texture's longest side in pixels.
    fn limits(self) -> (u32, u32) {
        match self {
            Self::Low => (5_000, 512),
            Self::Standard => (20_000, 1024),
            Self::High => (100_000, 2048),
        }
    }
}

/// The texture of a model that none was asked for, in pixels: the smallest that there is.
const NO_TEXTURE: u32 = 64;

impl Ask {
    pub(super) fn request(&self) -> Result<ModelRequest, RequestError> {
        let (faces, texture) = self.quality.limits();
        let texture = if self.texture_enabled {
            texture
        } else {
            NO_TEXTURE
        };
        let options = [
            ("face_limit".to_owned(), faces.to_string()),
            ("texture_size".to_owned(), texture.to_string()),
        ];
        ModelRequest::parse(Some(&self.model_type), &options, &[])
    }
}

/// The answer to `POST /models/generate`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Generating")]
pub(super) struct Accepted {
    job_id: String,
    status: &'static str,
    /// Seconds, as far as anybody can tell.
    estimated_time: u64,
}

/// `POST /models/generate`
pub(super) async fn create(
    State(service): State<Service>,
    caller: Caller,
    headers: HeaderMap,
    ask: Result<Json<Object>, JsonRejection>,
) -> Result<Json<Accepted>, Problem> {
    let ask: Ask = body(ask)?;
    let request = ask
        .request()
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    let (file, key) = (item_id(&ask.file_id)?, upload::idempotency_key(&headers)?);
    let own = service.clone();
    // Not this request's own future, which is dropped when the client leaves: then nobody would clean up.
    let work = async move {
        let generated = own.generate(caller, file, &request, key.as_deref());
        generated.await
    };
    let job = service.see_through(work).await.map_err(|error| {
        tracing::error!(%error, "generating a model of an upload failed");
        Problem::internal()
    })??;
    Ok(Json(Accepted {
        job_id: job.id.to_string(),
        status: "queued",
        estimated_time: service.seconds_left(&job, 0).await,
    }))
}

/// A JSON object, before it is known to be the one that is expected: a structure alone would be read off a list, too.
pub(super) type Object = Map<String, Value>;

/// A body as the handler takes it.
///
/// # Errors
/// 422 with what is wrong with it, 415 for one that is said to be no JSON, 413 for one over [`LARGEST_BODY`], 408 for one that came too late.
pub(super) fn body<T: DeserializeOwned>(
    read: Result<Json<Object>, JsonRejection>,
) -> Result<T, Problem> {
    let unexpected = |field: &str, why: &str| {
        let message = format!("{field} is not as expected: {why}.");
        Problem::field(field, message, "value_error")
    };
    let refused = |refused: JsonRejection| match refused {
        JsonRejection::JsonDataError(_) => unexpected("body", "it is no object"),
        JsonRejection::MissingJsonContentType(_) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON, with Content-Type: application/json.",
        ),
        JsonRejection::BytesRejection(refused)
            if refused.status() == StatusCode::PAYLOAD_TOO_LARGE =>
        {
            let message = format!("The body is over the limit of {LARGEST_BODY} bytes.");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        }
        refused => match cause::<Late>(&refused) {
            Some(late) => Problem::from(late),
            None => Problem::field("body", "The body is no JSON.", "json_invalid"),
        },
    };
    let Json(object) = read.map_err(refused)?;
    serde_path_to_error::deserialize(Value::from(object)).map_err(|error| {
        let path = error.path().to_string();
        // What is missing or unknown has no path, and its reason names it.
        let field = if path == "." { "body" } else { &path };
        unexpected(field, &error.inner().to_string())
    })
}

/// The answer of `GET /models/job/{job_id}`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ModelJob")]
pub(super) struct Standing {
    job_id: String,
    status: &'static str,
    /// 0 to 100.
    progress: u32,
    /// Seconds, as far as anybody can tell.
    estimated_remaining: u64,
    /// Where the first model is downloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_url: Option<String>,
}

/// `GET /models/job/{job_id}`
pub(super) async fn standing(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Standing>, Problem> {
    let id: JobId = job_id(&id)?;
    let progress = service.progress(id).await?;
    let job = service.job(&caller, id).await?;
    let percent = render::job_percent(&job, &progress);
    Ok(Json(Standing {
        job_id: id.to_string(),
        status: render::job_status(job.status()),
        progress: percent,
        estimated_remaining: service.seconds_left(&job, percent).await,
        result_url: result_url(&service, &caller, &job),
    }))
}

fn result_url(service: &Service, caller: &Caller, job: &Job) -> Option<String> {
    let ended = job.status() == JobStatus::Completed;
    let mut files = job.items.iter().flat_map(|item| &item.files);
    let model = files.find(|file| ended && file.format == "glb")?;
    let signer = service.keyring.signer(caller);
    Some(render::file_url(job, model, &signer))
}

pub(super) fn docs() -> Vec<Doc> {
    let job = "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00";
    vec![
        Doc::post("/api/v1/models/generate", "models", "generate")
            .says(
                "Another model of an uploaded image",
                "A new job of a copy of the image.",
            )
            .asks(upload::idempotency())
            .takes::<Ask>(json!({
                "file_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a01",
                "model_type": "tripo3d",
                "quality": "standard",
                "texture_enabled": true,
            }))
            .answers::<Accepted>(
                200,
                "It waits.",
                json!({"job_id": job, "status": "queued", "estimated_time": 5}),
            )
            .refuses(
                404,
                "There is no such image, it is gone, or it is not the caller's.",
            )
            .refuses(409, "It is a mesh, or its job is just being removed.")
            .refuses(
                410,
                "The job that this Idempotency-Key made has been removed.",
            )
            .refuses(507, "The disk is full."),
        Doc::get("/api/v1/models/job/{job_id}", "models", "model_job")
            .says("How a job stands, as the old clients ask", "")
            .answers::<Standing>(
                200,
                "How it stands.",
                json!({
                    "job_id": job,
                    "status": "processing",
                    "progress": 40,
                    "estimated_remaining": 3,
                }),
            ),
    ]
}

//! What the caller has used of what it may use.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::service::{Caller, Service, Usage};

use super::{
    error::Problem,
    limits::{name, seconds},
    openapi::Doc,
};

/// A caller's use and limits.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Usage")]
pub(super) struct Answer {
    /// Whose use it is; `open` where nobody needs a key, of whom nothing is counted.
    owner: String,
    /// Images that wait or are worked on.
    queued_images: Share,
    /// Bytes of uploads and models together.
    stored_bytes: Share,
    /// Event streams open on the server that answers.
    streams: Share,
    /// Images accepted, counted where there is a limit.
    images_per_day: Share,
    /// Windows of the requests that make work.
    requests: Vec<Rate>,
    /// What one upload may hold.
    upload: UploadLimits,
}

/// Limits of one upload of pictures.
#[derive(Debug, Serialize, JsonSchema)]
struct UploadLimits {
    /// Pictures in one upload.
    max_files: usize,
    /// Bytes of one picture.
    max_file_bytes: u64,
}

/// What is used of one thing; null where it is not counted or not limited.
#[derive(Debug, Serialize, JsonSchema)]
struct Share {
    /// How much it is.
    used: Option<u64>,
    /// How much it may be.
    limit: Option<u64>,
}

/// How one window stands.
#[derive(Debug, Serialize, JsonSchema)]
struct Rate {
    /// `minute` or `hour`.
    window: String,
    /// Requests in one window.
    limit: u32,
    /// How many more are let through now.
    remaining: u32,
    /// Seconds until all of the limit remains.
    reset: u64,
}

/// `GET /usage`
pub(super) async fn read(
    State(service): State<Service>,
    caller: Caller,
) -> Result<Json<Answer>, Problem> {
    let Usage {
        holding,
        streams,
        images_today,
        work,
    } = service.usage(&caller).await?;
    let (quotas, upload) = (&service.config.quotas, &service.config.upload);
    let is_counted = holding.is_some();
    let share = |used: Option<u64>, limit: u64| Share {
        used,
        limit: Some(limit).filter(|limit| is_counted && *limit > 0),
    };
    let rates = work.standings.iter().map(|standing| Rate {
        window: name(standing).to_owned(),
        limit: standing.window.limit,
        remaining: standing.remaining,
        reset: seconds(standing.whole_in),
    });
    Ok(Json(Answer {
        owner: caller.owner.0,
        queued_images: share(holding.map(|all| all.images), quotas.queued_images),
        stored_bytes: share(holding.map(|all| all.bytes), quotas.stored_bytes),
        streams: share(streams.map(u64::from), quotas.streams.into()),
        images_per_day: share(images_today.map(u64::from), quotas.images_per_day.into()),
        requests: rates.collect(),
        upload: UploadLimits {
            max_files: upload.max_files,
            max_file_bytes: upload.max_file_bytes,
        },
    }))
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        Doc::get("/api/v1/usage", "usage", "usage")
            .says("What the caller has used of what it may", "")
            .answers::<Answer>(
                200,
                "Use and limits.",
                json!({
                    "owner": "3f1c9a20b4d5e6f7",
                    "queued_images": {"used": 3, "limit": 100},
                    "stored_bytes": {"used": 81_324_400, "limit": null},
                    "streams": {"used": 1, "limit": null},
                    "images_per_day": {"used": null, "limit": null},
                    "requests": [{"window": "minute", "limit": 60, "remaining": 59, "reset": 1}],
                    "upload": {"max_files": 25, "max_file_bytes": 10_485_760},
                }),
            ),
    ]
}

//! What the caller has used of what it may use.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::service::{Caller, Service, Usage};

use super::{
    error::Problem,
    limits::{name, seconds},
};

/// A caller's use and limits.
#[derive(Debug, Serialize)]
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
}

/// What is used of one thing; null where it is not counted or not limited.
#[derive(Debug, Serialize)]
struct Share {
    used: Option<u64>,
    limit: Option<u64>,
}

/// How one window stands.
#[derive(Debug, Serialize)]
struct Rate {
    /// `minute` or `hour`.
    window: String,
    limit: u32,
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
    let quotas = &service.config.quotas;
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
    }))
}

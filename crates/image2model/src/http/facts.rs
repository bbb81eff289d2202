//! What happened to a job, as pages for those that do not want a stream.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::service::{Caller, Service};

use super::{
    caller::{job_id, number},
    error::Problem,
    events::View,
    openapi::{Doc, Parameter},
};

const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Which {
    after: Option<String>,
    limit: Option<String>,
}

/// Events in the order of their numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page {
    events: Vec<Numbered>,
    /// The number to go on after, where there are more by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u32>,
}

/// What the stream tells under the same id.
#[derive(Debug, Serialize, JsonSchema)]
struct Numbered {
    /// The fact's number, from 1.
    id: u32,
    event: &'static str,
    /// As the stream's event has it.
    #[schemars(with = "Map<String, Value>")]
    data: Value,
}

/// `GET /jobs/{job_id}/events?after=&limit=`
pub(super) async fn page(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<Page>, Problem> {
    let id = job_id(&id)?;
    let after = number("after", which.after.as_deref(), 0, 0, u32::MAX as usize)?;
    let limit = number("limit", which.limit.as_deref(), PAGE, 1, LARGEST_PAGE)?;
    let job = service.job(&caller, id).await?;
    let mut view = View::new(&job);
    // Each event is told by what came before it, so all are gone through.
    let told = job.facts.iter().map(|fact| view.apply(fact));
    let events: Vec<_> = (1..)
        .zip(told)
        .skip(after)
        .take(limit)
        .map(|(id, event)| Numbered {
            id,
            event: event.name,
            data: event.data,
        })
        .collect();
    let last = events.last().map(|event| event.id);
    let next = last.filter(|last| *last < job.last_fact());
    Ok(Json(Page { events, next }))
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        Doc::get("/api/v1/jobs/{job_id}/events", "jobs", "job_events")
            .says(
                "What happened to a job",
                "The numbered events of its stream, in pages.",
            )
            .asks(Parameter::query(
                "after",
                "Events after this number.",
                json!({"type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 0}),
            ))
            .asks(Parameter::query(
                "limit",
                "Most events of a page.",
                json!({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE}),
            ))
            .answers::<Page>(
                200,
                "The page.",
                json!({
                    "events": [{
                        "id": 1,
                        "event": "task_queued",
                        "data": {"status": "queued", "message": "Waiting to be processed"},
                    }],
                    "next": 1,
                }),
            )
            .refuses(422, "A parameter is out of bounds; `details` names it."),
    ]
}

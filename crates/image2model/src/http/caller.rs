//! Who asks, read off a request; and the ids that it names.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
};
use uuid::Uuid;

use crate::{
    job::{Flow, ItemId, JobId, Owner},
    service::Caller,
};

use super::error::Problem;

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    /// Without keys there is one owner, and a flow per client address.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let flow = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or_else(
                || "unknown".to_owned(),
                |peer| peer.ip().to_canonical().to_string(),
            );
        Ok(Self {
            owner: Owner::open(),
            flow: Flow(flow),
        })
    }
}

/// A job, or one image of it: both ids are accepted where a task is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskRef {
    Job(JobId),
    Item(ItemId),
}

impl TaskRef {
    /// `None` where it is an image's id.
    pub(super) fn job(self) -> Option<JobId> {
        match self {
            Self::Job(id) => Some(id),
            Self::Item(_) => None,
        }
    }

    /// The job that is meant or that the image is one of.
    pub(super) fn of_job(self) -> JobId {
        match self {
            Self::Job(id) => id,
            Self::Item(id) => id.job(),
        }
    }
}

/// # Errors
/// 400 when `text` is no UUID.
pub(super) fn task_ref(text: &str) -> Result<TaskRef, Problem> {
    if let Ok(job) = text.parse() {
        return Ok(TaskRef::Job(job));
    }
    text.parse().map(TaskRef::Item).map_err(|_| {
        Problem::bad_request(format!(
            "{:?} is not an id; ids are UUIDs such as {}.",
            shortened(text),
            Uuid::nil()
        ))
    })
}

/// # Errors
/// 400 when `text` is no UUID, 404 when it is one that no job has.
pub(super) fn job_id(text: &str) -> Result<JobId, Problem> {
    match task_ref(text)? {
        TaskRef::Job(job) => Ok(job),
        TaskRef::Item(_) => Err(Problem::not_found("job")),
    }
}

/// # Errors
/// 400 when `text` is no UUID, 404 when it is one that no image has.
pub(super) fn item_id(text: &str) -> Result<ItemId, Problem> {
    match task_ref(text)? {
        TaskRef::Item(item) => Ok(item),
        TaskRef::Job(_) => Err(Problem::not_found("file")),
    }
}

/// What a client sent, short enough to be sent back.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars()
        .take(MOST)
        .chain(std::iter::once('…'))
        .collect()
}

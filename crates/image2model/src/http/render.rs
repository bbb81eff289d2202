//! The JSON that several resources share: jobs, items, times, overall progress; and what a client would rather read.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    job::{FileRecord, Item, ItemId, ItemStatus, Job, JobId, JobStatus, Notice, Priority},
    service::Signer,
    store::Progress,
};

use super::openapi::Id;

/// Whether the client would rather have a page than JSON. `*/*` alone means JSON, as it always did.
pub(super) fn prefers_page(headers: &HeaderMap) -> bool {
    let mut page = 0.0;
    let mut data = 0.0;
    let accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for entry in accepted {
        let mut parts = entry.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        match kind {
            "text/html" | "application/xhtml+xml" => page = quality.max(page),
            "application/json" | "application/problem+json" => data = quality.max(data),
            _ => {}
        }
    }
    page > 0.0 && page >= data
}

/// 0 to 100: the mean over a job's items, a failed one counting as done.
pub(super) fn overall(percents: impl ExactSizeIterator<Item = u8>) -> u32 {
    let count = u32::try_from(percents.len()).unwrap_or(u32::MAX).max(1);
    percents.map(u32::from).sum::<u32>() / count
}

/// 0 to 100 for one item, 100 only at its end. It never goes back: what one attempt came to holds for the next.
pub(super) fn percent(job: &Job, item: &Item, progress: &[Progress]) -> u8 {
    if item.status.is_final() {
        return 100;
    }
    let id = job.id.item(item.number);
    let newest = progress.iter().find(|newest| newest.item == id);
    newest
        .map_or(0, |newest| newest.percent)
        .max(item.reached)
        .min(99)
}

/// A job's overall progress.
pub(super) fn job_percent(job: &Job, progress: &[Progress]) -> u32 {
    overall(job.items.iter().map(|item| percent(job, item, progress)))
}

/// The four states that the old clients know of a file.
pub(super) fn file_status(status: ItemStatus) -> &'static str {
    match status {
        ItemStatus::Queued => "pending",
        ItemStatus::Processing | ItemStatus::Retrying => "processing",
        ItemStatus::Completed => "completed",
        ItemStatus::Failed | ItemStatus::Cancelled => "failed",
    }
}

pub(super) fn job_status(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Queued => "queued",
        JobStatus::Processing => "processing",
        JobStatus::Completed => "completed",
        JobStatus::Failed => "failed",
        JobStatus::Cancelled => "cancelled",
    }
}

/// Why an item has failed, in words; `cancelled` for a cancelled one.
pub(super) fn item_error(item: &Item) -> Option<String> {
    match item.status {
        ItemStatus::Cancelled => Some("cancelled".to_owned()),
        _ => item.error.as_ref().map(|error| error.message.clone()),
    }
}

/// A job without its items, as lists show it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct JobHead {
    #[schemars(with = "Id")]
    job_id: JobId,
    status: JobStatus,
    /// When it was accepted, as RFC 3339 in UTC.
    #[schemars(extend("format" = "date-time"))]
    created: String,
    /// When its last image ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    ended: Option<String>,
    priority: Priority,
    /// What the client told to find it by.
    #[schemars(length(max = 16))]
    labels: Vec<String>,
    /// The client's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// The job whose failed files it makes anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Id>")]
    retry_of: Option<JobId>,
    /// Those it is made with, defaults included, each as text; `format` lists the formats besides GLB.
    options: BTreeMap<String, OptionValue>,
    /// How many images it has, 1 to 25.
    total_files: usize,
}

/// An option's value as text, or several.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum OptionValue {
    One(String),
    Several(Vec<String>),
}

/// A job as our own endpoints show it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub(super) struct WholeJob {
    #[serde(flatten)]
    head: JobHead,
    /// Its images in the order of the upload.
    items: Vec<ShownItem>,
    /// Where its events are read; signed where keys are needed.
    stream_url: String,
}

/// One image of a job, or one mesh of a conversion.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Item")]
struct ShownItem {
    #[schemars(with = "Id")]
    file_id: ItemId,
    /// Its name as it was sent.
    filename: String,
    status: ItemStatus,
    /// Percent; 100 at its end only.
    #[schemars(range(max = 100))]
    progress: u8,
    /// Attempts that ended in an error.
    attempts: u32,
    /// What whoever looks at the model should know.
    warnings: Vec<Warning>,
    /// What it became, its preview included; empty until it is completed.
    files: Vec<ShownFile>,
    /// Why it failed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Why it failed, for programs: `truncated`, `cancelled` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Warning {
    /// For programs.
    code: String,
    /// In words.
    message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "File")]
struct ShownFile {
    /// Its unique name at this server.
    filename: String,
    /// `glb`, `obj`, `obj.zip`, `stl`, `ply`, or `preview` for a picture of the model.
    format: String,
    media_type: String,
    /// Bytes.
    size: u64,
    /// Where it is downloaded; signed where keys are needed.
    url: String,
}

/// A job as our own endpoints show it.
pub(super) fn job(job: &Job, progress: &[Progress], signer: &Signer) -> WholeJob {
    WholeJob {
        head: job_head(job),
        items: job
            .items
            .iter()
            .map(|one| item(job, one, progress, signer))
            .collect(),
        stream_url: signer.sign(&format!("/api/v1/status/tasks/{}/stream", job.id)),
    }
}

/// A job without its items.
pub(super) fn job_head(job: &Job) -> JobHead {
    let mut options: BTreeMap<_, _> = job
        .options
        .iter()
        .map(|(name, value)| (name.clone(), OptionValue::One(value.clone())))
        .collect();
    let formats = OptionValue::Several(job.formats.clone());
    options.insert("format".to_owned(), formats);
    JobHead {
        job_id: job.id,
        status: job.status(),
        created: job.created.to_string(),
        ended: job.ended.map(|at| at.to_string()),
        priority: job.priority,
        labels: job.about.labels.clone(),
        reference: job.about.reference.clone(),
        retry_of: job.about.retry_of,
        options,
        total_files: job.items.len(),
    }
}

fn item(job: &Job, item: &Item, progress: &[Progress], signer: &Signer) -> ShownItem {
    let warning = |warning: &Notice| Warning {
        code: warning.code.clone(),
        message: warning.message.clone(),
    };
    let error = item_error(item);
    let code = || item.error.as_ref().map_or("cancelled", |e| e.code.as_str());
    ShownItem {
        file_id: job.id.item(item.number),
        filename: item.filename.clone(),
        status: item.status,
        progress: percent(job, item, progress),
        attempts: item.attempts,
        warnings: item.warnings.iter().map(warning).collect(),
        files: item
            .files
            .iter()
            .map(|record| file(job, record, signer))
            .collect(),
        error_code: error.as_ref().map(|_| code().to_owned()),
        error,
    }
}

fn file(job: &Job, file: &FileRecord, signer: &Signer) -> ShownFile {
    ShownFile {
        filename: file.name.clone(),
        format: file.format.clone(),
        media_type: file.media_type.clone(),
        size: file.size,
        url: file_url(job, file, signer),
    }
}

/// Where a file is downloaded; its name needs no escaping, since the service made it.
pub(super) fn file_url(job: &Job, file: &FileRecord, signer: &Signer) -> String {
    signer.sign(&format!("/api/v1/download/{}/{}", job.id, file.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_those_that_name_html_first() {
        for (accept, page) in [
            ("", false),
            ("*/*", false),
            ("application/json", false),
            ("text/html", true),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("application/json, text/html;q=0.9", false),
            ("text/html;q=0.5, application/json;q=0.4", true),
            ("text/html;q=0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_page(&headers), page, "{accept}");
        }
    }

    #[test]
    fn overall_progress_is_the_mean() {
        assert_eq!(overall([100, 50, 0].into_iter()), 50);
        assert_eq!(overall([100].into_iter()), 100);
        assert_eq!(overall([].into_iter()), 0);
    }
}

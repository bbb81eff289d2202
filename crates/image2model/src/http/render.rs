//! The JSON that several resources share: jobs, items, times, overall progress; and what a client would rather read.

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use crate::{
    job::{FileRecord, Item, ItemStatus, Job, JobStatus, Priority, Timestamp},
    service::Signer,
    store::Progress,
};

/// A time as RFC 3339.
pub(super) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| at.0.to_string(), |time| time.to_string())
}

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

/// A job as our own endpoints show it.
pub(super) fn job(job: &Job, progress: &[Progress], signer: &Signer) -> Value {
    let mut shown = job_head(job);
    let items: Vec<_> = job
        .items
        .iter()
        .map(|one| item(job, one, progress, signer))
        .collect();
    shown.insert("items".to_owned(), items.into());
    let stream = signer.sign(&format!("/api/v1/status/tasks/{}/stream", job.id));
    shown.insert("stream_url".to_owned(), stream.into());
    shown.into()
}

/// A job without its items.
pub(super) fn job_head(job: &Job) -> Map<String, Value> {
    let mut options: Map<_, _> = job
        .options
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    options.insert("format".to_owned(), json!(job.formats));
    let mut shown = Map::new();
    shown.insert("job_id".to_owned(), job.id.to_string().into());
    shown.insert("status".to_owned(), job_status(job.status()).into());
    shown.insert("created".to_owned(), time(job.created).into());
    if let Some(ended) = job.ended {
        shown.insert("ended".to_owned(), time(ended).into());
    }
    let priority = match job.priority {
        Priority::Normal => "normal",
        Priority::High => "high",
    };
    shown.insert("priority".to_owned(), priority.into());
    shown.insert("labels".to_owned(), json!(job.about.labels));
    if let Some(reference) = &job.about.reference {
        shown.insert("reference".to_owned(), reference.clone().into());
    }
    if let Some(old) = job.about.retry_of {
        shown.insert("retry_of".to_owned(), old.to_string().into());
    }
    shown.insert("options".to_owned(), options.into());
    shown.insert("total_files".to_owned(), job.items.len().into());
    shown
}

fn item(job: &Job, item: &Item, progress: &[Progress], signer: &Signer) -> Value {
    let warnings: Vec<_> = item
        .warnings
        .iter()
        .map(|warning| json!({"code": warning.code, "message": warning.message}))
        .collect();
    let files: Vec<_> = item
        .files
        .iter()
        .map(|record| file(job, record, signer))
        .collect();
    let mut shown = json!({
        "file_id": job.id.item(item.number),
        "filename": item.filename,
        "status": item.status,
        "progress": percent(job, item, progress),
        "attempts": item.attempts,
        "warnings": warnings,
        "files": files,
    });
    if let Some(error) = item_error(item) {
        shown["error"] = error.into();
        let code = item.error.as_ref().map_or("cancelled", |e| e.code.as_str());
        shown["error_code"] = code.into();
    }
    shown
}

fn file(job: &Job, file: &FileRecord, signer: &Signer) -> Value {
    json!({
        "filename": file.name,
        "format": file.format,
        "media_type": file.media_type,
        "size": file.size,
        "url": file_url(job, file, signer),
    })
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

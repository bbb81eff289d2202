//! What a reader of a job's stream is told: facts and progress as named events with the old clients' members.
//!
//! A [`View`] is the job as its facts tell it up to one number, and the newest progress that its reader heard between
//! them. A fact's event is made of facts alone: it is the same, whoever hears it, live or after a reconnect. How far
//! the whole job is depends on what was heard, so only the events between the facts say it.

use axum::response::sse;
use serde_json::{Value, json};

use crate::{
    job::{Fact, FactKind, ItemStatus, Job, JobId, JobStatus, Timestamp},
    store::Progress,
};

use super::render;

/// One event before it is numbered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) data: Value,
}

impl Event {
    /// As it goes over the wire.
    pub(super) fn numbered(&self, id: &str) -> sse::Event {
        sse::Event::default()
            .id(id)
            .event(self.name)
            .data(self.data.to_string())
    }
}

/// A job as one reader knows it.
pub(super) struct View {
    job: JobId,
    status: JobStatus,
    began: Option<Timestamp>,
    items: Vec<Line>,
}

struct Line {
    filename: String,
    status: ItemStatus,
    /// As the facts tell it: what an earlier attempt had come to, 100 at the end.
    reached: u8,
    /// The highest that was heard, at least `reached`.
    percent: u8,
    /// In words, once it is known.
    error: Option<String>,
}

impl View {
    /// The job before its first fact.
    pub(super) fn new(job: &Job) -> Self {
        let items = job.items.iter().map(|item| Line {
            filename: item.filename.clone(),
            status: ItemStatus::Queued,
            reached: 0,
            percent: 0,
            error: None,
        });
        let mut view = Self {
            job: job.id,
            status: JobStatus::Queued,
            began: None,
            items: items.collect(),
        };
        view.learn_errors(job);
        view
    }

    pub(super) fn job(&self) -> JobId {
        self.job
    }

    /// A fact names an error by its code; the job's record has the words.
    pub(super) fn learn_errors(&mut self, job: &Job) {
        for (line, item) in self.items.iter_mut().zip(&job.items) {
            line.error = item.error.as_ref().map(|error| error.message.clone());
        }
    }

    /// Whether telling this fact needs words that only the job's record has.
    pub(super) fn lacks_words_for(&self, fact: &Fact) -> bool {
        match fact.kind {
            FactKind::ItemFailed { item, .. } => {
                self.line(item).is_some_and(|line| line.error.is_none())
            }
            _ => false,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(
            self.status,
            JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled
        )
    }

    /// Takes the next fact in, and tells it.
    pub(super) fn apply(&mut self, fact: &Fact) -> Event {
        self.take_in(fact);
        let at = fact.at;
        match &fact.kind {
            FactKind::Queued => Event {
                name: "task_queued",
                data: self.data("queued", 0, "Waiting to be processed", at),
            },
            FactKind::Started { item } => self.file_update(*item, "Being processed", at),
            FactKind::ItemCompleted { item } => self.file_update(*item, "Ready", at),
            FactKind::ItemFailed { item, .. } => self.file_update(*item, "Failed", at),
            FactKind::ItemCancelled { item } => self.file_update(*item, "Cancelled", at),
            FactKind::Retrying {
                item,
                at: next,
                code,
                ..
            } => self.retry(*item, *next, code, at),
            FactKind::Ended { status } => self.end(*status, at),
        }
    }

    fn take_in(&mut self, fact: &Fact) {
        let (number, status) = match &fact.kind {
            FactKind::Queued => return,
            FactKind::Ended { status } => {
                self.status = *status;
                return;
            }
            FactKind::Started { item } => (*item, ItemStatus::Processing),
            FactKind::Retrying { item, .. } => (*item, ItemStatus::Retrying),
            FactKind::ItemCompleted { item } => (*item, ItemStatus::Completed),
            FactKind::ItemFailed { item, code } => {
                if let Some(line) = self.line_mut(*item) {
                    line.error.get_or_insert_with(|| code.clone());
                }
                (*item, ItemStatus::Failed)
            }
            FactKind::ItemCancelled { item } => {
                if let Some(line) = self.line_mut(*item) {
                    line.error = Some("cancelled".to_owned());
                }
                (*item, ItemStatus::Cancelled)
            }
        };
        self.status = JobStatus::Processing;
        self.began.get_or_insert(fact.at);
        if let Some(line) = self.line_mut(number) {
            line.status = status;
            line.reached = match fact.kind {
                FactKind::Retrying { reached, .. } => reached.min(99),
                _ if status.is_final() => 100,
                _ => line.reached,
            };
            line.percent = line.percent.max(line.reached);
        }
    }

    /// Tells newest progress of an item; `None` when it is not running as far as this reader knows, or was further
    /// when the reader last heard of it.
    pub(super) fn progress(&mut self, newest: &Progress, now: Timestamp) -> Option<Event> {
        let number = newest.item.number();
        let percent = newest.percent.min(99);
        let line = self.line_mut(number).filter(|line| {
            matches!(line.status, ItemStatus::Processing | ItemStatus::Retrying)
                && line.percent <= percent
        })?;
        line.percent = percent;
        let mut event = self.file_update(number, &newest.step, now);
        event.data["progress"] = percent.into();
        event.data["overall_progress"] = self.overall().into();
        Some(event)
    }

    /// Tells how far the whole job is; `None` before its beginning and after its end.
    pub(super) fn overall_progress(&self, now: Timestamp) -> Option<Event> {
        let began = self.began.filter(|_| !self.has_ended())?;
        let ended = self.count(ItemStatus::is_final);
        let total = self.items.len();
        let overall = self.overall();
        let message = format!("{ended} of {total} files processed");
        let mut data = self.data("processing", overall, &message, now);
        for (member, value) in [
            ("job_id", json!(self.job)),
            ("batch_id", json!(self.job)),
            ("current", json!(ended)),
            ("total", json!(total)),
            ("total_files", json!(total)),
        ] {
            data[member] = value;
        }
        // At the pace so far; nothing before a twentieth is done.
        if overall >= 5 {
            let spent = now.since(began).max(0);
            let left = spent * i64::from(100 - overall) / i64::from(overall) / 1000;
            data["eta_seconds"] = left.into();
        }
        Some(Event {
            name: "task_progress",
            data,
        })
    }

    /// An event that tells only how things stand.
    pub(super) fn standing(&self, name: &'static str, message: &str, now: Timestamp) -> Event {
        let status = render::job_status(self.status);
        Event {
            name,
            data: self.data(status, self.overall(), message, now),
        }
    }

    /// Of facts alone.
    fn file_update(&self, number: u8, message: &str, at: Timestamp) -> Event {
        let Some(line) = self.line(number) else {
            return self.standing("task_progress", message, at);
        };
        let status = render::file_status(line.status);
        let mut data = self.data(status, line.reached.into(), message, at);
        data["file_id"] = json!(self.job.item(number));
        data["filename"] = json!(line.filename);
        if matches!(line.status, ItemStatus::Failed | ItemStatus::Cancelled) {
            data["error"] = json!(line.error);
        }
        Event {
            name: "file_update",
            data,
        }
    }

    fn retry(&self, number: u8, next: Timestamp, code: &str, at: Timestamp) -> Event {
        let (filename, reached) = self
            .line(number)
            .map_or(("", 0), |line| (line.filename.as_str(), line.reached));
        let mut data = self.data("retrying", reached.into(), "Will be tried again", at);
        data["file_id"] = json!(self.job.item(number));
        data["filename"] = json!(filename);
        data["error"] = json!(code);
        data["retry_at"] = next.to_string().into();
        Event {
            name: "task_retry",
            data,
        }
    }

    fn end(&self, status: JobStatus, at: Timestamp) -> Event {
        let total = self.items.len();
        let good = self.count(|status| status == ItemStatus::Completed);
        let word = render::job_status(status);
        let (name, message) = match status {
            JobStatus::Cancelled => ("task_cancelled", "Cancelled".to_owned()),
            JobStatus::Failed => ("task_failed", self.failure()),
            _ => (
                "task_completed",
                format!("{good} of {total} files became models"),
            ),
        };
        let mut data = self.data(word, 100, &message, at);
        if status == JobStatus::Failed {
            data["error"] = message.into();
        }
        let counts = json!({
            "total_files": total,
            "successful_files": good,
            "failed_files": total - good,
        });
        let mut result = counts.clone();
        result["job_id"] = json!(self.job);
        result["status"] = word.into();
        result["files_url"] = format!("/api/v1/download/{}/all", self.job).into();
        data["job_id"] = json!(self.job);
        data["result"] = result;
        data["summary"] = counts;
        Event { name, data }
    }

    fn failure(&self) -> String {
        match self.items.as_slice() {
            [line] => line.error.clone().unwrap_or_else(|| "failed".to_owned()),
            lines => format!("None of the {} files became a model", lines.len()),
        }
    }

    fn data(&self, status: &str, progress: u32, message: &str, at: Timestamp) -> Value {
        json!({
            "task_id": self.job,
            "status": status,
            "progress": progress,
            "message": message,
            "timestamp": at.0,
        })
    }

    fn overall(&self) -> u32 {
        render::overall(self.items.iter().map(|line| line.percent))
    }

    fn count(&self, is: impl Fn(ItemStatus) -> bool) -> usize {
        self.items.iter().filter(|line| is(line.status)).count()
    }

    fn line(&self, number: u8) -> Option<&Line> {
        self.items.get(usize::from(number).checked_sub(1)?)
    }

    fn line_mut(&mut self, number: u8) -> Option<&mut Line> {
        self.items.get_mut(usize::from(number).checked_sub(1)?)
    }
}

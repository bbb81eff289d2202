//! Counts over lines: levels, errors, requests and their times.

use std::{cmp::Reverse, collections::BTreeMap, io};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Entry, LogType, Logs, Range};

/// Different errors and routes that are told.
const TOLD: usize = 50;
/// Different errors that are counted; of more, the rest counts as one.
const TOLD_APART: usize = 1000;
const TOP_ERRORS: usize = 10;
const EVENTS: usize = 100;

/// What the lines of a range of time come to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Analysis {
    /// Lines by level.
    pub log_levels: BTreeMap<String, u64>,
    /// Errors by their words, numbers left out.
    pub error_patterns: BTreeMap<String, u64>,
    /// Requests by method, route and status.
    pub request_patterns: BTreeMap<String, u64>,
    pub performance_metrics: Performance,
    /// Lines that were read.
    pub lines_analyzed: u64,
    #[serde(skip)]
    took: Vec<f32>,
}

/// How long requests took, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Performance {
    /// Requests that were answered.
    pub requests: u64,
    /// With a status of 500 and more.
    pub failed_requests: u64,
    /// The mean, in milliseconds.
    pub mean_ms: f64,
    /// Half of the answers took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 95 of 100 answers took no longer, in milliseconds.
    pub p95_ms: f64,
    /// 99 of 100 answers took no longer, in milliseconds.
    pub p99_ms: f64,
    /// The slowest answer, in milliseconds.
    pub max_ms: f64,
}

/// Something and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counted {
    pub message: String,
    /// How often it was said.
    pub count: u64,
}

/// One thing that an administrator did, or that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SystemEvent {
    pub timestamp: String,
    pub level: String,
    pub message: String,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Daily {
    /// Lines of the day.
    pub total_log_entries: u64,
    pub log_levels: BTreeMap<String, u64>,
    pub top_errors: Vec<Counted>,
    pub performance_summary: Performance,
    /// Warnings, errors and administrators' acts, the last of the day.
    pub system_events: Vec<SystemEvent>,
}

impl Logs {
    /// Counts the lines of a type, or of all of them, each once.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn analyze(&self, kind: Option<LogType>, range: Range) -> io::Result<Analysis> {
        let mut found = Analysis::default();
        let kinds = kind.map_or(LogType::ONCE.to_vec(), |kind| vec![kind]);
        self.read(&kinds, range, |entry| {
            found.add(&entry);
            Ok(())
        })?;
        Ok(found.finished())
    }

    /// Sums a day up.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn sum_up(&self, day: Range) -> io::Result<Daily> {
        let mut found = Analysis::default();
        let mut events = std::collections::VecDeque::new();
        self.read(&LogType::ONCE, day, |entry| {
            found.add(&entry);
            if entry.kind != LogType::Access
                && (entry.kind == LogType::Audit || entry.level != "INFO")
            {
                events.push_back(event(&entry));
                if events.len() > EVENTS {
                    events.pop_front();
                }
            }
            Ok(())
        })?;
        let mut found = found.finished();
        let errors = std::mem::take(&mut found.error_patterns);
        let top = most(errors, TOP_ERRORS).into_iter();
        Ok(Daily {
            total_log_entries: found.lines_analyzed,
            log_levels: found.log_levels,
            top_errors: top
                .map(|(message, count)| Counted { message, count })
                .collect(),
            performance_summary: found.performance_metrics,
            system_events: events.into(),
        })
    }
}

fn event(entry: &Entry) -> SystemEvent {
    let detail = ["method", "path", "key", "error"];
    let mut message = entry.message.clone();
    for name in detail {
        if let Some(value) = entry.text(name) {
            message += &format!(" {name}={value}");
        }
    }
    SystemEvent {
        timestamp: entry.time.clone(),
        level: entry.level.clone(),
        message,
    }
}

impl Analysis {
    fn add(&mut self, entry: &Entry) {
        self.lines_analyzed += 1;
        *self.log_levels.entry(entry.level.clone()).or_default() += 1;
        if entry.level == "ERROR" {
            let pattern = without_numbers(&entry.message);
            count(&mut self.error_patterns, pattern);
        }
        if entry.kind == LogType::Access {
            self.add_request(entry);
        }
    }

    fn add_request(&mut self, entry: &Entry) {
        let told = |name: &str| entry.text(name).unwrap_or("-").to_owned();
        let status = entry.number("status").unwrap_or_default();
        let pattern = format!("{} {} {status}", told("method"), told("endpoint"));
        count(&mut self.request_patterns, pattern);
        let performance = &mut self.performance_metrics;
        performance.requests += 1;
        performance.failed_requests += u64::from(status >= 500.0);
        self.took
            .push(entry.number("took_ms").unwrap_or_default() as f32);
    }

    fn finished(mut self) -> Self {
        self.error_patterns = most(self.error_patterns, TOLD).into_iter().collect();
        self.request_patterns = most(self.request_patterns, TOLD).into_iter().collect();
        let took = &mut self.took;
        took.sort_by(f32::total_cmp);
        if let Some(max) = took.last() {
            let part = |share: f64| {
                let place = (took.len() as f64 * share).ceil() as usize;
                f64::from(took[place.clamp(1, took.len()) - 1])
            };
            let performance = &mut self.performance_metrics;
            let sum: f64 = took.iter().copied().map(f64::from).sum();
            performance.mean_ms = sum / took.len() as f64;
            performance.max_ms = f64::from(*max);
            performance.p50_ms = part(0.50);
            performance.p95_ms = part(0.95);
            performance.p99_ms = part(0.99);
        }
        self.took = Vec::new();
        self
    }
}

/// Counts one more of a kind, of which there may be any number.
fn count(counts: &mut BTreeMap<String, u64>, pattern: String) {
    let pattern = if counts.len() < TOLD_APART || counts.contains_key(&pattern) {
        pattern
    } else {
        "others".to_owned()
    };
    *counts.entry(pattern).or_default() += 1;
}

/// Those with the highest counts, highest first.
fn most(counts: BTreeMap<String, u64>, limit: usize) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts.truncate(limit);
    counts
}

/// `job 12 failed` and `job 13 failed` are one pattern; a word with a digit in it is an id.
fn without_numbers(message: &str) -> String {
    let words = message.split_whitespace().map(|word| {
        if word.contains(|letter: char| letter.is_ascii_digit()) {
            "#"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: LogType, level: &str, message: &str, fields: &serde_json::Value) -> Entry {
        Entry {
            kind,
            at: 0,
            time: String::new(),
            level: level.to_owned(),
            target: String::new(),
            message: message.to_owned(),
            fields: fields.as_object().cloned().unwrap_or_default(),
        }
    }

    #[test]
    fn requests_and_errors_are_counted_by_kind() {
        let mut found = Analysis::default();
        for took in 1..=100 {
            let fields = serde_json::json!({
                "method": "GET", "endpoint": "/x/{id}", "status": 200 + 300 * (took / 100), "took_ms": took,
            });
            found.add(&entry(LogType::Access, "INFO", "request", &fields));
        }
        for message in ["job a1 failed", "job b2 failed", "no disk"] {
            let none = serde_json::Value::Null;
            found.add(&entry(LogType::Application, "ERROR", message, &none));
        }
        let found = found.finished();
        assert_eq!((found.lines_analyzed, found.log_levels["ERROR"]), (103, 3));
        assert_eq!(found.error_patterns["job # failed"], 2);
        assert_eq!(found.request_patterns["GET /x/{id} 200"], 99);
        let performance = found.performance_metrics;
        assert_eq!(
            (performance.requests, performance.failed_requests),
            (100, 1)
        );
        let times = (performance.p50_ms, performance.p95_ms, performance.max_ms);
        assert_eq!(times, (50.0, 95.0, 100.0));
    }
}

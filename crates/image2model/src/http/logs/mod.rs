//! The log of the process that answers, for administrators; `replica` says which that is. Where a process keeps no files,
//! its log goes to the standard error, and there is nothing to tell here.

mod docs;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{
    capacity::disk::Space,
    job::Timestamp,
    logs::{Analysis, CleanedUp, Daily, LogType, Logs, Range, Rotation, Statistics},
    service::{Caller, Excerpt, ExportFormat, Exported, Service},
};

use super::{caller::shortened, error::Problem, upload::idempotency_key};

pub(super) use docs::docs;

const GB: f64 = 1e9;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Used share of the disk, in percent, that is worth a warning.
const NEARLY_FULL: f64 = 90.0;

/// An answer, and the process that gives it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Here<T> {
    #[serde(flatten)]
    told: T,
    replica: String,
}

fn here<T>(service: &Service, told: T) -> Json<Here<T>> {
    let replica = service.logs.replica().to_owned();
    Json(Here { told, replica })
}

/// The answer of `GET /logs/statistics`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Told {
    #[serde(flatten)]
    files: Statistics,
    /// None where the log goes to the standard error alone.
    log_directory: Option<String>,
    disk_usage: DiskUsage,
}

/// The disk that the log lies on.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct DiskUsage {
    /// The disk, in 10⁹ bytes.
    total_gb: Option<f64>,
    /// What is left of it, in 10⁹ bytes.
    free_gb: Option<f64>,
    usage_percent: Option<f64>,
}

/// `GET /logs/statistics`
pub(super) async fn statistics(
    State(service): State<Service>,
) -> Result<Json<Here<Told>>, Problem> {
    let told = told(&service).await?;
    Ok(here(&service, told))
}

async fn told(service: &Service) -> Result<Told, Problem> {
    let files = service.with_logs(Logs::statistics).await?;
    let folder = service.logs.folder();
    let space = folder
        .as_deref()
        .and_then(|folder| service.space_of(folder));
    Ok(Told {
        files,
        log_directory: folder.map(|folder| folder.display().to_string()),
        disk_usage: DiskUsage {
            total_gb: space.map(|space| space.total as f64 / GB),
            free_gb: space.map(|space| space.free as f64 / GB),
            usage_percent: space.map(Space::used_percent),
        },
    })
}

/// `POST /logs/rotate`
pub(super) async fn rotate(
    State(service): State<Service>,
) -> Result<Json<Here<Rotation>>, Problem> {
    let done = service.with_logs(|logs| Ok(logs.rotate())).await?;
    Ok(here(&service, done))
}

/// What the routes are asked; each reads what is its own.
#[derive(Deserialize)]
pub(super) struct Asked {
    older_than_days: Option<String>,
    log_type: Option<String>,
    hours_back: Option<String>,
    date: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    /// Separated by commas.
    log_types: Option<String>,
    format: Option<String>,
}

/// The answer to `DELETE /logs/cleanup`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Cleanup {
    status: &'static str,
    #[serde(flatten)]
    done: CleanedUp,
}

/// `DELETE /logs/cleanup?older_than_days=30`
pub(super) async fn clean_up(
    State(service): State<Service>,
    Query(asked): Query<Asked>,
) -> Result<Json<Here<Cleanup>>, Problem> {
    let days = number("older_than_days", asked.older_than_days.as_deref(), 30, 365)?;
    let done = service.with_logs(move |logs| logs.clean_up(days)).await?;
    let status = if done.errors.is_empty() {
        "completed"
    } else {
        "completed_with_errors"
    };
    Ok(here(&service, Cleanup { status, done }))
}

/// The answer of `GET /logs/analyze`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Analyzed {
    time_range: TimeRange,
    #[serde(flatten)]
    found: Analysis,
}

/// Two moments in RFC 3339.
#[derive(Debug, Serialize, JsonSchema)]
struct TimeRange {
    start: String,
    end: String,
}

/// `GET /logs/analyze?log_type=&hours_back=24`
pub(super) async fn analyze(
    State(service): State<Service>,
    Query(asked): Query<Asked>,
) -> Result<Json<Here<Analyzed>>, Problem> {
    let kind = asked.log_type.as_deref();
    let kind = kind.map(|name| log_type("log_type", name)).transpose()?;
    let hours = number("hours_back", asked.hours_back.as_deref(), 24, 168)?;
    let until = service.now().0;
    let from = until - i64::from(hours) * HOUR_MS;
    // What is written at this very moment belongs to it.
    let range = Range {
        from,
        until: until + 1,
    };
    let found = service
        .with_logs(move |logs| logs.analyze(kind, range))
        .await?;
    let time_range = TimeRange {
        start: Timestamp(from).to_string(),
        end: Timestamp(until).to_string(),
    };
    Ok(here(&service, Analyzed { time_range, found }))
}

/// The answer of `GET /logs/summary/daily`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Summary {
    date: String,
    #[serde(flatten)]
    day: Daily,
}

/// `GET /logs/summary/daily?date=YYYY-MM-DD`, of today (UTC) unless told
pub(super) async fn daily(
    State(service): State<Service>,
    Query(asked): Query<Asked>,
) -> Result<Json<Here<Summary>>, Problem> {
    let today = service.now().to_string();
    let date = asked
        .date
        .unwrap_or_else(|| today.chars().take(10).collect());
    let from = midnight("date", &date)?;
    let range = Range {
        from,
        until: from + DAY_MS,
    };
    let day = service.with_logs(move |logs| logs.sum_up(range)).await?;
    Ok(here(&service, Summary { date, day }))
}

/// The answer of `GET /logs/types`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Types {
    log_types: Vec<LogType>,
    /// How many there are.
    total_types: usize,
    details: BTreeMap<&'static str, &'static str>,
}

/// `GET /logs/types`
pub(super) async fn types(State(service): State<Service>) -> Json<Here<Types>> {
    let details = LogType::ALL.map(|kind| (kind.name(), kind.description()));
    let types = Types {
        log_types: LogType::ALL.to_vec(),
        total_types: LogType::ALL.len(),
        details: details.into(),
    };
    here(&service, types)
}

/// The answer to `POST /logs/export`; the file is there when it is given.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Export {
    message: &'static str,
    parameters: Parameters,
    status: &'static str,
    export_id: String,
    /// For the same key; the file stays for a day.
    download_url: String,
}

/// What was asked for.
#[derive(Debug, Serialize, JsonSchema)]
struct Parameters {
    start_date: String,
    end_date: String,
    log_types: Vec<LogType>,
    format: &'static str,
}

/// `POST /logs/export?start_date&end_date&log_types&format=json|csv|txt`, both days included
pub(super) async fn export(
    State(service): State<Service>,
    caller: Caller,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Json<Here<Export>>, Problem> {
    let key = idempotency_key(&headers)?;
    let start = needed("start_date", asked.start_date)?;
    let end = needed("end_date", asked.end_date)?;
    let from = midnight("start_date", &start)?;
    let until = midnight("end_date", &end)? + DAY_MS;
    if until <= from {
        let message = format!("end_date is {end}; it must not be before start_date, {start}");
        return Err(Problem::field("end_date", message, "value_error"));
    }
    let kinds = log_types(asked.log_types.as_deref())?;
    let format = export_format(asked.format.as_deref().unwrap_or("json"))?;
    let excerpt = Excerpt {
        kinds: kinds.clone(),
        range: Range { from, until },
        format,
    };
    let own = service.clone();
    let exporting = async move { own.export_logs(&caller, excerpt, key.as_deref()).await };
    let Exported { id, replica } = service.see_through(exporting).await.map_err(|error| {
        tracing::error!(%error, "exporting the log failed");
        Problem::internal()
    })??;
    let told = Export {
        message: "Log export started",
        parameters: Parameters {
            start_date: start,
            end_date: end,
            log_types: kinds,
            format: format.name(),
        },
        status: "started",
        export_id: id.to_string(),
        download_url: format!("/api/v1/logs/export/{id}/logs.{}", format.name()),
    };
    Ok(Json(Here { told, replica }))
}

/// `GET /logs/export/{export_id}/{filename}`
pub(super) async fn exported(
    State(service): State<Service>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found("export"))?;
    let format = name.strip_prefix("logs.").and_then(ExportFormat::from_name);
    let format = format.ok_or_else(|| Problem::not_found("export"))?;
    let (size, content) = service.exported_logs(id, format).await?;
    let kind = match format {
        ExportFormat::Json => "application/json",
        ExportFormat::Csv => "text/csv; charset=utf-8",
        ExportFormat::Txt => "text/plain; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, Body::from_stream(content)).into_response())
}

/// The answer of `GET /logs/health`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LogHealth {
    status: &'static str,
    /// What is broken.
    issues: Vec<String>,
    warnings: Vec<String>,
    statistics: Told,
    recommendations: Vec<&'static str>,
}

/// `GET /logs/health`
pub(super) async fn health(
    State(service): State<Service>,
) -> Result<Json<Here<LogHealth>>, Problem> {
    let statistics = told(&service).await?;
    let (mut warnings, mut recommendations) = (Vec::new(), Vec::new());
    let issues = service.logs.trouble();
    if !issues.is_empty() {
        recommendations.push("Make the log's folder writable and free some room");
    }
    let used = statistics.disk_usage.usage_percent.unwrap_or_default();
    if used > NEARLY_FULL {
        warnings.push(format!("{used:.1} % of the log's disk is in use"));
        recommendations.push("Remove old files with DELETE /logs/cleanup, or lower log.keep_files");
    }
    if !service.logs.has_files() {
        warnings
            .push("This process keeps no log files; its log goes to the standard error".to_owned());
        recommendations.push("Collect the standard error of every process");
    }
    let status = match (issues.is_empty(), warnings.is_empty()) {
        (false, _) => "unhealthy",
        (true, false) => "degraded",
        (true, true) => "healthy",
    };
    let health = LogHealth {
        status,
        issues,
        warnings,
        statistics,
        recommendations,
    };
    Ok(here(&service, health))
}

fn needed(field: &str, value: Option<String>) -> Result<String, Problem> {
    value.ok_or_else(|| Problem::field(field, format!("{field} is missing."), "missing"))
}

/// A whole number from 1 to `most`.
fn number(field: &str, text: Option<&str>, unless_told: u32, most: u32) -> Result<u32, Problem> {
    let Some(text) = text else {
        return Ok(unless_told);
    };
    let read = text
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    read.ok_or_else(|| {
        let text = shortened(text);
        let message = format!("{field} is {text:?}; it must be a whole number from 1 to {most}");
        Problem::field(field, message, "value_error")
    })
}

/// The first millisecond of a day in UTC.
fn midnight(field: &str, text: &str) -> Result<i64, Problem> {
    let at = format!("{text}T00:00:00Z").parse::<jiff::Timestamp>();
    // Every written form but this one is another moment's.
    let at = at.ok().filter(|_| text.len() == 10);
    at.map(jiff::Timestamp::as_millisecond).ok_or_else(|| {
        let text = shortened(text);
        let message = format!("{field} is {text:?}; it must be a day as YYYY-MM-DD");
        Problem::field(field, message, "value_error")
    })
}

fn log_type(field: &str, name: &str) -> Result<LogType, Problem> {
    LogType::from_name(name).ok_or_else(|| {
        let known = LogType::ALL.map(LogType::name).join(", ");
        let message = format!("{field} is {:?}; it must be of {known}", shortened(name));
        Problem::field(field, message, "value_error")
    })
}

/// Those named, or all that have every line once.
fn log_types(names: Option<&str>) -> Result<Vec<LogType>, Problem> {
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return Ok(LogType::ONCE.to_vec());
    };
    let names = names.split(',');
    names.map(|name| log_type("log_types", name)).collect()
}

fn export_format(name: &str) -> Result<ExportFormat, Problem> {
    ExportFormat::from_name(name).ok_or_else(|| {
        let known = ExportFormat::ALL.map(ExportFormat::name).join(", ");
        let message = format!("format is {:?}; it must be one of {known}", shortened(name));
        Problem::field("format", message, "value_error")
    })
}

//! What administrators ask and do: room, files, clean-up, any job. Sizes are in the units that the names say, of 10⁶ and
//! 10⁹ bytes.

mod docs;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::Uri,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    capacity::disk::Space,
    job::{Item, JobId},
    service::{Health, JobFiles, Removal, Service, ServiceError, Stock, Stocks},
};

use super::{
    caller::{job_id, shortened},
    error::Problem,
    generate::{Object, body},
    openapi::Id,
    render,
};

pub(super) use docs::docs;

const MB: f64 = 1e6;
const GB: f64 = 1e9;
/// Hours since a job's end that a clean-up can be asked for: ten years.
const MOST_HOURS: u32 = 87_600;
const DEFAULT_HOURS: u32 = 24;
/// Entries of a list of files, unless told, and at most.
const LISTED: usize = 100;
const MOST_LISTED: usize = 10_000;

/// The room for files of one kind. The disk's figures are missing where the files lie in a bucket, whose room nobody can
/// see.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Room {
    /// The disk, in 10⁹ bytes.
    disk_total_gb: Option<f64>,
    /// What is used of it, in 10⁹ bytes.
    disk_used_gb: Option<f64>,
    /// What is left of the disk, in 10⁹ bytes.
    disk_free_gb: Option<f64>,
    disk_usage_percent: Option<f64>,
    /// Files of this kind.
    total_files: u64,
    /// What the files take, in 10⁶ bytes.
    directory_size_mb: f64,
}

impl Room {
    fn of(space: Option<Space>, stock: &Stock) -> Self {
        let gigabytes = |bytes: fn(Space) -> u64| space.map(|space| bytes(space) as f64 / GB);
        Self {
            disk_total_gb: gigabytes(|space| space.total),
            disk_used_gb: gigabytes(|space| space.total.saturating_sub(space.free)),
            disk_free_gb: gigabytes(|space| space.free),
            disk_usage_percent: space.map(Space::used_percent),
            total_files: stock.files,
            directory_size_mb: stock.bytes as f64 / MB,
        }
    }
}

/// The answer of `GET /admin/disk-usage`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DiskUsage {
    upload_dir: Room,
    output_dir: Room,
    timestamp: String,
}

/// `GET /admin/disk-usage`
pub(super) async fn disk_usage(State(service): State<Service>) -> Result<Json<DiskUsage>, Problem> {
    let (stocks, space) = (service.stocks().await?, service.room());
    Ok(Json(DiskUsage {
        upload_dir: Room::of(space, &stocks.uploads),
        output_dir: Room::of(space, &stocks.results),
        timestamp: service.now().to_string(),
    }))
}

/// What `POST /admin/cleanup` is asked. What it does not know it does not pass over: a misspelt `dry_run` would remove.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cleanup {
    /// Hours since a job's end.
    hours: u32,
    /// Only tell what would go.
    dry_run: bool,
}

impl Default for Cleanup {
    fn default() -> Self {
        Self {
            hours: DEFAULT_HOURS,
            dry_run: false,
        }
    }
}

/// The answer to `POST /admin/cleanup`: what goes, which maintenance then removes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CleanedUp {
    /// What they take, in 10⁶ bytes.
    freed_space_mb: f64,
    /// Files of the jobs that go.
    files_removed: usize,
    /// Each job's folder.
    directories_removed: usize,
    errors: Vec<String>,
    /// Hours since their end that jobs had to have.
    cleanup_hours: u32,
    dry_run: bool,
    /// There are more jobs than one clean-up removes: ask again.
    has_more: bool,
    timestamp: String,
}

/// `POST /admin/cleanup`; without a body it goes by the defaults.
pub(super) async fn cleanup(
    State(service): State<Service>,
    uri: Uri,
    asked: Result<Option<Json<Object>>, JsonRejection>,
) -> Result<Json<CleanedUp>, Problem> {
    if let Some(query) = uri.query().filter(|query| !query.is_empty()) {
        let message = format!(
            "The query is {:?}; what a clean-up is asked stands in a JSON body.",
            shortened(query)
        );
        return Err(Problem::field("query", message, "value_error"));
    }
    let asked: Option<Cleanup> = asked.transpose().map(body).transpose()?;
    let asked = asked.unwrap_or_default();
    if asked.hours > MOST_HOURS {
        let message = format!(
            "hours is {}; it must be a whole number from 0 to {MOST_HOURS}",
            asked.hours
        );
        return Err(Problem::field("hours", message, "value_error"));
    }
    let removal = service.clean_up(asked.hours, asked.dry_run).await?;
    Ok(Json(CleanedUp {
        freed_space_mb: removal.bytes as f64 / MB,
        files_removed: removal.files,
        directories_removed: removal.jobs,
        errors: removal.errors,
        cleanup_hours: asked.hours,
        dry_run: asked.dry_run,
        has_more: removal.has_more,
        timestamp: service.now().to_string(),
    }))
}

/// What `POST /admin/cleanup-job` is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CleanupJob {
    #[schemars(with = "Id")]
    job_id: String,
}

/// The removal of one job.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Removed {
    job_id: String,
    /// Files of the job.
    files_removed: usize,
    /// What they take, in 10⁶ bytes.
    freed_space_mb: f64,
    errors: Vec<String>,
    message: &'static str,
    timestamp: String,
}

/// `POST /admin/cleanup-job`
pub(super) async fn cleanup_job(
    State(service): State<Service>,
    asked: Result<Json<Object>, JsonRejection>,
) -> Result<Json<Removed>, Problem> {
    let asked: CleanupJob = body(asked)?;
    let id = job_id(&asked.job_id)?;
    Ok(Json(removed(&service, id).await?))
}

/// `DELETE /admin/delete-job/{job_id}`
pub(super) async fn delete_job(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Json<Removed>, Problem> {
    let id = job_id(&id)?;
    Ok(Json(removed(&service, id).await?))
}

async fn removed(service: &Service, id: JobId) -> Result<Removed, Problem> {
    let Removal {
        files,
        bytes,
        errors,
        ..
    } = service.remove_job(id).await?;
    Ok(Removed {
        job_id: id.to_string(),
        files_removed: files,
        freed_space_mb: bytes as f64 / MB,
        errors,
        message: "The job and its files are being removed",
        timestamp: service.now().to_string(),
    })
}

/// What `GET /admin/list-files` is asked.
#[derive(Deserialize)]
pub(super) struct Which {
    directory: Option<String>,
    limit: Option<String>,
}

/// One job's files.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Folder {
    /// The job's id.
    path: String,
    /// What its files take, in 10⁶ bytes.
    size_mb: f64,
    modified: String,
    is_directory: bool,
    file_count: u64,
}

impl Folder {
    fn of(files: &JobFiles) -> Self {
        Self {
            path: files.job.to_string(),
            size_mb: files.bytes as f64 / MB,
            modified: files.modified.to_string(),
            is_directory: true,
            file_count: files.files,
        }
    }
}

/// The answer of `GET /admin/list-files`, the latest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Files {
    directory: &'static str,
    /// What they take, in 10⁶ bytes.
    total_size_mb: f64,
    /// Files in all of the folders.
    total_files: u64,
    /// Of the directory that was asked for.
    items: Vec<Folder>,
    uploads: Vec<Folder>,
    results: Vec<Folder>,
}

/// `GET /admin/list-files?directory=uploads|results&limit=100`
pub(super) async fn list_files(
    State(service): State<Service>,
    Query(which): Query<Which>,
) -> Result<Json<Files>, Problem> {
    let (directory, limit) = (directory(which.directory.as_deref())?, most(which.limit)?);
    let Stocks { uploads, results } = service.stocks().await?;
    let stock = match directory {
        "uploads" => &uploads,
        _ => &results,
    };
    let shown = |stock: &Stock| -> Vec<_> {
        let jobs = stock.jobs.iter().take(limit);
        jobs.map(Folder::of).collect()
    };
    Ok(Json(Files {
        directory,
        total_size_mb: stock.bytes as f64 / MB,
        total_files: stock.files,
        items: shown(stock),
        uploads: shown(&uploads),
        results: shown(&results),
    }))
}

fn directory(asked: Option<&str>) -> Result<&'static str, Problem> {
    match asked {
        None | Some("uploads") => Ok("uploads"),
        Some("results") => Ok("results"),
        Some(other) => {
            let message = format!(
                "directory is {:?}; it must be uploads or results",
                shortened(other)
            );
            Err(Problem::field("directory", message, "value_error"))
        }
    }
}

fn most(asked: Option<String>) -> Result<usize, Problem> {
    let Some(text) = asked else {
        return Ok(LISTED);
    };
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=MOST_LISTED).contains(limit))
        .ok_or_else(|| {
            let message = format!(
                "limit is {:?}; it must be a whole number from 1 to {MOST_LISTED}",
                shortened(&text)
            );
            Problem::field("limit", message, "value_error")
        })
}

/// The answer of `GET /admin/system-health`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SystemHealth {
    status: &'static str,
    timestamp: String,
    disk_usage: Directories,
    /// What is wrong or worth saying.
    warnings: Vec<String>,
}

/// The room for uploads and for what is made of them.
#[derive(Debug, Serialize, JsonSchema)]
struct Directories {
    upload_dir: Room,
    output_dir: Room,
}

/// `GET /admin/system-health`
pub(super) async fn system_health(
    State(service): State<Service>,
) -> Result<Json<SystemHealth>, Problem> {
    let standing = service.standing().await;
    let (stocks, space) = (service.stocks().await.unwrap_or_default(), service.room());
    let ailing = standing.components.iter();
    let ailing = ailing.filter(|component| component.health != Health::Healthy);
    let warnings = ailing.map(|component| {
        let note = component.note.as_deref().unwrap_or("it is not well");
        format!("{}: {note}", component.name)
    });
    Ok(Json(SystemHealth {
        status: super::health::word(standing.health()),
        timestamp: standing.at.to_string(),
        disk_usage: Directories {
            upload_dir: Room::of(space, &stocks.uploads),
            output_dir: Room::of(space, &stocks.results),
        },
        warnings: warnings.collect(),
    }))
}

/// The answer of `GET /debug/job/{job_id}`: any owner's job, and whether there is one.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DebugJob {
    job_id: String,
    found: bool,
    files: Vec<DebugFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

/// One file that a job has made.
#[derive(Debug, Serialize, JsonSchema)]
struct DebugFile {
    filename: String,
    format: String,
    /// Bytes.
    size: u64,
    created: String,
}

/// What is known of a job besides its files.
#[derive(Debug, Serialize, JsonSchema)]
struct Metadata {
    created: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    owner: String,
    /// Images of the job.
    total_files: usize,
    /// `<file>: <reason>` for each that failed.
    errors: Vec<String>,
}

/// `GET /debug/job/{job_id}`
pub(super) async fn debug_job(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Json<DebugJob>, Problem> {
    let id = job_id(&id)?;
    let job = match service.anyones_job(id).await {
        Ok(job) => Some(job),
        Err(ServiceError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let files = job.iter().flat_map(|job| &job.items);
    let files = files.flat_map(|item| &item.files).map(|file| DebugFile {
        filename: file.name.clone(),
        format: file.format.clone(),
        size: file.size,
        created: file.created.to_string(),
    });
    Ok(Json(DebugJob {
        job_id: id.to_string(),
        found: job.is_some(),
        files: files.collect(),
        metadata: job.as_ref().map(|job| Metadata {
            created: job.created.to_string(),
            status: render::job_status(job.status()),
            ended: job.ended.map(|at| at.to_string()),
            owner: job.owner.0.clone(),
            total_files: job.items.len(),
            errors: errors(&job.items),
        }),
    }))
}

fn errors(items: &[Item]) -> Vec<String> {
    let failed = items.iter().filter_map(|item| {
        let error = render::item_error(item)?;
        Some(format!("{}: {error}", item.filename))
    });
    failed.collect()
}

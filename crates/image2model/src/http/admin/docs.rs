//! What is told of these routes.

use axum::http::Method;
use serde_json::json;

use super::{
    CleanedUp, Cleanup, CleanupJob, DebugJob, DiskUsage, Files, LISTED, MOST_LISTED, Removed,
    SystemHealth,
};
use crate::http::openapi::{Doc, Parameter};

pub(in crate::http) fn docs() -> Vec<Doc> {
    let (job, time) = (
        "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
        "2026-01-02T03:04:05.678Z",
    );
    let room = json!({
        "disk_total_gb": 100.0, "disk_used_gb": 40.0, "disk_free_gb": 60.0, "disk_usage_percent": 40.0,
        "total_files": 12, "directory_size_mb": 81.3,
    });
    let folder = json!({
        "path": job, "size_mb": 1.2, "modified": time, "is_directory": true, "file_count": 2,
    });
    let removed = json!({
        "job_id": job, "files_removed": 3, "freed_space_mb": 1.2, "errors": [],
        "message": "The job and its files are being removed", "timestamp": time,
    });
    vec![
        Doc::get("/api/v1/admin/disk-usage", "admin", "disk_usage")
            .says("Room for uploads and models", "")
            .answers::<DiskUsage>(
                200,
                "How much there is.",
                json!({"upload_dir": room, "output_dir": room, "timestamp": time}),
            ),
        Doc::post("/api/v1/admin/cleanup", "admin", "cleanup")
            .says("Remove old jobs", "Those that ended so many hours ago; without a body, 24.")
            .may_take::<Cleanup>(json!({"hours": 24, "dry_run": true}))
            .answers::<CleanedUp>(
                200,
                "What goes.",
                json!({
                    "freed_space_mb": 1.2, "files_removed": 3, "directories_removed": 1, "errors": [],
                    "cleanup_hours": 24, "dry_run": true, "has_more": false, "timestamp": time,
                }),
            ),
        Doc::post("/api/v1/admin/cleanup-job", "admin", "cleanup_job")
            .says("Remove one job", "Of any owner, as by `DELETE /api/v1/jobs/{job_id}`: it goes as soon as nothing works on it.")
            .takes::<CleanupJob>(json!({"job_id": job}))
            .answers::<Removed>(200, "It goes.", removed.clone())
            .refuses(404, "There is no such job."),
        Doc::new(Method::DELETE, "/api/v1/admin/delete-job/{job_id}", "admin", "admin_delete_job")
            .says("Remove one job", "Of any owner, as by `DELETE /api/v1/jobs/{job_id}`: it goes as soon as nothing works on it.")
            .answers::<Removed>(200, "It goes.", removed),
        Doc::get("/api/v1/admin/list-files", "admin", "list_files")
            .says("Folders of uploads or models", "")
            .asks(Parameter::query(
                "directory",
                "Which.",
                json!({"type": "string", "enum": ["uploads", "results"], "default": "uploads"}),
            ))
            .asks(Parameter::query(
                "limit",
                "Most entries.",
                json!({"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": LISTED}),
            ))
            .answers::<Files>(
                200,
                "The folders.",
                json!({
                    "directory": "uploads", "total_size_mb": 1.2, "total_files": 2,
                    "items": [folder], "uploads": [folder], "results": [],
                }),
            )
            .refuses(422, "A parameter is out of bounds; `details` names it."),
        Doc::get("/api/v1/admin/system-health", "admin", "system_health")
            .says("How the room stands", "")
            .answers::<SystemHealth>(
                200,
                "How it stands.",
                json!({
                    "status": "healthy", "timestamp": time, "warnings": [],
                    "disk_usage": {"upload_dir": room, "output_dir": room},
                }),
            ),
        Doc::get("/api/v1/debug/job/{job_id}", "admin", "debug_job")
            .says("A job of any owner", "")
            .answers::<DebugJob>(
                200,
                "The job.",
                json!({
                    "job_id": job, "found": true,
                    "files": [{"filename": "cat.glb", "format": "glb", "size": 813_244, "created": time}],
                    "metadata": {
                        "created": time, "status": "completed", "ended": time, "owner": "open",
                        "total_files": 1, "errors": [],
                    },
                }),
            ),
    ]
}

//! What is told of these routes.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::{Analyzed, Cleanup, Export, Here, LogHealth, Rotation, Summary, Told, Types};
use crate::http::{
    openapi::{Doc, Parameter},
    upload,
};

pub(in crate::http) fn docs() -> Vec<Doc> {
    let day = || json!({"type": "string", "format": "date", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$"});
    let refused = "A parameter is missing or out of bounds; `details` names it.";
    let kind = "(application|access|audit|errors)";
    let kinds = || json!({"type": "string", "enum": ["application", "access", "audit", "errors"]});
    let of_files = json!({
        "total_files": 4, "total_size_mb": 1.2, "oldest_file": "application.log", "newest_file": "access.log",
        "by_type": {"access": {"files": 1, "size_mb": 0.4}},
        "log_directory": "image2model-data/logs",
        "disk_usage": {"total_gb": 100.0, "free_gb": 60.0, "usage_percent": 40.0},
    });
    let here = |mut told: Value| {
        told["replica"] = "host-1".into();
        told
    };
    let performance = json!({"requests": 10, "failed_requests": 0, "mean_ms": 1.5, "p50_ms": 1.0, "p95_ms": 4.0, "p99_ms": 6.0, "max_ms": 9.0});
    vec![
        Doc::get("/api/v1/logs/statistics", "logs", "log_statistics")
            .says("The log's files", "Of the server that answers, which `replica` names.")
            .answers::<Here<Told>>(200, "The files.", here(of_files.clone())),
        Doc::post("/api/v1/logs/rotate", "logs", "rotate_logs")
            .says("Begin new files", "")
            .answers::<Here<Rotation>>(
                200,
                "What was rotated.",
                here(json!({"rotated_files": ["access.log"], "skipped_files": [], "errors": []})),
            ),
        Doc::new(Method::DELETE, "/api/v1/logs/cleanup", "logs", "clean_up_logs")
            .says("Remove old files", "")
            .asks(Parameter::query(
                "older_than_days",
                "Days since the last line.",
                json!({"type": "integer", "minimum": 1, "maximum": 365, "default": 30}),
            ))
            .answers::<Here<Cleanup>>(
                200,
                "What was removed.",
                here(json!({
                    "status": "completed", "removed_files": [], "total_size_removed_mb": 0.0, "errors": [],
                })),
            )
            .refuses(422, refused),
        Doc::get("/api/v1/logs/analyze", "logs", "analyze_logs")
            .says("What the log tells", "")
            .asks(Parameter::query("log_type", "Only files of this type.", kinds()))
            .asks(Parameter::query(
                "hours_back",
                "Hours up to now.",
                json!({"type": "integer", "minimum": 1, "maximum": 168, "default": 24}),
            ))
            .answers::<Here<Analyzed>>(
                200,
                "Counts.",
                here(json!({
                    "time_range": {"start": "2026-01-02T03:04:05.678Z", "end": "2026-01-02T03:04:05.678Z"},
                    "log_levels": {"INFO": 9}, "error_patterns": {}, "request_patterns": {},
                    "performance_metrics": performance, "lines_analyzed": 9,
                })),
            )
            .refuses(422, refused),
        Doc::get("/api/v1/logs/summary/daily", "logs", "daily_log_summary")
            .says("One day of the log", "Of today, unless told.")
            .asks(Parameter::query("date", "The day, in UTC.", day()))
            .answers::<Here<Summary>>(
                200,
                "The day.",
                here(json!({
                    "date": "2026-01-02", "total_log_entries": 9, "log_levels": {"INFO": 9},
                    "top_errors": [], "performance_summary": performance, "system_events": [],
                })),
            )
            .refuses(422, refused),
        Doc::get("/api/v1/logs/types", "logs", "log_types")
            .says("The types of files", "")
            .answers::<Here<Types>>(
                200,
                "The types.",
                here(json!({
                    "log_types": ["application"], "total_types": 1,
                    "details": {"application": "what the service tells"},
                })),
            ),
        Doc::post("/api/v1/logs/export", "logs", "export_logs")
            .says("Put days of the log into one file", "Both days are included.")
            .asks(upload::idempotency())
            .asks(Parameter::query("start_date", "The first day.", day()).needed())
            .asks(Parameter::query("end_date", "The last day.", day()).needed())
            .asks(Parameter::query("log_types", "Types, parted by commas; all unless told.",
                json!({"type": "string", "pattern": format!("^({kind}(,{kind})*)?$")}),
            ))
            .asks(Parameter::query(
                "format",
                "Of the file.",
                json!({"type": "string", "enum": ["json", "csv", "txt"], "default": "json"}),
            ))
            .answers::<Here<Export>>(
                200,
                "The file is there.",
                here(json!({
                    "message": "Log export started",
                    "parameters": {
                        "start_date": "2026-01-02", "end_date": "2026-01-02",
                        "log_types": ["application"], "format": "json",
                    },
                    "status": "started", "export_id": "0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00",
                    "download_url": "/api/v1/logs/export/0190a3c2-7c1e-4b1f-8a44-5f2d9c3e7a00/logs.json",
                })),
            )
            .refuses(409, "The export of this Idempotency-Key is being made.")
            .refuses(
                422,
                "A parameter is missing or out of bounds, or the Idempotency-Key was used for something else.",
            )
            .refuses(507, "The disk is full."),
        Doc::get("/api/v1/logs/export/{export_id}/{export_name}", "logs", "exported_logs")
            .says("An exported file", "")
            .answers::<Vec<Map<String, Value>>>(200, "The file.", json!([{"level": "INFO"}]))
            .sends(200, "The file.", "text/csv")
            .sends(200, "The file.", "text/plain"),
        Doc::get("/api/v1/logs/health", "logs", "log_health")
            .says("How the log stands", "")
            .answers::<Here<LogHealth>>(
                200,
                "How it stands.",
                here(json!({
                    "status": "healthy", "issues": [], "warnings": [], "statistics": of_files,
                    "recommendations": [],
                })),
            ),
    ]
}

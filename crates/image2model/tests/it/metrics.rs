//! What a scrape of a real process holds: the recorder is the process's own.

use crate::support::{Client, Server, tiny};

#[tokio::test]
async fn a_scrape_shows_requests_tasks_and_queues_under_the_known_names() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]);
    let client = Client::new(server.port);
    let job = client.submit(&[tiny(1)], &[]).await;
    client.ended(&job).await;
    for _ in 0..3 {
        client.get("/no/such/path").await;
    }
    client.delete(&format!("/jobs/{job}")).await;
    let (_, text) = client.bytes("/health/metrics").await;
    let text = String::from_utf8(text).unwrap();
    for line in [
        "http_requests_total{method=\"POST\",endpoint=\"/api/v1/upload\",status_code=\"200\"} 1",
        "http_requests_total{method=\"GET\",endpoint=\"unmatched\",status_code=\"404\"} 3",
        "http_requests_total{method=\"DELETE\",endpoint=\"/api/v1/jobs/{job_id}\",status_code=\"204\"} 1",
        "http_request_duration_seconds_bucket{method=\"POST\",endpoint=\"/api/v1/upload\",le=\"+Inf\"} 1",
        "celery_tasks_total{task_name=\"generate\",status=\"success\"} 1",
        "celery_task_duration_seconds_count{task_name=\"generate\"} 1",
        "active_jobs_total 0",
        "fal_api_requests_total{operation=\"submit\",status=\"success\"} 0",
        "fal_api_request_duration_seconds_count{operation=\"submit\"} 0",
        "image2model_queue_tasks{queue=\"model_generation\",lane=\"local\",state=\"ready\"} 0",
    ] {
        assert!(
            text.lines().any(|known| known == line),
            "{line} is not in\n{text}"
        );
    }
    for gauge in [
        "system_cpu_usage_percent",
        "system_memory_usage_percent",
        "system_disk_usage_percent",
        "image2model_workers",
    ] {
        let line = text.lines().find_map(|line| line.strip_prefix(gauge));
        let value: f64 = line.unwrap().trim().parse().unwrap();
        assert!((0.0..=100.0).contains(&value), "{gauge} is {value}");
    }
}

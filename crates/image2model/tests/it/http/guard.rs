use axum::body::Body;

use super::{Api, assert_problem, form_with, picture, request};

#[tokio::test]
async fn a_foreign_origin_is_refused_whatever_it_asks() {
    let api = Api::new();
    let upload = form_with(
        &[picture("a.png", b"x")],
        &[("origin", "http://evil.example")],
    );
    let body = assert_problem(&api.send(upload).await, 403);
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("http://evil.example")
    );
    assert_eq!(api.files_on_disk(), 0);

    let own = form_with(
        &[picture("a.png", b"x")],
        &[("origin", "http://localhost:8080")],
    );
    assert_eq!(api.send(own).await.status, 200);
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let api = Api::new();
    let foreign = axum::http::Request::builder()
        .uri("/health")
        .header("host", "rebound.example:8080")
        .body(Body::empty())
        .unwrap();
    assert_problem(&api.send(foreign).await, 403);
}

#[tokio::test]
async fn only_configured_origins_may_read() {
    let api = Api::with(
        |config| config.http.origins = vec!["https://shop.example".to_owned()],
        super::ROOM,
    );
    let ask = |origin: &str| {
        request("OPTIONS", "/api/v1/upload/")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "idempotency-key")
            .body(Body::empty())
            .unwrap()
    };
    let allowed = api.send(ask("https://shop.example")).await;
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://shop.example"
    );
    assert_eq!(api.send(ask("https://other.example")).await.status, 403);
}

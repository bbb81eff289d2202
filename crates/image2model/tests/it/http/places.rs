use axum::{body::Body, http::StatusCode};

use super::{Api, ROOM, picture, request};

#[tokio::test]
async fn one_caller_has_a_share_of_the_streams() {
    let api = Api::with(|config| config.stream.max_open = 60, ROOM);
    let answer = api.upload(&[picture("a.png", b"bytes")]).await.json();
    let id = answer["job_id"].as_str().unwrap();
    let path = format!("/api/v1/status/tasks/{id}/stream");
    let open = async || {
        let asked = request("GET", &path).body(Body::empty()).unwrap();
        let answered = tower::ServiceExt::oneshot(api.router.clone(), asked);
        answered.await.unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..25 {
        let stream = open().await;
        assert_eq!(stream.status(), StatusCode::OK);
        held.push(stream);
    }
    let refused = open().await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "5");
    held.pop();
    assert_eq!(open().await.status(), StatusCode::OK);
}

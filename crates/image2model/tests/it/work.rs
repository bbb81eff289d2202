//! Jobs on the real server: cancelled while they run, and written in one more format later.

use crate::support::{Client, Event, Server, jpeg, tiny};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_while_it_runs() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), &[("WORKER__EXTEND_EVERY", "1")]);
    let client = Client::new(server.port);
    let id = client.submit(&vec![jpeg(1000); 25], &[]).await;
    client
        .follow(&id, |event| event.name == "file_update")
        .await;
    let sent = client.post(&format!("/jobs/{id}/cancel")).await;
    assert_eq!(sent.status, 202, "{}", sent.body);

    let events = client.events(&id).await;
    assert_eq!(events.last().unwrap().name, "task_cancelled", "{events:#?}");
    let job = client.job(&id).await;
    assert_eq!(job["status"], "cancelled");
    let items = job["items"].as_array().unwrap();
    let cancelled = items.iter().filter(|item| item["status"] == "cancelled");
    assert!(cancelled.count() > 10, "{job}");
    // The worker's slots are free again.
    let next = client.submit(&[tiny(1)], &[]).await;
    assert_eq!(client.ended(&next).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_model_is_written_in_one_more_format_without_being_made_again() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), &[]);
    let client = Client::new(server.port);
    let id = client.submit(&[tiny(1)], &[("face_limit", "200")]).await;
    let facts = async || {
        let events = client.events(&id).await;
        events.iter().filter_map(Event::fact).collect::<Vec<_>>()
    };
    let before = facts().await;
    let (status, stl) = client
        .bytes(&format!("/models/download/{id}?format=stl"))
        .await;
    assert!(status.is_success(), "{status} {}", server.log());
    let faces = u32::from_le_bytes(stl[80..84].try_into().unwrap()) as usize;
    assert!(
        faces > 0 && stl.len() == 84 + 50 * faces,
        "{} bytes",
        stl.len()
    );

    let job = client.job(&id).await;
    let files = job["items"][0]["files"].as_array().unwrap();
    let formats: Vec<_> = files
        .iter()
        .map(|file| file["format"].as_str().unwrap())
        .collect();
    assert_eq!(formats, ["glb", "preview", "stl"]);
    assert_eq!(facts().await, before);
}

use super::{Fixture, LEASE, completion, failure, heard_the_end, told_beyond};
use crate::{
    job::{JobId, Queue, TaskState, transition::Retry},
    store::StoreError,
};

const QUEUE: Queue = Queue::BatchProcessing;

pub(crate) async fn a_further_format_is_attached_without_a_trace(it: Fixture) {
    let id = it.completed().await;
    let before = it.job(id).await;
    it.jobs().request_format(id.item(1), "stl").await.unwrap();
    let lease = it.begin_from(QUEUE).await;
    let made = completion(&lease, "stl");
    it.jobs().complete(&lease, made.clone()).await.unwrap();
    it.jobs().complete(&lease, made.clone()).await.unwrap();
    let mut expected = before;
    expected.items[0].files.extend(made.files);
    assert_eq!(it.job(id).await, expected);
}

pub(crate) async fn a_format_is_queued_once(it: Fixture) {
    let id = it.completed().await;
    let request = async || it.jobs().request_format(id.item(1), "stl").await.unwrap();
    request().await;
    request().await;
    let lease = it.begin_from(QUEUE).await;
    request().await;
    assert!(
        it.reserve_from(QUEUE, 9).await.is_empty(),
        "while it is written"
    );
    let made = completion(&lease, "stl");
    it.jobs().complete(&lease, made).await.unwrap();
    request().await;
    assert!(
        it.reserve_from(QUEUE, 9).await.is_empty(),
        "when it is there"
    );
    it.jobs().request_format(id.item(1), "ply").await.unwrap();
    assert_eq!(
        it.reserve_from(QUEUE, 9).await.len(),
        1,
        "another is another"
    );
}

pub(crate) async fn only_a_model_can_be_converted(it: Fixture) {
    let id = it.submit("a", 1).await;
    let queued = it.jobs().request_format(id.item(1), "stl").await;
    assert!(matches!(queued, Err(StoreError::Conflict(_))));
    for item in [id.item(2), JobId::random().item(1)] {
        let unknown = it.jobs().request_format(item, "stl").await;
        assert_eq!(unknown, Err(StoreError::NotFound));
    }
}

pub(crate) async fn a_given_up_format_is_tried_anew(it: Fixture) {
    let id = it.completed().await;
    let before = it.job(id).await;
    it.jobs().request_format(id.item(1), "stl").await.unwrap();
    let lease = it.begin_from(QUEUE).await;
    it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
    let task = it.jobs().task(&lease.task).await.unwrap().unwrap();
    assert!(matches!(task.state, TaskState::Dead { .. }));
    assert_eq!(it.job(id).await, before, "the outcome stays");
    it.jobs().request_format(id.item(1), "stl").await.unwrap();
    let again = it.begin_from(QUEUE).await;
    assert_eq!(again.task, lease.task);
    let task = it.jobs().task(&again.task).await.unwrap().unwrap();
    assert_eq!(task.attempts, 0);
}

pub(crate) async fn what_becomes_of_a_format_is_told(it: Fixture) {
    let mut watch = it.jobs().watch();
    let id = it.completed().await;
    heard_the_end(&mut watch, id).await;
    let request = async || it.jobs().request_format(id.item(1), "stl").await.unwrap();

    request().await;
    let lease = it.begin_from(QUEUE).await;
    let failed = failure(Retry::Backoff);
    it.jobs().fail(&lease, failed.clone()).await.unwrap();
    assert!(watch.is_empty(), "another attempt follows");
    it.pass(LEASE);
    it.jobs().sweep().await.unwrap();
    let lease = it.begin_from(QUEUE).await;
    it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
    told_beyond(&mut watch, id).await;
    let task = it.jobs().task(&lease.task).await.unwrap().unwrap();
    assert!(
        matches!(task.state, TaskState::Dead { message, .. } if message == failed.error.message)
    );

    request().await;
    for _ in 0..5 {
        assert!(watch.is_empty(), "not poison yet");
        it.begin_from(QUEUE).await;
        it.lapse().await;
    }
    told_beyond(&mut watch, id).await;

    request().await;
    let lease = it.begin_from(QUEUE).await;
    let made = completion(&lease, "stl");
    it.jobs().complete(&lease, made).await.unwrap();
    told_beyond(&mut watch, id).await;
}

pub(crate) async fn a_late_converter_is_fenced_off(it: Fixture) {
    let id = it.completed().await;
    it.jobs().request_format(id.item(1), "stl").await.unwrap();
    let late = it.begin_from(QUEUE).await;
    it.lapse().await;
    let current = it.begin_from(QUEUE).await;
    let handed_in = it.jobs().complete(&late, completion(&late, "stl")).await;
    assert_eq!(handed_in, Err(StoreError::LeaseLost));
    let made = completion(&current, "stl");
    it.jobs().complete(&current, made).await.unwrap();
    assert_eq!(it.job(id).await.items[0].files.len(), 2);
}

use image2model::job::{JobId, Queue, transition::Retry};

use super::{Api, assert_problem, redacted};

#[tokio::test]
async fn a_job_shows_its_items_and_their_files() {
    let api = Api::new();
    let job = api.job(&["a.png", "b.png"]).await;
    let started = api.start(Queue::ModelGeneration).await;
    api.complete(&started[0].lease).await;
    api.fail(&started[1].lease, Retry::Never).await;
    let answer = api.get(&format!("/api/v1/jobs/{job}")).await;
    insta::assert_json_snapshot!(redacted(answer.json()));
}

#[tokio::test]
async fn cancel_ends_what_waits_and_changes_no_outcome() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    let cancelled = api.post(&format!("/api/v1/jobs/{job}/cancel")).await;
    assert_eq!(cancelled.status, 202);
    insta::assert_json_snapshot!(redacted(cancelled.json()));

    let done = api.job(&["a.png"]).await;
    let started = api.start(Queue::ModelGeneration).await;
    api.complete(&started[0].lease).await;
    let late = api.post(&format!("/api/v1/jobs/{done}/cancel/")).await;
    assert_eq!(
        (late.status.as_u16(), late.json()["status"].as_str()),
        (202, Some("completed"))
    );
    let unknown = format!("/api/v1/jobs/{}/cancel", JobId::random());
    assert_problem(&api.post(&unknown).await, 404);
}

#[tokio::test]
async fn pages_hold_every_job_once_newest_first() {
    let api = Api::new();
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(api.job(&["a.png"]).await.to_string());
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/jobs?limit=3".to_owned();
    loop {
        let page = api.get(&path).await.json();
        let jobs = page["jobs"].as_array().unwrap();
        assert!(jobs.len() <= 3 && jobs.iter().all(|job| job.get("items").is_none()));
        seen.extend(
            jobs.iter()
                .map(|job| job["job_id"].as_str().unwrap().to_owned()),
        );
        match page.get("next") {
            Some(next) => path = format!("/api/v1/jobs?limit=3&cursor={}", next.as_str().unwrap()),
            None => break,
        }
    }
    let (mut all, mut expected) = (seen.clone(), made.clone());
    all.sort();
    expected.sort();
    assert_eq!(all, expected);

    let item = made[4].parse::<JobId>().unwrap().item(1);
    let ids = format!("{},{},{item},{}", made[4], JobId::random(), made[0]);
    let several = api.get(&format!("/api/v1/jobs?ids={ids}")).await.json();
    assert_eq!(several["jobs"][0]["job_id"], made[4].as_str());
    assert!(several["jobs"][1].is_null());
    assert!(several["jobs"][2].is_null(), "an image's id is no job's");
    assert_eq!(several["jobs"][3]["job_id"], made[0].as_str());
    assert_eq!(several["jobs"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_wrong_page_is_named() {
    let api = Api::new();
    for (query, status) in [
        ("limit=0", 422),
        ("limit=101", 422),
        ("limit=x", 422),
        ("cursor=x", 422),
        ("cursor=1_2", 422),
        ("ids=x", 400),
    ] {
        assert_problem(&api.get(&format!("/api/v1/jobs?{query}")).await, status);
    }
}

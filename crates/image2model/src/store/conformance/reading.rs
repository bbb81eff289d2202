use std::{collections::BTreeMap, time::Duration};

use super::{Fixture, completion, failure, new_job};
use crate::{
    job::{
        About, Fact, FactKind, JobId, Owner, WorkerId,
        transition::{NewJob, Retry},
    },
    store::{Held, News, Progress, StoreError, WorkerReport},
};

/// Eight items by eight workers at once; the watcher's news are the job's facts, in order and complete.
pub(crate) async fn facts_are_numbered_without_gaps(it: Fixture) {
    let mut watch = it.jobs().watch();
    let ids = [it.submit("a", 8).await, it.submit("b", 8).await];
    let work = it.reserve(16).await.into_iter().map(|task| {
        let it = &it;
        async move {
            let lease = [task.lease];
            it.jobs().start(&lease).await.unwrap();
            let [lease] = lease;
            it.complete(&lease).await;
        }
    });
    futures::future::join_all(work).await;
    let mut news: BTreeMap<JobId, Vec<Fact>> = BTreeMap::new();
    while news.values().map(Vec::len).sum::<usize>() < 2 * 18 {
        let piece = tokio::time::timeout(Duration::from_secs(10), watch.recv()).await;
        let News::Facts { job, first, facts } = piece.expect("news in time").unwrap() else {
            continue;
        };
        let known = news.entry(job).or_default();
        assert_eq!(first as usize, known.len() + 1, "no gap, no repeat");
        known.extend_from_slice(&facts);
    }
    for id in ids {
        let facts = it.jobs().facts(id, 0).await.unwrap().unwrap();
        assert_eq!(facts.len(), 1 + 8 + 8 + 1);
        assert_eq!(news.get(&id), Some(&facts));
        assert_eq!(it.job(id).await.facts, facts);
        let rest = it.jobs().facts(id, 15).await.unwrap().unwrap();
        assert_eq!(rest, facts[15..]);
        let none = it.jobs().facts(id, 99).await.unwrap().unwrap();
        assert!(none.is_empty());
    }
    assert_eq!(it.jobs().facts(JobId::random(), 0).await, Ok(None));
}

/// Servers' clocks differ, and another one may lead from now on.
pub(crate) async fn no_fact_is_older_than_the_one_before(it: Fixture) {
    let id = it.submit("a", 1).await;
    let lease = it.reserve(1).await.remove(0).lease;
    it.clock.turn_back(Duration::from_secs(5));
    let held = it.jobs().start(std::slice::from_ref(&lease)).await;
    assert_eq!(held, Ok(vec![Held::Yes]));
    it.clock.turn_back(Duration::from_secs(5));
    it.complete(&lease).await;
    let facts = it.jobs().facts(id, 0).await.unwrap().unwrap();
    assert_eq!(facts.len(), 4);
    assert!(facts.is_sorted_by_key(|fact| fact.at), "{facts:?}");
    let job = it.job(id).await;
    assert!(job.created <= job.ended.unwrap(), "{job:?}");
}

pub(crate) async fn a_page_follows_a_page(it: Fixture) {
    let mut newest_first = Vec::new();
    for n in 0..7 {
        let mut other = new_job("a", 1);
        other.owner = Owner("other".to_owned());
        it.create(other).await;
        newest_first.insert(0, it.submit("a", 1).await);
        if n % 3 == 0 {
            it.pass(Duration::from_millis(5));
        }
    }
    let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = it.jobs().list(&Owner::open(), after, 3).await.unwrap();
        seen.extend(page.jobs.iter().map(|job| (job.created, job.id)));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((pages, seen.len()), (3, 7));
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first, ties by id");
    let mut listed: Vec<_> = seen.iter().map(|(_, id)| *id).collect();
    listed.sort_unstable();
    newest_first.sort_unstable();
    assert_eq!(listed, newest_first);
    let nobody = Owner("nobody".to_owned());
    let page = it.jobs().list(&nobody, None, 3).await.unwrap();
    assert!(page.jobs.is_empty() && page.next.is_none());
    let exact = it.jobs().list(&Owner::open(), None, 7).await.unwrap();
    assert!(exact.next.is_none(), "nothing follows a full last page");
}

pub(crate) async fn what_is_told_about_a_job_is_kept(it: Fixture) {
    let about = About {
        labels: vec!["shop".to_owned(), "größer".to_owned()],
        reference: Some("order 7".to_owned()),
        retry_of: Some(JobId::random()),
    };
    let new = NewJob {
        about: about.clone(),
        ..new_job("a", 1)
    };
    let id = it.create(new).await.id;
    let lease = it.begin().await;
    it.complete(&lease).await;
    assert_eq!(it.job(id).await.about, about);
}

pub(crate) async fn many_jobs_in_one_call(it: Fixture) {
    let (a, b) = (it.submit("a", 1).await, it.submit("a", 2).await);
    let found = it.jobs().jobs(&[b, JobId::random(), a, b]).await.unwrap();
    let ids: Vec<_> = found.iter().map(|job| job.as_ref().map(|j| j.id)).collect();
    assert_eq!(ids, [Some(b), None, Some(a), Some(b)]);
    assert_eq!(it.jobs().job(JobId::random()).await, Ok(None));
}

pub(crate) async fn progress_never_goes_back(it: Fixture) {
    let id = it.submit("a", 1).await;
    let update = async |percent, step: &str| {
        let progress = Progress {
            item: id.item(1),
            percent,
            step: step.to_owned(),
        };
        it.jobs().progress(vec![progress]).await.unwrap();
        let newest = it.jobs().newest_progress(&[id]).await.unwrap();
        newest.first().map(|p| (p.percent, p.step.clone()))
    };
    assert_eq!(update(5, "early").await, None, "not begun");
    let lease = it.begin().await;
    let mut watch = it.jobs().watch();
    let at = |percent, step: &str| Some((percent, step.to_owned()));
    assert_eq!(update(10, "decode").await, at(10, "decode"));
    assert_eq!(update(60, "shape").await, at(60, "shape"));
    assert_eq!(update(30, "decode").await, at(60, "shape"));
    assert_eq!(update(60, "shape").await, at(60, "shape"));
    let mut told = Vec::new();
    while told.len() < 2 {
        let piece = tokio::time::timeout(Duration::from_secs(10), watch.recv()).await;
        // The fact that it began may come late.
        if let News::Progress(piece) = piece.expect("news in time").unwrap() {
            told.push(piece.percent);
        }
    }
    assert_eq!(told, [10, 60]);
    let before = it.job(id).await;
    assert_eq!(before.facts.len(), 2, "progress is no fact");
    it.complete(&lease).await;
    assert_eq!(update(90, "late").await, None, "ended");
}

pub(crate) async fn a_retry_tells_how_far_the_attempt_was(it: Fixture) {
    let id = it.submit("a", 1).await;
    let update = async |percent| {
        let progress = Progress {
            item: id.item(1),
            percent,
            step: "shape".to_owned(),
        };
        it.jobs().progress(vec![progress]).await.unwrap();
        let newest = it.jobs().newest_progress(&[id]).await.unwrap();
        newest.first().map(|p| p.percent)
    };
    let reached = async || {
        let job = it.job(id).await;
        let told = job.facts.last().map(|fact| fact.kind.clone());
        assert!(
            matches!(told, Some(FactKind::Retrying { reached, .. }) if reached == job.items[0].reached),
            "{told:?}"
        );
        job.items[0].reached
    };
    let late = it.begin().await;
    assert_eq!(update(30).await, Some(30));
    it.lapse().await;
    assert_eq!(reached().await, 30, "a crash");
    assert_eq!(update(50).await, Some(30), "between two attempts");

    let lease = it.begin().await;
    assert_eq!(update(10).await, Some(30));
    assert_eq!(update(60).await, Some(60));
    let failed = it.jobs().fail(&late, failure(Retry::Backoff)).await;
    assert_eq!(failed, Err(StoreError::LeaseLost));
    assert_eq!(update(70).await, Some(70), "a late holder stops nobody");
    let retry = failure(Retry::Backoff);
    it.jobs().fail(&lease, retry).await.unwrap();
    assert_eq!(reached().await, 70, "an error");

    it.lapse().await;
    let lease = it.begin().await;
    it.jobs().hand_back(&[lease]).await.unwrap();
    assert_eq!(reached().await, 70, "nothing new was told");
    it.begin().await;
    assert_eq!(update(90).await, Some(90));
}

pub(crate) async fn silent_workers_are_forgotten(it: Fixture) {
    let report = |worker: &str| WorkerReport {
        worker: worker.to_owned(),
        role: "worker".to_owned(),
        queues: BTreeMap::new(),
        seen: 0,
    };
    let alive = async || {
        let workers = it.store().presence.workers().await.unwrap();
        workers.into_iter().map(|w| w.worker).collect::<Vec<_>>()
    };
    for worker in ["b", "a", "c"] {
        it.store().presence.report(report(worker)).await.unwrap();
    }
    assert_eq!(alive().await, ["a", "b", "c"]);
    let gone = WorkerId("b".to_owned());
    it.store().presence.forget(&gone).await.unwrap();
    it.pass(Duration::from_secs(20));
    it.store().presence.report(report("c")).await.unwrap();
    assert_eq!(alive().await, ["a", "c"]);
    it.pass(Duration::from_secs(20));
    assert_eq!(alive().await, ["c"]);
}

pub(crate) async fn a_file_is_found_by_its_name(it: Fixture) {
    let id = it.submit("a", 2).await;
    let lease = it.begin().await;
    it.complete(&lease).await;
    let file = completion(&lease, "glb").files.remove(0);
    let found = it.jobs().file(&file.name).await;
    assert_eq!(found, Ok(Some((id, file.clone()))));
    for name in ["", "x.glb", &format!("{id}-other.glb"), &"é".repeat(40)] {
        assert_eq!(it.jobs().file(name).await, Ok(None), "{name}");
    }
    let keys = [
        (id, file.key.clone()),
        (id, "jobs/other".to_owned()),
        (id, "uploads/2".to_owned()),
        (JobId::random(), file.key),
    ];
    let named = it.jobs().named(&keys).await.unwrap();
    assert_eq!(named, [true, false, true, false]);
}

pub(crate) async fn the_store_answers_a_ping(it: Fixture) {
    assert_eq!(it.jobs().ping().await, Ok(()));
    assert_eq!(it.jobs().ping().await, Ok(()));
}

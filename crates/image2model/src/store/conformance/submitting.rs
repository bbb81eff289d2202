use super::{Fixture, new_job};
use crate::{
    job::{FactKind, ItemStatus, JobId, JobStatus, Owner},
    store::{Created, StoreError},
};

pub(crate) async fn a_job_begins_queued_with_all_its_items(it: Fixture) {
    let new = new_job("a", 3);
    let made = it.create(new.clone()).await;
    let job = it.job(new.id).await;
    assert_eq!(job, made);
    assert_eq!(job.status(), JobStatus::Queued);
    let names: Vec<_> = job.items.iter().map(|i| (i.number, &*i.filename)).collect();
    assert_eq!(names, [(1, "1.png"), (2, "2.png"), (3, "3.png")]);
    assert!(job.items.iter().all(|i| i.status == ItemStatus::Queued));
    assert_eq!(job.facts.len(), 1);
    assert_eq!(job.facts[0].kind, FactKind::Queued);
    assert_eq!((job.options, job.formats), (new.options, new.formats));
    assert_eq!(it.reserve(9).await.len(), 3);
}

pub(crate) async fn a_repeat_under_one_key_finds_the_job(it: Fixture) {
    let mut new = new_job("a", 2);
    new.id = JobId::derived("open", "key");
    new.fingerprint = Some("1".to_owned());
    let job = it.create(new.clone()).await;
    let repeat = it.jobs().create_job(new.clone()).await;
    assert_eq!(repeat, Ok(Created::Existing(job.clone())));
    let look = async |id, owner: &Owner, print| it.jobs().repeated(id, owner, print).await;
    let (id, owner) = (new.id, new.owner.clone());
    assert_eq!(look(id, &owner, "1").await, Ok(Some(job)));
    assert_eq!(look(id, &owner, "2").await, Err(StoreError::KeyReused));
    assert_eq!(look(JobId::random(), &owner, "1").await, Ok(None));
    let mut other = new.clone();
    other.fingerprint = Some("2".to_owned());
    assert_eq!(
        it.jobs().create_job(other).await,
        Err(StoreError::KeyReused)
    );
    let mut stranger = new;
    stranger.owner = Owner("stranger".to_owned());
    assert_eq!(
        it.jobs().create_job(stranger).await,
        Err(StoreError::KeyReused)
    );
    let stranger = look(id, &Owner("stranger".to_owned()), "1").await;
    assert_eq!(stranger, Err(StoreError::KeyReused));
    assert_eq!(it.reserve(9).await.len(), 2, "enqueued once");
}

pub(crate) async fn fifty_at_once_make_one_job(it: Fixture) {
    let new = new_job("a", 1);
    let calls = (0..50).map(|_| it.jobs().create_job(new.clone()));
    let answers = futures::future::join_all(calls).await;
    let made = answers.iter().filter(|a| matches!(a, Ok(Created::New(_))));
    assert_eq!(made.count(), 1);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(it.reserve(9).await.len(), 1);
}

pub(crate) async fn a_job_has_one_to_25_items(it: Fixture) {
    for items in [0, 26] {
        let refused = it.jobs().create_job(new_job("a", items)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{items}");
    }
    it.submit("a", 25).await;
    assert_eq!(it.reserve(99).await.len(), 25);
}

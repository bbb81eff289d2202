use super::{Fixture, completion, failure, new_job};
use crate::job::{Holding, Owner, Queue, transition::Retry};

fn somebody() -> Owner {
    Owner("somebody".to_owned())
}

impl Fixture {
    async fn holds(&self, owner: &Owner) -> (u64, u64) {
        let holding = self.store().limits.holding(owner).await.unwrap();
        (holding.images, holding.bytes)
    }
}

pub(crate) async fn what_an_owner_has_follows_his_jobs(it: Fixture) {
    let mut new = new_job("a", 3);
    new.owner = somebody();
    assert_eq!(it.holds(&new.owner).await, (0, 0));
    it.create(new.clone()).await;
    assert_eq!(it.holds(&new.owner).await, (3, 300));
    let lease = it.begin().await;
    assert_eq!(it.holds(&new.owner).await, (3, 300), "it has not ended");
    let made = completion(&lease, "glb");
    let made_bytes: u64 = made.files.iter().map(|file| file.size).sum();
    it.jobs().complete(&lease, made).await.unwrap();
    assert_eq!(it.holds(&new.owner).await, (2, 300 + made_bytes));
    let lease = it.begin().await;
    it.jobs().fail(&lease, failure(Retry::Never)).await.unwrap();
    assert_eq!(it.holds(&new.owner).await, (1, 300 + made_bytes));
    it.jobs().cancel(new.id).await.unwrap();
    assert_eq!(it.holds(&new.owner).await, (0, 300 + made_bytes));
    it.jobs().request_removal(new.id).await.unwrap();
    let lease = it.begin_from(Queue::Maintenance).await;
    it.jobs().removed(&lease).await.unwrap();
    assert_eq!(it.holds(&new.owner).await, (0, 0));
}

pub(crate) async fn owners_are_counted_apart_and_all_their_jobs_together(it: Fixture) {
    for _ in 0..20 {
        let mut new = new_job("a", 2);
        new.owner = somebody();
        it.create(new).await;
    }
    it.submit("a", 5).await;
    assert_eq!(it.holds(&somebody()).await, (40, 4000));
    let nobody = it.store().limits.holding(&Owner::open()).await;
    assert_eq!(nobody, Ok(Holding::default()), "nothing is kept of it");
}

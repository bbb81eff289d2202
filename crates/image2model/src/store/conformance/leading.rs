use std::time::Duration;

use super::Fixture;
use crate::job::WorkerId;

const ROLE: &str = "scheduler";
const TERM: Duration = Duration::from_secs(5);
const PAST_TERM: Duration = Duration::from_secs(6);

impl Fixture {
    async fn lead(&self, holder: &str) -> bool {
        let holder = WorkerId(holder.to_owned());
        let presence = &self.store().presence;
        presence.lead(ROLE, &holder, TERM).await.unwrap()
    }

    async fn resign(&self, holder: &str) {
        let holder = WorkerId(holder.to_owned());
        let presence = &self.store().presence;
        presence.resign(ROLE, &holder).await.unwrap();
    }

    async fn leader(&self) -> Option<String> {
        let leader = self.store().presence.leader(ROLE).await.unwrap();
        leader.map(|leader| leader.0)
    }
}

pub(crate) async fn one_leads_while_it_renews(it: Fixture) {
    assert_eq!(it.leader().await, None);
    for _ in 0..5 {
        assert!(it.lead("a").await);
        it.pass(Duration::from_secs(4));
        assert!(!it.lead("b").await);
        assert_eq!(it.leader().await.as_deref(), Some("a"));
    }
}

pub(crate) async fn a_lapsed_lead_is_another_s(it: Fixture) {
    assert!(it.lead("a").await);
    it.pass(PAST_TERM);
    assert_eq!(it.leader().await, None);
    assert!(it.lead("b").await);
    assert!(!it.lead("a").await, "it came too late");
    it.resign("a").await;
    assert_eq!(it.leader().await.as_deref(), Some("b"));
    it.pass(PAST_TERM);
    assert!(it.lead("a").await, "its turn again");
}

pub(crate) async fn who_resigns_is_followed_at_once(it: Fixture) {
    it.resign("a").await;
    assert!(it.lead("a").await);
    it.resign("b").await;
    assert!(!it.lead("b").await, "only the leader resigns");
    it.resign("a").await;
    assert_eq!(it.leader().await, None);
    assert!(it.lead("b").await);
}

pub(crate) async fn each_role_has_its_own_leader(it: Fixture) {
    assert!(it.lead("a").await);
    let other = WorkerId("b".to_owned());
    let presence = &it.store().presence;
    assert_eq!(presence.leader("other").await, Ok(None));
    assert_eq!(presence.lead("other", &other, TERM).await, Ok(true));
    assert_eq!(it.leader().await.as_deref(), Some("a"));
}

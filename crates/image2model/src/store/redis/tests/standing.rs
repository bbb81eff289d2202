//! What a store tells its operator of its servers.

use super::{
    super::{Settings, open},
    opened,
    real::{RealServer, SentinelFleet},
};
use crate::{
    job::RetryPolicy,
    store::{Condition, Store},
};

async fn condition(store: &Store) -> Condition {
    store.jobs.condition().await.unwrap()
}

#[tokio::test]
async fn it_tells_what_it_keeps() {
    for (options, kept) in [
        (
            &["--appendonly", "yes", "--appendfsync", "always"][..],
            "appendonly yes, appendfsync always, 0 replicas",
        ),
        (
            &["--appendonly", "yes", "--appendfsync", "everysec"],
            "appendonly yes, appendfsync everysec, 0 replicas",
        ),
        (
            &[],
            "appendonly no: what came after its last snapshot ends with it, 0 replicas",
        ),
    ] {
        let server = RealServer::start(options);
        let condition = condition(&opened(&server, 4).await).await;
        assert!(condition.promise.ends_with(kept), "{condition:?}");
        assert_eq!(condition.complaints, Vec::<String>::new());
    }
}

#[tokio::test]
async fn one_that_drops_jobs_is_complained_of() {
    let server = RealServer::start(&["--maxmemory-policy", "allkeys-lru"]);
    let complaints = condition(&opened(&server, 4).await).await.complaints;
    let [told] = &complaints[..] else {
        panic!("{complaints:?}");
    };
    let why = "drops jobs when its memory is full: its maxmemory-policy is allkeys-lru and must be noeviction";
    assert!(told.ends_with(why), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_how_many_replicas_confirm() {
    let fleet = SentinelFleet::start(&["m1", "m2"], 1, 1);
    let settings = Settings {
        replica_acks: 1,
        ..Settings::new(&fleet.url(), RetryPolicy::default())
    };
    let promise = condition(&open(settings).await.unwrap()).await.promise;
    assert_eq!(promise.matches(", 1 replicas").count(), 2, "{promise}");
    let end = "what a client or worker is told of has been confirmed by replicas (1)";
    assert!(promise.ends_with(end), "{promise}");
}

//! A server that refuses keeps nobody from what the others give.

use super::{create, opened_at, real::SentinelFleet, reserve};

#[tokio::test(flavor = "multi_thread")]
async fn what_some_shards_hand_out_is_kept_when_another_refuses() {
    let fleet = SentinelFleet::start(&["m1", "m2"], 0, 1);
    let store = opened_at(&fleet.url()).await;
    for _ in 0..24 {
        create(&store, 1).await;
    }
    let second = fleet.primary("m2");
    fleet.ask::<()>(second, &["ACL", "SETUSER", "default", "-evalsha"]);
    let given = reserve(&store, 24).await;
    assert!((1..24).contains(&given.len()), "{} of 24", given.len());
    fleet.ask::<()>(second, &["ACL", "SETUSER", "default", "+evalsha"]);
    let rest = reserve(&store, 24).await;
    assert_eq!(given.len() + rest.len(), 24);
    assert!(rest.iter().all(|lease| !given.contains(lease)));
}

//! The whole suite over several servers: masters under sentinels, and a cluster.
//!
//! A fleet takes seconds to start, so the cases come one after the other, each on emptied servers.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{
    super::{Settings, Time, open},
    conformance::{Fixture, ManualClock, every_case, every_case_without_order},
    real::{ClusterFleet, SentinelFleet},
};
use crate::job::RetryPolicy;

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_holds_under_sentinels() {
    let fleet = SentinelFleet::start(&["mymaster"], 2, 3);
    let url = fleet.url();
    let empty = || fleet.ask::<()>(fleet.primary("mymaster"), &["FLUSHALL"]);
    every_case! { one_by_one fixture(&url, 1, empty) }
    every_case_without_order! { one_by_one fixture(&url, 16, empty) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_holds_on_three_masters_under_sentinels() {
    let names = ["m1", "m2", "m3"];
    let fleet = SentinelFleet::start(&names, 1, 3);
    let url = fleet.url();
    let empty = || {
        for name in names {
            fleet.ask::<()>(fleet.primary(name), &["FLUSHALL"]);
        }
    };
    every_case_without_order! { one_by_one fixture(&url, 16, empty) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_holds_on_a_cluster() {
    let fleet = ClusterFleet::start(3, 3);
    let url = fleet.url();
    let empty = || {
        for primary in fleet.primaries() {
            fleet.ask::<()>(primary.port, &["FLUSHALL"]);
        }
    };
    every_case! { one_by_one fixture(&url, 1, empty) }
    every_case_without_order! { one_by_one fixture(&url, 16, empty) }
}

/// Boxed: the stack of a whole run would have to hold one for each case.
fn fixture(url: &str, shards: u16, empty: impl Fn()) -> BoxFuture<'static, Fixture> {
    empty();
    let clock = Arc::new(ManualClock::default());
    let settings = Settings {
        time: Time::Given(clock.clone()),
        shards,
        limit: Duration::from_secs(5),
        ..Settings::new(url, RetryPolicy::default())
    };
    Box::pin(async {
        Fixture {
            open: Some(open(settings).await.unwrap()),
            clock,
            reopen: None,
            _kept: Arc::new(()),
        }
    })
}

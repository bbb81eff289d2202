use std::time::Duration;

use futures::future::join_all;

use super::Fixture;
use crate::access::rate::{Admission, Window};

impl Fixture {
    async fn admit(&self, name: &str, windows: &[Window]) -> Admission {
        self.store().limits.admit(name, windows, 1).await.unwrap()
    }
}

pub(crate) async fn a_full_window_lets_one_through_at_a_time(it: Fixture) {
    let windows = [Window::per_minute(3)];
    for left in [2, 1, 0] {
        let admission = it.admit("a", &windows).await;
        assert!(admission.admitted);
        assert_eq!(admission.standings[0].remaining, left);
    }
    let refused = it.admit("a", &windows).await;
    assert!(!refused.admitted);
    assert_eq!(refused.next_in(), Duration::from_secs(20));
    assert_eq!(refused.standings[0].whole_in, Duration::from_secs(60));
    it.pass(Duration::from_secs(19));
    assert!(!it.admit("a", &windows).await.admitted);
    it.pass(Duration::from_secs(1));
    assert!(it.admit("a", &windows).await.admitted);
    assert!(!it.admit("a", &windows).await.admitted);
    it.pass(Duration::from_secs(3600));
    assert_eq!(it.admit("a", &windows).await.standings[0].remaining, 2);
}

pub(crate) async fn all_windows_or_none(it: Fixture) {
    let windows = [Window::per_minute(2), Window::per_hour(10)];
    for _ in 0..5 {
        it.admit("a", &windows).await;
    }
    let refused = it.admit("a", &windows).await;
    assert!(!refused.admitted);
    assert_eq!(
        refused.standings[1].remaining, 8,
        "the refused count nowhere"
    );
    assert_eq!(refused.tightest().unwrap().window, windows[0]);
}

pub(crate) async fn names_are_counted_apart(it: Fixture) {
    let windows = [Window::per_minute(1)];
    assert!(it.admit("a", &windows).await.admitted);
    assert!(it.admit("b", &windows).await.admitted);
    assert!(!it.admit("a", &windows).await.admitted);
}

pub(crate) async fn many_at_once_are_counted_exactly(it: Fixture) {
    let windows = [Window::per_minute(60)];
    let all = join_all((0..180).map(|_| it.admit("a", &windows))).await;
    let admitted = all.iter().filter(|admission| admission.admitted).count();
    assert_eq!(admitted, 60);
}

pub(crate) async fn several_go_through_together_or_not_at_all(it: Fixture) {
    let windows = [Window::per_day(10)];
    let admit = async |count| {
        let admitted = it.store().limits.admit("a", &windows, count).await;
        let admission = admitted.unwrap();
        (admission.admitted, admission.standings[0].remaining)
    };
    assert_eq!(admit(7).await, (true, 3));
    assert_eq!(admit(4).await, (false, 3));
    assert_eq!(admit(0).await, (true, 3), "reading counts nothing");
    assert_eq!(admit(3).await, (true, 0));
}

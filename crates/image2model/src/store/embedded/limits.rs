//! Rates, in the memory of the one process that has the store.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{Embedded, live::locked};
use crate::{
    access::rate::{self, Admission, Window},
    store::{Limits, StoreError},
};

/// Names kept before those that are whole again are forgotten.
const MANY: usize = 1_000;

/// By name, when each window is whole again, in microseconds since the epoch.
#[derive(Default)]
pub(super) struct Rates {
    whole: HashMap<String, Vec<i64>>,
    /// How many names there may be until they are looked through: twice what was left the last time.
    room: usize,
}

impl Rates {
    fn of(&mut self, name: &str, windows: usize, now: i64) -> &mut Vec<i64> {
        if self.whole.len() >= self.room.max(MANY) {
            self.whole
                .retain(|_, whole| whole.iter().any(|at| *at > now));
            self.room = self.whole.len() * 2;
        }
        let whole = self.whole.entry(name.to_owned()).or_default();
        whole.resize(windows, 0);
        whole
    }
}

#[async_trait]
impl Limits for Embedded {
    async fn admit(&self, name: &str, windows: &[Window]) -> Result<Admission, StoreError> {
        let now = self.clock.now().0.saturating_mul(1000);
        let mut rates = locked(&self.rates);
        let whole = rates.of(name, windows.len(), now);
        let admitted = rate::admit(windows, whole, now);
        Ok(Admission::read(windows, admitted, whole, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_whole_again_are_forgotten() {
        let mut rates = Rates::default();
        let windows = [Window::per_minute(1)];
        for n in 0..100_000 {
            let now = n * 1_000_000;
            let whole = rates.of(&n.to_string(), 1, now);
            assert!(rate::admit(&windows, whole, now));
        }
        assert!(rates.whole.len() <= MANY, "{}", rates.whole.len());
    }
}

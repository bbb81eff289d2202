//! Rates by name, in the memory of one process.

use std::collections::HashMap;

use super::rate::{self, Admission, Window};

/// Names kept before those that are whole again are forgotten.
const MANY: usize = 1_000;

/// By name, when each window is whole again, in microseconds since the epoch.
#[derive(Debug, Default)]
pub struct Tally {
    whole: HashMap<String, Vec<i64>>,
    /// How many names there may be until they are looked through: twice what was left the last time.
    room: usize,
}

impl Tally {
    /// Lets `count` more through under this name if all windows do; `now` is in microseconds since the epoch.
    pub fn admit(&mut self, name: &str, windows: &[Window], count: u32, now: i64) -> Admission {
        let whole = self.of(name, windows.len(), now);
        let admitted = rate::admit(windows, whole, count, now);
        Admission::read(windows, admitted, whole, now)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_whole_again_are_forgotten() {
        let mut tally = Tally::default();
        let windows = [Window::per_minute(1)];
        for n in 0..100_000 {
            let admission = tally.admit(&n.to_string(), &windows, 1, n * 1_000_000);
            assert!(admission.admitted);
        }
        assert!(tally.whole.len() <= MANY, "{}", tally.whole.len());
    }
}

//! Rates by the generic cell rate algorithm (ITU-T I.371): a window of `limit` in `period` lets `limit` through at once
//! and then one each `period / limit`. One number is kept per window: the time at which it will be whole again.

use std::time::Duration;

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub limit: u32,
    pub period: Duration,
}

/// How one window stands after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub window: Window,
    /// How many more would be let through now.
    pub remaining: u32,
    /// Until all of `limit` would be.
    pub whole_in: Duration,
    /// Until the next would be let through; nothing when it is now.
    pub next_in: Duration,
}

/// Whether something is let through, and how every window stands after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    pub admitted: bool,
    pub standings: Vec<Standing>,
}

impl Admission {
    /// Until the next is let through by all windows.
    #[must_use]
    pub fn next_in(&self) -> Duration {
        let all = self.standings.iter().map(|standing| standing.next_in);
        all.max().unwrap_or_default()
    }

    /// The window that lets the least through.
    #[must_use]
    pub fn tightest(&self) -> Option<&Standing> {
        self.standings
            .iter()
            .min_by_key(|standing| (standing.remaining, std::cmp::Reverse(standing.next_in)))
    }

    /// Of times in microseconds since any epoch: whether one was let through, and when each window is whole again.
    #[must_use]
    pub fn read(windows: &[Window], admitted: bool, whole: &[i64], now: i64) -> Self {
        let standings = windows
            .iter()
            .zip(whole)
            .map(|(window, whole)| window.standing(*whole, now))
            .collect();
        Self {
            admitted,
            standings,
        }
    }
}

impl Window {
    #[must_use]
    pub fn per_minute(limit: u32) -> Self {
        Self {
            limit,
            period: Duration::from_secs(60),
        }
    }

    #[must_use]
    pub fn per_hour(limit: u32) -> Self {
        Self {
            limit,
            period: Duration::from_secs(3600),
        }
    }

    #[must_use]
    pub fn per_day(limit: u32) -> Self {
        Self {
            limit,
            period: Duration::from_secs(86_400),
        }
    }

    /// Microseconds.
    #[must_use]
    pub fn period_us(self) -> i64 {
        i64::try_from(self.period.as_micros()).unwrap_or(i64::MAX / 4)
    }

    /// Microseconds that one takes of the period: at least one, so that no more than one a microsecond are let through,
    /// whatever the limit is.
    #[must_use]
    pub fn each_us(self) -> i64 {
        (self.period_us() / i64::from(self.limit.max(1))).max(1)
    }

    /// Until `count` more would be let through, of a window that is whole again after `whole_in`. More than the limit never
    /// are: whoever asks has refused those.
    #[must_use]
    pub fn fits_in(self, count: u32, whole_in: Duration) -> Duration {
        let room = self.each_us() * i64::from(self.limit.saturating_sub(count));
        whole_in.saturating_sub(micros(room))
    }

    fn standing(self, whole: i64, now: i64) -> Standing {
        let each = self.each_us();
        // What is kept may be damaged, and is any number then.
        let used = whole.saturating_sub(now).max(0);
        let room = each * i64::from(self.limit);
        let free = (room - used).max(0);
        Standing {
            window: self,
            remaining: u32::try_from(free / each).unwrap_or(u32::MAX),
            whole_in: micros(used),
            next_in: micros(used.saturating_add(each - room)),
        }
    }
}

/// Lets `count` through if every window does, and counts them in all windows or in none; no count at all only reads.
/// `whole` are the times at which each window is whole again, which change with it.
#[must_use]
pub fn admit(windows: &[Window], whole: &mut [i64], count: u32, now: i64) -> bool {
    let next = |window: &Window, whole: i64| {
        let taken = window.each_us().saturating_mul(i64::from(count));
        whole.max(now).saturating_add(taken)
    };
    let fits = |(window, whole): (&Window, &mut i64)| {
        next(window, *whole).saturating_sub(now) <= window.each_us() * i64::from(window.limit)
    };
    let admitted = windows.iter().zip(&mut *whole).all(fits);
    if admitted {
        for (window, whole) in windows.iter().zip(whole) {
            *whole = next(window, *whole);
        }
    }
    admitted
}

fn micros(time: i64) -> Duration {
    Duration::from_micros(u64::try_from(time).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_window_lets_its_limit_through_and_then_one_at_a_time() {
        let windows = [Window::per_minute(60)];
        let mut whole = [0];
        let at = 1_000 * SECOND;
        let through = (0..180)
            .filter(|_| admit(&windows, &mut whole, 1, at))
            .count();
        assert_eq!(through, 60);
        let full = Admission::read(&windows, false, &whole, at);
        assert_eq!(full.next_in(), Duration::from_secs(1));
        assert_eq!(full.standings[0].remaining, 0);
        assert_eq!(full.standings[0].whole_in, Duration::from_secs(60));
        assert!(!admit(&windows, &mut whole, 1, at + SECOND - 1));
        assert!(admit(&windows, &mut whole, 1, at + SECOND));
        assert!(!admit(&windows, &mut whole, 1, at + SECOND));
    }

    #[test]
    fn what_one_window_refuses_counts_in_none() {
        let windows = [Window::per_minute(2), Window::per_hour(100)];
        let mut whole = [0, 0];
        for _ in 0..50 {
            let _ = admit(&windows, &mut whole, 1, SECOND);
        }
        let read = Admission::read(&windows, false, &whole, SECOND);
        assert_eq!(read.standings[1].remaining, 98);
        assert_eq!(read.tightest().unwrap().window, windows[0]);
    }

    #[test]
    fn several_go_through_together_or_not_at_all() {
        let windows = [Window::per_minute(10)];
        let mut whole = [0];
        assert!(admit(&windows, &mut whole, 7, SECOND));
        assert!(!admit(&windows, &mut whole, 4, SECOND));
        let read = Admission::read(&windows, false, &whole, SECOND);
        assert_eq!(read.standings[0].remaining, 3);
        let wait = windows[0].fits_in(4, read.standings[0].whole_in);
        assert_eq!(wait, Duration::from_secs(6));
        assert!(admit(&windows, &mut whole, 0, SECOND));
        assert_eq!(
            Admission::read(&windows, true, &whole, SECOND).standings,
            read.standings
        );
        assert!(admit(&windows, &mut whole, 4, 7 * SECOND));
    }

    #[test]
    fn a_limit_of_more_than_one_a_microsecond_lets_one_a_microsecond_through() {
        let most = Window::per_minute(u32::MAX);
        let none = Window {
            limit: 1,
            period: Duration::ZERO,
        };
        for window in [most, none] {
            assert_eq!(window.each_us(), 1);
            let mut whole = [0];
            assert!(admit(&[window], &mut whole, window.limit, SECOND));
            assert!(!admit(&[window], &mut whole, 1, SECOND));
            assert!(admit(&[window], &mut whole, 1, SECOND + 1));
            let full = Admission::read(&[window], true, &whole, SECOND + 1);
            assert_eq!(full.standings[0].remaining, 0);
            assert_eq!(full.next_in(), Duration::from_micros(1));
        }
    }

    #[test]
    fn damaged_times_are_long_waits() {
        let window = Window::per_minute(60);
        for now in [i64::MIN, 0, i64::MAX] {
            for whole in [i64::MIN, 0, i64::MAX] {
                let _ = admit(&[window], &mut [whole], 60, now);
                let read = Admission::read(&[window], false, &[whole], now);
                let is_whole = whole <= now;
                assert_eq!(
                    read.standings[0].whole_in.is_zero(),
                    is_whole,
                    "{whole} at {now}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_and_what_flows_back(
            limit in 1_u32..50,
            steps in prop::collection::vec(0_i64..3 * SECOND, 1..300),
        ) {
            let windows = [Window::per_minute(limit)];
            let (mut whole, mut now, mut through) = ([0], 1_000 * SECOND, 0);
            let began = now;
            for step in steps {
                now += step;
                through += i64::from(admit(&windows, &mut whole, 1, now));
                let most = i64::from(limit) + (now - began) / windows[0].each_us() + 1;
                prop_assert!(through <= most, "{through} of {most}");
            }
        }
    }
}

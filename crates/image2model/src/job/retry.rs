use std::time::Duration;

use super::transition::Retry;

/// How often and when a failed attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Errors after which an item has failed.
    pub max_attempts: u32,
    /// Crashes after which a task is poison.
    pub max_crashes: u32,
    /// Wait before the second attempt; doubles from there.
    pub base: Duration,
    /// Longest wait.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            max_crashes: 5,
            base: Duration::from_secs(2),
            cap: Duration::from_secs(300),
        }
    }
}

impl RetryPolicy {
    /// The wait after the `failed`th error: the doubled base up to the cap, of which the later half is
    /// random so that tasks which failed together do not come back together. `random` lies in 0..1.
    #[must_use]
    pub fn backoff(&self, failed: u32, random: f64) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        let longest = self.base.saturating_mul(1 << doublings).min(self.cap);
        longest.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }

    /// The wait before the next attempt after the `failed`th error, or `None` when there is none.
    #[must_use]
    pub fn wait(&self, failed: u32, retry: Retry, random: f64) -> Option<Duration> {
        if failed >= self.max_attempts {
            return None;
        }
        match retry {
            Retry::Never => None,
            Retry::Backoff => Some(self.backoff(failed, random)),
            Retry::After(least) => Some(self.backoff(failed, random).max(least)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_its_later_half_is_random() {
        let policy = RetryPolicy::default();
        let cases = [
            (1, 0.0, 1_000),
            (1, 1.0, 2_000),
            (2, 1.0, 4_000),
            (3, 0.5, 6_000),
            (9, 1.0, 300_000),
            (u32::MAX, 0.0, 150_000),
        ];
        for (failed, random, millis) in cases {
            assert_eq!(
                policy.backoff(failed, random),
                Duration::from_millis(millis),
                "after {failed} errors with {random}"
            );
        }
    }

    #[test]
    fn an_answer_may_lengthen_the_wait_or_end_the_attempts() {
        let policy = RetryPolicy::default();
        let minute = Duration::from_secs(60);
        assert_eq!(policy.wait(1, Retry::After(minute), 0.3), Some(minute));
        assert_eq!(
            policy.wait(1, Retry::After(Duration::ZERO), 1.0),
            Some(Duration::from_secs(2))
        );
        assert_eq!(policy.wait(1, Retry::Never, 0.3), None);
        assert_eq!(policy.wait(3, Retry::After(minute), 0.3), None);
    }
}

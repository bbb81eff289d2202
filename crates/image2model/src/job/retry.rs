use std::time::Duration;

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

//! Room on the data directory's file system: one reading for retention, admission, health and metrics.

use std::{io, path::Path, sync::Arc};

/// Room that is always left free, unless 5 % of the file system is less.
const RESERVE: u64 = 5_000_000_000;

/// A file system's size and what is free of it for us, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    pub free: u64,
}

/// How the room on the data directory's file system is read: [`Space::of`] outside tests.
pub type ReadSpace = Arc<dyn Fn(&Path) -> io::Result<Space> + Send + Sync>;

impl Space {
    /// Reads the file system that holds `path`.
    ///
    /// # Errors
    /// The path is not there, or its file system does not answer.
    pub fn of(path: &Path) -> io::Result<Self> {
        let read = rustix::fs::statvfs(path)?;
        Ok(Self {
            total: read.f_blocks.saturating_mul(read.f_frsize),
            free: read.f_bavail.saturating_mul(read.f_frsize),
        })
    }

    /// Whether under 5 GB or 5 % is free, whichever is less: old results must go, or uploads are refused.
    #[must_use]
    pub fn is_low(self) -> bool {
        self.free < RESERVE.min(self.total / 20)
    }

    /// Whether a quarter of that is left: nothing may come in any more, whatever is about to go.
    #[must_use]
    pub fn is_nearly_full(self) -> bool {
        self.free < RESERVE.min(self.total / 20) / 4
    }

    /// Share in use, 0 to 100.
    #[must_use]
    pub fn used_percent(self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        100.0 - self.free as f64 * 100.0 / self.total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_is_under_the_lesser_of_5_gb_and_5_percent() {
        const GB: u64 = 1_000_000_000;
        for (total, free, low) in [
            (1000 * GB, 5 * GB, false),
            (1000 * GB, 5 * GB - 1, true),
            (40 * GB, 2 * GB, false),
            (40 * GB, 2 * GB - 1, true),
            (0, 0, false),
        ] {
            assert_eq!(Space { total, free }.is_low(), low, "{free} of {total}");
        }
        let [low, full] = [GB / 2, GB / 2 - 1].map(|free| Space {
            total: 40 * GB,
            free,
        });
        assert!(!low.is_nearly_full() && full.is_nearly_full());
    }

    #[test]
    fn a_real_file_system_has_room() {
        let space = Space::of(Path::new("/")).unwrap();
        assert!(space.total > space.free && space.free > 0);
        assert!((0.0..=100.0).contains(&space.used_percent()));
        assert!(Space::of(Path::new("/no/such/folder")).is_err());
    }
}

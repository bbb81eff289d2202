//! The machine's load, as the health report and the metrics show it.

use std::sync::{Arc, Mutex, PoisonError};

use sysinfo::{MemoryRefreshKind, System};

/// Reads CPU and memory; a CPU figure covers the time since the reading before.
#[derive(Clone, Default)]
pub struct Host(Arc<Mutex<Option<System>>>);

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    pub cpu_percent: f64,
    pub memory_percent: f64,
    pub memory_available: u64,
    pub memory_total: u64,
    pub cores: usize,
    /// Over 1, 5 and 15 minutes.
    pub average: [f64; 3],
}

impl Host {
    /// Reads now; `None` where the system does not tell.
    #[must_use]
    pub fn load(&self) -> Option<Load> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = System::new().ok();
        }
        let system = slot.as_mut()?;
        system.refresh_cpu_usage();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let total = system.total_memory();
        let available = system.available_memory();
        let average = System::load_average().ok()?;
        Some(Load {
            cpu_percent: f64::from(system.global_cpu_usage()),
            memory_percent: if total == 0 {
                0.0
            } else {
                100.0 - available as f64 * 100.0 / total as f64
            },
            memory_available: available,
            memory_total: total,
            cores: system.cpus().len(),
            average: [average.one, average.five, average.fifteen],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_within_bounds() {
        let load = Host::default().load().unwrap();
        assert!(load.memory_total >= load.memory_available && load.cores > 0);
        assert!((0.0..=100.0).contains(&load.memory_percent));
    }
}

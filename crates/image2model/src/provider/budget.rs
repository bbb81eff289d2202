//! A byte budget that work waits for.

use std::sync::Arc;

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for; rounding up by less than this is all that is lost.
const GRAIN: u64 = 64 * 1024;

/// Memory that work may hold at once. Work waits in the order it came, so large work is not overtaken for ever.
#[derive(Debug, Clone)]
pub struct Budget {
    total: u64,
    free: Arc<Semaphore>,
}

/// A share of the budget, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    _permit: OwnedSemaphorePermit,
}

/// Work that would never fit, however long it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it needs about {} MB of memory, over the budget of {} MB (worker.memory)",
    megabytes(*needed),
    megabytes(*budget)
)]
pub struct OverBudget {
    pub needed: u64,
    pub budget: u64,
}

impl Budget {
    /// A budget of `total` bytes.
    #[must_use]
    pub fn new(total: u64) -> Self {
        let permits = usize::try_from(total / GRAIN).unwrap_or(usize::MAX);
        Self {
            total,
            free: Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// The whole budget in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Waits until `needed` bytes are free and takes them.
    ///
    /// # Errors
    /// At once when `needed` is over the whole budget.
    pub async fn take(&self, needed: u64) -> Result<Share, OverBudget> {
        let refused = OverBudget {
            needed,
            budget: self.total,
        };
        if needed > self.total {
            return Err(refused);
        }
        // Rounding up must not push work that fits just so over the edge.
        let grains = needed.div_ceil(GRAIN).min((self.total / GRAIN).max(1));
        let grains = u32::try_from(grains).map_err(|_| refused)?;
        // Nobody closes the semaphore, so this fails never; a refusal is the harmless answer.
        let permit = self.free.clone().acquire_many_owned(grains).await;
        Ok(Share {
            _permit: permit.map_err(|_| refused)?,
        })
    }
}

/// Memory that this process may use at all: the machine's, or what the process's cgroup allows when that is less.
#[must_use]
pub fn memory_limit() -> u64 {
    let Ok(mut system) = System::new() else {
        return FALLBACK;
    };
    system.refresh_memory();
    let machine = match system.total_memory() {
        0 => FALLBACK,
        total => total,
    };
    let own = sysinfo::get_current_pid().ok();
    if let Some(pid) = own {
        let this = ProcessesToUpdate::Some(std::slice::from_ref(&pid));
        system.refresh_processes_specifics(this, false, ProcessRefreshKind::nothing());
    }
    let cgroup = own
        .and_then(|pid| system.process(pid)?.cgroup_limits())
        .or_else(|| system.cgroup_limits())
        .map_or(machine, |limits| limits.total_memory);
    if cgroup == 0 {
        machine
    } else {
        machine.min(cgroup)
    }
}

/// Where the system does not tell its memory: little enough for any machine that runs this.
const FALLBACK: u64 = 1 << 30;

/// Rounded up, so that a figure over the limit never reads as equal to it.
fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};
    use std::{pin::pin, task::Poll};

    use super::*;

    #[tokio::test]
    async fn work_waits_until_its_share_is_free_and_in_order() {
        let budget = Budget::new(100 * GRAIN);
        let first = budget.take(60 * GRAIN).await.unwrap();
        let mut large = pin!(budget.take(50 * GRAIN));
        assert!(matches!(poll!(&mut large), Poll::Pending));
        let mut small = pin!(budget.take(GRAIN));
        assert!(
            matches!(poll!(&mut small), Poll::Pending),
            "it would overtake"
        );
        drop(first);
        let _large = large.await.unwrap();
        let _small = small.await.unwrap();
    }

    #[tokio::test]
    async fn work_over_the_whole_budget_is_refused_at_once_with_both_figures() {
        let budget = Budget::new(50_000_000);
        let _all = budget.take(50_000_000).await.unwrap();
        let refused = budget.take(50_000_001).now_or_never().unwrap().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it needs about 51 MB of memory, over the budget of 50 MB (worker.memory)"
        );
    }

    #[test]
    fn the_machine_tells_its_memory() {
        assert!(memory_limit() > 64 << 20);
    }
}

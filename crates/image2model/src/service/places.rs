//! Places of which a process has so many, and one caller a share: a quarter of all, or [`LEAST_SHARE`], but no more than
//! half. Who is held to no rate may have all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::job::Flow;

use super::Caller;

/// What each may have of a good many places: of uploads a browser's with the most files, one each. Of few, half.
const LEAST_SHARE: usize = 25;

/// All of a kind.
#[derive(Clone)]
pub(super) struct Places {
    all: usize,
    free: Arc<Semaphore>,
    held: Held,
}

/// How many each caller holds.
type Held = Arc<Mutex<HashMap<Flow, usize>>>;

/// One of them, for as long as it is kept.
pub(super) struct Place {
    permit: OwnedSemaphorePermit,
    share: Option<Share>,
}

/// One of those that a flow holds.
struct Share {
    held: Held,
    flow: Flow,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowded {
    /// All are taken; there are so many.
    All(usize),
    /// The caller has its share, so many of all.
    Share(usize, usize),
}

impl Places {
    pub(super) fn new(all: usize) -> Self {
        Self {
            all,
            free: Arc::new(Semaphore::new(all)),
            held: Held::default(),
        }
    }

    pub(super) fn take(&self, caller: &Caller) -> Result<Place, Crowded> {
        let permit = self.free.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Crowded::All(self.all))?;
        let share = self.share(caller)?;
        Ok(Place { permit, share })
    }

    /// The same place as another's.
    pub(super) fn pass(&self, place: Place, to: &Caller) -> Result<Place, Crowded> {
        let Place { permit, share } = place;
        // First, since it may be the same caller's.
        drop(share);
        let share = self.share(to)?;
        Ok(Place { permit, share })
    }

    fn share(&self, caller: &Caller) -> Result<Option<Share>, Crowded> {
        if caller.is_unlimited {
            return Ok(None);
        }
        let most = LEAST_SHARE.min(self.all.div_ceil(2)).max(self.all / 4);
        let mut held = lock(&self.held);
        let own = held.entry(caller.flow.clone()).or_default();
        if *own >= most {
            return Err(Crowded::Share(most, self.all));
        }
        *own += 1;
        Ok(Some(Share {
            held: self.held.clone(),
            flow: caller.flow.clone(),
        }))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(own) = held.get_mut(&self.flow) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.flow);
            }
        }
    }
}

fn lock(held: &Held) -> MutexGuard<'_, HashMap<Flow, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(address: &str) -> Caller {
        Caller::anyone(address.to_owned(), false)
    }

    fn taken(places: &Places, caller: &Caller) -> Vec<Place> {
        std::iter::from_fn(|| places.take(caller).ok()).collect()
    }

    #[test]
    fn one_caller_has_a_share_and_all_have_no_more_than_there_are() {
        let places = Places::new(120);
        let (one, other) = (stranger("192.0.2.1"), stranger("192.0.2.2"));
        let first = taken(&places, &one);
        assert_eq!(first.len(), 30);
        assert_eq!(places.take(&one).err(), Some(Crowded::Share(30, 120)));
        let mut others: Vec<_> = (0..3)
            .map(|last| taken(&places, &stranger(&format!("192.0.2.{last}3"))))
            .collect();
        assert_eq!(places.take(&other).err(), Some(Crowded::All(120)));
        others.pop();
        let place = places.take(&other).expect("places are free again");
        drop(first);
        assert!(places.pass(place, &one).is_ok());
        assert_eq!(lock(&places.held).get(&other.flow), None);
    }

    #[test]
    fn of_few_places_a_caller_has_half() {
        for (all, share) in [(1, 1), (5, 3), (30, 15), (60, 25)] {
            let held = taken(&Places::new(all), &stranger("192.0.2.1"));
            assert_eq!(held.len(), share, "of {all}");
        }
    }

    #[test]
    fn who_is_held_to_no_rate_may_have_all() {
        let places = Places::new(120);
        let local = Caller::anyone("127.0.0.1".to_owned(), true);
        assert_eq!(taken(&places, &local).len(), 120);
    }
}

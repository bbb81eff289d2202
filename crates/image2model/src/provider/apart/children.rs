//! The children that there are: as many at once as work is done at once, kept warm between their tasks.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{child::Child, confinement::Bounds};

/// Hands out children, each to one task at a time.
#[derive(Debug)]
pub(super) struct Children {
    program: PathBuf,
    bounds: Bounds,
    /// Tasks after which a child is replaced; 0 is never.
    most_tasks: u64,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Child>>,
}

/// The right to have a child at work.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Children {
    pub(super) fn new(program: PathBuf, bounds: Bounds, most_tasks: u64, at_once: usize) -> Self {
        Self {
            program,
            bounds,
            most_tasks,
            places: Arc::new(Semaphore::new(at_once)),
            idle: Mutex::default(),
        }
    }

    /// A child that lives and is idle, or a new one, as soon as there is a place for it.
    ///
    /// # Errors
    /// No child can be started.
    pub(super) async fn take(&self) -> io::Result<(Place, Child)> {
        let permit = self.places.clone().acquire_owned().await;
        // Nobody closes the semaphore.
        let place = Place {
            _permit: permit.map_err(io::Error::other)?,
        };
        let warm = std::iter::from_fn(|| self.lock().pop()).find_map(|mut child| {
            // One that died while nobody asked anything of it is nobody's failure.
            child.is_alive().then_some(child)
        });
        let child = match warm {
            Some(child) => child,
            None => Child::start(&self.program, self.bounds).await?,
        };
        Ok((place, child))
    }

    /// Keeps a child that has answered for the next task, unless it has done its share.
    pub(super) async fn keep(&self, child: Child) {
        if self.most_tasks > 0 && child.told() >= self.most_tasks {
            child.kill().await;
        } else {
            self.lock().push(child);
        }
    }

    /// Ends those that are idle.
    pub(super) async fn end(&self) {
        let idle = std::mem::take(&mut *self.lock());
        futures::future::join_all(idle.into_iter().map(Child::kill)).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Child>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Whether there is room for what comes in: asked before the first byte, and again as the bytes come, since many may be
//! on their way at once.

use crate::job::JobId;

use super::{Service, ServiceError};

/// Bytes of one upload between two looks at the disk: with all places taken, far less than what is kept free.
const BETWEEN_LOOKS: u64 = 1 << 20;

/// Looks after the room while something comes in.
pub(super) struct Room {
    service: Service,
    job: JobId,
    /// Whether it comes by way of the data directory.
    is_spooled: bool,
    /// Bytes until the next look.
    left: u64,
}

impl Room {
    /// # Errors
    /// As of [`Room::take`].
    pub(super) async fn begin(
        service: &Service,
        job: JobId,
        is_spooled: bool,
    ) -> Result<Self, ServiceError> {
        let room = Self {
            service: service.clone(),
            job,
            is_spooled,
            left: BETWEEN_LOOKS,
        };
        room.look().await?;
        Ok(room)
    }

    /// Room for so many bytes more.
    ///
    /// # Errors
    /// [`ServiceError::Full`], [`ServiceError::Unavailable`].
    pub(super) async fn take(&mut self, bytes: usize) -> Result<(), ServiceError> {
        let bytes = bytes as u64;
        if bytes < self.left {
            self.left -= bytes;
            return Ok(());
        }
        self.left = BETWEEN_LOOKS;
        self.look().await
    }

    async fn look(&self) -> Result<(), ServiceError> {
        self.service.admit(self.job).await?;
        if self.is_spooled {
            self.service.admit_scratch(self.job).await?;
        }
        Ok(())
    }
}

impl Service {
    /// Refuses a new job that there is no room for and none is coming. A known one needs no room beyond its
    /// repeat's images, which go as soon as they have been compared.
    pub(super) async fn admit(&self, job: JobId) -> Result<(), ServiceError> {
        let Some(read) = self.watched_disk() else {
            return Ok(());
        };
        let space = read.map_err(|error| ServiceError::Unavailable(error.to_string()))?;
        if !space.is_low() || self.store.jobs.job(job).await?.is_some() {
            return Ok(());
        }
        // What old results leave comes too late.
        if space.is_nearly_full() {
            return Err(ServiceError::Full);
        }
        let Some(before) = self.config.results.removable_before(self.now(), true) else {
            return Err(ServiceError::Full);
        };
        let removable = self.store.jobs.removable(before, 1).await?;
        if removable.is_empty() {
            return Err(ServiceError::Full);
        }
        Ok(())
    }

    /// As [`admit`](Self::admit), of the room for what is only passing through the data directory. Nothing will be
    /// removed there to make some, unless it is on the watched disk, of which `admit` has judged.
    async fn admit_scratch(&self, job: JobId) -> Result<(), ServiceError> {
        let scratch = &self.config.data_dir;
        let watched = self.watched_folder();
        if watched.is_some_and(|watched| watched.starts_with(scratch)) {
            return Ok(());
        }
        let space = (self.space)(scratch);
        let space = space.map_err(|error| ServiceError::Unavailable(error.to_string()))?;
        if space.is_low() && self.store.jobs.job(job).await?.is_none() {
            return Err(ServiceError::Full);
        }
        Ok(())
    }
}

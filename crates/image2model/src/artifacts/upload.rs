use std::{fmt, mem};

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};

use super::{ArtifactError, ArtifactKey, Artifacts};

/// A file being written.
pub struct Upload {
    artifacts: Artifacts,
    key: ArtifactKey,
    /// Bytes that are not handed on yet: less than a part, so that a file smaller than one is written in one piece.
    gathered: Vec<Bytes>,
    size: usize,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    pub(super) fn new(artifacts: Artifacts, key: ArtifactKey) -> Self {
        Self {
            artifacts,
            key,
            gathered: Vec::new(),
            size: 0,
            parts: None,
        }
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// [`ArtifactError::Full`], [`ArtifactError::Unavailable`]; the upload is lost then and cannot be finished.
    pub async fn write(&mut self, mut chunk: Bytes) -> Result<(), ArtifactError> {
        // Some S3 servers demand that all parts but the last have one size.
        while self.size + chunk.len() >= self.artifacts.part {
            let rest = chunk.split_off(self.artifacts.part - self.size);
            self.gather(chunk);
            if let Err(error) = self.write_part().await {
                self.give_up().await;
                return Err(error);
            }
            chunk = rest;
        }
        self.gather(chunk);
        Ok(())
    }

    /// Makes the file durable and visible.
    ///
    /// # Errors
    /// [`ArtifactError::Full`], [`ArtifactError::Unavailable`]; nothing is left behind.
    pub async fn finish(mut self) -> Result<(), ArtifactError> {
        if self.parts.is_none() {
            let payload: PutPayload = self.gathered.into_iter().collect();
            return self.artifacts.put_payload(&self.key, payload).await;
        }
        let finished = self.finish_parts().await;
        if finished.is_err() {
            self.give_up().await;
        }
        finished
    }

    /// Throws away what was written.
    ///
    /// # Errors
    /// [`ArtifactError::Unavailable`].
    pub async fn abort(mut self) -> Result<(), ArtifactError> {
        if let Some(mut parts) = self.parts.take() {
            parts.abort().await?;
            self.artifacts.discard(&self.key).await;
        }
        Ok(())
    }

    fn gather(&mut self, chunk: Bytes) {
        self.size += chunk.len();
        if !chunk.is_empty() {
            self.gathered.push(chunk);
        }
    }

    /// Clears what a failed write has left. On a disk that is what lies beside the key; of a bucket it is asked.
    async fn give_up(&mut self) {
        let Some(mut parts) = self.parts.take() else {
            return self.artifacts.discard(&self.key).await;
        };
        if self.artifacts.folder.is_none()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(key = %self.key, %error, "a failed upload left its parts in the bucket");
        }
        drop(parts);
        self.artifacts.discard(&self.key).await;
    }

    async fn write_part(&mut self) -> Result<(), ArtifactError> {
        let payload: PutPayload = mem::take(&mut self.gathered).into_iter().collect();
        self.size = 0;
        if self.parts.is_none() {
            self.parts = Some(self.begin().await?);
        }
        if let Some(parts) = &mut self.parts {
            parts.put_part(payload).await?;
        }
        Ok(())
    }

    async fn finish_parts(&mut self) -> Result<(), ArtifactError> {
        if !self.gathered.is_empty() {
            self.write_part().await?;
        }
        if let Some(parts) = &mut self.parts {
            parts.complete().await?;
        }
        Ok(())
    }

    /// The local store makes and syncs folders while it begins, so it does so where blocking is allowed.
    /// `&mut`, since an upload cannot be shared between threads.
    async fn begin(&mut self) -> Result<Box<dyn MultipartUpload>, ArtifactError> {
        let (store, location) = (self.artifacts.store.clone(), self.key.location()?);
        if self.artifacts.folder.is_none() {
            return Ok(store.put_multipart(&location).await?);
        }
        let runtime = tokio::runtime::Handle::current();
        let begun = tokio::task::spawn_blocking(move || {
            runtime.block_on(async move { store.put_multipart(&location).await })
        });
        match begun.await {
            Ok(parts) => Ok(parts?),
            Err(stopped) => Err(ArtifactError::Unavailable(stopped.to_string())),
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

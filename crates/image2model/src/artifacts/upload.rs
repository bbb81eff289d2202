use std::{fmt, mem};

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStoreExt};

use super::{ArtifactError, ArtifactKey, Artifacts};

/// A file being written.
pub struct Upload {
    artifacts: Artifacts,
    key: ArtifactKey,
    /// Bytes that are not handed on yet: less than a part, so that a file smaller than one is written in one piece.
    /// They are copied, since each small chunk would hold on to the whole buffer that it was read into.
    gathered: BytesMut,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    pub(super) fn new(artifacts: Artifacts, key: ArtifactKey) -> Self {
        Self {
            artifacts,
            key,
            gathered: BytesMut::new(),
            parts: None,
        }
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// [`ArtifactError::Full`], [`ArtifactError::Unavailable`]; the upload is lost then and cannot be finished.
    pub async fn write(&mut self, mut chunk: Bytes) -> Result<(), ArtifactError> {
        // Some S3 servers demand that all parts but the last have one size.
        while self.gathered.len() + chunk.len() >= self.artifacts.part {
            let missing = self.artifacts.part - self.gathered.len();
            self.gathered.extend_from_slice(&chunk.split_to(missing));
            if let Err(error) = self.write_part().await {
                self.give_up().await;
                return Err(error);
            }
        }
        self.gathered.extend_from_slice(&chunk);
        Ok(())
    }

    /// Makes the file durable and visible.
    ///
    /// # Errors
    /// [`ArtifactError::Full`], [`ArtifactError::Unavailable`]; nothing is left behind.
    pub async fn finish(mut self) -> Result<(), ArtifactError> {
        if self.parts.is_none() {
            let whole = self.gathered.freeze();
            return self.artifacts.put(&self.key, whole).await;
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
        let part = mem::take(&mut self.gathered).freeze();
        if self.parts.is_none() {
            self.parts = Some(self.begin().await?);
        }
        if let Some(parts) = &mut self.parts {
            parts.put_part(part.into()).await?;
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

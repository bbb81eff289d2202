//! Produced and uploaded files, over the `object_store` crate.
//!
//! [`ArtifactKey`] owns every path; nothing else builds one. A key is unique to the attempt that wrote it, is
//! written once and never overwritten; it exists for readers only when a job's record names it.

use std::{fmt, path::Path, sync::Arc};

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::ObjectStore;

use crate::job::{ItemId, JobId};

/// Where a file lies: `uploads/<job>/<nonce>/<n>` or `jobs/<job>/<n>/<attempt>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactKey(String);

impl ArtifactKey {
    /// The `number`th upload of a job; `nonce` keeps two submissions of one idempotency key apart.
    #[must_use]
    pub fn upload(job: JobId, nonce: &str, number: u8) -> Self {
        Self(format!("uploads/{job}/{nonce}/{number}"))
    }

    /// A file that one attempt at an item made; `attempt` is the lease's token.
    #[must_use]
    pub fn produced(item: ItemId, attempt: &str, name: &str) -> Self {
        Self(format!(
            "jobs/{}/{}/{attempt}/{name}",
            item.job(),
            item.number()
        ))
    }

    /// A key as a record holds it.
    #[must_use]
    pub fn recorded(key: &str) -> Self {
        Self(key.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a caller can do about a failed call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    #[error("there is no such file")]
    NotFound,
    /// Nothing is left half-written.
    #[error("the artifact disk is full")]
    Full,
    #[error("the artifact store failed: {0}")]
    Unavailable(String),
}

/// A stored file and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub key: ArtifactKey,
    pub size: u64,
    pub modified_ms: i64,
}

/// The artifact store.
#[derive(Clone)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
}

impl Artifacts {
    /// Files under `dir`, fsynced before a put returns.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn local(dir: &Path) -> Result<Self, ArtifactError> {
        let _ = dir;
        todo!()
    }

    /// Writes a whole file, durably, under a key that must be new.
    pub async fn put(&self, key: &ArtifactKey, bytes: Bytes) -> Result<(), ArtifactError> {
        let _ = (&self.store, key, bytes);
        todo!()
    }

    /// Begins a streamed write; nothing exists under the key until [`Upload::finish`].
    pub async fn upload(&self, key: &ArtifactKey) -> Result<Upload, ArtifactError> {
        let _ = key;
        todo!()
    }

    pub async fn get(&self, key: &ArtifactKey) -> Result<Bytes, ArtifactError> {
        let _ = key;
        todo!()
    }

    /// Size and content, streamed.
    pub async fn read(
        &self,
        key: &ArtifactKey,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, ArtifactError>>), ArtifactError> {
        let _ = key;
        todo!()
    }

    /// Deletes a file; one that is not there is no error.
    pub async fn delete(&self, key: &ArtifactKey) -> Result<(), ArtifactError> {
        let _ = key;
        todo!()
    }

    /// Everything that is stored, for the collection of orphans.
    pub fn list(&self) -> BoxStream<'static, Result<Listed, ArtifactError>> {
        todo!()
    }
}

/// A file being written.
pub struct Upload {
    _private: (),
}

impl Upload {
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), ArtifactError> {
        let _ = chunk;
        todo!()
    }

    /// Makes the file durable and visible.
    pub async fn finish(self) -> Result<(), ArtifactError> {
        todo!()
    }

    /// Throws away what was written.
    pub async fn abort(self) -> Result<(), ArtifactError> {
        todo!()
    }
}

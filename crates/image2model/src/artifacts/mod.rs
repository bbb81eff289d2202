//! Produced and uploaded files, over the `object_store` crate.
//!
//! [`ArtifactKey`] owns every path; nothing else builds one. A key is unique to the attempt that wrote it, is
//! written once and never overwritten; it exists for readers only when a job's record names it.
//!
//! It knows paths and bytes, nothing of jobs' states: what no record names is found and deleted by the worker's
//! maintenance, which lists everything here and asks the store.
//!
//! Files lie in a folder or in a bucket, and a reader never sees half a file in either. In a folder, a write goes to
//! a staging file beside its key, is fsynced and only then linked to the key; a killed write leaves at most a staging
//! file for [`Artifacts::tidy`]. In a bucket, a file is there once its `PUT` or the last word of its
//! multipart upload is answered; the parts of a killed writer go by a rule of the bucket.

mod bucket;
mod copying;
mod folder;
mod place;
mod staging;
mod upload;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, PutPayload, aws::AmazonS3Builder, local::LocalFileSystem,
    path::Path as Location,
};

use uuid::Uuid;

use crate::job::{ItemId, JobId};

use folder::Staged;
use place::Place;
pub use upload::Upload;

/// Below which exports lie.
const EXPORTS: &str = "exports";
/// How long an export stays.
pub const EXPORTS_KEPT: Duration = Duration::from_secs(86_400);
/// The name of an export's claim, which is older than its file and must not go before it.
const CLAIM: &str = "claim";
const CLAIM_STAYS: Duration = Duration::from_secs(3600);

/// Where a file lies: `uploads/<job>.<nonce>.<n>`, `jobs/<job>/<n>/<attempt>/<name>` or `exports/<id>/<name>`. Records of
/// older versions name uploads as `uploads/<job>/<nonce>/<n>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactKey(String);

impl ArtifactKey {
    /// The `number`th upload of a job; `nonce` keeps two submissions of one idempotency key apart. All lie in one folder,
    /// since each folder that is new would have to be synced as well.
    #[must_use]
    pub fn upload(job: JobId, nonce: &str, number: u8) -> Self {
        Self(format!("uploads/{job}.{nonce}.{number}"))
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

    /// A file that was made for an administrator and belongs to no job.
    #[must_use]
    pub fn export(id: Uuid, name: &str) -> Self {
        Self(format!("{EXPORTS}/{id}/{name}"))
    }

    /// What says whose an export is before it is there.
    #[must_use]
    pub fn claim(id: Uuid) -> Self {
        Self::export(id, CLAIM)
    }

    /// What says which store the files are of.
    #[must_use]
    pub fn store_name() -> Self {
        Self("store-name".to_owned())
    }

    /// How long a file of an export stays; `None` of any other.
    #[must_use]
    pub fn export_kept(&self) -> Option<Duration> {
        let name = self.0.strip_prefix(EXPORTS)?.strip_prefix('/')?;
        let is_claim = name.rsplit('/').next() == Some(CLAIM);
        Some(match is_claim {
            true => EXPORTS_KEPT + CLAIM_STAYS,
            false => EXPORTS_KEPT,
        })
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

    /// The job whose record alone can name this key; `None` for a path that no key has.
    #[must_use]
    pub fn job(&self) -> Option<JobId> {
        let mut parts = self.0.split('/');
        let root = parts.next()?;
        let job = parts.next()?.split('.').next()?.parse().ok()?;
        matches!(root, "uploads" | "jobs").then_some(job)
    }

    fn location(&self) -> Result<Location, ArtifactError> {
        Location::parse(&self.0).map_err(|error| ArtifactError::Unavailable(error.to_string()))
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
    /// A key is written once; the file that is there stays as it is.
    #[error("the file exists already")]
    Exists,
    /// Nothing is left half-written.
    #[error("the artifact disk is full")]
    Full,
    #[error("the artifact store failed: {0}")]
    Unavailable(String),
}

/// Why the artifacts cannot be used, in one sentence without secrets.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

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
    /// Where the files lie when they lie on a file system, whose leftovers are ours to clear.
    folder: Option<PathBuf>,
    /// Size of what a streamed write hands on at once, in bytes.
    part: usize,
}

impl Artifacts {
    /// Opens what `address` names, `artifacts.url`: a folder, a bucket, or the folder `own` when it is empty. A bucket
    /// is tried with a small file.
    ///
    /// # Errors
    /// It cannot be used: what and why.
    pub async fn open(address: &str, own: &Path) -> Result<Self, OpenError> {
        let place = Place::read(address, own)
            .map_err(|why| OpenError(format!("artifacts.url is {why}")))?;
        match place {
            Place::Folder(dir) => Self::local(&dir).map_err(|error| {
                let what = if address.is_empty() {
                    "data directory"
                } else {
                    "folder of artifacts.url,"
                };
                OpenError(format!(
                    "cannot write to the {what} {}: {error}",
                    dir.display()
                ))
            }),
            Place::Bucket { name, prefix } => {
                Self::bucket(AmazonS3Builder::from_env(), &name, &prefix).await
            }
        }
    }

    async fn bucket(server: AmazonS3Builder, name: &str, prefix: &str) -> Result<Self, OpenError> {
        let store = bucket::open(server, name, prefix).await;
        Ok(Self {
            store: store.map_err(OpenError)?,
            folder: None,
            part: bucket::PART,
        })
    }

    /// Files under `dir`, fsynced before a put returns.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn local(dir: &Path) -> Result<Self, ArtifactError> {
        std::fs::create_dir_all(dir).map_err(|error| of_io(&error))?;
        tempfile::tempfile_in(dir).map_err(|error| of_io(&error))?;
        let store = LocalFileSystem::new_with_prefix(dir)?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self {
            store: Arc::new(store),
            folder: Some(dir.to_owned()),
            part: upload::PIECE,
        })
    }

    /// The folder that the files lie in, whose room is theirs; `None` when they lie in a bucket, whose room nobody
    /// can see.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Writes a whole file, durably, under a key that must be new.
    ///
    /// # Errors
    /// [`ArtifactError::Exists`], [`ArtifactError::Full`], [`ArtifactError::Unavailable`]; nothing is left behind.
    pub async fn put(&self, key: &ArtifactKey, bytes: Bytes) -> Result<(), ArtifactError> {
        let Some(root) = self.folder.clone() else {
            return self.put_whole(key, bytes.into()).await;
        };
        let path = root.join(key.as_str());
        let put = blocking(move || {
            let mut file = Staged::begin(&root, &path)?;
            file.write(&bytes)?;
            file.finish()
        });
        let put = put.await;
        if put.is_err() {
            self.prune(key).await;
        }
        put
    }

    /// Into a bucket, in one request.
    async fn put_whole(&self, key: &ArtifactKey, bytes: PutPayload) -> Result<(), ArtifactError> {
        let new = PutMode::Create.into();
        self.store.put_opts(&key.location()?, bytes, new).await?;
        Ok(())
    }

    /// Begins a streamed write; nothing exists under the key until [`Upload::finish`]. [`Upload::abort`] throws away
    /// what was written. So does dropping it in a folder; in a bucket that leaves its parts to the bucket's rule.
    ///
    /// # Errors
    /// [`ArtifactError::Exists`], [`ArtifactError::Full`], [`ArtifactError::Unavailable`].
    pub async fn upload(&self, key: &ArtifactKey) -> Result<Upload, ArtifactError> {
        Upload::begin(self.clone(), key.clone()).await
    }

    /// Whether there is a whole file under that key.
    ///
    /// # Errors
    /// [`ArtifactError::Unavailable`].
    pub async fn exists(&self, key: &ArtifactKey) -> Result<bool, ArtifactError> {
        match self.store.head(&key.location()?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A whole file.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`], [`ArtifactError::Unavailable`].
    pub async fn get(&self, key: &ArtifactKey) -> Result<Bytes, ArtifactError> {
        Ok(self.store.get(&key.location()?).await?.bytes().await?)
    }

    /// Size and content, streamed.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`], [`ArtifactError::Unavailable`].
    pub async fn read(
        &self,
        key: &ArtifactKey,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, ArtifactError>>), ArtifactError> {
        let found = self.store.get(&key.location()?).await?;
        let size = found.meta.size;
        Ok((size, found.into_stream().map_err(Into::into).boxed()))
    }

    /// Deletes a file and the folders that it leaves empty; a file that is not there is no error.
    ///
    /// # Errors
    /// [`ArtifactError::Unavailable`].
    pub async fn delete(&self, key: &ArtifactKey) -> Result<(), ArtifactError> {
        match self.store.delete(&key.location()?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything that is stored, for the collection of orphans.
    pub fn list(&self) -> BoxStream<'static, Result<Listed, ArtifactError>> {
        let listed = self.store.list(None).map_ok(|meta| Listed {
            key: ArtifactKey(meta.location.into()),
            size: meta.size,
            modified_ms: meta.last_modified.timestamp_millis(),
        });
        listed.map_err(Into::into).boxed()
    }

    /// Removes what killed writers left and was last touched at least `grace` ago: staging files and empty folders,
    /// in a bucket the files of trials. Returns how many.
    ///
    /// # Errors
    /// [`ArtifactError::Unavailable`].
    pub async fn tidy(&self, grace: Duration) -> Result<usize, ArtifactError> {
        match self.folder.clone() {
            Some(root) => blocking(move || staging::tidy(&root, grace)).await,
            None => bucket::tidy(&*self.store, grace).await,
        }
    }

    /// Clears the folders that a failed write of `key` left empty, as far as that goes: `tidy` is the second chance.
    async fn prune(&self, key: &ArtifactKey) {
        let Some(root) = self.folder.clone() else {
            return;
        };
        let path = root.join(key.as_str());
        // None of it can fail, but for a thread that is not there.
        let _ = blocking(move || {
            folder::prune(&root, &path);
            Ok(())
        })
        .await;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ArtifactError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| of_io(&error)),
        Err(stopped) => Err(ArtifactError::Unavailable(stopped.to_string())),
    }
}

impl From<object_store::Error> for ArtifactError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            object_store::Error::AlreadyExists { .. } => Self::Exists,
            error if FULL.iter().any(|kind| caused_by(&error, *kind)) => Self::Full,
            error => bucket::failure(&error),
        }
    }
}

/// The ways in which a file system says that there is no room.
const FULL: [io::ErrorKind; 3] = [
    io::ErrorKind::StorageFull,
    io::ErrorKind::QuotaExceeded,
    io::ErrorKind::FileTooLarge,
];

/// For files of ours beside the artifacts, too.
pub(crate) fn of_io(error: &io::Error) -> ArtifactError {
    if error.kind() == io::ErrorKind::AlreadyExists {
        ArtifactError::Exists
    } else if FULL.contains(&error.kind()) {
        ArtifactError::Full
    } else {
        ArtifactError::Unavailable(error.to_string())
    }
}

/// Whether an I/O error of that kind stands anywhere in the chain of causes.
fn caused_by(error: &object_store::Error, kind: io::ErrorKind) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == kind)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;

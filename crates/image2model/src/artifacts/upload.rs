use std::{fmt, mem};

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStoreExt};

use super::{ArtifactError, ArtifactKey, Artifacts, blocking, folder::Staged};

/// Bytes that are gathered in one piece, and that go to a folder's file at once: enough that a write is worth the way
/// to a thread that may block, and little beside what a connection holds.
pub(super) const PIECE: usize = 64 * 1024;

/// A file being written.
pub struct Upload {
    artifacts: Artifacts,
    key: ArtifactKey,
    /// Pieces that are full and not handed on yet: together less than a part, so that a file smaller than one goes to a
    /// bucket whole.
    full: Vec<Bytes>,
    /// Bytes are copied into it, since each small chunk would hold on to the whole buffer that it was read into.
    last: BytesMut,
    target: Target,
}

/// Where the bytes go.
enum Target {
    /// `None` while a write is under way, and after one that failed.
    Folder(Option<Staged>),
    /// `None` before the first part.
    Bucket(Option<Box<dyn MultipartUpload>>),
}

impl Upload {
    /// # Errors
    /// [`ArtifactError::Exists`], [`ArtifactError::Full`], [`ArtifactError::Unavailable`].
    pub(super) async fn begin(
        artifacts: Artifacts,
        key: ArtifactKey,
    ) -> Result<Self, ArtifactError> {
        let target = match artifacts.folder.clone() {
            Some(root) => {
                let path = root.join(key.as_str());
                Target::Folder(Some(blocking(move || Staged::begin(&root, &path)).await?))
            }
            None if artifacts.exists(&key).await? => return Err(ArtifactError::Exists),
            None => Target::Bucket(None),
        };
        Ok(Self {
            artifacts,
            key,
            full: Vec::new(),
            last: BytesMut::new(),
            target,
        })
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// [`ArtifactError::Full`], [`ArtifactError::Unavailable`]; the upload is lost then and cannot be finished.
    pub async fn write(&mut self, mut chunk: Bytes) -> Result<(), ArtifactError> {
        while self.last.len() + chunk.len() >= PIECE {
            let missing = PIECE - self.last.len();
            self.gather(&chunk.split_to(missing));
            if let Err(error) = self.hand_on().await {
                self.give_up().await;
                return Err(error);
            }
        }
        self.gather(&chunk);
        Ok(())
    }

    /// Makes the file durable and visible.
    ///
    /// # Errors
    /// [`ArtifactError::Full`], [`ArtifactError::Unavailable`]; nothing is left behind.
    pub async fn finish(mut self) -> Result<(), ArtifactError> {
        let finished = self.end().await;
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
        if let Target::Bucket(Some(parts)) = &mut self.target {
            return Ok(parts.abort().await?);
        }
        self.give_up().await;
        Ok(())
    }

    /// As much as there is room for in a piece at most.
    fn gather(&mut self, bytes: &[u8]) {
        if self.last.capacity() == 0 && !bytes.is_empty() {
            self.last.reserve(PIECE);
        }
        self.last.extend_from_slice(bytes);
    }

    /// A full piece on its way: to a folder at once, to a bucket when there is a part of them.
    async fn hand_on(&mut self) -> Result<(), ArtifactError> {
        if let Target::Folder(staged) = &mut self.target {
            let mut file = staged.take().ok_or_else(lost)?;
            let piece = mem::take(&mut self.last);
            let written = blocking(move || file.write(&piece).map(|()| (file, piece))).await?;
            let (file, mut piece) = written;
            piece.clear();
            (*staged, self.last) = (Some(file), piece);
            return Ok(());
        }
        self.full.push(mem::take(&mut self.last).freeze());
        // Some S3 servers demand that all parts but the last have one size.
        if self.full.len() * PIECE >= self.artifacts.part {
            self.put_part().await?;
        }
        Ok(())
    }

    async fn put_part(&mut self) -> Result<(), ArtifactError> {
        let Target::Bucket(parts) = &mut self.target else {
            return Err(lost());
        };
        let begun = match parts {
            Some(begun) => begun,
            None => {
                let location = self.key.location()?;
                parts.insert(self.artifacts.store.put_multipart(&location).await?)
            }
        };
        let pieces = mem::take(&mut self.full).into_iter();
        Ok(begun.put_part(pieces.collect()).await?)
    }

    async fn end(&mut self) -> Result<(), ArtifactError> {
        let rest = mem::take(&mut self.last).freeze();
        if let Target::Folder(staged) = &mut self.target {
            let mut file = staged.take().ok_or_else(lost)?;
            return blocking(move || {
                file.write(&rest)?;
                file.finish()
            })
            .await;
        }
        if !rest.is_empty() {
            self.full.push(rest);
        }
        if matches!(self.target, Target::Bucket(None)) {
            let whole = mem::take(&mut self.full).into_iter().collect();
            return self.artifacts.put_whole(&self.key, whole).await;
        }
        if !self.full.is_empty() {
            self.put_part().await?;
        }
        if let Target::Bucket(Some(parts)) = &mut self.target {
            parts.complete().await?;
        }
        Ok(())
    }

    /// Clears what a failed write has left, of which a bucket is asked.
    async fn give_up(&mut self) {
        match &mut self.target {
            Target::Folder(staged) => {
                drop(staged.take());
                self.artifacts.prune(&self.key).await;
            }
            Target::Bucket(parts) => {
                if let Some(mut parts) = parts.take()
                    && let Err(error) = parts.abort().await
                {
                    tracing::warn!(key = %self.key, %error, "a failed upload left its parts in the bucket");
                }
            }
        }
    }
}

/// An upload is used after a write of it has failed.
fn lost() -> ArtifactError {
    ArtifactError::Unavailable("the upload has failed before".to_owned())
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

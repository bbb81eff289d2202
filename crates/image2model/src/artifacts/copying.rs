use futures::TryStreamExt;
use object_store::ObjectStoreExt;

use super::{ArtifactError, ArtifactKey, Artifacts};

impl Artifacts {
    /// Copies a file to a key that must be new, durably. In a bucket the server does it. In a folder its bytes are
    /// written anew: a second name of the same file would be as old as the first, and what is old and in no record yet
    /// is collected as an orphan.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`], [`ArtifactError::Full`], [`ArtifactError::Unavailable`]; nothing is left behind.
    pub async fn copy(&self, from: &ArtifactKey, to: &ArtifactKey) -> Result<(), ArtifactError> {
        if self.folder.is_none() {
            let (from, to) = (from.location()?, to.location()?);
            return Ok(self.store.copy(&from, &to).await?);
        }
        let (_, mut content) = self.read(from).await?;
        let mut upload = self.upload(to).await?;
        while let Some(chunk) = content.try_next().await? {
            upload.write(chunk).await?;
        }
        upload.finish().await
    }
}

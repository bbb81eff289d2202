//! An archive of images on its way in: in a file without a name, which goes with its last reader, however that ends.

use std::{fs, io};

use tokio::{fs::File, io::AsyncWriteExt as _, task::spawn_blocking};

use crate::{
    archive::{Archive, Member, ReadError, Refusal, Walk},
    artifacts,
    job::JobId,
};

use super::{Service, ServiceError, room::Room, submission::Receiving};

/// Bytes that are held before they are written.
const BUFFER: usize = 64 * 1024;

/// Why an archive was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is to blame; the text is for the one who sent it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// An archive that comes in.
pub struct Spool {
    file: File,
    room: Room,
    walk: Walk,
    size: u64,
    most_files: usize,
}

impl Spool {
    /// It lies in the data directory, which is on a disk even where images lie in a bucket. Nothing else may ever have
    /// made that directory, where the jobs do not lie in it either.
    pub(super) async fn begin(service: &Service, job: JobId) -> Result<Self, ServiceError> {
        let config = &service.config;
        let folder = config.data_dir.clone();
        let begin = move || {
            fs::create_dir_all(&folder)?;
            tempfile::tempfile_in(folder)
        };
        let begun = blocking(begin).await?.inspect_err(|error| {
            let folder = config.data_dir.display();
            tracing::error!(%folder, %error, "an archive cannot be received: the data directory cannot be written");
        });
        let mut file = File::from_std(begun.map_err(|error| failed(&error))?);
        file.set_max_buf_size(BUFFER);
        let most_files = config.upload.max_files;
        Ok(Self {
            file,
            room: Room::begin(service, job, true).await?,
            walk: Walk::new(most_files),
            size: 0,
            most_files,
        })
    }

    /// Bytes received so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// # Errors
    /// What the members' headers show to be wrong so far; [`ServiceError::Full`], [`ServiceError::Unavailable`].
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), ArchiveError> {
        self.walk.take(chunk)?;
        self.room.take(chunk.len()).await?;
        self.size += chunk.len() as u64;
        let written = self.file.write_all(chunk).await;
        Ok(written.map_err(|error| failed(&error))?)
    }

    /// Reads the directory of the whole archive.
    ///
    /// # Errors
    /// What is wrong with it; [`ServiceError::Full`], [`ServiceError::Unavailable`].
    pub async fn finish(mut self) -> Result<Archive, ArchiveError> {
        let flushed = self.file.flush().await;
        flushed.map_err(|error| failed(&error))?;
        let (file, most_files) = (self.file.into_std().await, self.most_files);
        let opened = blocking(move || Archive::open(file, most_files)).await?;
        opened.map_err(unread)
    }
}

/// Inflates a member into `image` piece by piece, so that no thread waits for the next one to be stored.
pub(super) async fn unpack(
    archive: &Archive,
    member: &Member,
    image: &mut Receiving,
) -> Result<(), ArchiveError> {
    let mut packed = archive.unpack(member).map_err(|error| failed(&error))?;
    loop {
        let read = move || {
            let chunk = packed.next_chunk();
            (packed, chunk)
        };
        let (rest, chunk) = blocking(read).await?;
        packed = rest;
        match chunk.map_err(unread)? {
            Some(chunk) => image.write(chunk).await?,
            None => return Ok(()),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    let done = spawn_blocking(work).await;
    done.map_err(|stopped| ServiceError::Unavailable(stopped.to_string()))
}

fn unread(error: ReadError) -> ArchiveError {
    match error {
        ReadError::Refused(refusal) => refusal.into(),
        ReadError::Io(error) => failed(&error).into(),
    }
}

fn failed(error: &io::Error) -> ServiceError {
    artifacts::of_io(error).into()
}

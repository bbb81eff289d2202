//! Taking a job in: images are streamed to artifacts, then one transition makes the job.
//!
//! What was stored for a submission that comes to nothing is deleted; after a crash, maintenance does it, since no
//! record names it.

use bytes::Bytes;
use futures::future::try_join_all;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    archive::{Archive, Member},
    artifacts::{ArtifactKey, Artifacts, Upload},
    job::{
        About, Job, JobId, Priority,
        transition::{NewItem, NewJob},
    },
    provider::ModelRequest,
    store::{Created, Jobs, StoreError},
};

use super::{
    Caller, Service, ServiceError,
    room::Room,
    spool::{self, ArchiveError, Spool},
};

/// Images received for a job that does not exist yet.
pub struct Submission {
    service: Service,
    caller: Caller,
    job: JobId,
    /// Keeps the uploads of two submissions of one idempotency key apart.
    nonce: String,
    /// Whether a repeat is to find the same job.
    repeatable: bool,
    stored: Vec<Stored>,
}

/// One image that is stored whole.
struct Stored {
    item: NewItem,
    digest: [u8; 32],
}

/// One image on its way in.
pub struct Receiving {
    upload: Upload,
    room: Room,
    key: ArtifactKey,
    hash: Sha256,
    size: u64,
}

impl Caller {
    /// The id of a job that this caller makes; under one idempotency key it is always the same.
    pub(super) fn new_job(&self, idempotency_key: Option<&str>) -> JobId {
        idempotency_key.map_or_else(JobId::random, |key| JobId::derived(&self.owner.0, key))
    }
}

impl Service {
    /// Begins a submission; with an idempotency key, a repeat of it finds the same job, however little room there
    /// is by now.
    ///
    /// # Errors
    /// [`ServiceError::Full`] when the disk has no room and nothing is old enough to be removed;
    /// [`ServiceError::OverQuota`] when the caller may have no further image.
    pub async fn begin(
        &self,
        caller: Caller,
        idempotency_key: Option<&str>,
    ) -> Result<Submission, ServiceError> {
        let job = caller.new_job(idempotency_key);
        self.check_quotas(&caller, job, 1, 0).await?;
        self.admit(job).await?;
        Ok(Submission {
            service: self.clone(),
            caller,
            job,
            nonce: Uuid::new_v4().simple().to_string(),
            repeatable: idempotency_key.is_some(),
            stored: Vec::new(),
        })
    }
}

impl Submission {
    /// Whether no image is stored so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// Begins the next image.
    ///
    /// # Errors
    /// [`ServiceError::Full`], [`ServiceError::Unavailable`].
    pub async fn receive(&self) -> Result<Receiving, ServiceError> {
        let number = u8::try_from(self.stored.len() + 1)
            .map_err(|_| ServiceError::Conflict("too many images".to_owned()))?;
        let key = ArtifactKey::upload(self.job, &self.nonce, number);
        Ok(Receiving {
            room: Room::begin(&self.service, self.job, false).await?,
            upload: self.service.artifacts.upload(&key).await?,
            key,
            hash: Sha256::new(),
            size: 0,
        })
    }

    /// Where an archive of images is put until it has come in whole.
    ///
    /// # Errors
    /// [`ServiceError::Full`], [`ServiceError::Unavailable`].
    pub async fn spool(&self) -> Result<Spool, ServiceError> {
        Spool::begin(&self.service, self.job).await
    }

    /// Takes an image out of an archive, durably.
    ///
    /// # Errors
    /// It is not what the archive says, or cannot be stored.
    pub async fn unpack(
        &mut self,
        archive: &Archive,
        member: &Member,
        media_type: String,
    ) -> Result<(), ArchiveError> {
        let mut image = self.receive().await?;
        match spool::unpack(archive, member, &mut image).await {
            Ok(()) => Ok(self.keep(image, member.name.clone(), media_type).await?),
            Err(error) => {
                image.abort().await;
                Err(error)
            }
        }
    }

    /// Makes a received image durable and part of the submission.
    ///
    /// # Errors
    /// [`ServiceError::Full`], [`ServiceError::Unavailable`].
    pub async fn keep(
        &mut self,
        received: Receiving,
        filename: String,
        media_type: String,
    ) -> Result<(), ServiceError> {
        received.upload.finish().await?;
        self.stored.push(Stored {
            item: NewItem {
                filename,
                media_type,
                size: received.size,
                upload: received.key.as_str().to_owned(),
            },
            digest: received.hash.finalize().into(),
        });
        Ok(())
    }

    /// Makes the job, or finds the one that this is a repeat of.
    ///
    /// # Errors
    /// [`ServiceError::KeyReused`], [`ServiceError::Removed`], [`ServiceError::OverQuota`], [`ServiceError::Full`];
    /// nothing is left behind. [`ServiceError::Unavailable`]: the same again finds out whether it was accepted.
    pub async fn submit(
        self,
        request: &ModelRequest,
        priority: Priority,
        about: About,
    ) -> Result<Job, ServiceError> {
        let (options, formats) = (request.to_stored(), request.stored_formats());
        let fingerprint = self
            .repeatable
            .then(|| self.fingerprint(&options, &formats, priority, &about));
        let new = NewJob {
            id: self.job,
            owner: self.caller.owner.clone(),
            flow: self.caller.flow.clone(),
            priority,
            options,
            formats,
            fingerprint,
            about,
            items: self.stored.iter().map(|file| file.item.clone()).collect(),
        };
        let (images, bytes) = self.size();
        let service = &self.service;
        let allowed = service.check_quotas(&self.caller, self.job, images, bytes);
        if let Err(refused) = allowed.await {
            self.discard().await;
            return Err(refused);
        }
        match make_job(&*service.store.jobs, &service.artifacts, new).await? {
            Created::New(job) => {
                service.note_images(&self.caller, images).await;
                Ok(job)
            }
            Created::Existing(job) => Ok(job),
        }
    }

    /// Images and bytes.
    fn size(&self) -> (u32, u64) {
        let bytes = self.stored.iter().map(|file| file.item.size).sum();
        (u32::try_from(self.stored.len()).unwrap_or(u32::MAX), bytes)
    }

    /// Deletes what was stored; what cannot be deleted now is left to maintenance.
    pub async fn discard(self) {
        let uploads = self.stored.iter().map(|file| file.item.upload.as_str());
        discard(&self.service.artifacts, uploads).await;
    }

    /// SHA-256 over options and each image's name and bytes, and what is told about the job, where that is anything;
    /// every text goes in with its length.
    fn fingerprint(
        &self,
        options: &[(String, String)],
        formats: &[String],
        priority: Priority,
        about: &About,
    ) -> String {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        text(match priority {
            Priority::Normal => "normal",
            Priority::High => "high",
        });
        for (name, value) in options {
            text(name);
            text(value);
        }
        text("");
        formats.iter().for_each(|format| text(format));
        text("");
        for file in &self.stored {
            text(&file.item.filename);
        }
        for file in &self.stored {
            hash.update(file.digest);
        }
        let mut told = |name: &str, value: &str| {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        };
        about.labels.iter().for_each(|label| told("label", label));
        if let Some(reference) = &about.reference {
            told("reference", reference);
        }
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Makes a job of uploads that are stored, or finds the one that it is a repeat of: the only way in for every job.
///
/// # Errors
/// [`ServiceError::KeyReused`], [`ServiceError::Removed`], [`ServiceError::Full`]; its uploads are deleted then, as
/// those of a repeat are. [`ServiceError::Unavailable`]: the same again finds out whether it was made.
pub(super) async fn make_job(
    jobs: &dyn Jobs,
    artifacts: &Artifacts,
    new: NewJob,
) -> Result<Created, ServiceError> {
    let (id, items) = (new.id, new.items.clone());
    let uploads = || items.iter().map(|item| item.upload.as_str());
    let made = match all_there(artifacts, uploads()).await {
        Ok(()) => match jobs.create_job(new).await {
            Ok(created @ Created::New(_)) => return Ok(created),
            // It may have been written for all that, and then the repeat finds it with these images; else they are
            // left to maintenance.
            Err(error @ StoreError::Unavailable(_)) => return Err(error.into()),
            other => other.map_err(|error| why_not_made(id, error)),
        },
        Err(lost) => Err(lost),
    };
    discard(artifacts, uploads()).await;
    made
}

/// Why there is no job `id` for who asked for it.
pub(super) fn why_not_made(id: JobId, error: StoreError) -> ServiceError {
    match error {
        StoreError::Removed => ServiceError::Removed(id),
        other => other.into(),
    }
}

/// Nothing is accepted whose images are gone: no record named them so far, so a collection whose grace is shorter than
/// the request took may have had them.
async fn all_there(
    artifacts: &Artifacts,
    uploads: impl Iterator<Item = &str>,
) -> Result<(), ServiceError> {
    let there = uploads.map(|key| async move {
        if artifacts.exists(&ArtifactKey::recorded(key)).await? {
            return Ok(());
        }
        let lost = format!("{key} went before its job was made: artifacts.grace is too short");
        Err(ServiceError::Unavailable(lost))
    });
    try_join_all(there).await.map(drop)
}

/// Deletes uploads that came to nothing; what cannot be deleted now is left to maintenance.
pub(super) async fn discard(artifacts: &Artifacts, uploads: impl Iterator<Item = &str>) {
    for key in uploads.map(ArtifactKey::recorded) {
        if let Err(error) = artifacts.delete(&key).await {
            tracing::warn!(%key, %error, "an upload that came to nothing stays until maintenance");
        }
    }
}

impl Receiving {
    /// Bytes received so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// # Errors
    /// [`ServiceError::Full`], [`ServiceError::Unavailable`].
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), ServiceError> {
        self.room.take(chunk.len()).await?;
        self.size += chunk.len() as u64;
        self.hash.update(&chunk);
        Ok(self.upload.write(chunk).await?)
    }

    /// Throws away what was received.
    pub async fn abort(self) {
        if let Err(error) = self.upload.abort().await {
            tracing::warn!(key = %self.key, %error, "half an upload stays until maintenance");
        }
    }
}

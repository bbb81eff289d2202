//! Items of an old job as a job of their own. Every job owns its files, so their uploads are copied first; what was
//! copied for a job that comes to nothing is deleted, or left to maintenance, since no record names it.
//!
//! A repeat is looked for before anything else, the old job included: what was made of it outlives it.

use futures::future::try_join_all;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    artifacts::{ArtifactError, ArtifactKey, Artifacts},
    job::{
        About, Flow, Item, ItemStatus, Job, JobId, Owner, Priority,
        transition::{NewItem, NewJob},
    },
    provider::ModelRequest,
    store::{Created, Jobs},
};

use super::{
    Caller, Service, ServiceError,
    submission::{discard, make_job, why_not_made},
};

/// What is to be made again.
pub(super) struct Again<'a> {
    pub(super) jobs: &'a dyn Jobs,
    pub(super) artifacts: &'a Artifacts,
    pub(super) old: &'a Job,
    /// Of the old job; at least one.
    pub(super) items: Vec<&'a Item>,
    /// What the new job is asked for; `None` for the same as the old one, whose retry it is then.
    pub(super) request: Option<&'a ModelRequest>,
    /// The new job's. What was made again under the same id is found, and not made twice.
    pub(super) id: JobId,
    /// Of what is asked for, by [`fingerprint`].
    pub(super) fingerprint: String,
    pub(super) flow: Flow,
    pub(super) priority: Priority,
}

impl Service {
    /// Makes a new job of a job's items that failed or were cancelled, with the same options and the client's own words; its repeat under the
    /// same idempotency key finds the same job. It is in no hurry where the caller may not ask for one.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] when the job has not ended or all of it was made;
    /// [`ServiceError::KeyReused`], [`ServiceError::OverQuota`], [`ServiceError::Full`].
    pub async fn retry(
        &self,
        caller: &Caller,
        id: JobId,
        idempotency_key: Option<&str>,
    ) -> Result<Job, ServiceError> {
        let fingerprint = fingerprint(id, None, None);
        if let Some(job) = self
            .made_before(caller, idempotency_key, &fingerprint)
            .await?
        {
            return Ok(job);
        }
        let old = self.job(caller, id).await?;
        if old.ended.is_none() {
            let why = "the job has not ended; there is nothing to retry yet".to_owned();
            return Err(ServiceError::Conflict(why));
        }
        let unmade = |item: &&Item| item.status != ItemStatus::Completed;
        let items: Vec<_> = old.items.iter().filter(unmade).collect();
        if items.is_empty() {
            let why =
                "every file of the job has become a model; there is nothing to retry".to_owned();
            return Err(ServiceError::Conflict(why));
        }
        let again = Again {
            jobs: &*self.store.jobs,
            artifacts: &self.artifacts,
            old: &old,
            items,
            request: None,
            id: caller.new_job(idempotency_key),
            fingerprint,
            flow: caller.flow.clone(),
            priority: match caller.may_hurry {
                true => old.priority,
                false => Priority::Normal,
            },
        };
        self.make_again(caller, again).await
    }

    /// The job that this request of the caller's has made already, under its idempotency key.
    ///
    /// # Errors
    /// [`ServiceError::KeyReused`], [`ServiceError::Removed`].
    pub(super) async fn made_before(
        &self,
        caller: &Caller,
        idempotency_key: Option<&str>,
        fingerprint: &str,
    ) -> Result<Option<Job>, ServiceError> {
        if idempotency_key.is_none() {
            return Ok(None);
        }
        let id = caller.new_job(idempotency_key);
        made_before(&*self.store.jobs, id, &caller.owner, fingerprint).await
    }

    /// Makes images of the caller's again, as far as quotas and room allow.
    pub(super) async fn make_again(
        &self,
        caller: &Caller,
        again: Again<'_>,
    ) -> Result<Job, ServiceError> {
        let images = u32::try_from(again.items.len()).unwrap_or(u32::MAX);
        let bytes = again.items.iter().map(|item| item.size).sum();
        self.check_quotas(caller, again.id, images, bytes).await?;
        self.admit(again.id).await?;
        match again.make().await? {
            Created::New(job) => {
                self.note_images(caller, images).await;
                Ok(job)
            }
            Created::Existing(job) => Ok(job),
        }
    }
}

impl Again<'_> {
    /// Makes the job, or finds the one that another made of the same meanwhile.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] when an upload is gone by now; [`ServiceError::KeyReused`],
    /// [`ServiceError::Removed`], [`ServiceError::Full`]; nothing is left behind.
    pub(super) async fn make(self) -> Result<Created, ServiceError> {
        let new = self.new_job();
        if let Err(error) = self.copy(&new).await {
            let copies = new.items.iter().map(|item| item.upload.as_str());
            discard(self.artifacts, copies).await;
            return Err(error);
        }
        make_job(self.jobs, self.artifacts, new).await
    }

    fn new_job(&self) -> NewJob {
        let nonce = Uuid::new_v4().simple().to_string();
        let old = self.old;
        let items = (1..).zip(&self.items).map(|(number, item)| NewItem {
            filename: item.filename.clone(),
            media_type: item.media_type.clone(),
            size: item.size,
            upload: ArtifactKey::upload(self.id, &nonce, number).to_string(),
        });
        let (options, formats, about) = match self.request {
            Some(request) => (
                request.to_stored(),
                request.stored_formats(),
                About::default(),
            ),
            None => (
                old.options.clone(),
                old.formats.clone(),
                About {
                    retry_of: Some(old.id),
                    ..old.about.clone()
                },
            ),
        };
        NewJob {
            id: self.id,
            owner: old.owner.clone(),
            flow: self.flow.clone(),
            priority: self.priority,
            fingerprint: Some(self.fingerprint.clone()),
            options,
            formats,
            about,
            items: items.collect(),
        }
    }

    async fn copy(&self, new: &NewJob) -> Result<(), ServiceError> {
        let copies = self.items.iter().zip(&new.items).map(|(item, copy)| async {
            let from = ArtifactKey::recorded(&item.upload);
            let to = ArtifactKey::recorded(&copy.upload);
            match self.artifacts.copy(&from, &to).await {
                Err(ArtifactError::NotFound) => Err(ServiceError::Conflict(format!(
                    "the upload {} is not there any more",
                    item.filename
                ))),
                copied => Ok(copied?),
            }
        });
        try_join_all(copies).await.map(drop)
    }
}

/// The job that `fingerprint` of this owner's has made already under this id.
///
/// # Errors
/// [`ServiceError::KeyReused`], [`ServiceError::Removed`].
pub(super) async fn made_before(
    jobs: &dyn Jobs,
    id: JobId,
    owner: &Owner,
    fingerprint: &str,
) -> Result<Option<Job>, ServiceError> {
    let found = jobs.repeated(id, owner, fingerprint).await;
    found.map_err(|error| why_not_made(id, error))
}

/// Over what is asked to be made again, unlike that of any upload: one item of a job or else all that have failed, and the
/// way where it is another. Nothing goes in that only the old job tells, since it may be gone when the request is repeated;
/// which items have failed never changes once it has ended.
pub(super) fn fingerprint(old: JobId, item: Option<u8>, request: Option<&ModelRequest>) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("again {old}"));
    if let Some(number) = item {
        hash.update([number]);
    }
    if let Some(request) = request {
        let (options, formats) = (request.to_stored(), request.stored_formats());
        let told = options.iter().flat_map(|(name, value)| [name, value]);
        for text in told.chain(&formats) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
    }
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

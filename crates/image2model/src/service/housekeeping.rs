//! What administrators ask and do: room and files, and the removal of jobs of any owner. It is maintenance that removes;
//! here its tasks are queued.

use std::{collections::HashMap, path::Path, time::Duration};

use futures::TryStreamExt as _;

use crate::{
    capacity::disk::Space,
    job::{Job, JobId, Timestamp},
    store::StoreError,
};

use super::{Service, ServiceError};

/// Jobs that one clean-up removes at most.
const CLEANED_AT_ONCE: usize = 1000;

/// Jobs that are read at once.
const READ_AT_ONCE: usize = 100;

/// Files of one kind: what was uploaded, or what was made of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stock {
    pub files: u64,
    pub bytes: u64,
    /// By job, the latest first.
    pub jobs: Vec<JobFiles>,
}

/// One job's files of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFiles {
    pub job: JobId,
    pub files: u64,
    pub bytes: u64,
    pub modified: Timestamp,
}

/// All files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stocks {
    pub uploads: Stock,
    pub results: Stock,
}

/// What was removed, or is about to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    pub jobs: usize,
    pub files: usize,
    pub bytes: u64,
    /// A sentence for each job that could not be removed.
    pub errors: Vec<String>,
    /// Whether there are more jobs than one call removes.
    pub has_more: bool,
}

impl Removal {
    fn add(&mut self, job: &Job) {
        self.jobs += 1;
        self.files += job.artifact_keys().count();
        self.bytes += bytes(job);
    }
}

impl Service {
    /// A job, whoever's it is.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn anyones_job(&self, id: JobId) -> Result<Job, ServiceError> {
        let job = self.store.jobs.job(id).await?;
        job.ok_or(ServiceError::NotFound("job"))
    }

    /// The room on the disk that the files lie on; `None` when they lie in a bucket, or the disk does not answer.
    #[must_use]
    pub fn room(&self) -> Option<Space> {
        self.artifacts.folder()?;
        self.watched_disk()?.ok()
    }

    /// The room where `path` lies; `None` when it does not answer.
    #[must_use]
    pub fn space_of(&self, path: &Path) -> Option<Space> {
        (self.space)(path).ok()
    }

    /// Counts all files; what lies beside them without being any job's is left out.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn stocks(&self) -> Result<Stocks, ServiceError> {
        let mut jobs: [HashMap<JobId, JobFiles>; 2] = Default::default();
        let mut listed = self.artifacts.list();
        while let Some(file) = listed.try_next().await? {
            let Some(job) = file.key.job() else {
                continue;
            };
            let is_result = file.key.as_str().starts_with("jobs/");
            let modified = Timestamp(file.modified_ms);
            let of_job = jobs[usize::from(is_result)].entry(job);
            let of_job = of_job.or_insert(JobFiles {
                job,
                files: 0,
                bytes: 0,
                modified,
            });
            of_job.files += 1;
            of_job.bytes += file.size;
            of_job.modified = of_job.modified.max(modified);
        }
        let [uploads, results] = jobs.map(stock);
        Ok(Stocks { uploads, results })
    }

    /// Removes jobs that ended over `hours` ago, 1000 at most; with `dry_run` it only tells which.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn clean_up(&self, hours: u32, dry_run: bool) -> Result<Removal, ServiceError> {
        let age = Duration::from_secs(u64::from(hours) * 3600);
        let before = self.now().before(age);
        let store = &self.store.jobs;
        let mut old = store.removable(before, CLEANED_AT_ONCE + 1).await?;
        let mut removal = Removal {
            has_more: old.len() > CLEANED_AT_ONCE,
            ..Removal::default()
        };
        old.truncate(CLEANED_AT_ONCE);
        for ids in old.chunks(READ_AT_ONCE) {
            for job in store.jobs(ids).await?.into_iter().flatten() {
                let asked = match dry_run {
                    true => Ok(()),
                    false => store.request_removal(job.id).await,
                };
                match asked {
                    Ok(()) => removal.add(&job),
                    // Another was quicker.
                    Err(StoreError::NotFound) => {}
                    Err(error) => {
                        tracing::warn!(job = %job.id, %error, "a job could not be removed");
                        let id = job.id;
                        removal
                            .errors
                            .push(format!("job {id} could not be removed"));
                    }
                }
            }
        }
        Ok(removal)
    }

    /// Removes one job, whoever's it is, as its owner would: nobody sees it any more, and it goes as soon as nothing
    /// works on it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn remove_job(&self, id: JobId) -> Result<Removal, ServiceError> {
        let mut removal = Removal::default();
        removal.add(&self.store.jobs.delete(id).await?);
        Ok(removal)
    }
}

fn stock(jobs: HashMap<JobId, JobFiles>) -> Stock {
    let mut jobs: Vec<_> = jobs.into_values().collect();
    jobs.sort_by_key(|files| (std::cmp::Reverse(files.modified), files.job));
    Stock {
        files: jobs.iter().map(|files| files.files).sum(),
        bytes: jobs.iter().map(|files| files.bytes).sum(),
        jobs,
    }
}

/// Bytes of a job's uploads and files.
fn bytes(job: &Job) -> u64 {
    let items = job.items.iter();
    items
        .map(|item| item.size + item.files.iter().map(|file| file.size).sum::<u64>())
        .sum()
}

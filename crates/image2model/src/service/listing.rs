//! An owner's jobs, page by page, all or those of some kind.

use crate::{
    job::{Job, JobStatus},
    store::{Cursor, Page},
};

use super::{Caller, Service, ServiceError};

/// Jobs read at once where not all of them are wanted.
const CHUNK: usize = 100;
/// Chunks that one request reads: a page ends there, however few jobs it has found.
const CHUNKS: usize = 5;

/// Which jobs are wanted; what is not said is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub status: Option<JobStatus>,
    pub label: Option<String>,
}

impl Filter {
    fn wants(&self, job: &Job) -> bool {
        let has = |label: &String| job.about.labels.contains(label);
        self.status.is_none_or(|status| job.status() == status)
            && self.label.as_ref().is_none_or(has)
    }
}

impl Service {
    /// A page of the caller's jobs, newest first. It may have fewer jobs than `limit`, even none, and be followed by
    /// another: where few are wanted, one request does not look through all.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn list(
        &self,
        caller: &Caller,
        wanted: &Filter,
        mut after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, ServiceError> {
        let at_once = match *wanted == Filter::default() {
            true => limit,
            false => CHUNK,
        };
        let mut found = Vec::new();
        for _ in 0..CHUNKS {
            let page = self.store.jobs.list(&caller.owner, after, at_once).await?;
            let mut jobs = page.jobs.into_iter();
            while let Some(job) = jobs.next() {
                if job.deleted || !wanted.wants(&job) {
                    continue;
                }
                let here = Cursor::of(&job);
                found.push(job);
                if found.len() >= limit {
                    let more = page.next.is_some() || jobs.len() > 0;
                    return Ok(Page {
                        jobs: found,
                        next: more.then_some(here),
                    });
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(Page {
            jobs: found,
            next: after,
        })
    }
}

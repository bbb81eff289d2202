//! Work that was given up, for whoever looks after the service: seen page by page, and taken up again.
//!
//! Needs no running service, so that the command line has it, too.

use std::sync::Arc;

use crate::{
    artifacts::Artifacts,
    job::{Job, JobId, Task, TaskId, TaskState, Work},
    store::{Created, Died, Jobs, StoreError},
};

use super::{
    Service, ServiceError,
    again::{self, Again},
};

/// The list of dead tasks.
#[derive(Clone)]
pub struct DeadLetters {
    pub jobs: Arc<dyn Jobs>,
    pub artifacts: Artifacts,
}

/// A page of it, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadPage {
    pub tasks: Vec<Task>,
    pub next: Option<Died>,
}

/// A task's name without slashes, as paths and the command line carry it.
#[must_use]
pub fn dead_name(id: &TaskId) -> String {
    id.to_string().replace('/', ":")
}

/// The task of such a name.
#[must_use]
pub fn dead_named(name: &str) -> Option<TaskId> {
    let is_name = !name.contains('/');
    is_name.then(|| name.replace(':', "/").parse().ok())?
}

impl Service {
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters {
            jobs: self.store.jobs.clone(),
            artifacts: self.artifacts.clone(),
        }
    }
}

impl DeadLetters {
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn list(&self, after: Option<&Died>, limit: usize) -> Result<DeadPage, ServiceError> {
        let mut tasks = self.jobs.dead(after, limit.saturating_add(1)).await?;
        let more = tasks.len() > limit;
        tasks.truncate(limit);
        let next = tasks.last().filter(|_| more).and_then(Died::of);
        Ok(DeadPage { tasks, next })
    }

    /// Takes dead work up again and off the list. A given-up item becomes a new job of its owner, for an ended job's
    /// outcome never changes; its repeat finds the same job. Other work is queued anew. Answers with the job that it
    /// is work of now.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] where there is no such dead task or its job was deleted; [`ServiceError::Conflict`]
    /// when nothing can be made of it any more.
    pub async fn requeue(&self, id: &TaskId) -> Result<Job, ServiceError> {
        let job = self.jobs.job(id.job).await.map_err(readable)?;
        let is_wanted = |job: &Job| !job.deleted || id.work == Work::Remove;
        let Some(job) = job.filter(is_wanted) else {
            return Err(ServiceError::NotFound("dead letter"));
        };
        let task = self.jobs.task(id).await.map_err(readable)?;
        let is_dead = |task: &Task| matches!(task.state, TaskState::Dead { .. });
        let is_dead = task.as_ref().is_some_and(is_dead);
        match &id.work {
            Work::Generate { item } => self.make_again(&job, id, *item, is_dead).await,
            _ if !is_dead => Err(ServiceError::NotFound("dead letter")),
            Work::Convert { item, format } => {
                let item = job.id.item(*item);
                self.jobs.request_format(item, format).await?;
                Ok(job)
            }
            Work::Remove => {
                self.jobs.request_removal(job.id).await?;
                Ok(job)
            }
        }
    }

    async fn make_again(
        &self,
        old: &Job,
        task: &TaskId,
        item: u8,
        is_dead: bool,
    ) -> Result<Job, ServiceError> {
        let item = old
            .item(item)
            .ok_or(ServiceError::NotFound("dead letter"))?;
        // No client's own key has a line break in it.
        let key = format!("requeue\n{task}");
        let id = JobId::derived(&old.owner.0, &key);
        let fingerprint = again::fingerprint(old.id, Some(item.number), None);
        let made = again::made_before(&*self.jobs, id, &old.owner, &fingerprint).await?;
        if !is_dead {
            return made.ok_or(ServiceError::NotFound("dead letter"));
        }
        let again = Again {
            jobs: &*self.jobs,
            artifacts: &self.artifacts,
            old,
            items: vec![item],
            request: None,
            id,
            fingerprint,
            flow: old.flow.clone(),
            priority: old.priority,
        };
        let new = match made {
            Some(job) => job,
            None => {
                let (Created::New(job) | Created::Existing(job)) = again.make().await?;
                job
            }
        };
        match self.jobs.bury(task).await {
            // Who asked at the same time was quicker, with the same job.
            Ok(()) | Err(StoreError::NotFound) => Ok(new),
            Err(error) => Err(error.into()),
        }
    }
}

/// Asking again would not help.
fn readable(error: StoreError) -> ServiceError {
    match error {
        StoreError::Damaged(_) => {
            let why = "the job's record is damaged; nothing can be made of it".to_owned();
            ServiceError::Conflict(why)
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_tasks_name_leads_back_to_it() {
        let job = JobId::random();
        let format = "obj.zip".to_owned();
        for work in [
            Work::Generate { item: 25 },
            Work::Convert { item: 3, format },
            Work::Remove,
        ] {
            let id = TaskId { job, work };
            assert_eq!(dead_named(&dead_name(&id)), Some(id.clone()));
            assert_eq!(dead_named(&id.to_string()), None, "a path is no name");
        }
        assert_eq!(dead_named("nothing"), None);
    }
}

//! Reading a job's files, and asking for one more format of a finished model.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{
    artifacts::{ArtifactError, ArtifactKey},
    job::{FileRecord, Item, ItemId, ItemStatus, Job, JobId, TaskId, TaskState, Work},
};

use super::{Caller, Service, ServiceError};

/// Time that a request waits for a further format.
const FORMAT_WAIT: Duration = Duration::from_secs(30);

/// A file opened for reading.
pub struct OpenFile {
    pub record: FileRecord,
    /// Name of the image that it was made of.
    pub image: String,
    pub size: u64,
    pub content: BoxStream<'static, Result<Bytes, ArtifactError>>,
}

impl Service {
    /// Opens a job's file by its unique name.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for job or file.
    pub async fn open(
        &self,
        caller: &Caller,
        id: JobId,
        name: &str,
    ) -> Result<OpenFile, ServiceError> {
        let job = self.job(caller, id).await?;
        let (item, record) = job
            .items
            .iter()
            .flat_map(|item| item.files.iter().map(move |file| (item, file)))
            .find(|(_, file)| file.name == name)
            .ok_or(ServiceError::NotFound("file"))?;
        self.read(item, record.clone()).await
    }

    /// Opens a file by its unique name alone.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn open_by_name(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<OpenFile, ServiceError> {
        match self.store.jobs.file(name).await? {
            Some((job, _)) => self.open(caller, job, name).await,
            None => Err(ServiceError::NotFound("file")),
        }
    }

    /// Opens an item's model in a format, having it written first where it is not there yet.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] when the item has no model; [`ServiceError::GivenUp`] when the writing has failed
    /// for good; [`ServiceError::NotFound`] when the job is removed meanwhile; [`ServiceError::NotYet`] when it takes
    /// longer than a request may wait.
    pub async fn model(
        &self,
        caller: &Caller,
        id: ItemId,
        format: &str,
    ) -> Result<OpenFile, ServiceError> {
        let mut news = self.feed.subscribe(id.job());
        let (_, item) = self.item(caller, id).await?;
        has_model(&item)?;
        if let Some(record) = of_format(&item, format) {
            return self.read(&item, record).await;
        }
        self.store.jobs.request_format(id, format).await?;
        let attached = async {
            loop {
                let (_, item) = self.item(caller, id).await?;
                if let Some(record) = of_format(&item, format) {
                    return self.read(&item, record).await;
                }
                self.not_given_up(id, format).await?;
                if news.next().await.is_none() {
                    news = self.feed.subscribe(id.job());
                }
            }
        };
        tokio::select! {
            opened = tokio::time::timeout(FORMAT_WAIT, attached) => opened.unwrap_or_else(|_| {
                Err(ServiceError::NotYet(format!("the {format} file is still being written; ask again")))
            }),
            () = self.shutdown.cancelled() => {
                Err(ServiceError::Busy("the server is stopping; ask again".to_owned()))
            }
        }
    }

    /// Whether the writing of a format still goes on, or why it does not.
    async fn not_given_up(&self, id: ItemId, format: &str) -> Result<(), ServiceError> {
        let task = TaskId {
            job: id.job(),
            work: Work::Convert {
                item: id.number(),
                format: format.to_owned(),
            },
        };
        match self.store.jobs.task(&task).await?.map(|task| task.state) {
            Some(TaskState::Dead { code, message, .. }) => Err(ServiceError::GivenUp {
                code,
                message: format!("the {format} file could not be written: {message}"),
            }),
            _ => Ok(()),
        }
    }

    /// The one item of a job with a single image.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn only_item(
        &self,
        caller: &Caller,
        id: JobId,
    ) -> Result<Result<ItemId, Job>, ServiceError> {
        let job = self.job(caller, id).await?;
        Ok(match job.items.as_slice() {
            [item] => Ok(id.item(item.number)),
            _ => Err(job),
        })
    }

    async fn read(&self, item: &Item, record: FileRecord) -> Result<OpenFile, ServiceError> {
        let key = ArtifactKey::recorded(&record.key);
        let (size, content) = self.artifacts.read(&key).await?;
        Ok(OpenFile {
            record,
            image: item.filename.clone(),
            size,
            content,
        })
    }
}

fn of_format(item: &Item, format: &str) -> Option<FileRecord> {
    item.files
        .iter()
        .find(|file| file.format == format)
        .cloned()
}

fn has_model(item: &Item) -> Result<(), ServiceError> {
    let name = &item.filename;
    match item.status {
        ItemStatus::Completed => Ok(()),
        ItemStatus::Failed => Err(ServiceError::Conflict(format!("{name} gave no model"))),
        ItemStatus::Cancelled => Err(ServiceError::Conflict(format!("{name} was cancelled"))),
        ItemStatus::Queued | ItemStatus::Processing | ItemStatus::Retrying => Err(
            ServiceError::Conflict(format!("the model of {name} is not ready yet")),
        ),
    }
}

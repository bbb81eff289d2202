//! The log for administrators: what blocks is done where that is allowed, and exports go to the artifacts.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    artifacts::{ArtifactError, ArtifactKey, Upload},
    logs::{Entry, LogType, Logs, Range},
};

use super::{Service, ServiceError};

/// How long an export stays.
const KEPT: Duration = Duration::from_secs(86_400);
/// Bytes that are handed on at once, and how many such pieces wait.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 4;

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    Json,
    Csv,
    Txt,
}

impl ExportFormat {
    pub const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Txt];

    /// Its name, and the extension of its files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Txt => "txt",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What stands before the first line.
    fn head(self) -> &'static str {
        match self {
            Self::Json => "[",
            Self::Csv => "timestamp,log_type,level,target,message,fields\r\n",
            Self::Txt => "",
        }
    }

    fn line(self, entry: &Entry, is_first: bool) -> String {
        match self {
            Self::Json if is_first => format!("\n{}", entry.to_json()),
            Self::Json => format!(",\n{}", entry.to_json()),
            Self::Csv => entry.to_csv() + "\r\n",
            Self::Txt => entry.to_text() + "\n",
        }
    }

    fn tail(self) -> &'static str {
        match self {
            Self::Json => "\n]\n",
            Self::Csv | Self::Txt => "",
        }
    }
}

impl Service {
    /// Reads or changes the log's files.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn with_logs<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Logs) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let logs = self.logs.clone();
        let unavailable =
            |why: String| ServiceError::Unavailable(format!("the log's files: {why}"));
        match tokio::task::spawn_blocking(move || work(&logs)).await {
            Ok(done) => done.map_err(|error| unavailable(error.to_string())),
            Err(stopped) => Err(unavailable(stopped.to_string())),
        }
    }

    /// Writes lines of the log to a file among the artifacts, where they stay for a day.
    ///
    /// # Errors
    /// [`ServiceError::Full`], [`ServiceError::Unavailable`].
    pub async fn export_logs(
        &self,
        kinds: Vec<LogType>,
        range: Range,
        format: ExportFormat,
    ) -> Result<Uuid, ServiceError> {
        self.remove_old_exports().await?;
        let id = Uuid::new_v4();
        let mut file = self.artifacts.upload(&key(id, format)).await?;
        let (pieces, mut read) = mpsc::channel(PIECES);
        let reading = self.with_logs(move |logs| write(logs, &kinds, range, format, &pieces));
        let writing = async {
            while let Some(piece) = read.recv().await {
                file.write(piece).await?;
            }
            Ok::<_, ServiceError>(())
        };
        match tokio::try_join!(reading, writing) {
            Ok(_) => file.finish().await?,
            Err(error) => {
                give_up(file).await;
                return Err(error);
            }
        }
        Ok(id)
    }

    /// An export's size and content.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Unavailable`].
    pub async fn exported_logs(
        &self,
        id: Uuid,
        format: ExportFormat,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, ArtifactError>>), ServiceError> {
        Ok(self.artifacts.read(&key(id, format)).await?)
    }

    async fn remove_old_exports(&self) -> Result<(), ServiceError> {
        let oldest = self.now().before(KEPT).0;
        let listed = self.artifacts.exports().try_filter(move |file| {
            let is_old = file.modified_ms < oldest;
            async move { is_old }
        });
        let mut old = listed.boxed();
        while let Some(file) = old.try_next().await? {
            self.artifacts.delete(&file.key).await?;
        }
        Ok(())
    }
}

fn key(id: Uuid, format: ExportFormat) -> ArtifactKey {
    ArtifactKey::export(id, &format!("logs.{}", format.name()))
}

async fn give_up(file: Upload) {
    if let Err(error) = file.abort().await {
        tracing::warn!(%error, "half an export of the log stays until a clean-up");
    }
}

/// Hands the export on in pieces; it ends early when nobody takes them any more.
fn write(
    logs: &Logs,
    kinds: &[LogType],
    range: Range,
    format: ExportFormat,
    pieces: &mpsc::Sender<Bytes>,
) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let mut gathered = format.head().to_owned();
    let mut is_first = true;
    logs.read(kinds, range, |entry| {
        gathered += &format.line(&entry, is_first);
        is_first = false;
        if gathered.len() < PIECE {
            return Ok(());
        }
        let piece = std::mem::take(&mut gathered);
        pieces.blocking_send(piece.into()).map_err(gone)
    })?;
    gathered += format.tail();
    pieces.blocking_send(gathered.into()).map_err(gone)
}

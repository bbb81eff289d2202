//! The log for administrators: what blocks is done where that is allowed, and exports go to the artifacts.
//!
//! An export under an idempotency key begins with a claim, a small file that is written once: what was asked for, and of
//! which process. So its repeat is known in every process of a fleet, and maintenance removes both by their age.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    artifacts::{ArtifactError, ArtifactKey, EXPORTS_KEPT, Upload},
    job::{JobId, Timestamp},
    logs::{Entry, LogType, Logs, Range},
};

use super::{Caller, Service, ServiceError};

/// Bytes that are handed on at once, and how many such pieces wait.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 4;
/// After which an export that is not there is not being made any more.
const LONGEST_MADE: Duration = Duration::from_secs(15 * 60);

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

/// What is to be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    pub kinds: Vec<LogType>,
    pub range: Range,
    pub format: ExportFormat,
}

impl Excerpt {
    /// In one line.
    fn told(&self) -> String {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
        let (from, until) = (self.range.from, self.range.until);
        format!("{} {from} {until} {}", kinds.join(","), self.format.name())
    }
}

/// An export that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub id: Uuid,
    /// The process whose log it is of.
    pub replica: String,
}

/// Who makes an export under an idempotency key: the first that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    at: Timestamp,
    replica: String,
    /// Of the excerpt.
    told: String,
}

impl Claim {
    fn write(&self) -> Bytes {
        format!("{}\n{}\n{}", self.at.0, self.replica, self.told).into()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(bytes).ok()?.splitn(3, '\n');
        Some(Self {
            at: Timestamp(lines.next()?.parse().ok()?),
            replica: lines.next()?.to_owned(),
            told: lines.next()?.to_owned(),
        })
    }
}

/// The exports that this process is making under idempotency keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Exporting(Arc<Mutex<HashSet<Uuid>>>);

/// An export's place among them, until it is dropped.
#[derive(Debug)]
struct Place {
    of: Exporting,
    id: Uuid,
}

impl Exporting {
    /// `None` while it is being made.
    fn enter(&self, id: Uuid) -> Option<Place> {
        // A place that is dropped leaves again, so none is made before it is known to be free.
        let is_free = self.ids().insert(id);
        is_free.then(|| Place {
            of: self.clone(),
            id,
        })
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.ids().remove(&self.id);
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

    /// Writes lines of the log to a file among the artifacts, where they stay for a day. A repeat under the same
    /// idempotency key finds what is there.
    ///
    /// # Errors
    /// [`ServiceError::KeyReused`]; [`ServiceError::Conflict`] while the same is being made; [`ServiceError::Full`],
    /// [`ServiceError::Unavailable`].
    pub async fn export_logs(
        &self,
        caller: &Caller,
        excerpt: Excerpt,
        idempotency_key: Option<&str>,
    ) -> Result<Exported, ServiceError> {
        let own = self.logs.replica().to_owned();
        let Some(key) = idempotency_key else {
            let id = Uuid::new_v4();
            self.write_export(id, excerpt).await?;
            return Ok(Exported { id, replica: own });
        };
        // No key of a client has a line break in it, so that none makes a job of this id.
        let id = JobId::derived(&caller.owner.0, &format!("export\n{key}")).as_uuid();
        let Some(_place) = self.exporting.enter(id) else {
            return Err(still_made());
        };
        let (told, format) = (excerpt.told(), excerpt.format);
        if let Some(first) = self.claim(id, &told).await? {
            if first.told != told {
                return Err(ServiceError::KeyReused);
            }
            if self.artifacts.exists(&file_of(id, format)).await? {
                let replica = first.replica;
                return Ok(Exported { id, replica });
            }
            // One of this process's own that is not being made has failed before, and so has another's where there is
            // but one process at a time.
            let is_alone = self.config.store.url.is_empty();
            let is_young = first.at.after(LONGEST_MADE) > self.now();
            if first.replica != own && !is_alone && is_young {
                return Err(still_made());
            }
        }
        let written = self.write_export(id, excerpt).await;
        if written.is_err() {
            self.withdraw(&claim_of(id)).await;
        }
        written.map(|()| Exported { id, replica: own })
    }

    /// Claims an export for this process; `Some` of who was first, unless that is over a day ago.
    async fn claim(&self, id: Uuid, told: &str) -> Result<Option<Claim>, ServiceError> {
        let (key, now) = (claim_of(id), self.now());
        let claim = Claim {
            at: now,
            replica: self.logs.replica().to_owned(),
            told: told.to_owned(),
        };
        match self.artifacts.put(&key, claim.write()).await {
            Err(ArtifactError::Exists) => {}
            put => return Ok(put.map(|()| None)?),
        }
        let first = match self.artifacts.get(&key).await {
            Ok(bytes) => Claim::read(&bytes),
            // It goes at this moment.
            Err(ArtifactError::NotFound) => return Err(still_made()),
            Err(error) => return Err(error.into()),
        };
        if let Some(first) = first.filter(|first| first.at.after(EXPORTS_KEPT) > now) {
            return Ok(Some(first));
        }
        for format in ExportFormat::ALL {
            self.artifacts.delete(&file_of(id, format)).await?;
        }
        self.artifacts.delete(&key).await?;
        match self.artifacts.put(&key, claim.write()).await {
            Err(ArtifactError::Exists) => Err(still_made()),
            put => Ok(put.map(|()| None)?),
        }
    }

    async fn withdraw(&self, claim: &ArtifactKey) {
        if let Err(error) = self.artifacts.delete(claim).await {
            tracing::warn!(%error, "the claim of a failed export stays until maintenance");
        }
    }

    async fn write_export(&self, id: Uuid, excerpt: Excerpt) -> Result<(), ServiceError> {
        let Excerpt {
            kinds,
            range,
            format,
        } = excerpt;
        let mut file = self.artifacts.upload(&file_of(id, format)).await?;
        let (pieces, mut read) = mpsc::channel(PIECES);
        let reading = self.with_logs(move |logs| write(logs, &kinds, range, format, &pieces));
        let writing = async {
            while let Some(piece) = read.recv().await {
                file.write(piece).await?;
            }
            Ok::<_, ServiceError>(())
        };
        match tokio::try_join!(reading, writing) {
            Ok(_) => Ok(file.finish().await?),
            Err(error) => {
                give_up(file).await;
                Err(error)
            }
        }
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
        Ok(self.artifacts.read(&file_of(id, format)).await?)
    }
}

fn still_made() -> ServiceError {
    let why = "the export of this Idempotency-Key is being made; ask again, or under another key if it never comes";
    ServiceError::Conflict(why.to_owned())
}

fn file_of(id: Uuid, format: ExportFormat) -> ArtifactKey {
    ArtifactKey::export(id, &format!("logs.{}", format.name()))
}

fn claim_of(id: Uuid) -> ArtifactKey {
    ArtifactKey::claim(id)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_made_once_at_a_time() {
        let exporting = Exporting::default();
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let place = exporting.enter(one).unwrap();
        assert!(exporting.enter(one).is_none());
        assert!(exporting.enter(other).is_some());
        drop(place);
        assert!(exporting.enter(one).is_some());
    }

    #[test]
    fn a_claim_is_read_as_it_was_written() {
        let claim = Claim {
            at: Timestamp(17),
            replica: "host-1".to_owned(),
            told: "audit,errors 0 86400000 csv".to_owned(),
        };
        assert_eq!(Claim::read(&claim.write()), Some(claim));
        for damaged in [&b""[..], b"17\nhost-1", b"x\ny\nz", b"\xff\n\n"] {
            assert_eq!(Claim::read(damaged), None);
        }
    }
}

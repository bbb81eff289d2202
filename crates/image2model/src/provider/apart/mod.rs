//! `reconstruct` in processes of its own: what reads untrusted bytes can harm nobody but itself.
//!
//! The parent hands a child the bytes of one picture and gets files back; the picture's headers, too, are read in the
//! child only. A child that crashes, hangs or takes too much fails the one attempt that it was at, and the next task
//! gets another. A child opens nothing, reaches nobody and ends with its parent, whatever ends that.
//!
//! `children` hands out warm processes, `child` is one of them as the parent holds it, `frame` is what the two say to
//! each other over the child's standard input and output. `inside` is the child; `confinement` is what it gives up
//! before it reads anything.

mod child;
mod children;
mod confinement;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod inside;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use reconstruct::Format;
use tokio_util::sync::CancellationToken;

use super::{
    Budget, Generated, ModelRequest, OnProgress, Produced, Provider, Share,
    local::{cancelled, failure, threads},
    memory_limit,
};
use crate::{
    config::WorkerSettings,
    job::{
        Notice,
        transition::{Failure, Retry},
    },
};

use self::{child::Child, children::Children, frame::Work};

pub use confinement::Bounds;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzzing::frames;
pub use inside::serve_apart;

/// Bytes that a child holds beside its task: its program and its allocator's tables.
const OWN_MEMORY: u64 = 16 << 20;

/// Mapped bytes that a child may have beside its own and its task's: what lies unused between pieces.
const HEADROOM: u64 = 32 << 20;

/// How children are kept.
#[derive(Debug, Clone)]
pub struct ApartSettings {
    /// What is started, which must be this program.
    pub program: PathBuf,
    /// Children at work at once.
    pub at_once: usize,
    /// Bytes for all of them.
    pub memory: u64,
    /// For one piece of work, from its begin.
    pub time_limit: Duration,
    /// Tasks after which a child is replaced; 0 is never.
    pub max_tasks: u64,
    /// Percent of what a task is estimated to hold that its child may map for it, for pieces are rounded up.
    pub granted: u64,
}

impl ApartSettings {
    /// `worker.threads` children under `worker.memory`, of this process's own program.
    ///
    /// # Errors
    /// The system does not tell what program this is.
    pub fn new(settings: &WorkerSettings, max_tasks: u64) -> io::Result<Self> {
        // The program that runs, even where its file has been replaced since.
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()?
        };
        Ok(Self {
            program,
            at_once: threads(settings),
            memory: settings.memory.of(memory_limit()),
            time_limit: Duration::from_secs(settings.time_limit),
            max_tasks,
            granted: 150,
        })
    }

    fn bounds(&self) -> Bounds {
        // Each task has its limit twice, once to be prepared.
        let each = self
            .time_limit
            .as_secs()
            .saturating_add(1)
            .saturating_mul(2);
        Bounds {
            memory: self.granted(self.memory),
            processor: (self.max_tasks > 0).then(|| each.saturating_mul(self.max_tasks)),
        }
    }

    /// Bytes that a child may map for a task that is estimated to hold `needed`.
    fn granted(&self, needed: u64) -> u64 {
        let task = needed.saturating_mul(self.granted) / 100;
        task.saturating_add(OWN_MEMORY + HEADROOM)
    }
}

/// Makes models in a bounded number of child processes under a byte budget.
#[derive(Debug, Clone)]
pub struct ApartProvider {
    children: Arc<Children>,
    budget: Budget,
    settings: ApartSettings,
}

/// Why an attempt has no answer. Its child is not used again.
enum Lost {
    /// The child ended, or said what no child says.
    Died(io::Error),
    OverTime,
    /// Nobody wants the result any more.
    Unwanted,
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Died(error)
    }
}

impl ApartProvider {
    /// Starts a first child, to see that one can be.
    ///
    /// # Errors
    /// None can be started or confined.
    pub async fn start(settings: ApartSettings) -> io::Result<Self> {
        let children = Children::new(
            settings.program.clone(),
            settings.bounds(),
            settings.max_tasks,
            settings.at_once,
        );
        let (_place, first) = children.take().await?;
        if !first.is_filtered() {
            tracing::warn!(
                "this system cannot filter what decoders ask of it: they are processes of their own with limits only"
            );
        }
        children.keep(first).await;
        Ok(Self {
            children: Arc::new(children),
            budget: Budget::new(settings.memory),
            settings,
        })
    }

    /// Has a child do `work` on `body`. It waits for a child, then for the memory that the child asks for, so that who
    /// has memory never waits for a child.
    async fn run(
        &self,
        work: Work,
        body: &[u8],
        progress: &OnProgress,
        cancel: &CancellationToken,
    ) -> Result<Generated, Failure> {
        let (_place, mut child) = tokio::select! {
            taken = self.children.take() => taken.map_err(|error| not_started(&error))?,
            () = cancel.cancelled() => return Err(cancelled()),
        };
        // Held until the child is gone, where it ends before its work.
        let mut share = None;
        let ended = tokio::select! {
            ended = self.attempt(&mut child, work, body, progress, &mut share) => ended,
            () = cancel.cancelled() => Err(Lost::Unwanted),
        };
        match ended {
            Ok(answer) => {
                self.children.keep(child).await;
                answer
            }
            Err(Lost::Unwanted) => {
                child.kill().await;
                Err(cancelled())
            }
            Err(Lost::OverTime) => {
                child.kill().await;
                Err(over_time(self.settings.time_limit))
            }
            Err(Lost::Died(error)) => {
                let child::Death { how, last_words } = child.died().await;
                tracing::warn!(%error, how, last_words, "a decoder died");
                Err(died(&how))
            }
        }
    }

    async fn attempt(
        &self,
        child: &mut Child,
        work: Work,
        body: &[u8],
        progress: &OnProgress,
        share: &mut Option<Share>,
    ) -> Result<Result<Generated, Failure>, Lost> {
        child.grant(self.settings.granted(body.len() as u64))?;
        let is_conversion = matches!(work, Work::Convert { .. });
        let mut needed = match self.in_time(child.prepare(work, body)).await? {
            Ok(needed) => needed,
            Err(refused) => return Ok(Err(refused)),
        };
        if is_conversion {
            // A model that was made under this budget can be converted under it.
            needed = needed.min(self.budget.total().saturating_sub(OWN_MEMORY));
        }
        match self.budget.take(needed.saturating_add(OWN_MEMORY)).await {
            Ok(taken) => *share = Some(taken),
            Err(refused) => return Ok(Err(failure("over_budget", &refused))),
        }
        let granted = self.settings.granted(needed);
        child.grant(granted)?;
        self.in_time(child.begin(granted, progress)).await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = io::Result<T>>) -> Result<T, Lost> {
        let answered = tokio::time::timeout(self.settings.time_limit, answer).await;
        Ok(answered.map_err(|_| Lost::OverTime)??)
    }
}

#[async_trait]
impl Provider for ApartProvider {
    /// One more than there are children: it is read or handed in while the others are computed.
    fn at_once(&self) -> usize {
        self.settings.at_once + 1
    }

    async fn generate(
        &self,
        image: Bytes,
        request: &ModelRequest,
        stem: &str,
        progress: OnProgress,
        cancel: CancellationToken,
    ) -> Result<Generated, Failure> {
        let formats = request.formats.iter().map(|format| format.extension());
        let work = Work::Generate {
            options: request.to_stored(),
            formats: formats.map(str::to_owned).collect(),
            stem: stem.to_owned(),
        };
        self.run(work, &image, &progress, &cancel).await
    }

    async fn convert(&self, glb: Bytes, format: Format, stem: &str) -> Result<Produced, Failure> {
        let work = Work::Convert {
            format: format.extension().to_owned(),
            stem: stem.to_owned(),
        };
        let nobody: OnProgress = Arc::new(|_, _| {});
        let made = self
            .run(work, &glb, &nobody, &CancellationToken::new())
            .await?;
        let wanted = |file: &Produced| file.format == format.extension();
        let file = made.files.into_iter().find(wanted);
        file.ok_or_else(|| died("it gave another file"))
    }

    async fn close(&self) {
        self.children.end().await;
    }
}

fn died(how: &str) -> Failure {
    again(
        "decoder_died",
        format!("the decoder died ({how}) and took nothing else with it"),
    )
}

fn over_time(limit: Duration) -> Failure {
    let limit = limit.as_secs_f64();
    again(
        "over_time",
        format!("it was not done within {limit} seconds (worker.time_limit)"),
    )
}

/// The reason goes to the log: it is about this machine.
fn not_started(error: &io::Error) -> Failure {
    tracing::error!(%error, "no decoder can be started");
    again("no_decoder", "no decoder could be started".to_owned())
}

/// A failure after which another attempt can help.
fn again(code: &str, message: String) -> Failure {
    Failure {
        error: Notice {
            code: code.to_owned(),
            message,
        },
        retry: Retry::Backoff,
    }
}

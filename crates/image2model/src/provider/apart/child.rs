//! One child, as its parent holds it: started, asked, and sure to end.

use std::{
    io,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reconstruct::{Format, Step};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{
    confinement::Bounds,
    frame::{self, Answer, Ask, Work},
};
use crate::{
    job::transition::{Failure, Retry},
    provider::{Generated, OnProgress, Produced},
};

/// The hidden command that is a child.
const COMMAND: &str = "make-apart";

/// How a child's allocator differs: what is freed goes back, for the limit counts every mapped byte, and it has no
/// threads, for none may be started.
const ALLOCATOR: (&str, &str) = (
    "_RJEM_MALLOC_CONF",
    "narenas:1,retain:false,background_thread:false,dirty_decay_ms:1000,muzzy_decay_ms:0",
);

/// Time for a child to confine itself, on a machine that has other work.
const START: Duration = Duration::from_secs(30);

/// Time for a child whose pipe is closed to have ended by itself.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Bytes of what a child said last that are read.
const LAST_WORDS: u64 = 4096;

/// A running child. It is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    to: ChildStdin,
    from: ChildStdout,
    errors: ChildStderr,
    most: u64,
    is_filtered: bool,
    told: u64,
}

impl Child {
    /// Starts a child of `program` and waits until it is confined.
    ///
    /// # Errors
    /// It cannot be started, or not be confined.
    pub(super) async fn start(program: &Path, bounds: Bounds) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg(COMMAND)
            .arg(format!("--memory={}", bounds.memory))
            // The environment may hold keys to store and bucket.
            .env_clear()
            .env(ALLOCATOR.0, ALLOCATOR.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(seconds) = bounds.processor {
            command.arg(format!("--processor={seconds}"));
        }
        // Ctrl-C is for the parent, which drains.
        #[cfg(unix)]
        command.process_group(0);
        let began = Instant::now();
        let mut process = command.spawn()?;
        let (Some(to), Some(from), Some(errors)) = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        ) else {
            return Err(io::Error::other("a child without pipes"));
        };
        let mut child = Self {
            process,
            to,
            from,
            errors,
            most: bounds.memory,
            is_filtered: false,
            told: 0,
        };
        match timeout(START, child.hear(0)).await? {
            Ok((Answer::Ready { is_filtered }, _)) => child.is_filtered = is_filtered,
            Ok(_) => return Err(frame::nonsense("no greeting")),
            Err(_) => {
                let Death { how, last_words } = child.died().await;
                return Err(io::Error::other(format!("{how} {last_words}")));
            }
        }
        tracing::debug!(pid = child.process.id(), took = ?began.elapsed(), "a decoder is ready");
        Ok(child)
    }

    /// Whether its system calls are filtered.
    pub(super) fn is_filtered(&self) -> bool {
        self.is_filtered
    }

    /// How many pieces of work it was told.
    pub(super) fn told(&self) -> u64 {
        self.told
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Tells it the work on `body`, and asks how many bytes that will hold.
    ///
    /// # Errors
    /// Outside, it is not to be used any more; within, it refuses the work.
    pub(super) async fn prepare(
        &mut self,
        work: Work,
        body: &[u8],
    ) -> io::Result<Result<u64, Failure>> {
        self.told += 1;
        frame::send(&mut self.to, &Ask::Prepare(work), body).await?;
        match self.hear(0).await? {
            (Answer::Needs { bytes }, _) => Ok(Ok(bytes)),
            (Answer::Failed { error, is_final }, _) => Ok(Err(refusal(error, is_final))),
            _ => Err(frame::nonsense("an answer to nothing")),
        }
    }

    /// Has it do the work that it was told; `most` bytes of files are taken.
    ///
    /// # Errors
    /// Outside, it is not to be used any more; within, the work failed.
    pub(super) async fn begin(
        &mut self,
        most: u64,
        progress: &OnProgress,
    ) -> io::Result<Result<Generated, Failure>> {
        frame::send(&mut self.to, &Ask::Begin, &[]).await?;
        collect(&mut self.from, most, progress).await
    }

    /// Grants it `bytes` of memory from now on, as far as the system can.
    ///
    /// # Errors
    /// The system refuses it: the child is gone.
    #[cfg(target_os = "linux")]
    pub(super) fn grant(&self, bytes: u64) -> io::Result<()> {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};

        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let pid = self.process.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw).ok_or_else(gone)?;
        let limit = Rlimit {
            current: Some(bytes.min(self.most)),
            maximum: Some(self.most),
        };
        prlimit(Some(pid), Resource::Data, limit)?;
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn grant(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    /// Kills it, and waits until it is gone.
    pub(super) async fn kill(mut self) {
        if let Err(error) = self.process.kill().await {
            tracing::warn!(%error, "a decoder could not be killed");
        }
    }

    /// How it came to its end, which it has when it keeps no promise any more.
    pub(super) async fn died(self) -> Death {
        let Self {
            mut process,
            to,
            from,
            errors,
            ..
        } = self;
        drop((to, from));
        let ended = match timeout(LAST_BREATH, process.wait()).await {
            Ok(ended) => ended,
            Err(_) => match process.start_kill() {
                Ok(()) => process.wait().await,
                Err(error) => Err(error),
            },
        };
        let mut said = Vec::new();
        let mut errors = errors.take(LAST_WORDS);
        // Words that cannot be read are not worth more.
        let _ = timeout(LAST_BREATH, errors.read_to_end(&mut said)).await;
        Death {
            how: ended.map_or_else(|error| error.to_string(), |status| status.to_string()),
            last_words: String::from_utf8_lossy(&said).trim().to_owned(),
        }
    }

    async fn hear(&mut self, most: u64) -> io::Result<(Answer, Vec<u8>)> {
        frame::receive(&mut self.from, most).await
    }
}

/// What a child that has begun says until its work is done: `most` bytes of files are taken, and each file once, for a
/// child is not believed.
///
/// # Errors
/// Outside, it says what no child says, or nothing more; within, the work failed.
pub(super) async fn collect(
    from: &mut (impl AsyncRead + Unpin),
    most: u64,
    progress: &OnProgress,
) -> io::Result<Result<Generated, Failure>> {
    let mut left = most;
    let mut files: Vec<Produced> = Vec::new();
    loop {
        let (answer, body) = frame::receive(from, left).await?;
        left -= body.len() as u64;
        match answer {
            Answer::Step { name } => {
                let known = Step::ALL.into_iter().find(|step| step.name() == name);
                let step = known.ok_or_else(|| frame::nonsense("a step that is none"))?;
                progress(step.percent_before(), step.name());
            }
            Answer::File { format } => {
                let file = file(&format, body.into())?;
                if files.iter().any(|known| known.format == file.format) {
                    return Err(frame::nonsense("a file that was there already"));
                }
                files.push(file);
            }
            Answer::Done { warnings } => return Ok(Ok(Generated { files, warnings })),
            Answer::Failed { error, is_final } => return Ok(Err(refusal(error, is_final))),
            Answer::Ready { .. } | Answer::Needs { .. } => {
                return Err(frame::nonsense("an answer to nothing"));
            }
        }
    }
}

/// What is known of a child that is dead.
pub(super) struct Death {
    /// Its signal or its exit status.
    pub(super) how: String,
    /// From its standard error.
    pub(super) last_words: String,
}

fn refusal(error: crate::job::Notice, is_final: bool) -> Failure {
    let retry = if is_final {
        Retry::Never
    } else {
        Retry::Backoff
    };
    Failure { error, retry }
}

/// # Errors
/// There is no such format.
fn file(format: &str, bytes: Bytes) -> io::Result<Produced> {
    if format == Produced::PREVIEW {
        return Ok(Produced::preview(bytes));
    }
    let known = Format::from_extension(format);
    let format = known.ok_or_else(|| frame::nonsense("a format that is none"))?;
    Ok(Produced::model(format, bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_child_that_gives_a_file_twice_is_not_believed() {
        let nobody: OnProgress = Arc::new(|_, _| {});
        let said = |formats: &[&str]| {
            let mut said = Vec::new();
            for format in formats {
                let format = (*format).to_owned();
                frame::write(&mut said, &Answer::File { format }, b"12345").unwrap();
            }
            let warnings = Vec::new();
            frame::write(&mut said, &Answer::Done { warnings }, b"").unwrap();
            said
        };
        let once = said(&["glb", "preview"]);
        let made = collect(&mut once.as_slice(), 10, &nobody).await.unwrap();
        assert_eq!(made.unwrap().files.len(), 2);
        let over = collect(&mut once.as_slice(), 9, &nobody).await;
        assert_eq!(over.unwrap_err().to_string(), "a frame over the limit");
        let twice = said(&["glb", "preview", "glb"]);
        let refused = collect(&mut twice.as_slice(), 100, &nobody).await;
        assert_eq!(
            refused.unwrap_err().to_string(),
            "a file that was there already"
        );
    }
}

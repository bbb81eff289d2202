//! The service's own log files: written, rotated, and read again for administrators.
//!
//! Each line is a JSON object of `tracing` and lies in the file of its [`LogType`]; errors lie in a file of their own
//! besides. A file that is full or of another day is put aside under the time of that, and what is put aside goes by
//! number and age. It knows files and lines; nothing of HTTP, jobs or the store.
//!
//! Requests come by [`Logs::request`], all else by [`Logs::layer`]. What comes before [`Logs::open`], which is called
//! once the data directory is this process's own, is kept until then.

mod analysis;
mod files;
mod lines;
mod statistics;
mod writer;

use std::{
    io, mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Notify;

use crate::{clock::Clock, config::LogSettings};

pub use analysis::{Analysis, Counted, Daily, SystemEvent};
pub use files::{CleanedUp, Rotation};
pub use lines::{Entry, Range};
pub use statistics::{Statistics, TypeStatistics};
pub(crate) use writer::filter_with;
pub use writer::{LineWriter, Request};

use files::Folder;

/// Lines that are kept until there is a folder.
const KEPT_WAITING: usize = 1000;
/// How long lines of requests are gathered: what a process that is killed may take with it.
const GATHERS_FOR: Duration = Duration::from_millis(100);

/// What a line is about; each has a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogType {
    Application,
    Access,
    Audit,
    Errors,
}

impl LogType {
    pub const ALL: [Self; 4] = [Self::Application, Self::Access, Self::Audit, Self::Errors];

    /// Those that have every line once.
    pub const ONCE: [Self; 3] = [Self::Application, Self::Access, Self::Audit];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Access => "access",
            Self::Audit => "audit",
            Self::Errors => "errors",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What lies there, for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Application => "What the service does: starts, ends, warnings, errors",
            Self::Access => "Every request with its route, status and time",
            Self::Audit => "What administrators did, with which key",
            Self::Errors => "The errors of all other types once more",
        }
    }

    /// Where an event of that target belongs; requests come by [`Logs::request`].
    fn of_target(target: &str) -> Self {
        match target {
            "audit" => Self::Audit,
            _ => Self::Application,
        }
    }
}

/// The log of one process.
#[derive(Clone)]
pub struct Logs {
    shared: Arc<Shared>,
    /// The process, as the workers' register names it.
    replica: Arc<str>,
}

struct Shared {
    settings: LogSettings,
    keeps_requests: bool,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Told when a first line waits to be written.
    gathered: Notify,
}

enum State {
    /// There will be a folder.
    Waiting(Vec<(LogType, Vec<u8>)>),
    Open(Folder),
    /// The log goes to the standard error alone.
    Nowhere,
}

impl Logs {
    /// A log that is to lie in a folder.
    #[must_use]
    pub fn new(settings: &LogSettings, clock: Arc<dyn Clock>) -> Self {
        Self::with(settings, clock, State::Waiting(Vec::new()))
    }

    /// A log without files.
    #[must_use]
    pub fn nowhere(settings: &LogSettings, clock: Arc<dyn Clock>) -> Self {
        Self::with(settings, clock, State::Nowhere)
    }

    fn with(settings: &LogSettings, clock: Arc<dyn Clock>, state: State) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings: settings.clone(),
                keeps_requests: writer::keeps_requests(&settings.level),
                clock,
                state: Mutex::new(state),
                gathered: Notify::new(),
            }),
            replica: "".into(),
        }
    }

    /// The same log under the name of the process that writes it.
    #[must_use]
    pub fn of(self, replica: &str) -> Self {
        Self {
            replica: replica.into(),
            ..self
        }
    }

    /// The process that writes it.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Whether it is kept in files.
    #[must_use]
    pub fn has_files(&self) -> bool {
        !matches!(*self.state(), State::Nowhere)
    }

    /// Begins to write to files in `path`; of a log without files it does nothing.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let State::Waiting(lines) = &mut *state else {
            return Ok(());
        };
        std::fs::create_dir_all(path)?;
        let mut folder = Folder::new(path.to_owned(), self.shared.settings.clone());
        let now = self.shared.clock.now();
        for (kind, line) in mem::take(lines) {
            folder.append(kind, &line, now);
        }
        folder.prune(now);
        *state = State::Open(folder);
        Ok(())
    }

    /// Has lines of requests written many at a time, which spares a busy server a system call for each; never returns.
    /// Once it is dropped, each is written when it comes.
    pub async fn gather(&self) {
        let _gathering = Gathering::begin(self);
        loop {
            self.shared.gathered.notified().await;
            tokio::time::sleep(GATHERS_FOR).await;
            self.in_folder(Folder::write_gathered);
        }
    }

    fn in_folder(&self, act: impl FnOnce(&mut Folder)) {
        if let State::Open(folder) = &mut *self.state() {
            act(folder);
        }
    }

    /// The folder that it lies in, with all that was to be written there.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        match &mut *self.state() {
            State::Open(folder) => {
                folder.write_gathered();
                Some(folder.path().to_owned())
            }
            State::Waiting(_) | State::Nowhere => None,
        }
    }

    /// Of which files the last line was lost, and why.
    #[must_use]
    pub fn trouble(&self) -> Vec<String> {
        match &*self.state() {
            State::Open(folder) => folder.trouble(),
            State::Waiting(_) | State::Nowhere => Vec::new(),
        }
    }

    /// How many files there are, of what size and age.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn statistics(&self) -> io::Result<Statistics> {
        match self.folder() {
            Some(path) => Statistics::of(&path),
            None => Ok(Statistics::default()),
        }
    }

    /// Puts every file with lines aside and begins a new one.
    #[must_use]
    pub fn rotate(&self) -> Rotation {
        let now = self.shared.clock.now();
        match &mut *self.state() {
            State::Open(folder) => folder.rotate_all(now),
            State::Waiting(_) | State::Nowhere => Rotation::default(),
        }
    }

    /// Removes what was put aside and last written over `days` ago.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn clean_up(&self, days: u32) -> io::Result<CleanedUp> {
        let now = self.shared.clock.now();
        match self.folder() {
            Some(path) => files::clean_up(&path, days, now),
            None => Ok(CleanedUp::default()),
        }
    }

    /// Reads the lines of these types within a range of time, each type in the order of writing.
    ///
    /// # Errors
    /// A file cannot be read, or `take` has failed.
    pub fn read(
        &self,
        kinds: &[LogType],
        range: Range,
        mut take: impl FnMut(Entry) -> io::Result<()>,
    ) -> io::Result<()> {
        // All at once, so that none is put aside in between.
        let opened = match &mut *self.state() {
            State::Open(folder) => {
                folder.write_gathered();
                lines::open(folder.path(), kinds, range)?
            }
            State::Waiting(_) | State::Nowhere => Vec::new(),
        };
        lines::read(opened, range, &mut take)
    }

    fn write(&self, kind: LogType, line: &[u8]) {
        match &mut *self.state() {
            State::Waiting(lines) if lines.len() < KEPT_WAITING => {
                lines.push((kind, line.to_owned()));
            }
            State::Open(folder) => {
                if folder.append(kind, line, self.shared.clock.now()) {
                    self.shared.gathered.notify_one();
                }
            }
            State::Waiting(_) | State::Nowhere => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, lines of requests are gathered.
struct Gathering<'a>(&'a Logs);

impl<'a> Gathering<'a> {
    fn begin(logs: &'a Logs) -> Self {
        logs.in_folder(|folder| folder.gathers(true));
        Self(logs)
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        self.0.in_folder(|folder| folder.gathers(false));
    }
}

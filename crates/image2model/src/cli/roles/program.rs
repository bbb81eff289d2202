use std::{env, ffi::OsString, io, path::PathBuf};

/// The program of this process and its words, as they were when it started.
pub(super) struct Program {
    path: PathBuf,
    words: Vec<OsString>,
}

impl Program {
    /// Looked up at the start: later the file may be another, or gone.
    ///
    /// # Errors
    /// The system does not tell.
    pub(super) fn of_process() -> io::Result<Self> {
        Ok(Self {
            path: env::current_exe()?,
            words: env::args_os().collect(),
        })
    }

    /// Puts a new process of the program in the place of this one, under its process id; what it had open is closed.
    /// Returns only when that fails. A signal that comes before the new one hears any ends it, which does no harm: it
    /// holds nothing yet.
    #[cfg(unix)]
    pub(super) fn start_anew(&self) -> io::Error {
        use std::{os::unix::process::CommandExt as _, process::Command};
        let mut command = Command::new(&self.path);
        if let Some((name, others)) = self.words.split_first() {
            command.arg0(name).args(others);
        }
        command.exec()
    }

    #[cfg(not(unix))]
    pub(super) fn start_anew(&self) -> io::Error {
        io::ErrorKind::Unsupported.into()
    }
}

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::process;

/// A running `image2model serve`, or one of its roles. It is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// 0 of a process that has opened none.
    pub(crate) port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts on a free port with a data directory; `settings` are names and values of the environment without
    /// the prefix, such as `WORKER__GRACE`.
    pub(crate) fn start(dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_on(dir, 0, settings)
    }

    pub(crate) fn start_on(dir: &Path, port: u16, settings: &[(&str, &str)]) -> Self {
        Self::run(command(dir, port, settings), dir)
    }

    /// Starts what `command` says, which may listen on 127.0.0.1 only, and waits until it is ready.
    pub(crate) fn run(mut command: Command, dir: &Path) -> Self {
        let log = dir.with_extension("log");
        let errors = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut told).unwrap();
        let ready = told.trim().split_once(" is ready");
        let port = ready.and_then(|(_, place)| {
            let port = [": http://127.0.0.1:", ": https://127.0.0.1:"]
                .iter()
                .find_map(|before| place.strip_prefix(before));
            match port {
                Some(port) => port.parse().ok(),
                None => place.is_empty().then_some(0),
            }
        });
        let Some(port) = port else {
            let status = child.wait().unwrap();
            panic!("no start: {told:?}, {status}\n{}", read(&log));
        };
        Self { child, port, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits until it has drained: how it ended and how long that took.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        (self.end_in_order(), asked.elapsed())
    }

    /// SIGTERM, and waits until it has drained: how it ended.
    pub(crate) fn end_in_order(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    /// Memory that the process holds right now, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        process::resident_bytes(self.pid())
    }

    /// The most memory that it has held at once, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        process::peak_bytes(self.pid())
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What [`Server::start_on`] runs.
pub(crate) fn command(dir: &Path, port: u16, settings: &[(&str, &str)]) -> Command {
    wrapped(&[], dir, port, settings)
}

/// The same under a program that runs another, given with its arguments.
pub(crate) fn wrapped(by: &[&str], dir: &Path, port: u16, settings: &[(&str, &str)]) -> Command {
    let listen = format!("--listen=127.0.0.1:{port}");
    program(by, &["serve", &listen], dir, settings)
}

/// A role's process with its own words, such as `["worker", "--queues=priority"]`.
pub(crate) fn role(words: &[&str], dir: &Path, settings: &[(&str, &str)]) -> Command {
    program(&[], words, dir, settings)
}

fn program(by: &[&str], words: &[&str], dir: &Path, settings: &[(&str, &str)]) -> Command {
    let binary = env!("CARGO_BIN_EXE_image2model");
    let words = by.iter().copied().chain([binary]).chain(words.to_vec());
    let words: Vec<&OsStr> = words.map(OsStr::new).collect();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg("--data-dir")
        .arg(dir)
        // A settings file that lies about must not change what is tested.
        .current_dir(dir.ancestors().find(|above| above.is_dir()).unwrap());
    for (name, value) in settings {
        command.env(format!("IMAGE2MODEL_{name}"), value);
    }
    command
}

/// Runs a command that must end by itself: its exit code and what it says.
pub(crate) fn refusal(mut command: Command) -> (Option<i32>, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (child.wait().unwrap().code(), said)
}

fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

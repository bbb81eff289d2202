//! The service's processes. One that does not come up, because its Redis is just being replaced, is started again, as
//! whoever watches over it would do.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::Instant,
};

use crate::support::role;

/// Lines of the log that a failure shows.
const LAST: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Worker,
    Api,
    Scheduler,
    Primary,
}

pub(super) struct House {
    dir: PathBuf,
    settings: Vec<(String, String)>,
    processes: Vec<Process>,
}

struct Process {
    kind: Kind,
    words: Vec<String>,
    /// What it prints, which is that it is ready.
    output: PathBuf,
    state: State,
}

enum State {
    Up(Child),
    /// Until it is started again.
    Down(Instant),
}

impl House {
    pub(super) fn start(home: &Path, settings: &[(&str, &str)], ports: &[u16]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let api = |port: &u16| (Kind::Api, vec![format!("--listen=127.0.0.1:{port}")]);
        let mut all: Vec<_> = ports.iter().map(api).collect();
        all.extend([(); 3].map(|()| (Kind::Worker, Vec::new())));
        all.extend([(); 2].map(|()| (Kind::Scheduler, Vec::new())));
        let processes = all.into_iter().enumerate().map(|(n, (kind, mut words))| {
            words.insert(0, format!("{kind:?}").to_lowercase());
            Process {
                kind,
                words,
                output: home.join(format!("{n}.out")),
                state: State::Down(Instant::now()),
            }
        });
        let mut house = Self {
            dir: home.join("data"),
            settings: settings.iter().map(owned).collect(),
            processes: processes.collect(),
        };
        house.look_after();
        house
    }

    /// All processes' log, in the order in which it was written.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    /// Starts what is due to be started.
    pub(super) fn look_after(&mut self) {
        let log = self.log();
        for process in &mut self.processes {
            match &mut process.state {
                State::Down(until) if Instant::now() < *until => continue,
                State::Down(_) => {}
                State::Up(child) => match child.try_wait().unwrap() {
                    None => continue,
                    Some(status) => process.assert_never_came_up(status),
                },
            }
            process.start(&self.dir, &self.settings, &log);
        }
    }

    pub(super) fn are_all_ready(&self) -> bool {
        self.processes.iter().all(Process::is_ready)
    }

    pub(super) fn has_ready(&self, kind: Kind) -> bool {
        let mut processes = self.processes.iter();
        processes.any(|process| process.kind == kind && process.is_ready())
    }

    /// SIGKILL of any of that kind that is ready, and it stays down until a time.
    pub(super) fn kill(&mut self, kind: Kind, until: Instant, random: &mut fastrand::Rng) {
        let ready = |process: &&mut Process| process.kind == kind && process.is_ready();
        let mut ready: Vec<_> = self.processes.iter_mut().filter(ready).collect();
        let process = ready.swap_remove(random.usize(..ready.len()));
        process.end();
        process.state = State::Down(until);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST)..];
            println!("What the processes logged last:\n{}", last.join("\n"));
        }
    }
}

impl Process {
    fn start(&mut self, dir: &Path, settings: &[(String, String)], log: &Path) {
        let words: Vec<_> = self.words.iter().map(String::as_str).collect();
        let settings: Vec<_> = settings.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        let errors = File::options().create(true).append(true).open(log).unwrap();
        let mut command = role(&words, dir, &settings);
        command
            .stdin(Stdio::null())
            .stdout(File::create(&self.output).unwrap())
            .stderr(errors);
        self.state = State::Up(command.spawn().unwrap());
    }

    fn is_ready(&self) -> bool {
        matches!(self.state, State::Up(_)) && self.has_come_up()
    }

    fn has_come_up(&self) -> bool {
        fs::read_to_string(&self.output).is_ok_and(|told| told.contains("is ready"))
    }

    fn assert_never_came_up(&self, status: ExitStatus) {
        let words = &self.words;
        assert!(!self.has_come_up(), "{words:?} ended by itself: {status}");
    }

    fn end(&mut self) {
        if let State::Up(child) = &mut self.state {
            // One that has ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

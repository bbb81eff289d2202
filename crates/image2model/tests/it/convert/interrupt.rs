//! Ctrl-C, as a terminal sends it.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Desk, photo};

/// A running program, which is killed when it is dropped.
struct Running(Child);

impl Running {
    fn start(desk: &Desk, arguments: &[&str]) -> Self {
        // Whoever runs the tests in a shell's background has it ignored, and a program that is started so keeps to that.
        let child = Command::new("env")
            .args(["--default-signal=INT", env!("CARGO_BIN_EXE_image2model")])
            .args(arguments)
            .current_dir(desk.path("."))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn interrupt(&self) {
        let pid = i32::try_from(self.0.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
    }

    /// How it ended, or nothing if it still runs after `patience`.
    fn ended_within(&mut self, patience: Duration) -> Option<(Option<i32>, Option<i32>)> {
        let asked = Instant::now();
        while asked.elapsed() < patience {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some((status.code(), status.signal()));
            }
            sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_ends_the_wait_for_a_silent_standard_input() {
    let desk = Desk::new();
    let mut running = Running::start(&desk, &["convert", "-", "-o", "out/"]);
    sleep(Duration::from_millis(500));
    running.interrupt();
    let ended = running.ended_within(Duration::from_secs(10));
    assert_eq!(ended, Some((None, Some(Signal::INT.as_raw()))));
}

#[test]
fn a_second_one_ends_what_the_first_cannot() {
    let desk = Desk::new();
    desk.put("a.png", photo());
    // Opening a pipe that nobody writes to lasts for ever. It is under way when the other picture is done.
    let made = Command::new("mkfifo").arg(desk.path("pipe.png")).status();
    assert!(made.unwrap().success());
    let arguments = ["convert", "pipe.png", "a.png", "--jobs", "2"];
    let mut running = Running::start(&desk, &arguments);
    let mut line = String::new();
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("a.png -> a.glb"), "{line}");

    running.interrupt();
    assert_eq!(running.ended_within(Duration::from_millis(500)), None);
    running.interrupt();
    let ended = running.ended_within(Duration::from_secs(10));
    assert_eq!(ended, Some((Some(130), None)));
}

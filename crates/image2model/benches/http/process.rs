//! A server in a process of its own, and what the system tells of it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// Ticks of `/proc/<pid>/stat` in a second, everywhere.
const TICKS: f64 = 100.0;

/// It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
}

impl Process {
    /// Starts it and waits for the line that ends in its port.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut told = String::new();
        let output = child.stdout.take().context("no standard output")?;
        BufReader::new(output).read_line(&mut told)?;
        let port = told.trim().rsplit(':').next().map(str::parse);
        let port = port.and_then(Result::ok);
        Ok(Self {
            port: port.with_context(|| format!("no start: {told:?}, {:?}", child.wait()))?,
            child,
        })
    }

    /// Seconds on a processor, of all threads.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(self.told("stat"))?;
        let (_, after_name) = stat.rsplit_once(')').context("no name")?;
        let ticks = after_name.split_whitespace().skip(11).take(2);
        let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / TICKS)
    }

    /// Memory that it holds right now, in KB.
    pub(crate) fn resident(&self) -> Result<f64> {
        self.memory("VmRSS:")
    }

    /// The most that it has held since [`Self::forget_peak`].
    pub(crate) fn peak(&self) -> Result<f64> {
        self.memory("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) -> Result<()> {
        Ok(fs::write(self.told("clear_refs"), "5")?)
    }

    fn memory(&self, which: &str) -> Result<f64> {
        let status = fs::read_to_string(self.told("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(which));
        let line = line.context("no such line")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Stops the processes that it has started, for as long as it lives.
    pub(crate) fn stop_children(&self) -> Result<()> {
        for thread in fs::read_dir(self.told("task"))? {
            let children = fs::read_to_string(thread?.path().join("children"))?;
            for child in children.split_whitespace() {
                let child = Pid::from_raw(child.parse()?).context("no process")?;
                kill_process(child, Signal::STOP)?;
            }
        }
        Ok(())
    }

    fn told(&self, what: &str) -> String {
        format!("/proc/{}/{what}", self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

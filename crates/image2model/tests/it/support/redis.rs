//! A real redis-server, for the tests of the store and of the whole service.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A redis-server of its own, on a socket in a folder of its own.
pub(crate) struct RealServer {
    /// A shell that ends the server as soon as its input ends, however this process ends.
    keeper: Child,
    dir: TempDir,
}

impl RealServer {
    /// It keeps nothing on disk unless `options` say so.
    pub(crate) fn start(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keeper = run(dir.path(), options);
        Self { keeper, dir }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", socket(self.dir.path()).display())
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn end(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }

    /// After its end, in the same folder.
    pub(crate) fn restart(&mut self, options: &[&str]) {
        std::fs::remove_file(socket(self.dir.path())).unwrap();
        self.keeper = run(self.dir.path(), options);
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        self.end();
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("socket")
}

fn run(dir: &Path, options: &[&str]) -> Child {
    let script = "redis-server \"$@\" >/dev/null & server=$!; echo; read _; kill -9 $server; wait";
    let mut keeper = Command::new("sh")
        .args(["-c", script, "sh", "--port", "0", "--unixsocket"])
        .arg(socket(dir))
        .arg("--dir")
        .arg(dir)
        .args(["--save", "", "--appendonly", "no"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(keeper.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    let begun = Instant::now();
    while !is_ready(dir) {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "redis-server does not start; scripts/install-test-tools.sh installs it"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    keeper
}

/// Whether it listens and has read what it kept.
fn is_ready(dir: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket(dir)) else {
        return false;
    };
    let mut answer = [0; 5];
    let asked = stream.write_all(b"PING\r\n");
    asked.and_then(|()| stream.read_exact(&mut answer)).is_ok() && answer == *b"+PONG"
}

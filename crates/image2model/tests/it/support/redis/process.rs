//! One redis-server process, whatever its part.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use redis::{Client, Cmd, FromRedisValue, RedisResult};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{certificates::Certificates, eventually};

/// What it is and where clients reach it. Each has a socket in its folder, too, over which tests give it commands.
pub(super) enum Part {
    OnSocket,
    OnTcp,
    /// Whether clients must show certificates.
    OnTls {
        certificates: Arc<Certificates>,
        asks_clients: bool,
    },
    /// Over TLS alone where there are certificates, among themselves, too.
    InCluster(Option<Arc<Certificates>>),
    Sentinel(Option<Arc<Certificates>>),
}

/// A server with a folder and, unless it is on a socket alone, a port of its own, which it keeps when it is started
/// again.
pub(super) struct Process {
    /// A shell that ends the server as soon as its input ends, however this process ends.
    keeper: Child,
    part: Part,
    options: Vec<String>,
    port: u16,
    /// Where nodes of a cluster talk to each other; the port plus 10000 need not be free.
    bus: u16,
    dir: TempDir,
}

impl Process {
    /// Starts and does not wait, so that many start at once. It keeps nothing on disk unless `options` say so.
    pub(super) fn spawn(part: Part, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Servers under Sentinels write down whose replica they are; it outlives them as an operator's file would.
        fs::write(dir.path().join("conf"), "").unwrap();
        let options = options.iter().map(|&word| word.to_owned()).collect();
        let (port, bus) = (free_port(), free_port());
        let keeper = keep(dir.path(), &part, port, bus, &options);
        Self {
            keeper,
            part,
            options,
            port,
            bus,
            dir,
        }
    }

    /// Waits until it listens and has read what it kept. A new one whose port was taken meanwhile gets another.
    pub(super) fn wait_until_ready(&mut self) {
        eventually(
            "redis-server starts; scripts/install-test-tools.sh installs it",
            || {
                if self.could_not_bind() {
                    self.end();
                    (self.port, self.bus) = (free_port(), free_port());
                    self.start_again();
                }
                self.is_ready().then_some(())
            },
        );
    }

    /// SIGKILL, and waits until it is gone.
    pub(super) fn end(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }

    /// After its end, in the same folder and on the same port.
    pub(super) fn restart(&mut self) {
        self.start_again();
        eventually("redis-server starts again", || {
            // Somebody has its port for a moment.
            if self.could_not_bind() {
                self.end();
                self.start_again();
            }
            self.is_ready().then_some(())
        });
    }

    pub(super) fn restart_with(&mut self, options: &[&str]) {
        self.options = options.iter().map(|&word| word.to_owned()).collect();
        self.restart();
    }

    /// SIGSTOP: its connections stay, and nothing is answered.
    pub(super) fn freeze(&self) -> Frozen {
        let id = self.info("server", "process_id").unwrap();
        let id = Pid::from_raw(id.parse().unwrap()).unwrap();
        kill_process(id, Signal::STOP).unwrap();
        Frozen(id)
    }

    pub(super) fn part(&self) -> &Part {
        &self.part
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn bus(&self) -> u16 {
        self.bus
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn socket(&self) -> PathBuf {
        socket(self.dir.path())
    }

    /// A command's answer, on a connection of its own.
    #[track_caller]
    pub(super) fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let answer = self.try_ask(command);
        answer.unwrap_or_else(|error| panic!("{command:?} of {}: {error}", self.address()))
    }

    pub(super) fn try_ask<T: FromRedisValue>(&self, command: &[&str]) -> RedisResult<T> {
        let limit = Duration::from_secs(5);
        let mut url = format!("redis+unix://{}", self.socket().display());
        if let Some(password) = self.option("--requirepass") {
            url = format!("{url}?pass={password}");
        }
        let mut connection = Client::open(url)?.get_connection_with_timeout(limit)?;
        connection.set_read_timeout(Some(limit))?;
        Cmd::new().arg(command).query(&mut connection)
    }

    /// A value of an INFO section, as in `role:master`; none where it has no such line or the server does not answer.
    pub(super) fn info(&self, section: &str, name: &str) -> Option<String> {
        self.line(&["INFO", section], name)
    }

    /// The same of CLUSTER INFO.
    pub(super) fn info_of_cluster(&self, name: &str) -> Option<String> {
        self.line(&["CLUSTER", "INFO"], name)
    }

    fn line(&self, command: &[&str], name: &str) -> Option<String> {
        let answer: String = self.try_ask(command).ok()?;
        let mut lines = answer.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned()))
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        let at = self.options.iter().position(|word| word == name)?;
        self.options.get(at + 1).map(String::as_str)
    }

    fn start_again(&mut self) {
        // What it told in its life before is not about this one.
        fs::write(log(self.dir.path()), "").unwrap();
        self.keeper = keep(
            self.dir.path(),
            &self.part,
            self.port,
            self.bus,
            &self.options,
        );
    }

    /// Whether it listens and has read what it kept.
    fn is_ready(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.socket()) else {
            return false;
        };
        let mut answer = [0; 5];
        let asked = stream.write_all(b"PING\r\n");
        asked.and_then(|()| stream.read_exact(&mut answer)).is_ok()
            && [b"+PONG", b"-NOAU"].contains(&&answer)
    }

    fn could_not_bind(&self) -> bool {
        fs::read_to_string(log(self.dir.path()))
            .is_ok_and(|log| log.contains("Failed listening on port"))
    }
}

/// A server that does nothing until this is dropped.
pub(crate) struct Frozen(Pid);

impl Drop for Frozen {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(log(self.dir.path())).unwrap_or_default();
            println!("What {} told:\n{log}", self.address());
        }
        self.end();
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("socket")
}

fn log(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// Below the ports that systems give to outgoing connections, which would take one between a server's death and its
/// next start.
pub(crate) fn free_port() -> u16 {
    eventually("a port is free", || {
        // A cluster's bus takes the port 10,000 above, which must lie below those that the system deals out.
        let port = fastrand::u16(10_000..22_000);
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        (is_free(port) && is_free(port + 10_000)).then_some(port)
    })
}

fn on_port(command: &mut Command, port: &str, certificates: Option<&Certificates>) {
    match certificates {
        Some(certificates) => on_tls(command, port, certificates),
        None => {
            command.args(["--port", port]);
        }
    }
}

/// To clients and to other servers.
fn on_tls(command: &mut Command, port: &str, certificates: &Certificates) {
    let (certificate, key) = certificates.server();
    command
        .args([
            "--port",
            "0",
            "--tls-port",
            port,
            "--tls-replication",
            "yes",
        ])
        .arg("--tls-ca-cert-file")
        .arg(certificates.authority())
        .arg("--tls-cert-file")
        .arg(certificate)
        .arg("--tls-key-file")
        .arg(key);
}

fn keep(dir: &Path, part: &Part, port: u16, bus: u16, options: &Vec<String>) -> Child {
    let script = "redis-server \"$@\" >/dev/null & server=$!; echo; read _; kill -9 $server; wait";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .arg(dir.join("conf"))
        .args(["--bind", "127.0.0.1", "--unixsocket"])
        .arg(socket(dir))
        .arg("--dir")
        .arg(dir)
        .arg("--logfile")
        .arg(log(dir));
    if !matches!(part, Part::Sentinel(_)) {
        // Replicas are made at once, not after the five seconds in which others might come.
        command.args(["--save", "", "--repl-diskless-sync-delay", "0"]);
        if !options.iter().any(|word| word == "--appendonly") {
            command.args(["--appendonly", "no"]);
        }
    }
    let number = port.to_string();
    match part {
        Part::OnSocket => {
            command.args(["--port", "0"]);
        }
        Part::OnTcp => {
            command.args(["--port", &number]);
        }
        Part::OnTls {
            certificates,
            asks_clients,
        } => {
            on_tls(&mut command, &number, certificates);
            let asks = if *asks_clients { "yes" } else { "no" };
            command.args(["--tls-auth-clients", asks]);
        }
        Part::InCluster(certificates) => {
            on_port(&mut command, &number, certificates.as_deref());
            command.args([
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus.to_string(),
            ]);
            if certificates.is_some() {
                command.args(["--tls-cluster", "yes"]);
            }
        }
        Part::Sentinel(certificates) => {
            command.arg("--sentinel");
            on_port(&mut command, &number, certificates.as_deref());
        }
    }
    let mut keeper = command
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(keeper.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    keeper
}

//! `docs/operate/redis.md` is true: what it says to type is typed here, on ports that are free.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{
    Client, RealServer, Server, command, eventually, free_port, refusal, root, tiny,
};

/// A folder in which the guide is followed. What was started there ends with it.
struct Reader {
    dir: TempDir,
    /// The guide's ports, and those that are used instead.
    ports: BTreeMap<String, u16>,
}

impl Reader {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            ports: BTreeMap::new(),
        }
    }

    /// A block as it is to be run here: with other ports, and in the folder with our binary found by name.
    fn shell(&mut self, bash: &[&str], block: &str, before: &str) -> Command {
        let block = self.with_free_ports(block);
        let mut shell = Command::new(bash[0]);
        shell.args(&bash[1..]).args(["-euo", "pipefail", "-c"]);
        shell.arg(format!("{before}{block}"));
        shell.current_dir(self.dir.path()).env("PATH", path());
        shell
    }

    /// A block that ends by itself: what it says.
    fn run(&mut self, block: &str) -> String {
        // It may wait for a server that never comes.
        let bash = ["timeout", "120", "bash"];
        let output = self.shell(&bash, block, "").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}\n{said}{errors}");
        said.into_owned()
    }

    /// A block that is one `image2model serve`.
    fn serve(&mut self, block: &str) -> Server {
        let command = self.shell(&["bash"], block, "exec ");
        let beside = self.dir.path().join("server");
        Server::run(command, &beside)
    }

    fn with_free_ports(&mut self, block: &str) -> String {
        let mut changed = String::new();
        let mut rest = block;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(at);
            let length = from.find(|c: char| !c.is_ascii_digit());
            let (number, after) = from.split_at(length.unwrap_or(from.len()));
            changed.push_str(before);
            if is_port(number) {
                let free = self
                    .ports
                    .entry(number.to_owned())
                    .or_insert_with(free_port);
                changed.push_str(&free.to_string());
            } else {
                changed.push_str(number);
            }
            rest = after;
        }
        changed + rest
    }

    fn servers(&self) -> Vec<Pid> {
        let files = fs::read_dir(self.dir.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files
            .filter(|file| file.extension().is_some_and(|kind| kind == "pid"))
            .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
            .filter_map(Pid::from_raw)
            .collect()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for server in self.servers() {
            // One that has ended already is as good.
            let _ = kill_process(server, Signal::KILL);
        }
    }
}

/// Redis's own ports and those of the servers, as the guide writes them.
fn is_port(number: &str) -> bool {
    let number: u32 = number.parse().unwrap_or(0);
    [6_400..6_500, 8_080..8_100, 26_400..26_500]
        .iter()
        .any(|range| range.contains(&number))
}

fn path() -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_image2model")).parent();
    let path = crate::support::environment("PATH").unwrap();
    format!("{}:{}", folder.unwrap().display(), path.to_string_lossy())
}

fn guide() -> PathBuf {
    root().join("docs/operate/redis.md")
}

/// The ```sh blocks of a section.
fn blocks(section: &str) -> Vec<String> {
    let text = fs::read_to_string(guide()).unwrap();
    let (_, after) = text.split_once(&format!("## {section}\n")).unwrap();
    let section = after.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

async fn makes_a_model(server: &Server) {
    let client = Client::new(server.port);
    let job = client.submit(&[tiny(1)], &[("face_limit", "100")]).await;
    let ended = client.ended(&job).await;
    assert_eq!(ended["status"], "completed", "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_is_started_as_the_guide_says() {
    let [start, serve, end] = &blocks("One server")[..] else {
        panic!("three blocks");
    };
    let mut reader = Reader::new();
    reader.run(start);
    let server = reader.serve(serve);
    makes_a_model(&server).await;
    assert!(server.terminate().0.success());
    reader.run(end);
    eventually("Redis has ended and removed its file", || {
        reader.servers().is_empty().then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn fleets_are_started_as_the_guide_says() {
    for section in ["Sentinels", "A cluster"] {
        let [start, serve, end] = &blocks(section)[..] else {
            panic!("three blocks of {section}");
        };
        let mut reader = Reader::new();
        reader.run(start);
        assert_eq!(reader.servers().len(), 6, "{section}");
        let server = reader.serve(serve);
        makes_a_model(&server).await;
        assert!(server.terminate().0.success());
        reader.run(end);
        eventually("all have ended and removed their files", || {
            reader.servers().is_empty().then_some(())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_as_the_guide_says() {
    let [certificates, start, serve] = &blocks("TLS")[..] else {
        panic!("three blocks");
    };
    let mut reader = Reader::new();
    reader.run(certificates);
    reader.run(start);
    let server = reader.serve(serve);
    makes_a_model(&server).await;
    assert!(server.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_guide_has_the_rights_that_are_needed() {
    let [start, ..] = &blocks("One server")[..] else {
        panic!("a block");
    };
    let [user, serve] = &blocks("A user of its own")[..] else {
        panic!("two blocks");
    };
    let mut reader = Reader::new();
    reader.run(start);
    assert_eq!(reader.run(user).trim(), "OK");
    let server = reader.serve(serve);
    makes_a_model(&server).await;
    assert!(server.terminate().0.success());
    let log = reader.run("redis-cli -p 6401 ACL LOG");
    assert_eq!(log.trim(), "", "nothing was refused");
}

/// The words of the guide's `ACL SETUSER`.
fn user() -> Vec<String> {
    let block = blocks("A user of its own").swap_remove(0);
    let (_, words) = block.split_once("redis-cli -p 6401 ").unwrap();
    let words = words.replace("\\\n", " ").replace(['\'', '\\'], "");
    words.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named() {
    let redis = RealServer::on_tcp(&[]);
    let words = user();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    redis.ask::<()>(&words);
    let take = |right: &str| redis.ask::<()>(&["ACL", "SETUSER", "i2m", right]);
    let home = tempfile::tempdir().unwrap();
    let url = redis.url_for("i2m:a-long-password");
    let settings = [("STORE__URL", url.as_str())];
    let start = |name| command(&home.path().join(name), 0, &settings);
    for right in ["info", "script|load", "xadd", "xread"] {
        take(&format!("-{right}"));
        let (code, said) = refusal(start("refused"));
        assert_eq!(code, Some(2), "{said}");
        let named = said.contains(&format!("'{right}'"));
        assert!(named && !said.contains("password"), "{said}");
        take(&format!("+{right}"));
    }
    take("resetkeys");
    let (_, said) = refusal(start("refused"));
    assert!(said.contains("keys"), "{said}");
    take("~i2m:*");
    let server = Server::run(start("data"), &home.path().join("data"));
    take("-xadd");
    let client = Client::new(server.port);
    let sent = client.upload(&[tiny(1)], &[], None).await.unwrap();
    assert_eq!(sent.status, 503, "{}", sent.body);
    let log = server.log();
    assert!(
        log.contains("refuses this user a command or a key"),
        "{log}"
    );
    take("+xadd");
    makes_a_model(&server).await;
}

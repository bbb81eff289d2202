//! Keys as an operator makes, lists and revokes them on the command line, beside servers that are at work.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use image2model::access::Token;
use serde_json::Value;

use crate::support::{Client, RealServer, Server, command, refusal, role, tiny};

const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100")];
/// Time within which a new key works.
const SOON: Duration = Duration::from_secs(2);
/// Time within which the first key closes an open server.
const CLOSED: Duration = Duration::from_secs(15);
/// Time within which every server refuses a revoked key.
const REVOKED: Duration = Duration::from_secs(30);

/// Some servers over one store, and the command line beside them.
struct Town {
    servers: Vec<Server>,
    settings: Vec<(&'static str, String)>,
    home: tempfile::TempDir,
    redis: Option<RealServer>,
}

impl Town {
    /// One server over the embedded store.
    fn alone() -> Self {
        Self::over(None, 1)
    }

    /// Two servers over one Redis.
    fn shared() -> Self {
        Self::over(Some(RealServer::start(&[])), 2)
    }

    fn over(redis: Option<RealServer>, count: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let url = redis.as_ref().map(RealServer::url);
        let settings: Vec<_> = url.into_iter().map(|url| ("STORE__URL", url)).collect();
        let given: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let dir = home.path().join("data");
        Self {
            servers: (0..count).map(|_| Server::start(&dir, &given)).collect(),
            settings,
            home,
            redis,
        }
    }

    /// What `image2model keys` says, which must succeed.
    fn keys(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}{errors}");
        said.trim_end().to_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image2model"));
        command
            .arg("keys")
            .args(words)
            .current_dir(self.home.path());
        command.env("IMAGE2MODEL_DATA_DIR", self.home.path().join("data"));
        for (name, value) in &self.settings {
            command.env(format!("IMAGE2MODEL_{name}"), value);
        }
        command
    }

    /// The listed key of that label.
    fn listed(&self, label: &str) -> Value {
        let list = self.keys(&["list", "--json"]);
        let mut keys = list
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        keys.find(|key| key["label"] == label).unwrap()
    }

    fn created(&self, words: &[&str]) -> String {
        self.keys(&[&["create"], words].concat())
    }

    fn revoke(&self, label: &str) {
        let id = self.listed(label)["id"].as_str().unwrap().to_owned();
        self.keys(&["revoke", &id]);
    }

    /// Every server comes to answer whoever shows `key` so, within a time.
    async fn all_answer(&self, path: &str, key: Option<&str>, status: u16, within: Duration) {
        let begun = Instant::now();
        for server in &self.servers {
            let client = key.map_or_else(
                || Client::new(server.port),
                |key| Client::showing(server.port, key),
            );
            let mut again = tokio::time::interval(Duration::from_millis(100));
            while client.bytes(path).await.0 != status {
                assert!(
                    begun.elapsed() < within,
                    "{path} is not {status} after {within:?}"
                );
                again.tick().await;
            }
        }
    }

    /// Every file below the home, the servers' logs among them.
    fn mentions(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let bytes = fs::read(entry.path()).unwrap_or_default();
                if bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
                {
                    found.push(entry.path().display().to_string());
                }
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_and_go_beside_a_server() {
    keys_come_and_go(&Town::alone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_and_go_beside_two_servers_over_a_redis() {
    keys_come_and_go(&Town::shared()).await;
}

async fn keys_come_and_go(town: &Town) {
    let port = town.servers[0].port;
    let before = Client::new(port).submit(&[tiny(1)], FEW_FACES).await;

    let first = town.created(&["--label=first", "--expires=7"]);
    town.all_answer("/jobs", None, 401, CLOSED).await;
    let second = town.created(&["--label=second"]);
    town.all_answer("/jobs", Some(&second), 200, SOON).await;

    let shown = town.keys(&["list"]) + &town.keys(&["list", "--json"]);
    assert!(shown.contains("first") && !shown.contains(&first) && !shown.contains(&second));
    assert_eq!(town.mentions(&second), Vec::<String>::new());
    let key = town.listed("first");
    assert_eq!(
        (&key["state"], &key["scope"]),
        (&"good".into(), &"user".into())
    );
    assert!(key["expires"].is_string() && town.listed("second")["expires"].is_null());

    let owner = Client::showing(port, &first);
    let job = owner.submit(&[tiny(2)], FEW_FACES).await;
    let own = format!("/jobs/{job}");
    town.all_answer(&own, Some(&first), 200, SOON).await;
    town.all_answer(&own, Some(&second), 404, SOON).await;
    let its_owner = key["owner"].as_str().unwrap();
    let stand_in = town.created(&["--label=stand-in", "--owner", its_owner]);
    town.all_answer(&own, Some(&stand_in), 200, SOON).await;
    let heir = town.created(&["--label=heir", "--owner=open"]);
    town.all_answer(&format!("/jobs/{before}"), Some(&heir), 200, SOON)
        .await;
    town.all_answer(&format!("/jobs/{before}"), Some(&first), 404, SOON)
        .await;
    let (code, said) = refusal(town.command(&["create", "--owner=nobody"]));
    assert_eq!(code, Some(2), "{said}");

    town.revoke("second");
    town.all_answer("/jobs", Some(&second), 403, REVOKED).await;
    let used = Instant::now();
    while town.listed("first")["last_used"].is_null() {
        assert!(used.elapsed() < REVOKED, "its use is not noted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    for label in ["first", "stand-in", "heir"] {
        town.revoke(label);
    }
    town.all_answer("/jobs", Some(&first), 403, REVOKED).await;
    town.all_answer("/jobs", None, 401, SOON).await;
    assert_eq!(town.listed("first")["state"], "the key was revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_has_lost_its_keys_opens_no_server() {
    let town = Town::shared();
    let key = town.created(&["--label=lost"]);
    town.all_answer("/jobs", None, 401, CLOSED).await;
    let redis = town.redis.as_ref().unwrap();
    let _: () = redis.ask(&["FLUSHALL"]);
    let stranger = Token::from_bytes(&[7; 32]);
    for key in [Some(&*key), Some(stranger.reveal()), None] {
        town.all_answer("/jobs", key, 503, CLOSED).await;
    }
    let told = Client::new(town.servers[0].port).get("/jobs").await;
    let message = told.body["message"].as_str().unwrap();
    assert!(message.contains("has lost its keys"), "{message}");
    for server in &town.servers {
        let begun = Instant::now();
        let mut again = tokio::time::interval(Duration::from_millis(100));
        while !server.log().contains("the store has no keys any more") {
            assert!(begun.elapsed() < CLOSED, "{}", server.log());
            again.tick().await;
        }
    }

    let made = town.created(&["--label=new"]);
    town.all_answer("/jobs", Some(&made), 200, SOON).await;
    town.all_answer("/jobs", None, 401, CLOSED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_open_without_a_header_until_their_secret_or_their_owner_is_gone() {
    let town = Town::shared();
    let port = town.servers[0].port;
    let [key, other] = [
        town.created(&["--label=anna"]),
        town.created(&["--label=otto"]),
    ];
    town.all_answer("/jobs", None, 401, CLOSED).await;
    let link = async |key: &str| {
        let client = Client::showing(port, key);
        let job = client.submit(&[tiny(3)], FEW_FACES).await;
        let job = client.ended(&job).await;
        let url = job["items"][0]["files"][0]["url"].as_str().unwrap();
        url.trim_start_matches("/api/v1").to_owned()
    };
    let (annas, ottos) = (link(&key).await, link(&other).await);
    town.all_answer(&annas, None, 200, SOON).await;
    let (path, signature) = annas.split_once('?').unwrap();
    town.all_answer(path, None, 401, SOON).await;
    let elsewhere = ottos.split_once('?').unwrap().0;
    town.all_answer(&format!("{elsewhere}?{signature}"), None, 401, SOON)
        .await;

    town.revoke("otto");
    town.all_answer(&ottos, None, 401, REVOKED).await;
    town.keys(&["rotate-links"]);
    town.all_answer(&link(&key).await, None, 200, SOON).await;
    town.all_answer(&annas, None, 200, SOON).await;
    town.keys(&["rotate-links"]);
    town.all_answer(&annas, None, 401, REVOKED).await;
}

/// `serve` on every address of this machine.
fn exposed(dir: &Path, words: &[&str], settings: &[(&str, &str)]) -> Command {
    role(
        &[&["serve", "--listen=0.0.0.0:0"], words].concat(),
        dir,
        settings,
    )
}

#[test]
fn a_server_that_others_reach_has_keys_or_is_told_to_be_open() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let (code, said) = refusal(exposed(&dir, &[], &[]));
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("which has no keys: make one with `image2model keys create`"),
        "{said}"
    );
    for mut command in [
        exposed(&dir, &["--insecure-open"], &[]),
        exposed(&dir, &[], &[("KEYS__USER", "a secret")]),
    ] {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut told).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(told.contains(" is ready"), "{command:?}: {told}");
    }
}

#[tokio::test]
async fn the_old_names_of_keys_in_the_environment_are_understood() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let mut command = command(&dir, 0, &[]);
    command.env("API_KEY", "an old secret");
    let server = Server::run(command, &dir);
    assert_eq!(Client::new(server.port).get("/jobs").await.status, 401);
    let client = Client::showing(server.port, "an old secret");
    assert_eq!(client.get("/jobs").await.status, 200);
    assert!(!server.log().contains("an old secret"));
}

#[test]
fn an_act_on_the_command_line_is_told_with_the_keys_id_and_a_look_is_not() {
    let home = tempfile::tempdir().unwrap();
    let keys = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image2model"));
        command.arg("keys").args(words).current_dir(home.path());
        let output = command.output().unwrap();
        let read = |bytes| String::from_utf8(bytes).unwrap();
        (read(output.stdout), read(output.stderr))
    };
    let (key, told) = keys(&["create", "--scope=admin"]);
    let id = Token::given(key.trim()).id();
    let line = format!("keys create {} --scope admin", id.as_str());
    assert!(told.contains("audit") && told.contains(&line), "{told}");
    assert!(!told.contains(key.trim()), "{told}");
    let (_, told) = keys(&["revoke", id.as_str()]);
    let line = format!("keys revoke {}", id.as_str());
    assert!(told.contains(&line) && told.contains("done"), "{told}");
    let begun = told.find("begins");
    assert!(begun.is_some() && begun < told.find("done"), "{told}");
    let (_, told) = keys(&["revoke", "nobodys"]);
    assert!(
        told.contains("keys revoke nobodys") && told.contains("failed"),
        "{told}"
    );
    assert!(keys(&["rotate-links"]).1.contains("keys rotate-links"));
    assert_eq!(keys(&["list"]).1, "");
}

#[test]
fn the_store_can_be_named_beside_the_command() {
    let home = tempfile::tempdir().unwrap();
    let keys = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image2model"));
        command.arg("keys").args(words).current_dir(home.path());
        command.output().unwrap()
    };
    let made = keys(&["create", "--data-dir", "here"]);
    assert!(made.status.success(), "{made:?}");
    let listed = String::from_utf8(keys(&["--data-dir", "here", "list"]).stdout).unwrap();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let missed = keys(&["--data-dir", "there", "list"]);
    let said = String::from_utf8(missed.stderr).unwrap();
    assert!(said.contains("there is no store in there"), "{said}");
    assert!(!home.path().join("there").exists());
    let refused = keys(&["list", "--store-url", "ftp://127.0.0.1/0"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("store.url is no address"), "{said}");
    let help = String::from_utf8(keys(&["create", "--help"]).stdout).unwrap();
    assert!(help.contains("--data-dir") && help.contains("--store-url"));
}

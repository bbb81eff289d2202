//! A service moves to another store: what it has made is shown there, what it had accepted is made there.

use std::{
    ffi::OsStr,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{Client, ClusterFleet, RealServer, Server, jpeg, tiny};

const FEW_FACES: &[(&str, &str)] = &[("face_limit", "100")];

/// What `image2model store copy` ends with.
struct Copy {
    code: Option<i32>,
    said: String,
    complained: String,
}

fn copy(from: impl AsRef<OsStr>, to: impl AsRef<OsStr>, below: &Path) -> Copy {
    copy_with(from, to, &[], below)
}

fn copy_with(
    from: impl AsRef<OsStr>,
    to: impl AsRef<OsStr>,
    more: &[&OsStr],
    below: &Path,
) -> Copy {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_image2model"))
        .args(["store", "copy", "--from"])
        .arg(from)
        .arg("--to")
        .arg(to)
        .args(more)
        .current_dir(below)
        .output()
        .unwrap();
    Copy {
        code: status.code(),
        said: String::from_utf8(stdout).unwrap(),
        complained: String::from_utf8(stderr).unwrap(),
    }
}

/// What it complains of, which must be one sentence, with exit code `code`.
fn refused(code: i32, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>, below: &Path) -> String {
    let Copy {
        code: found,
        complained,
        ..
    } = copy(from, to, below);
    assert_eq!(found, Some(code), "{complained}");
    assert_eq!(complained.lines().count(), 1, "{complained}");
    complained
        .trim_start_matches("error: ")
        .trim_end()
        .to_owned()
}

/// Copies, which must succeed: the first line and the two sums, which must be equal.
fn copied(from: impl AsRef<OsStr>, to: impl AsRef<OsStr>, below: &Path) -> (String, String) {
    let Copy {
        code,
        said,
        complained,
    } = copy(from, to, below);
    assert_eq!(code, Some(0), "{said}{complained}");
    assert_eq!(complained, "");
    let lines: Vec<_> = said.lines().collect();
    let [first, from, to, _files, ..] = lines.as_slice() else {
        panic!("{said}");
    };
    let sums = [from, to].map(|line| line.split_once(": ").unwrap().1);
    assert_eq!(sums[0], sums[1], "{said}");
    ((*first).to_owned(), sums[0].to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_moves_to_redis_and_back() {
    let redis = RealServer::start(&[]);
    moves_to_and_back(&redis.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_moves_to_a_cluster_and_back() {
    let fleet = ClusterFleet::start(3, 0);
    moves_to_and_back(&fleet.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_gets_another_number_of_shards_by_a_copy() {
    let redis = RealServer::on_tcp(&[]);
    let home = tempfile::tempdir().unwrap();
    let below = home.path();
    let [few, many] = [0, 1].map(|database| format!("{}/{database}", redis.url()));
    let dir = below.join("data");
    let server = Server::start(&dir, &[("STORE__URL", &few), ("STORE__SHARDS", "4")]);
    let client = Client::new(server.port);
    let made = client.submit(&[tiny(1), tiny(2)], FEW_FACES).await;
    client.ended(&made).await;
    assert!(server.terminate().0.success());

    let said = refused(2, &few, &many, below);
    assert!(said.contains("has a store of 4 shards"), "{said}");
    let counts = ["--from-shards=4", "--to-shards=64"].map(OsStr::new);
    let said = copy_with(&few, &many, &counts, below);
    assert_eq!((said.code, said.complained.as_str()), (Some(0), ""));
    assert!(
        said.said.starts_with("1 jobs with 0 tasks"),
        "{}",
        said.said
    );

    let settings = [
        ("STORE__URL", many.as_str()),
        ("STORE__SHARDS", "64"),
        ("STORE__MAX_CONNECTIONS_PER_NODE", "66"),
    ];
    let server = Server::start(&dir, &settings);
    finished(&Client::new(server.port), &made, 2).await;
    assert!(server.terminate().0.success());
}

/// To the store at `url`, whatever lies behind it, and into a fresh data directory.
async fn moves_to_and_back(url: &str) {
    let home = tempfile::tempdir().unwrap();
    let below = home.path();
    let dir = below.join("data");
    let server = Server::start(&dir, &[]);
    let client = Client::new(server.port);
    let made = client.submit(&[tiny(1), tiny(2)], FEW_FACES).await;
    client.ended(&made).await;
    let begun = client.submit(&vec![jpeg(1000); 12], FEW_FACES).await;
    client
        .follow(&begun, |event| event.name == "file_update")
        .await;
    let said = refused(2, &dir, url, below);
    assert!(said.contains("is in use by another process"), "{said}");
    server.kill();

    let (first, sums) = copied(&dir, url, below);
    assert!(first.starts_with("2 jobs with "), "{first}");
    assert!(first.ends_with(", 0 jobs were there already"), "{first}");
    assert!(sums.starts_with("2 jobs, "), "{sums}");
    let (again, same) = copied(&dir, url, below);
    let none = "0 jobs with 0 tasks copied, 2 jobs were there already";
    assert_eq!((again.as_str(), same), (none, sums));

    let server = Server::start(&dir, &[("STORE__URL", url)]);
    let client = Client::new(server.port);
    finished(&client, &made, 2).await;
    finished(&client, &begun, 12).await;
    let back = below.join("back");
    let said = refused(2, url, &back, below);
    assert!(said.starts_with("the source is at work: "), "{said}");
    assert!(server.terminate().0.success());

    let said = refused(1, url, &dir, below);
    assert!(said.contains(&begun), "{said}");
    let aside = format!("move {}* away", dir.join("store.sqlite3").display());
    assert!(said.contains(&aside), "{said}");
    let (first, _) = copied(url, &back, below);
    assert!(first.starts_with("2 jobs with 0 tasks copied"), "{first}");
    fs::rename(dir.join("artifacts"), back.join("artifacts")).unwrap();
    let server = Server::start(&back, &[]);
    let client = Client::new(server.port);
    finished(&client, &made, 2).await;
    finished(&client, &begun, 12).await;
    assert!(server.terminate().0.success());
}

/// The job ends with all its models, which can be fetched.
async fn finished(client: &Client, id: &str, items: usize) {
    let job = client.ended(id).await;
    assert_eq!(job["status"], "completed", "{job}");
    let found = job["items"].as_array().unwrap();
    assert_eq!(found.len(), items);
    for item in found {
        let url = item["files"][0]["url"].as_str().unwrap();
        let (status, bytes) = client.bytes(url.trim_start_matches("/api/v1")).await;
        assert!(status.is_success() && bytes.starts_with(b"glTF"), "{item}");
    }
}

#[test]
fn what_cannot_be_copied_is_told_in_a_sentence() {
    let home = tempfile::tempdir().unwrap();
    let below = home.path();
    let redis = RealServer::start(&[]);
    let url = redis.url();
    let data = made(below, "data");
    assert_eq!(
        refused(2, "nowhere", &url, below),
        "--from: there is no store in nowhere"
    );
    assert!(!below.join("nowhere").exists());
    let same = "--from and --to are the same store";
    assert_eq!(refused(2, "data", "./data", below), same);
    assert_eq!(refused(2, &data, "data", below), same);
    let same = "both names lead to the same store";
    assert_eq!(refused(2, &url, format!("{url}?db=0"), below), same);

    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let nobody = format!("redis://me:secret@127.0.0.1:{port}/0");
    let said = refused(2, "data", nobody, below);
    let told = format!("--to: cannot use the Redis at 127.0.0.1:{port}: ");
    assert!(
        said.starts_with(&told) && !said.contains("secret"),
        "{said}"
    );
    let said = refused(2, "data", "http://127.0.0.1", below);
    assert!(said.starts_with("--to: store.url is no address"), "{said}");

    let newer = made(below, "newer");
    let store = rusqlite::Connection::open(newer.join("store.sqlite3")).unwrap();
    store.pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    for (from, to, side) in [("newer", "data", "--from"), ("data", "newer", "--to")] {
        let said = refused(2, from, to, below);
        assert!(
            said.starts_with(&format!("{side}: the store in newer has format")),
            "{said}"
        );
        assert!(said.contains("version 99"), "{said}");
    }
}

/// A data directory with an empty store.
fn made(below: &Path, name: &str) -> PathBuf {
    let dir = below.join(name);
    Server::start(&dir, &[]).kill();
    dir
}

//! A disk that fills up: what does not fit fails with that reason, the server lives, and works again with room.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use image2model::capacity::disk::Space;
use reqwest::StatusCode;

use crate::support::{Client, Server, jpeg, tiny, wrapped};

const MB: u64 = 1_000_000;

/// Mounts a small file system on the data directory before the server starts; only the server sees it, and it
/// goes with it.
const ON_A_SMALL_DISK: &str = r#"mount -t tmpfs -o size=60m tmpfs "$0" && exec "$@""#;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_the_job_with_that_reason_and_not_the_server() {
    let (home, by) = match own_mounts() {
        Some(way) => (tempfile::tempdir().unwrap(), way),
        None => (on_a_shared_small_disk(), Vec::new()),
    };
    let dir = home.path().join("data");
    fs::create_dir(&dir).unwrap();
    let shown = dir.display().to_string();
    let by = match by.as_slice() {
        [] => Vec::new(),
        way => [way, &["sh", "-c", ON_A_SMALL_DISK, &shown]].concat(),
    };
    let server = Server::run(wrapped(&by, &dir, 0, &[("RETRY__BASE", "0.01")]), &dir);
    let disk = Disk::of(&server, &dir);
    let client = Client::new(server.port);

    // Room for the upload, not for all that is made of it.
    disk.leave(4 * MB);
    let formats = ["stl", "obj", "ply", "obj.zip"].map(|format| ("format", format));
    let id = client.submit(&[jpeg(1000)], &formats).await;
    let job = client.ended(&id).await;
    assert_eq!(job["status"], "failed", "{job}");
    assert_eq!(job["items"][0]["error_code"], "disk_full", "{job}");
    let why = job["items"][0]["error"].as_str().unwrap();
    assert!(why.starts_with("the disk is full: "), "{why}");

    // Not even room for uploads, and no result is old enough to go.
    disk.leave(MB);
    let refused = client.upload(&[tiny(1)], &[], None).await.unwrap();
    assert_eq!(
        refused.status,
        StatusCode::INSUFFICIENT_STORAGE,
        "{}",
        refused.body
    );

    disk.leave(40 * MB);
    let id = client.submit(&[jpeg(1000)], &formats).await;
    assert_eq!(
        client.ended(&id).await["status"],
        "completed",
        "{}",
        server.log()
    );
}

/// A program and its arguments that give another its own mounts: the system's way, or, for a user without
/// rights, one in which he is root over nothing but them. Many containers allow neither.
fn own_mounts() -> Option<Vec<&'static str>> {
    let ways = [
        &["unshare", "--mount"][..],
        &["unshare", "--mount", "--map-root-user"],
    ];
    let works = |way: &&&[&str]| {
        let mut probe = Command::new(way[0]);
        let mount = "mount -t tmpfs -o size=1m tmpfs /tmp";
        probe.args(&way[1..]).args(["sh", "-c", mount]);
        probe.output().is_ok_and(|tried| tried.status.success())
    };
    ways.iter().find(works).map(|way| way.to_vec())
}

/// Where nobody may mount, containers have a small shared file system in memory.
fn on_a_shared_small_disk() -> tempfile::TempDir {
    let shared = Path::new("/dev/shm");
    let size = Space::of(shared).map_or(u64::MAX, |space| space.total);
    assert!(
        size <= 256 * MB,
        "this test needs a small file system, and this system lets nobody mount one"
    );
    tempfile::tempdir_in(shared).unwrap()
}

/// The small file system, as seen from outside.
struct Disk {
    root: PathBuf,
}

impl Disk {
    fn of(server: &Server, dir: &Path) -> Self {
        let inside = dir.strip_prefix("/").unwrap();
        let root = Path::new("/proc").join(server.pid().to_string());
        Self {
            root: root.join("root").join(inside),
        }
    }

    /// Fills it until so many bytes are free.
    fn leave(&self, free: u64) {
        let filler = self.root.join("filler");
        fs::write(&filler, b"").unwrap();
        let room = Space::of(&self.root).unwrap().free;
        fs::write(filler, vec![1; usize::try_from(room - free).unwrap()]).unwrap();
    }
}

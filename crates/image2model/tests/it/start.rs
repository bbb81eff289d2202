//! A start that cannot succeed says in one sentence what to do.

use std::{fs, net::TcpListener};

use crate::support::{Server, command, refusal};

/// What a start on `dir` and `port` says, which must be one sentence.
fn refused(dir: &std::path::Path, port: u16) -> String {
    let (code, said) = refusal(command(dir, port, &[]));
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said.trim_start_matches("error: ").trim_end().to_owned()
}

#[test]
fn a_taken_port_is_told_with_another() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let said = refused(&home.path().join("data"), port);
    let told = format!("port {port} is taken; stop the other program or pass --listen 127.0.0.1:");
    assert!(said.starts_with(&told), "{said}");
}

#[test]
fn a_data_directory_is_one_servers_alone() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let first = Server::start(&dir, &[]);
    let said = refused(&dir, 0);
    assert!(said.contains("is in use by another process"), "{said}");
    first.kill();
    Server::start(&dir, &[]).kill();
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, b"in the way").unwrap();
    let said = refused(&file.join("data"), 0);
    assert!(
        said.starts_with("cannot write to the data directory"),
        "{said}"
    );
    assert!(said.contains("file/data"), "{said}");
}

#[test]
fn a_data_directory_of_a_newer_version_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    Server::start(&dir, &[]).terminate();
    let file = dir.join("store.sqlite3");
    let store = rusqlite::Connection::open(&file).unwrap();
    store.pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let before = fs::read(&file).unwrap();
    let said = refused(&dir, 0);
    assert!(said.contains("version 99"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

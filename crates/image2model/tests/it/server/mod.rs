//! The real server against clients that mean it ill, byte by byte.

mod attack;
mod http2;
mod limits;
mod smuggling;
mod tls;

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::Server;

/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(40);
const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A server with a folder of its own.
struct House {
    server: Server,
    _dir: TempDir,
}

fn house(settings: &[(&str, &str)]) -> House {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), settings);
    House { server, _dir: dir }
}

/// A connection from 127.0.0.`last`.
async fn connect(last: u8, port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((IpAddr::from([127, 0, 0, last]), 0).into())?;
    socket.connect(([127, 0, 0, 1], port).into()).await
}

/// A connection on which `bytes` were sent.
async fn sent(port: u16, bytes: &str) -> TcpStream {
    let mut stream = connect(1, port).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server closes the connection, which it must.
async fn rest(stream: &mut TcpStream) -> String {
    let mut came = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut came)).await;
    // A reset ends it as well.
    let _ = read.expect("the server keeps the connection open");
    String::from_utf8_lossy(&came).into_owned()
}

/// Places are given back as connections end.
async fn is_served_again(port: u16) {
    let begun = Instant::now();
    while !answer(&mut sent(port, HEALTH).await)
        .await
        .starts_with("HTTP/1.1 200")
    {
        assert!(begun.elapsed() < LONG, "nobody is served any more");
    }
}

/// The next answer's status line, and whatever else came with it.
async fn answer(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 64 * 1024];
    let read = timeout(LONG, stream.read(&mut buffer)).await.unwrap();
    // Who is turned away without a word is reset.
    let count = read.unwrap_or(0);
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// Sends a byte each tick until the connection is gone or something comes: what came.
async fn drip(stream: &mut TcpStream, bytes: &str) -> String {
    let mut buffer = [0; 4096];
    let dripping = async {
        for byte in bytes.bytes().cycle() {
            let pause = Duration::from_millis(50);
            match timeout(pause, stream.read(&mut buffer)).await {
                Ok(Ok(count)) => return String::from_utf8_lossy(&buffer[..count]).into_owned(),
                Ok(Err(_)) => return String::new(),
                Err(_) => {}
            }
            if stream.write_all(&[byte]).await.is_err() {
                return String::new();
            }
        }
        unreachable!("a cycle has no end")
    };
    timeout(LONG, dripping).await.expect("it may drip for ever")
}

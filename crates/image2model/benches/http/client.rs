//! A client that costs next to nothing: requests are bytes that are ready, of answers only length and status are read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{process::Process, table::Figures};

/// Longest answer.
const LONGEST: usize = 64 * 1024;

/// A request's bytes.
#[derive(Clone)]
pub(crate) struct Request(pub(crate) Bytes);

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n").into())
    }

    /// A form with a picture of `size` bytes, which nobody looks at before it is worked on.
    pub(crate) fn upload(size: usize) -> Self {
        let before = "--xxxx\r\ncontent-disposition: form-data; name=\"files\"; filename=\"a.jpg\"\r\n\
                      content-type: image/jpeg\r\n\r\n";
        let after = "\r\n--xxxx--\r\n";
        let length = before.len() + size + after.len();
        let mut whole = format!(
            "POST /api/v1/upload/ HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=xxxx\r\n\
             content-length: {length}\r\n\r\n{before}"
        )
        .into_bytes();
        // Bytes that change, as a picture's do.
        whole.extend((0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8));
        whole.extend_from_slice(after.as_bytes());
        Self(whole.into())
    }
}

/// One connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; LONGEST],
        })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// The body of an answer, which must be a success.
    pub(crate) async fn answer(&mut self) -> Result<&[u8]> {
        let mut filled = 0;
        loop {
            let came = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(came > 0, "an answer ended early");
            filled += came;
            if let Some(body) = body(&self.buffer[..filled])? {
                return Ok(&self.buffer[body]);
            }
        }
    }
}

/// Where an answer's body lies in what has come of it, once it is whole.
fn body(answer: &[u8]) -> Result<Option<std::ops::Range<usize>>> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&answer[..head])?;
    ensure!(text.starts_with("HTTP/1.1 200 "), "refused: {text}");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let length: usize = length.context("an answer has no length")?.parse()?;
    let whole = head + 4..head + 4 + length;
    Ok((answer.len() >= whole.end).then_some(whole))
}

/// One request and the body of its answer.
pub(crate) async fn once(port: u16, request: &Request) -> Result<String> {
    let mut connection = Connection::open(port).await?;
    connection.send(&request.0).await?;
    Ok(String::from_utf8(connection.answer().await?.to_vec())?)
}

/// One request again and again, over some connections at once.
pub(crate) struct Load {
    request: Request,
    connections: usize,
    most: usize,
    time: Duration,
}

impl Load {
    pub(crate) fn for_a_time(request: Request, connections: usize, time: Duration) -> Self {
        Self {
            request,
            connections,
            most: usize::MAX,
            time,
        }
    }

    pub(crate) fn so_many(request: Request, connections: usize, most: usize) -> Self {
        Self {
            request,
            connections,
            most,
            time: Duration::MAX,
        }
    }

    /// Some of it, to begin with.
    pub(crate) fn shortly(&self) -> Self {
        Self {
            request: self.request.clone(),
            connections: self.connections,
            most: self.most.min(5 * self.connections),
            time: self.time.min(Duration::from_millis(200)),
        }
    }

    pub(crate) async fn run(&self, server: &Process) -> Result<Figures> {
        let begun = Arc::new(AtomicUsize::new(0));
        let opened = (0..self.connections).map(|_| Connection::open(server.port));
        let opened = try_join_all(opened).await?;
        let (cpu, began) = (server.cpu()?, Instant::now());
        let callers = opened.into_iter().map(|mut connection| {
            let (begun, request) = (begun.clone(), self.request.clone());
            let (most, time) = (self.most, self.time);
            tokio::spawn(async move {
                let mut done = 0;
                while began.elapsed() < time && begun.fetch_add(1, Relaxed) < most {
                    connection.send(&request.0).await?;
                    connection.answer().await?;
                    done += 1;
                }
                anyhow::Ok(done)
            })
        });
        let mut done = 0;
        for caller in callers.collect::<Vec<_>>() {
            done += caller.await??;
        }
        let wall = began.elapsed().as_secs_f64();
        Ok(Figures::of(done, wall, server.cpu()? - cpu))
    }
}

//! What a store sends to Redis, taken down on the way: a socket in between that hands everything on.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use redis::{Cmd, Pipeline};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

/// What is sent in one round trip.
pub(crate) enum Request {
    One(Cmd),
    Several(Pipeline),
}

/// A command's words.
type Words = Vec<Vec<u8>>;

/// Ends with its value; connections that are open then stay.
pub(crate) struct Recorder {
    taken: Arc<Mutex<Vec<Words>>>,
    listener: JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Recorder {
    /// Listens at `at` and hands on to the server at `server`.
    pub(crate) fn start(at: &Path, server: PathBuf) -> Result<Self> {
        let listener = UnixListener::bind(at)?;
        let taken = Arc::new(Mutex::new(Vec::new()));
        let to = taken.clone();
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(hand_on(client, server.clone(), to.clone()));
            }
        });
        Ok(Self { taken, listener })
    }

    /// What was sent since it was last asked.
    pub(crate) fn take(&self) -> Vec<Request> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        requests(std::mem::take(&mut *taken))
    }
}

async fn hand_on(client: UnixStream, server: PathBuf, taken: Arc<Mutex<Vec<Words>>>) -> Result<()> {
    let server = UnixStream::connect(server).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    let mut unread = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = from_client.read(&mut piece).await?;
        if length == 0 {
            break;
        }
        to_server.write_all(&piece[..length]).await?;
        unread.extend_from_slice(&piece[..length]);
        let mut read = 0;
        while let Some((command, length)) = command(&unread[read..]) {
            read += length;
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.push(command);
        }
        unread.drain(..read);
    }
    to_server.shutdown().await?;
    answers.await??;
    Ok(())
}

/// The first command of what was sent, when it is there as a whole, and its length.
fn command(sent: &[u8]) -> Option<(Words, usize)> {
    let (count, mut at) = number(sent, b'*')?;
    let mut words = Words::with_capacity(count);
    for _ in 0..count {
        let (length, head) = number(sent.get(at..)?, b'$')?;
        let start = at + head;
        words.push(sent.get(start..start + length)?.to_vec());
        at = start + length + 2;
    }
    (at <= sent.len()).then_some((words, at))
}

/// The number of a line that begins with `sign`, and the line's length.
fn number(sent: &[u8], sign: u8) -> Option<(usize, usize)> {
    let end = sent.windows(2).position(|pair| pair == b"\r\n")?;
    let digits = sent.get(..end)?.strip_prefix(&[sign])?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, end + 2))
}

/// Each script is a request; plain commands travel together, and the look at the shards' queues begins with `ZRANGE`
/// and ends with `HGET`. The reader of news is not among them.
fn requests(taken: Vec<Words>) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut last = Vec::new();
    for words in taken {
        let mut command = Cmd::new();
        for word in &words {
            command.arg(word.as_slice());
        }
        let name = words.into_iter().next().unwrap_or_default();
        let goes_on = name == last || (name == b"HGET" && last == b"ZRANGE");
        match (name.as_slice(), requests.last_mut()) {
            (b"XREAD" | b"CLIENT", _) => continue,
            (b"EVALSHA", _) => requests.push(Request::One(command)),
            (_, Some(Request::Several(several))) if goes_on => {
                several.add_command(command);
            }
            _ => {
                let mut several = Pipeline::new();
                several.add_command(command);
                requests.push(Request::Several(several));
            }
        }
        last = name;
    }
    requests
}

//! What parent and child say to each other: a header in JSON and a body of bytes, each after its length.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::job::{Notice, transition::Retry};

/// Longest header in bytes: a child is not believed, and names and sentences are short.
const LONGEST_HEADER: usize = 64 << 10;

/// What a parent asks; the picture or the model that it is about is the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Ask {
    /// The body's work is told, and what it takes is answered. Whatever was told before and not begun is forgotten.
    Prepare(Work),
    /// The work that was told is begun.
    Begin,
}

/// As a provider is asked for it, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Work {
    Generate {
        options: Vec<(String, String)>,
        formats: Vec<String>,
        stem: String,
    },
    Convert {
        format: String,
        stem: String,
    },
}

/// What a child answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Once, before it reads anything: how much of its confinement this system offers.
    Ready { is_filtered: bool },
    /// The work will hold so many bytes at most.
    Needs { bytes: u64 },
    /// A step begins.
    Step { name: String },
    /// One of the files, which is the body.
    File { format: String },
    /// The work is done; its files were all of them.
    Done { warnings: Vec<Notice> },
    /// The work, or what it would take, is refused.
    Failed { error: Notice, is_final: bool },
}

impl Answer {
    pub(super) fn failed(error: Notice, retry: Retry) -> Self {
        Self::Failed {
            error,
            is_final: retry == Retry::Never,
        }
    }
}

/// Lengths of header and body, in this order, before both.
type Lengths = [u8; 12];

fn lengths(header: &[u8], body: &[u8]) -> io::Result<Lengths> {
    let header = u32::try_from(header.len()).map_err(|_| nonsense("a header of 4 GB"))?;
    let mut lengths = Lengths::default();
    lengths[..4].copy_from_slice(&header.to_le_bytes());
    lengths[4..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    Ok(lengths)
}

/// # Errors
/// A header over the limit, or a body over `most` bytes.
fn read_lengths(lengths: Lengths, most: u64) -> io::Result<(usize, u64)> {
    let [a, b, c, d, body @ ..] = lengths;
    let header = u32::from_le_bytes([a, b, c, d]) as usize;
    let body = u64::from_le_bytes(body);
    if header > LONGEST_HEADER || body > most {
        return Err(nonsense("a frame over the limit"));
    }
    Ok((header, body))
}

fn parsed<T: DeserializeOwned>(header: &[u8]) -> io::Result<T> {
    serde_json::from_slice(header).map_err(|_| nonsense("a frame that says nothing known"))
}

pub(super) fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Writes a frame whole.
///
/// # Errors
/// Those of `to`.
pub(super) fn write(to: &mut impl Write, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    let front = [&lengths(&header, body)?[..], &header].concat();
    to.write_all(&front)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads a frame; its sender is believed.
///
/// # Errors
/// Those of `from`, the end of it among them.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<(T, Vec<u8>)> {
    let mut front = Lengths::default();
    from.read_exact(&mut front)?;
    let (header, body) = read_lengths(front, isize::MAX as u64)?;
    let mut text = vec![0; header];
    from.read_exact(&mut text)?;
    let mut bytes = vec![0; usize::try_from(body).map_err(|_| nonsense("a body over memory"))?];
    from.read_exact(&mut bytes)?;
    Ok((parsed(&text)?, bytes))
}

/// As [`write()`], without blocking.
///
/// # Errors
/// Those of `to`.
pub(super) async fn send(
    to: &mut (impl AsyncWrite + Unpin),
    header: &impl Serialize,
    body: &[u8],
) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    let front = [&lengths(&header, body)?[..], &header].concat();
    to.write_all(&front).await?;
    to.write_all(body).await?;
    to.flush().await
}

/// Reads a frame of a sender who is not believed, with a body of at most `most` bytes.
///
/// # Errors
/// Those of `from`, the end of it among them, and what is no frame of the kind or over a limit.
pub(super) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    most: u64,
) -> io::Result<(T, Vec<u8>)> {
    let mut front = Lengths::default();
    from.read_exact(&mut front).await?;
    let (header, body) = read_lengths(front, most)?;
    let mut text = vec![0; header];
    from.read_exact(&mut text).await?;
    // Grows with what really comes.
    let mut bytes = Vec::new();
    from.take(body).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 != body {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((parsed(&text)?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(bytes: u64) -> Answer {
        Answer::Needs { bytes }
    }

    #[tokio::test]
    async fn what_one_side_writes_the_other_reads() {
        let mut pipe = Vec::new();
        let work = Work::Convert {
            format: "stl".to_owned(),
            stem: "a \"b\"\n".to_owned(),
        };
        send(&mut pipe, &Ask::Prepare(work.clone()), b"glTF")
            .await
            .unwrap();
        send(&mut pipe, &Ask::Begin, b"").await.unwrap();
        let mut from = pipe.as_slice();
        let told = (Ask::Prepare(work), b"glTF".to_vec());
        assert_eq!(read::<Ask>(&mut from).unwrap(), told);
        assert_eq!(read::<Ask>(&mut from).unwrap(), (Ask::Begin, Vec::new()));
        assert!(read::<Ask>(&mut from).is_err(), "the pipe has ended");

        let mut back = Vec::new();
        write(&mut back, &needs(7), b"12345").unwrap();
        let got = receive::<Answer>(&mut back.as_slice(), 5).await;
        assert_eq!(got.unwrap(), (needs(7), b"12345".to_vec()));
    }

    #[tokio::test]
    async fn a_sender_who_is_not_believed_gets_no_more_than_was_granted() {
        let mut whole = Vec::new();
        write(&mut whole, &needs(7), b"12345").unwrap();
        for (bytes, most) in [
            (&whole[..], 4),
            (&whole[..whole.len() - 1], 5),
            (&[0xff; 12][..], u64::MAX),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'x'][..], 5),
            (&[][..], 5),
        ] {
            let mut from = bytes;
            let got = receive::<Answer>(&mut from, most).await;
            assert!(got.is_err(), "{bytes:?} with {most}: {got:?}");
        }
    }
}

use std::{
    fs::File,
    io::{BufReader, Read as _, Take},
    sync::Arc,
};

use bytes::Bytes;
use flate2::bufread::DeflateDecoder;

use super::{Member, ReadError, Reason, Refusal, record::LOCAL};

/// Bytes that are given at once.
const CHUNK: usize = 64 * 1024;
/// Packed bytes that are read at once.
const READ: usize = 32 * 1024;

/// A member as it is being read.
pub struct Unpacking {
    source: Source,
    name: String,
    /// Bytes that are promised, and those that came.
    size: u64,
    came: u64,
    crc: u32,
    hash: crc32fast::Hasher,
}

type Packed = BufReader<Take<Arc<File>>>;

enum Source {
    Stored(Packed),
    Deflated(Box<DeflateDecoder<Packed>>),
}

impl Unpacking {
    /// `file` stands where the member's packed bytes begin.
    pub(super) fn new(file: Arc<File>, member: &Member) -> Self {
        let packed = BufReader::with_capacity(READ, std::io::Read::take(file, member.packed));
        Self {
            source: match member.deflated {
                true => Source::Deflated(Box::new(DeflateDecoder::new(packed))),
                false => Source::Stored(packed),
            },
            name: member.name.clone(),
            size: member.size,
            came: 0,
            crc: member.crc,
            hash: crc32fast::Hasher::new(),
        }
    }

    /// The next bytes; `None` once all have come and are what was promised.
    ///
    /// # Errors
    /// They are not, or the file cannot be read.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, ReadError> {
        let mut chunk = vec![0; CHUNK];
        let mut filled = 0;
        while filled < CHUNK {
            let read = match &mut self.source {
                Source::Stored(packed) => packed.read(&mut chunk[filled..])?,
                Source::Deflated(packed) => match packed.read(&mut chunk[filled..]) {
                    Err(error) if error.raw_os_error().is_none() => {
                        return Err(self.refused(Reason::Damaged, "cannot be inflated"));
                    }
                    read => read?,
                },
            };
            if read == 0 {
                break;
            }
            filled += read;
        }
        chunk.truncate(filled);
        self.hash.update(&chunk);
        self.check(&chunk)?;
        self.came += filled as u64;
        Ok((filled > 0).then(|| chunk.into()))
    }

    fn check(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        let came = self.came + chunk.len() as u64;
        let size = self.size;
        if came > size {
            let what = format!("has more bytes than the {size} that it states");
            return Err(self.refused(Reason::Damaged, what));
        }
        if self.came == 0 && chunk.starts_with(&LOCAL.to_le_bytes()) {
            return Err(self.refused(Reason::Nested, "is an archive itself"));
        }
        if !chunk.is_empty() {
            return Ok(());
        }
        if came < size {
            let what = format!("has {came} bytes and states {size}");
            return Err(self.refused(Reason::Damaged, what));
        }
        if self.left() > 0 {
            let what = format!("has {} packed bytes after its end", self.left());
            return Err(self.refused(Reason::Contradictory, what));
        }
        let (stated, found) = (self.crc, self.hash.clone().finalize());
        if stated != found {
            let what = format!("has the checksum {found:08x} and states {stated:08x}");
            return Err(self.refused(Reason::Damaged, what));
        }
        Ok(())
    }

    /// Packed bytes that nobody has asked for.
    fn left(&self) -> u64 {
        let packed = match &self.source {
            Source::Stored(packed) => packed,
            Source::Deflated(inflating) => inflating.get_ref(),
        };
        packed.buffer().len() as u64 + packed.get_ref().limit()
    }

    fn refused(&self, reason: Reason, what: impl AsRef<str>) -> ReadError {
        Refusal::of(self.name.as_bytes(), reason, what).into()
    }
}

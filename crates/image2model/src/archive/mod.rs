//! A ZIP archive of pictures, read strictly: what two readers of it could take for two different things is refused.
//!
//! It knows bytes and their rules, nothing of jobs, HTTP or where members go; no path is ever made of a member's name.
//! It blocks, and is called where that is allowed.
//!
//! [`Walk`] looks at the members' headers while the archive comes in. [`Archive::open`] then reads its directory, and
//! holds it to the members: they lie one after the other from the first byte to the directory, each once, and each
//! says of itself what the directory says. [`Unpacking`] gives a member's bytes, no more than were promised.

mod directory;
mod name;
mod record;
mod refusal;
#[cfg(test)]
mod tests;
mod unpack;
mod walk;

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    sync::Arc,
};

pub use refusal::{ReadError, Reason, Refusal};
pub use unpack::Unpacking;
pub use walk::Walk;

/// Members of one archive, folders and what systems add included.
const MOST_MEMBERS: usize = 1000;
/// Bytes of an archive's directory, which is held whole while it is read.
const LARGEST_DIRECTORY: u64 = 128 * 1024;
/// How many times its packed size a large member may have. Pictures are compressed already and hardly reach 2, but for
/// flat ones, whose files are small and shrink again by hundreds.
const MOST_RATIO: u64 = 100;
/// Bytes up to which a member may have any ratio: a whole archive of such files is small.
const SMALL: u64 = 1 << 20;

/// An archive whose directory has been read.
#[derive(Debug)]
pub struct Archive {
    file: Arc<File>,
    members: Vec<Member>,
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Without folders.
    pub name: String,
    /// Bytes, as the archive states them.
    pub size: u64,
    packed: u64,
    /// Where its packed bytes begin.
    start: u64,
    crc: u32,
    deflated: bool,
}

impl Archive {
    /// Reads the directory of an archive that may have so many files.
    ///
    /// # Errors
    /// What is wrong with it, or the file cannot be read.
    pub fn open(file: File, most_files: usize) -> Result<Self, ReadError> {
        let members = directory::read(&mut &file, most_files)?;
        Ok(Self {
            file: Arc::new(file),
            members,
        })
    }

    /// Its files in the directory's order, without what systems add.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Begins to read a member; one at a time, since all read one file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn unpack(&self, member: &Member) -> io::Result<Unpacking> {
        let mut file = self.file.clone();
        file.seek(SeekFrom::Start(member.start))?;
        Ok(Unpacking::new(file, member))
    }
}

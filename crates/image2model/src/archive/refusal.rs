use std::io;

use serde::Serialize;

/// What is wrong with an archive. The text names the member, the value and the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub reason: Reason,
    /// Its whole name, as far as it can be read; none where the archive itself is wrong.
    pub member: Option<String>,
    message: String,
}

/// Why an archive is refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is no ZIP archive, or not a whole one.
    NotAnArchive,
    /// It is one of several parts.
    Split,
    /// There is nothing in it.
    Empty,
    TooManyFiles,
    TooLarge,
    /// A name that leads elsewhere, or cannot be one.
    UnsafeName,
    RepeatedName,
    Encrypted,
    /// A way of packing that is neither stored nor deflated.
    Method,
    /// A link, a device or the like.
    NotAFile,
    /// It inflates to far more than any picture.
    Bomb,
    /// An archive in the archive.
    Nested,
    /// Directory and members say different things.
    Contradictory,
    /// What is in it is not what it says.
    Damaged,
}

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Refusal {
    /// Of the archive as a whole; the text continues "The archive ".
    pub(super) fn of_archive(reason: Reason, what: impl AsRef<str>) -> Self {
        Self {
            reason,
            member: None,
            message: format!("The archive {}.", what.as_ref()),
        }
    }

    /// Of one member; the text continues its name.
    pub(super) fn of(member: &[u8], reason: Reason, what: impl AsRef<str>) -> Self {
        let member = shortened(&String::from_utf8_lossy(member));
        Self {
            reason,
            message: format!("{member:?} in the archive {}.", what.as_ref()),
            member: Some(member),
        }
    }

    /// More files than there may be.
    pub(super) fn too_many(files: usize, most: usize) -> Self {
        Self {
            reason: Reason::TooManyFiles,
            member: None,
            message: format!("There are {files} files in the archive; the limit is {most}."),
        }
    }

    /// More members of all kinds than there may be.
    pub(super) fn too_many_members(members: u64) -> Self {
        let most = super::MOST_MEMBERS;
        let what = format!("has {members} members; the limit is {most}");
        Self::of_archive(Reason::TooManyFiles, what)
    }
}

/// Short enough to be sent back.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

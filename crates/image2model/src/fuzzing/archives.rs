//! Archives of pictures.

use std::{fs::File, io::Write as _};

use crate::archive::{Archive, Member, ReadError, Walk};

const MOST_FILES: usize = 25;
/// Most bytes of one member and of all that are read.
const MOST_BYTES: u64 = 10 << 20;
const MOST_IN_ALL: u64 = 32 << 20;

/// One byte for the size of the pieces in which it comes, and an archive.
///
/// It is judged alike in whatever pieces it comes. Of one that is opened each file has one plain name and gives the bytes
/// that it states, or is refused.
pub fn archive(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = walked(bytes, bytes.len().max(1));
    let parted = walked(bytes, usize::from(*piece) + 1);
    assert_eq!(
        whole,
        parted,
        "in pieces of {} bytes",
        usize::from(*piece) + 1
    );
    let Some(archive) = opened(bytes) else {
        return;
    };
    assert!((1..=MOST_FILES).contains(&archive.members().len()));
    let mut all = 0;
    for member in archive.members() {
        let name = &member.name;
        let is_plain = !["", ".", ".."].contains(&&**name) && !name.contains(['/', '\\', '\0']);
        assert!(is_plain, "{name:?}");
        all += member.size;
        if member.size > MOST_BYTES || all > MOST_IN_ALL {
            return;
        }
        if let Some(came) = unpacked(&archive, member) {
            assert_eq!(came, member.size, "{name:?}");
        }
    }
}

/// What the headers alone are refused for.
fn walked(bytes: &[u8], piece: usize) -> Option<String> {
    let mut walk = Walk::new(MOST_FILES);
    let refused = bytes.chunks(piece).find_map(|piece| walk.take(piece).err());
    refused.map(|refusal| format!("{refusal:?}"))
}

/// `None` for what is refused.
fn opened(bytes: &[u8]) -> Option<Archive> {
    let mut file: File = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("it is written");
    read(Archive::open(file, MOST_FILES))
}

/// How many bytes a member has, none of them more than it states; `None` when it is refused.
fn unpacked(archive: &Archive, member: &Member) -> Option<u64> {
    let mut unpacking = archive.unpack(member).expect("the file can be read");
    let mut came = 0;
    while let Some(chunk) = read(unpacking.next_chunk())? {
        came += chunk.len() as u64;
        assert!(came <= member.size, "{:?}", member.name);
    }
    Some(came)
}

/// Whatever is in an archive, it is the archive that is refused.
fn read<T>(read: Result<T, ReadError>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(ReadError::Refused(_)) => None,
        Err(ReadError::Io(error)) => {
            assert!(
                error.to_string().is_empty(),
                "the file cannot be read: {error}"
            );
            None
        }
    }
}

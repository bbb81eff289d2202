use std::io::{Cursor, Write as _};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;

/// An archive of two pictures, one packed and one not, with something between them.
fn written() -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, method) in [
        ("a/cat.png", CompressionMethod::Deflated),
        (".DS_Store", CompressionMethod::Stored),
        ("dog.png", CompressionMethod::Stored),
    ] {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(name, options).unwrap();
        writer
            .write_all(format!("the picture of {name}").as_bytes())
            .unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Names and content, read as an upload is, with `chunk` bytes coming at once.
fn read(bytes: &[u8], chunk: usize) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
    let mut walk = Walk::new(25);
    for chunk in bytes.chunks(chunk) {
        walk.take(chunk)?;
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    let archive = Archive::open(file, 25)?;
    let mut found = Vec::new();
    for member in archive.members() {
        let (mut unpacking, mut content) = (archive.unpack(member)?, Vec::new());
        while let Some(chunk) = unpacking.next_chunk()? {
            content.extend_from_slice(&chunk);
        }
        found.push((member.name.clone(), content));
    }
    Ok(found)
}

fn pictures() -> Vec<(String, Vec<u8>)> {
    ["a/cat.png", "dog.png"]
        .map(|name| {
            let base = name.rsplit('/').next().unwrap().to_owned();
            (base, format!("the picture of {name}").into_bytes())
        })
        .to_vec()
}

#[test]
fn an_archive_gives_its_pictures_however_it_comes_in() {
    let bytes = written();
    for chunk in 1..=bytes.len() {
        assert_eq!(read(&bytes, chunk).unwrap(), pictures(), "{chunk}");
    }
}

#[test]
fn an_archive_that_is_cut_is_refused_wherever_it_is_cut() {
    let bytes = written();
    for length in 0..bytes.len() {
        let cut = read(&bytes[..length], 64);
        assert!(
            matches!(cut, Err(ReadError::Refused(_))),
            "{length}: {cut:?}"
        );
    }
}

/// Nothing that is told of a picture can be changed unseen, and nothing that is changed breaks the reader.
#[test]
fn whatever_is_changed_in_an_archive_it_is_refused_or_gives_the_same() {
    let mut bytes = written();
    let mut refused = 0;
    for at in 0..bytes.len() {
        let right = bytes[at];
        for wrong in (0..8).map(|bit| right ^ 1 << bit).chain([0, 0xff, !right]) {
            bytes[at] = wrong;
            match read(&bytes, 64) {
                Ok(found) => assert_eq!(found, pictures(), "{wrong:02x} at {at}"),
                Err(ReadError::Refused(_)) => refused += 1,
                Err(ReadError::Io(error)) => panic!("{wrong:02x} at {at}: {error}"),
            }
        }
        bytes[at] = right;
    }
    assert!(refused > bytes.len() * 5, "{refused} of {}", bytes.len());
}

//! Archives by hand, each field as a test wants it.

use std::io::Write as _;

/// One member: what it says of itself, what the directory says of it, and what lies there.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) local: Fields,
    pub(super) central: Fields,
    pub(super) data: Vec<u8>,
    /// What lies between it and the next one.
    pub(super) after: Vec<u8>,
    pub(super) mode: u16,
    /// Where the directory says that it is; none for where it is.
    pub(super) offset: Option<u32>,
    /// The directory has it.
    pub(super) listed: bool,
}

#[derive(Clone)]
pub(super) struct Fields {
    pub(super) name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u32,
    pub(super) size: u32,
    pub(super) extra: Vec<u8>,
}

/// The archive's end.
pub(super) struct End {
    pub(super) disk: u16,
    pub(super) members: u16,
    pub(super) directory_size: u32,
    pub(super) directory: u32,
    /// What lies before it.
    pub(super) before: Vec<u8>,
}

impl Made {
    /// Changes what both headers say.
    pub(super) fn with(mut self, change: impl Fn(&mut Fields)) -> Self {
        change(&mut self.local);
        change(&mut self.central);
        self
    }
}

impl Fields {
    fn write(&self, into: &mut Vec<u8>) {
        for number in [self.flags, self.method, 0, 0] {
            into.extend(number.to_le_bytes());
        }
        for number in [self.crc, self.packed, self.size] {
            into.extend(number.to_le_bytes());
        }
        for text in [&self.name, &self.extra] {
            into.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        }
    }
}

pub(super) fn stored(name: &str, bytes: &[u8]) -> Made {
    packed(name, 0, bytes, bytes.to_vec())
}

pub(super) fn deflated(name: &str, bytes: &[u8]) -> Made {
    packed(name, 8, bytes, deflate(bytes))
}

fn packed(name: &str, method: u16, bytes: &[u8], data: Vec<u8>) -> Made {
    let fields = Fields {
        name: name.as_bytes().to_vec(),
        flags: 0,
        method,
        crc: crc32fast::hash(bytes),
        packed: u32::try_from(data.len()).unwrap(),
        size: u32::try_from(bytes.len()).unwrap(),
        extra: Vec::new(),
    };
    Made {
        local: fields.clone(),
        central: fields,
        data,
        after: Vec::new(),
        mode: 0,
        offset: None,
        listed: true,
    }
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member whose sizes follow it, in the fields of that many bytes.
pub(super) fn followed(mut made: Made, width: usize) -> Made {
    made = made.with(|fields| fields.flags |= 1 << 3);
    let Fields {
        crc, packed, size, ..
    } = made.central;
    (made.local.crc, made.local.packed, made.local.size) = (0, 0, 0);
    made.after.extend(b"PK\x07\x08");
    made.after.extend(crc.to_le_bytes());
    for number in [packed, size] {
        made.after.extend(&u64::from(number).to_le_bytes()[..width]);
    }
    made
}

/// The extra field of a name in Unicode.
pub(super) fn unicode_path(name: &str) -> Vec<u8> {
    let length = u16::try_from(5 + name.len()).unwrap();
    let head = [0x7075u16.to_le_bytes(), length.to_le_bytes()].concat();
    [head, vec![1, 0, 0, 0, 0], name.as_bytes().to_vec()].concat()
}

/// A member whose sizes are 64-bit ones without need.
pub(super) fn wide(made: Made) -> Made {
    let (size, packed) = (made.local.size, made.local.packed);
    made.with(|fields| {
        fields.extra = [1u16.to_le_bytes(), 16u16.to_le_bytes()].concat();
        fields.extra.extend(u64::from(size).to_le_bytes());
        fields.extra.extend(u64::from(packed).to_le_bytes());
        (fields.size, fields.packed) = (u32::MAX, u32::MAX);
    })
}

pub(super) fn archive(members: &[Made]) -> Vec<u8> {
    ended(members, |_, _| {})
}

/// An archive whose end a test changes, told where the end would lie.
pub(super) fn ended(members: &[Made], change: impl FnOnce(&mut End, u32)) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let at = |bytes: &Vec<u8>| u32::try_from(bytes.len()).unwrap();
    for made in members {
        let offset = made.offset.unwrap_or(at(&bytes));
        bytes.extend(local(made));
        bytes.extend(&made.after);
        if made.listed {
            directory.extend(b"PK\x01\x02\x14\x03\x14\x00");
            made.central.write(&mut directory);
            // No comment, the first part, and no marks of FAT's.
            directory.extend([0; 8]);
            directory.extend(made.mode.to_le_bytes());
            directory.extend(offset.to_le_bytes());
            directory.extend(&made.central.name);
            directory.extend(&made.central.extra);
        }
    }
    let listed = members.iter().filter(|made| made.listed).count();
    let mut end = End {
        disk: 0,
        members: u16::try_from(listed).unwrap(),
        directory_size: at(&directory),
        directory: at(&bytes),
        before: Vec::new(),
    };
    bytes.extend(directory);
    change(&mut end, at(&bytes));
    bytes.extend(&end.before);
    bytes.extend(b"PK\x05\x06");
    for number in [end.disk, end.disk, end.members, end.members] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(end.directory_size.to_le_bytes());
    bytes.extend(end.directory.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// A member's own header and what lies there.
pub(super) fn local(made: &Made) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04\x14\x00".to_vec();
    made.local.write(&mut bytes);
    bytes.extend(&made.local.name);
    bytes.extend(&made.local.extra);
    bytes.extend(&made.data);
    bytes
}

/// The 64-bit end of an archive whose end would lie at `at`, and the record that says where it is.
pub(super) fn end_64(end: &End, at: u32) -> Vec<u8> {
    let mut bytes = b"PK\x06\x06".to_vec();
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([0x2d, 3, 0x2d, 0]);
    bytes.extend([0; 8]);
    for number in [end.members, end.members] {
        bytes.extend(u64::from(number).to_le_bytes());
    }
    for number in [end.directory_size, end.directory] {
        bytes.extend(u64::from(number).to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(u64::from(at).to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes
}

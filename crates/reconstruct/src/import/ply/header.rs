//! What a PLY says of itself: its coding, its elements and their properties.

use super::{FORMAT, broken, shown};
use crate::{
    Error,
    import::text::{lines, number, words},
};

/// A header is far shorter; what follows it may be binary.
const LONGEST: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Text,
    Little,
    Big,
}

pub(super) struct Header {
    pub(super) coding: Coding,
    pub(super) elements: Vec<Element>,
    /// In bytes.
    pub(super) length: usize,
}

pub(super) struct Element {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) properties: Vec<Property>,
}

pub(super) struct Property {
    pub(super) name: String,
    /// Of a list: the type of its length.
    pub(super) length: Option<Kind>,
    pub(super) kind: Kind,
}

impl Property {
    /// Bytes that it takes at least in a binary file.
    pub(super) fn least_size(&self) -> u64 {
        self.length.unwrap_or(self.kind).size() as u64
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl Kind {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"char" | b"int8" => Self::I8,
            b"uchar" | b"uint8" => Self::U8,
            b"short" | b"int16" => Self::I16,
            b"ushort" | b"uint16" => Self::U16,
            b"int" | b"int32" => Self::I32,
            b"uint" | b"uint32" => Self::U32,
            b"float" | b"float32" => Self::F32,
            b"double" | b"float64" => Self::F64,
            _ => return None,
        })
    }

    pub(super) fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The largest value of a whole number.
    pub(super) fn largest(self) -> Option<f64> {
        Some(match self {
            Self::I8 => f64::from(i8::MAX),
            Self::U8 => f64::from(u8::MAX),
            Self::I16 => f64::from(i16::MAX),
            Self::U16 => f64::from(u16::MAX),
            Self::I32 => f64::from(i32::MAX),
            Self::U32 => f64::from(u32::MAX),
            Self::F32 | Self::F64 => return None,
        })
    }

    /// The value whose bytes, the lowest first, `wide` begins with.
    pub(super) fn value(self, wide: [u8; 8]) -> f64 {
        let [a, b, c, d, ..] = wide;
        match self {
            Self::I8 => f64::from(i8::from_le_bytes([a])),
            Self::U8 => f64::from(a),
            Self::I16 => f64::from(i16::from_le_bytes([a, b])),
            Self::U16 => f64::from(u16::from_le_bytes([a, b])),
            Self::I32 => f64::from(i32::from_le_bytes([a, b, c, d])),
            Self::U32 => f64::from(u32::from_le_bytes([a, b, c, d])),
            Self::F32 => f64::from(f32::from_le_bytes([a, b, c, d])),
            Self::F64 => f64::from_le_bytes(wide),
        }
    }
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let end = end(bytes).ok_or_else(|| broken(FORMAT, "its header does not end"))?;
        let coding = lines(&bytes[..end]).find_map(|(_, line)| coding(line));
        let mut header = Self {
            coding: coding.ok_or_else(|| broken(FORMAT, "its header names no known format"))?,
            elements: Vec::new(),
            length: end,
        };
        for (number, line) in lines(&bytes[..end]) {
            header.line(line).ok_or_else(|| {
                let line = shown(line);
                broken(
                    FORMAT,
                    format!("line {number} of its header is not understood: {line:?}"),
                )
            })?;
        }
        Ok(header)
    }

    /// Takes a line in; `None` when it is not understood.
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let parts: Vec<&[u8]> = words(line).take(6).collect();
        match parts[..] {
            [b"element", name, count] => self.elements.push(element(name, count)?),
            [b"property", ref rest @ ..] => {
                let property = property(rest)?;
                self.elements.last_mut()?.properties.push(property);
            }
            [b"element", ..] => return None,
            _ => {}
        }
        Some(())
    }

    /// How many there are of the first element of that name.
    pub(super) fn count(&self, name: &str) -> u64 {
        let of_name = |element: &&Element| element.name == name;
        self.elements.iter().find(of_name).map_or(0, |e| e.count)
    }
}

/// Where what follows the header begins.
fn end(bytes: &[u8]) -> Option<usize> {
    const LAST: &[u8] = b"\nend_header";
    let start = &bytes[..bytes.len().min(LONGEST)];
    let last = start.windows(LAST.len()).position(|part| part == LAST)?;
    let after = last + LAST.len();
    let line = start[after..].iter().position(|b| *b == b'\n')?;
    Some(after + line + 1)
}

fn coding(line: &[u8]) -> Option<Coding> {
    let mut words = words(line);
    words.next().filter(|word| *word == b"format")?;
    Some(match words.next()? {
        b"ascii" => Coding::Text,
        b"binary_little_endian" => Coding::Little,
        b"binary_big_endian" => Coding::Big,
        _ => return None,
    })
}

fn element(name: &[u8], count: &[u8]) -> Option<Element> {
    Some(Element {
        name: String::from_utf8_lossy(name).into_owned(),
        count: number(count)?,
        properties: Vec::new(),
    })
}

fn property(words: &[&[u8]]) -> Option<Property> {
    let (length, kind, name) = match *words {
        [b"list", length, kind, name] => (Some(Kind::of(length)?), kind, name),
        [kind, name] => (None, kind, name),
        _ => return None,
    };
    Some(Property {
        name: String::from_utf8_lossy(name).into_owned(),
        length,
        kind: Kind::of(kind)?,
    })
}

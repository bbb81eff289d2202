//! STL, binary and text: triangles without a word of which corners are one.
//!
//! Millimetres and z up, as slicers have it; corners at the same place to the bit are one vertex. A binary file
//! whose header begins with "solid" is told by its length, which is right to the byte.

use super::{
    soup::{Soup, Vertex, broken, check_faces},
    text::{lines, numbers, shown, words},
};
use crate::{Error, format::weld::Welder};

const FORMAT: &str = "STL";
const HEADER: usize = 84;
const FACE: usize = 50;
const METRES_PER_MM: f32 = 0.001;

pub(super) fn looks_like(bytes: &[u8]) -> bool {
    is_binary(bytes) || starts_with_word(bytes, b"solid")
}

/// Faces that the file claims to have, or has room for.
pub(super) fn faces(bytes: &[u8]) -> u64 {
    // The shortest text of a face: three times "vertex 0 0 0" and its frame.
    const LEAST_TEXT: u64 = 80;
    match count(bytes) {
        Some(count) if is_binary(bytes) => count,
        _ => bytes.len() as u64 / LEAST_TEXT + 1,
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Soup, Error> {
    if is_binary(bytes) {
        binary(bytes)
    } else {
        text(bytes)
    }
}

fn count(bytes: &[u8]) -> Option<u64> {
    let count = bytes.get(80..HEADER)?.first_chunk()?;
    Some(u64::from(u32::from_le_bytes(*count)))
}

/// Some programs pad the file, so what is no text may be longer than its count of faces says.
fn is_binary(bytes: &[u8]) -> bool {
    let Some(count) = count(bytes) else {
        return false;
    };
    let length = HEADER as u64 + FACE as u64 * count;
    let has = bytes.len() as u64;
    has == length || (count > 0 && has > length && bytes[..HEADER].contains(&0))
}

fn starts_with_word(line: &[u8], word: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
        && line.get(word.len()).is_none_or(u8::is_ascii_whitespace)
}

fn binary(bytes: &[u8]) -> Result<Soup, Error> {
    let count = count(bytes).unwrap_or_default();
    check_faces(count)?;
    let mut corners = Corners::default();
    let faces = bytes[HEADER..].as_chunks::<FACE>().0;
    for face in faces.iter().take(count as usize) {
        let values = face[12..48].as_chunks::<4>().0;
        for corner in values.as_chunks::<3>().0 {
            corners.push(corner.map(f32::from_le_bytes))?;
        }
        corners.close(0)?;
    }
    Ok(corners.soup)
}

fn text(bytes: &[u8]) -> Result<Soup, Error> {
    let mut corners = Corners::default();
    for (number, line) in lines(bytes) {
        if starts_with_word(line, b"vertex") {
            let position = numbers(&mut words(line).skip(1));
            let position = position.ok_or_else(|| {
                let line = shown(line);
                broken(
                    FORMAT,
                    format!("line {number} has no three numbers: {line:?}"),
                )
            })?;
            corners.push(position)?;
        } else if starts_with_word(line, b"endloop") {
            corners.close(number)?;
        }
    }
    if !corners.open.is_empty() {
        return Err(broken(FORMAT, "it ends within a face"));
    }
    Ok(corners.soup)
}

/// The soup, and the corners of the face that is being read.
struct Corners {
    soup: Soup,
    welder: Welder,
    open: Vec<u32>,
}

impl Default for Corners {
    fn default() -> Self {
        Self {
            soup: Soup::new(FORMAT),
            welder: Welder::default(),
            open: Vec::with_capacity(3),
        }
    }
}

impl Corners {
    /// From z up in millimetres to y up in metres.
    fn push(&mut self, [x, y, z]: [f32; 3]) -> Result<(), Error> {
        let position = [x, z, 0.0 - y].map(|v| v * METRES_PER_MM + 0.0);
        // A corner more than a face has is told when the face ends.
        if self.open.len() > 3 {
            return Ok(());
        }
        let next = self.soup.vertices.len() as u32;
        let vertex = self.welder.name(position, next);
        if vertex == next {
            self.soup.push_vertex(Vertex::at(position))?;
        }
        self.open.push(vertex);
        Ok(())
    }

    /// Ends a face; `line` is where it does so.
    fn close(&mut self, line: usize) -> Result<(), Error> {
        let Ok(triangle) = <[u32; 3]>::try_from(&*self.open) else {
            let detail = format!("the face that ends in line {line} has not three corners");
            return Err(broken(FORMAT, detail));
        };
        self.open.clear();
        self.soup.push_triangle(triangle)
    }
}

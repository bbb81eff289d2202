//! Wavefront OBJ: positions with or without colours, texture coordinates, normals and polygons.
//!
//! Metres and y up are assumed. Materials and textures are other files, so they are left alone; lines, points, free
//! forms and groups, too.

use std::collections::HashMap;

use super::{
    polygon::triangulate,
    soup::{Soup, Vertex, broken, check_faces, check_vertices, out_of_range},
    text::{lines, number, numbers, shown, words},
};
use crate::{Error, sampler::to_linear};

const FORMAT: &str = "OBJ";

/// Words that lines begin with; a file is known by one of them among its first lines.
const KNOWN: [&[u8]; 9] = [
    b"v", b"vt", b"vn", b"f", b"o", b"g", b"s", b"mtllib", b"usemtl",
];

pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64 << 10)];
    let mut first = lines(start).map(|(_, line)| line.trim_ascii_start());
    !start.contains(&0)
        && first
            .find(|line| !line.is_empty() && !line.starts_with(b"#"))
            .and_then(|line| words(line).next())
            .is_some_and(|word| KNOWN.contains(&word))
}

/// What the file holds, counted without reading a number.
pub(super) struct Counts {
    pub(super) vertices: u64,
    /// After triangulation.
    pub(super) faces: u64,
}

pub(super) fn counts(bytes: &[u8]) -> Counts {
    let mut counts = Counts {
        vertices: 0,
        faces: 0,
    };
    for (_, line) in lines(bytes) {
        let mut words = words(line);
        match words.next() {
            Some(b"v") => counts.vertices += 1,
            Some(b"f") => counts.faces += (words.count() as u64).saturating_sub(2),
            _ => {}
        }
    }
    counts
}

pub(super) fn read(bytes: &[u8]) -> Result<Soup, Error> {
    let claimed = counts(bytes);
    check_vertices(claimed.vertices)?;
    check_faces(claimed.faces)?;
    let mut reader = Reader {
        soup: Soup::new(FORMAT),
        positions: Vec::with_capacity(claimed.vertices as usize),
        uvs: Vec::new(),
        normals: Vec::new(),
        names: HashMap::new(),
    };
    let (mut corners, mut places) = (Vec::new(), Vec::new());
    for (number, line) in lines(bytes) {
        let mut words = words(line);
        let wrong = || {
            let line = shown(line);
            broken(
                FORMAT,
                format!("line {number} is not well formed: {line:?}"),
            )
        };
        match words.next() {
            Some(b"v") => {
                let position = numbers(&mut words).ok_or_else(wrong)?;
                // Four numbers are homogeneous, six a colour in sRGB.
                let rest: Vec<&[u8]> = words.take(4).collect();
                let colour = match rest[..] {
                    [_, _, _, ..] => numbers(&mut rest.into_iter()).ok_or_else(wrong)?,
                    _ => [1.0; 3],
                };
                reader.positions.push((position, colour.map(linear)));
            }
            Some(b"vt") => {
                let u = words
                    .next()
                    .and_then(super::text::number)
                    .ok_or_else(wrong)?;
                let v: f32 = match words.next() {
                    Some(word) => super::text::number(word).ok_or_else(wrong)?,
                    None => 0.0,
                };
                check_vertices(reader.uvs.len() as u64 + 1)?;
                // Texture coordinates of OBJ start at the bottom.
                reader.uvs.push([u, 1.0 - v]);
            }
            Some(b"vn") => {
                check_vertices(reader.normals.len() as u64 + 1)?;
                let normal = numbers(&mut words).ok_or_else(wrong)?;
                reader.normals.push(normal);
            }
            Some(b"f") => {
                corners.clear();
                places.clear();
                for word in words {
                    let vertex = reader.corner(word).ok_or_else(wrong)??;
                    corners.push(vertex);
                    places.push(reader.soup.vertices[vertex as usize].position);
                }
                let soup = &mut reader.soup;
                triangulate(&places, |t| soup.push_triangle(t.map(|k| corners[k])))?;
            }
            _ => {}
        }
    }
    Ok(reader.soup)
}

/// Linear light of a colour's share in sRGB, 0 to 1.
fn linear(share: f32) -> f32 {
    to_linear((share.clamp(0.0, 1.0) * 255.0).round() as u8)
}

struct Reader {
    soup: Soup,
    /// With their colours.
    positions: Vec<([f32; 3], [f32; 3])>,
    uvs: Vec<[f32; 2]>,
    normals: Vec<[f32; 3]>,
    /// The vertices made so far, by position, texture coordinate and normal.
    names: HashMap<[u32; 3], u32>,
}

impl Reader {
    /// The vertex that `v`, `v/t`, `v//n` or `v/t/n` names; `None` when it is none of them.
    fn corner(&mut self, word: &[u8]) -> Option<Result<u32, Error>> {
        const NONE: u32 = u32::MAX;
        let mut key = [NONE; 3];
        let counts = [self.positions.len(), self.uvs.len(), self.normals.len()];
        for (part, text) in word.split(|b| *b == b'/').enumerate() {
            let place = key.get_mut(part)?;
            if text.is_empty() && part > 0 {
                continue;
            }
            let index: i64 = number(text)?;
            let count = counts[part] as i64;
            // Below zero it counts back from what has been read so far.
            let from_zero = if index < 0 { count + index } else { index - 1 };
            if !(0..count).contains(&from_zero) {
                return Some(Err(match part {
                    0 => out_of_range(FORMAT, index, counts[0]),
                    _ => broken(
                        FORMAT,
                        format!("a face names {index} of {count} texture coordinates or normals"),
                    ),
                }));
            }
            *place = from_zero as u32;
        }
        if let Some(vertex) = self.names.get(&key) {
            return Some(Ok(*vertex));
        }
        let (position, colour) = self.positions[key[0] as usize];
        let vertex = self.soup.push_vertex(Vertex {
            colour,
            uv: self.uvs.get(key[1] as usize).copied().unwrap_or_default(),
            normal: self
                .normals
                .get(key[2] as usize)
                .copied()
                .unwrap_or_default(),
            ..Vertex::at(position)
        });
        if let Ok(vertex) = vertex {
            self.names.insert(key, vertex);
        }
        Some(vertex)
    }
}

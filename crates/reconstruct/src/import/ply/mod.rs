//! PLY, text and binary of either byte order: vertices with normals, colours and texture coordinates, and faces of
//! any number of corners.
//!
//! Metres and y up are assumed. Elements and properties that are not known are passed over.

use super::{
    polygon::triangulate,
    soup::{Soup, Vertex, broken, check_faces, check_vertices, out_of_range},
    text::{number, shown},
};
use crate::{Error, sampler::to_linear};

mod header;

use header::{Coding, Element, Header, Kind, Property};

const FORMAT: &str = "PLY";

/// The corners that a face has at most; a list's length of four bytes could claim any number.
const MOST_CORNERS: u64 = 1 << 16;

/// Vertices and faces that the header claims.
pub(super) fn counts(bytes: &[u8]) -> Result<(u64, u64), Error> {
    let header = Header::read(bytes)?;
    Ok((header.count("vertex"), header.count("face")))
}

pub(super) fn read(bytes: &[u8]) -> Result<Soup, Error> {
    let header = Header::read(bytes)?;
    check_vertices(header.count("vertex"))?;
    check_faces(header.count("face"))?;
    let mut values = Values {
        coding: header.coding,
        bytes: &bytes[header.length..],
    };
    let mut soup = Soup::new(FORMAT);
    let mut faces = Faces::default();
    for element in &header.elements {
        values.check_room(element)?;
        match element.name.as_str() {
            "vertex" if soup.vertices.is_empty() => vertices(element, &mut values, &mut soup)?,
            "face" => faces.read(element, &mut values, &mut soup)?,
            _ => {
                for _ in 0..element.count {
                    for property in &element.properties {
                        values.pass(property)?;
                    }
                }
            }
        }
    }
    Ok(soup)
}

/// What a property of a vertex is: the place of its value in a row of eleven.
fn role(name: &str) -> Option<usize> {
    Some(match name {
        "x" => 0,
        "y" => 1,
        "z" => 2,
        "nx" => 3,
        "ny" => 4,
        "nz" => 5,
        "red" | "r" | "diffuse_red" => 6,
        "green" | "g" | "diffuse_green" => 7,
        "blue" | "b" | "diffuse_blue" => 8,
        "u" | "s" | "texture_u" => 9,
        "v" | "t" | "texture_v" => 10,
        _ => return None,
    })
}

fn vertices(element: &Element, values: &mut Values<'_>, soup: &mut Soup) -> Result<(), Error> {
    let roles: Vec<_> = (element.properties.iter())
        .map(|property| role(&property.name).filter(|_| property.length.is_none()))
        .collect();
    if !(0..3).all(|axis| roles.contains(&Some(axis))) {
        return Err(broken(FORMAT, "its vertices lack x, y or z"));
    }
    let coloured = (6..9).all(|channel| roles.contains(&Some(channel)));
    soup.vertices.reserve_exact(element.count as usize);
    for _ in 0..element.count {
        let mut row = [0.0_f32; 11];
        for (property, role) in element.properties.iter().zip(&roles) {
            let Some(role) = role else {
                values.pass(property)?;
                continue;
            };
            let value = values.next(property.kind)?;
            row[*role] = match role {
                6..9 => channel(property.kind, value),
                _ => value as f32,
            };
        }
        let [x, y, z, nx, ny, nz, red, green, blue, u, v] = row;
        soup.push_vertex(Vertex {
            normal: [nx, ny, nz],
            // As in OBJ, they start at the bottom.
            uv: [u, 1.0 - v],
            colour: if coloured {
                [red, green, blue]
            } else {
                [1.0; 3]
            },
            ..Vertex::at([x, y, z])
        })?;
    }
    Ok(())
}

/// Linear light of a colour's share in sRGB: whole numbers up to their type's largest, others up to 1.
fn channel(kind: Kind, value: f64) -> f32 {
    let share = value / kind.largest().unwrap_or(1.0);
    to_linear((share.clamp(0.0, 1.0) * 255.0).round() as u8)
}

/// Kept from face to face, so that no face takes memory of its own.
#[derive(Default)]
struct Faces {
    corners: Vec<u32>,
    places: Vec<[f32; 3]>,
}

impl Faces {
    fn read(
        &mut self,
        element: &Element,
        values: &mut Values<'_>,
        soup: &mut Soup,
    ) -> Result<(), Error> {
        for _ in 0..element.count {
            for property in &element.properties {
                let is_face = ["vertex_indices", "vertex_index"].contains(&property.name.as_str());
                match property.length.filter(|_| is_face) {
                    Some(length) => self.face(length, property.kind, values, soup)?,
                    None => values.pass(property)?,
                }
            }
        }
        Ok(())
    }

    fn face(
        &mut self,
        length: Kind,
        kind: Kind,
        values: &mut Values<'_>,
        soup: &mut Soup,
    ) -> Result<(), Error> {
        self.corners.clear();
        self.places.clear();
        for _ in 0..values.length(length)? {
            let index = values.next(kind)?;
            let vertices = soup.vertices.len();
            let number = (index >= 0.0 && index < vertices as f64).then_some(index as u32);
            let number = number.ok_or_else(|| out_of_range(FORMAT, index as i64, vertices))?;
            self.corners.push(number);
            self.places.push(soup.vertices[number as usize].position);
        }
        let corners = &self.corners;
        triangulate(&self.places, |t| soup.push_triangle(t.map(|k| corners[k])))
    }
}

/// The values after the header, one after the other.
struct Values<'a> {
    coding: Coding,
    bytes: &'a [u8],
}

impl Values<'_> {
    /// Whether there can be as many of the element as the header claims.
    fn check_room(&self, element: &Element) -> Result<(), Error> {
        let least: u64 = match self.coding {
            // A digit and what parts it from the next.
            Coding::Text => 2 * element.properties.len() as u64,
            _ => element.properties.iter().map(Property::least_size).sum(),
        };
        let room = self.bytes.len() as u64 + 1;
        if element.count > 0 && (least == 0 || element.count > room / least) {
            let Element { count, name, .. } = element;
            let name = shown(name.as_bytes());
            return Err(broken(
                FORMAT,
                format!("it ends before the {count} of {name:?} that its header claims"),
            ));
        }
        Ok(())
    }

    fn next(&mut self, kind: Kind) -> Result<f64, Error> {
        match self.coding {
            Coding::Text => {
                let rest = self.bytes.trim_ascii_start();
                let end = rest.iter().position(u8::is_ascii_whitespace);
                let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
                self.bytes = rest;
                if word.is_empty() {
                    return Err(cut());
                }
                number(word)
                    .ok_or_else(|| broken(FORMAT, format!("{:?} is no number", shown(word))))
            }
            Coding::Little | Coding::Big => {
                let size = kind.size();
                let (value, rest) = self.bytes.split_at_checked(size).ok_or_else(cut)?;
                self.bytes = rest;
                let mut wide = [0; 8];
                wide[..size].copy_from_slice(value);
                if self.coding == Coding::Big {
                    wide[..size].reverse();
                }
                Ok(kind.value(wide))
            }
        }
    }

    fn length(&mut self, kind: Kind) -> Result<u64, Error> {
        let length = self.next(kind)?;
        if (0.0..=MOST_CORNERS as f64).contains(&length) {
            return Ok(length as u64);
        }
        Err(broken(
            FORMAT,
            format!("a list has {length} values, over the limit of {MOST_CORNERS}"),
        ))
    }

    fn pass(&mut self, property: &Property) -> Result<(), Error> {
        let count = match property.length {
            Some(length) => self.length(length)?,
            None => 1,
        };
        for _ in 0..count {
            self.next(property.kind)?;
        }
        Ok(())
    }
}

fn cut() -> Error {
    broken(FORMAT, "it ends before its last value")
}

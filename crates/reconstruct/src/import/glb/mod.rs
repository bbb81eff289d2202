//! Binary glTF 2.0 of any maker: the scene's nodes flattened, each primitive's triangles with normals, texture
//! coordinates, vertex colours and its material's base colour.
//!
//! Bent bodies (skins, morph targets) are read as they rest; points and lines are left out. What lies in other files
//! is not fetched. A file that demands an extension that changes the mesh's coding is refused by the extension's
//! name. `json` has the document, `accessor` the way to its numbers, `material` what faces wear, `place` the way
//! from a node's space to the scene's.

mod accessor;
mod json;
mod material;
mod place;

use std::collections::{HashMap, hash_map::Entry};

use self::{
    accessor::Accessors,
    json::{Document, Mesh, Primitive},
    material::{Look, Materials},
    place::Place,
};
use super::soup::{Soup, Vertex, at_most, broken, check_faces, out_of_range};
use crate::Error;

const FORMAT: &str = "GLB";
const MAGIC: u32 = u32::from_le_bytes(*b"glTF");
const JSON: u32 = u32::from_le_bytes(*b"JSON");
const BIN: u32 = u32::from_le_bytes(*b"BIN\0");
const HEADER: usize = 12;
const CHUNK_HEADER: usize = 8;

/// Bytes of the document: unpacked it may take forty times as many.
const MOST_JSON: u64 = 16 << 20;
/// Primitives that the nodes come to: each costs time even when it is empty.
const MOST_PRIMITIVES: u64 = 100_000;

/// Extensions that may be demanded: understood, or about a look that is not kept.
const KNOWN_EXTENSIONS: [&str; 4] = [
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "KHR_lights_punctual",
    "KHR_xmp_json_ld",
];
const LOOKS: &str = "KHR_materials_";

/// Vertices and faces that reading will come to at most, and the bytes of the document.
pub(super) struct Counts {
    pub(super) vertices: u64,
    pub(super) faces: u64,
    pub(super) json: u64,
    /// Of all images.
    pub(super) pixels: u64,
}

pub(super) fn counts(bytes: &[u8]) -> Result<Counts, Error> {
    let (json, bin) = chunks(bytes)?;
    let document = parse(json)?;
    let accessors = Accessors::of(&document, bin);
    let mut counts = Counts {
        vertices: 0,
        faces: 0,
        json: json.len() as u64,
        pixels: material::pixels(&document, bin),
    };
    each_primitive(&document, |primitive, _| {
        let vertices = u64::from(accessors.count(primitive.attributes.position)?);
        let corners = match primitive.indices {
            Some(indices) => u64::from(accessors.count(Some(indices))?),
            None => vertices,
        };
        counts.vertices += vertices.min(corners);
        counts.faces += Mode::of(primitive).map_or(0, |mode| mode.faces(corners));
        check_faces(counts.faces)
    })?;
    Ok(counts)
}

pub(super) fn read(bytes: &[u8]) -> Result<Soup, Error> {
    let (json, bin) = chunks(bytes)?;
    let document = parse(json)?;
    let mut reader = Reader {
        accessors: Accessors::of(&document, bin),
        materials: Materials::of(&document, bin),
        soup: Soup::new(FORMAT),
    };
    each_primitive(&document, |primitive, place| {
        reader.primitive(primitive, place)
    })?;
    reader.materials.hand_over(&mut reader.soup);
    Ok(reader.soup)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The JSON and the binary chunk, which may be missing.
fn chunks(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let cut = || broken(FORMAT, format!("it ends at byte {}", bytes.len()));
    let version = word(bytes, 4).ok_or_else(cut)?;
    if word(bytes, 0) != Some(MAGIC) || version != 2 {
        return Err(broken(FORMAT, format!("it is of version {version}, not 2")));
    }
    let chunk = |at: usize| {
        let length = word(bytes, at)? as usize;
        let kind = word(bytes, at + 4)?;
        let start = at + CHUNK_HEADER;
        Some((kind, bytes.get(start..start.checked_add(length)?)?))
    };
    let (kind, json) = chunk(HEADER).ok_or_else(cut)?;
    if kind != JSON {
        return Err(broken(FORMAT, "its first chunk is not JSON"));
    }
    at_most("the GLB's JSON in bytes", json.len() as u64, MOST_JSON)?;
    let next = HEADER + CHUNK_HEADER + json.len();
    if next + CHUNK_HEADER > bytes.len() {
        return Ok((json, &[]));
    }
    match chunk(next).ok_or_else(cut)? {
        (BIN, bin) => Ok((json, bin)),
        _ => Ok((json, &[])),
    }
}

fn parse(json: &[u8]) -> Result<Document, Error> {
    let document: Document = serde_json::from_slice(json)
        .map_err(|error| broken(FORMAT, format!("its JSON is no glTF: {error}")))?;
    let known = |name: &str| KNOWN_EXTENSIONS.contains(&name) || name.starts_with(LOOKS);
    match (document.extensions_required.iter()).find(|name| !known(name)) {
        Some(name) => Err(Error::Unsupported {
            format: FORMAT,
            what: format!("the extension {:?}", super::text::shown(name.as_bytes())),
        }),
        None => Ok(document),
    }
}

/// Walks the scene's nodes, or all meshes when there is no scene.
fn each_primitive(
    document: &Document,
    mut visit: impl FnMut(&Primitive, &Place) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut visited = 0;
    let mut mesh = |mesh: &Mesh, place: &Place| {
        visited += mesh.primitives.len() as u64;
        at_most(
            "the number of the GLB's primitives",
            visited,
            MOST_PRIMITIVES,
        )?;
        (mesh.primitives.iter()).try_for_each(|primitive| visit(primitive, place))
    };
    let Some(scene) = document.scenes.get(document.scene.unwrap_or(0)) else {
        return (document.meshes.iter()).try_for_each(|m| mesh(m, &Place::default()));
    };
    let mut seen = vec![false; document.nodes.len()];
    let mut waiting: Vec<(usize, Place)> = (scene.nodes.iter().rev())
        .map(|node| (*node, Place::default()))
        .collect();
    while let Some((number, outer)) = waiting.pop() {
        let node = (document.nodes.get(number))
            .ok_or_else(|| broken(FORMAT, format!("there is no node {number}")))?;
        if std::mem::replace(&mut seen[number], true) {
            return Err(broken(FORMAT, format!("node {number} has two parents")));
        }
        let place = outer.then(node);
        if let Some(number) = node.mesh {
            let found = document.meshes.get(number);
            let found =
                found.ok_or_else(|| broken(FORMAT, format!("there is no mesh {number}")))?;
            mesh(found, &place)?;
        }
        waiting.extend(node.children.iter().rev().map(|child| (*child, place)));
    }
    Ok(())
}

/// How a primitive's corners follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Triangles,
    Strip,
    Fan,
}

impl Mode {
    /// `None` for points and lines.
    fn of(primitive: &Primitive) -> Option<Self> {
        match primitive.mode.unwrap_or(4) {
            4 => Some(Self::Triangles),
            5 => Some(Self::Strip),
            6 => Some(Self::Fan),
            _ => None,
        }
    }

    fn faces(self, corners: u64) -> u64 {
        match self {
            Self::Triangles => corners / 3,
            Self::Strip | Self::Fan => corners.saturating_sub(2),
        }
    }

    /// The places among the corners of face `number`'s.
    fn corners(self, number: u32) -> [u32; 3] {
        match self {
            Self::Triangles => [3 * number, 3 * number + 1, 3 * number + 2],
            // Every other face of a strip is wound the other way.
            Self::Strip if number % 2 == 1 => [number + 1, number, number + 2],
            Self::Strip => [number, number + 1, number + 2],
            Self::Fan => [0, number + 1, number + 2],
        }
    }
}

struct Reader<'a> {
    accessors: Accessors<'a>,
    materials: Materials<'a>,
    soup: Soup,
}

impl Reader<'_> {
    fn primitive(&mut self, primitive: &Primitive, place: &Place) -> Result<(), Error> {
        let Some(mode) = Mode::of(primitive) else {
            return Ok(());
        };
        let attributes = &primitive.attributes;
        let Some(position) = attributes.position else {
            return Ok(());
        };
        let look = self.materials.look(primitive.material, &mut self.soup)?;
        let optional =
            |accessor: Option<usize>| accessor.map(|a| self.accessors.get(a)).transpose();
        let source = Corners {
            positions: self.accessors.get(position)?,
            normals: optional(attributes.normal)?,
            uvs: optional(attributes.texcoord(look.texcoord))?,
            colours: optional(attributes.colour)?,
            look,
            place: *place,
        };
        let indices = optional(primitive.indices)?;
        let corners = match &indices {
            Some(indices) => indices.count,
            None => source.positions.count,
        };
        let mut names = HashMap::new();
        for face in 0..mode.faces(u64::from(corners)) as u32 {
            let mut triangle = [0; 3];
            for (vertex, corner) in triangle.iter_mut().zip(mode.corners(face)) {
                let index = match &indices {
                    Some(indices) => indices.whole(corner)?,
                    None => corner,
                };
                *vertex = match names.entry(index) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        *new.insert(self.soup.push_vertex(source.vertex(index)?)?)
                    }
                };
            }
            if place.mirrors() {
                triangle.swap(1, 2);
            }
            self.soup.push_triangle(triangle)?;
        }
        Ok(())
    }
}

/// Where a primitive's vertices come from.
struct Corners<'a> {
    positions: accessor::Values<'a>,
    normals: Option<accessor::Values<'a>>,
    uvs: Option<accessor::Values<'a>>,
    colours: Option<accessor::Values<'a>>,
    look: Look,
    place: Place,
}

impl Corners<'_> {
    fn vertex(&self, index: u32) -> Result<Vertex, Error> {
        let count = self.positions.count;
        if index >= count {
            return Err(out_of_range(FORMAT, i64::from(index), count as usize));
        }
        let normal = match &self.normals {
            Some(normals) => self.place.direction(normals.vector(index)?),
            None => [0.0; 3],
        };
        let uv = match &self.uvs {
            Some(uvs) => self.look.uv(uvs.vector(index)?),
            None => [0.0; 2],
        };
        let colour: [f32; 3] = match &self.colours {
            Some(colours) => colours.vector(index)?,
            None => [1.0; 3],
        };
        Ok(Vertex {
            position: self.place.point(self.positions.vector(index)?),
            normal,
            uv,
            colour: std::array::from_fn(|c| colour[c] * self.look.factor[c]),
            image: self.look.image,
        })
    }
}

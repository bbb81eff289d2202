//! How much memory reading a mesh and writing it again will hold.

use super::{MAX_FACES, MAX_VERTICES, Source, glb, obj, ply, stl};
use crate::Error;

/// For each vertex: what was read, its weld and its place in the model.
const PER_VERTEX: u64 = 320;
/// For each face: its corners, its simplification, and its part of every format at once.
const PER_FACE: u64 = 560;
/// For each texel of the images: while it is decoded, in the atlas and in the preview.
const PER_TEXEL: u64 = 16;
/// For each byte of a GLB's JSON once it is unpacked.
const PER_JSON_BYTE: u64 = 40;

/// Most bytes that [`import`](super::import()) of the same bytes holds at once, and then the writing of its model in
/// any formats and a preview. The bytes themselves are included. Reads what the file claims, not the mesh.
///
/// # Errors
/// [`Error::UnknownMesh`], [`Error::MeshFile`], [`Error::Unsupported`], [`Error::TooLarge`].
pub fn peak_bytes(bytes: &[u8]) -> Result<u64, Error> {
    let (vertices, faces, rest) = match Source::of(bytes).ok_or(Error::UnknownMesh)? {
        Source::Glb => {
            let counts = glb::counts(bytes)?;
            let rest = PER_JSON_BYTE * counts.json + PER_TEXEL * counts.pixels;
            (counts.vertices, counts.faces, rest)
        }
        Source::Obj => {
            let counts = obj::counts(bytes);
            // Each corner may have a vertex of its own, but few files have more than two a position.
            (2 * counts.vertices, counts.faces, 0)
        }
        Source::Stl => {
            let faces = stl::faces(bytes);
            (faces, faces, 0)
        }
        Source::Ply => {
            let (vertices, faces) = ply::counts(bytes)?;
            // Most polygons have four corners at most.
            (vertices, faces.saturating_mul(2), 0)
        }
    };
    let vertices = vertices.min(u64::from(MAX_VERTICES));
    let faces = faces.min(u64::from(MAX_FACES));
    Ok(bytes.len() as u64 + PER_VERTEX * vertices + PER_FACE * faces + rest + (4 << 20))
}

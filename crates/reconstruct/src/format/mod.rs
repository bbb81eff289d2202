//! Models to files, one file each; GLB is also read back, so that a stored model gives every other format.
//!
//! Writers are pure: a [`Model`] in, bytes out, the same bytes every time.

use crate::{Error, Model};

/// The file formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// glTF 2.0 binary: metres, y up, textured. The stored form of every model.
    Glb,
    /// Wavefront OBJ, the text alone.
    Obj,
    /// OBJ with its material and texture in a ZIP.
    ObjZip,
    /// Binary STL in millimetres.
    Stl,
    /// Binary PLY with vertex colours.
    Ply,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Glb, Self::Obj, Self::ObjZip, Self::Stl, Self::Ply];

    /// Its name and file extension.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Glb => "glb",
            Self::Obj => "obj",
            Self::ObjZip => "obj.zip",
            Self::Stl => "stl",
            Self::Ply => "ply",
        }
    }

    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Glb => "model/gltf-binary",
            Self::Obj => "model/obj",
            Self::ObjZip => "application/zip",
            Self::Stl => "model/stl",
            Self::Ply => "application/x-ply",
        }
    }

    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.extension().eq_ignore_ascii_case(extension))
    }
}

/// The three files of an OBJ with material, as they lie side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjFiles {
    pub obj: Vec<u8>,
    pub mtl: Vec<u8>,
    pub texture: Vec<u8>,
    /// File name of the texture, which the material names: `<stem>.jpg` or `<stem>.png`.
    pub texture_name: String,
}

/// Writes `model` as one file. `stem` names the members of a ZIP and the material.
#[must_use]
pub fn write(model: &Model, format: Format, stem: &str) -> Vec<u8> {
    let _ = (model, format, stem);
    todo!()
}

/// The OBJ, its material and its texture, referring to each other as `<stem>.…`.
#[must_use]
pub fn write_obj_files(model: &Model, stem: &str) -> ObjFiles {
    let _ = (model, stem);
    todo!()
}

/// Reads a GLB that [`write`] made.
///
/// # Errors
/// [`Error::Model`] when it is anything else.
pub fn read_glb(bytes: &[u8]) -> Result<Model, Error> {
    let _ = bytes;
    todo!()
}

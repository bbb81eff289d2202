//! Models to files, one file each; GLB is also read back, so that a stored model gives every other format.
//!
//! Writers are pure: a [`Model`] in, bytes out, the same bytes every time. They never move a surface: all
//! files of one model have the same faces in the same order.
//!
//! GLB, OBJ and PLY share the model's own space (metres, y up, front towards +z), so that a tool shows them
//! alike. STL is what slicers expect: millimetres and z up, front towards -y, standing on the plate.

mod glb;
mod gltf;
mod obj;
mod obj_zip;
mod ply;
mod stl;
#[cfg(test)]
mod tests;
pub(crate) mod weld;

use crate::{Error, Model};

/// What made the file, as the files say it themselves.
const GENERATOR: &str = concat!("image2model ", env!("CARGO_PKG_VERSION"));

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

/// The three files of an OBJ with material, as they lie side by side under the names given here.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjFiles {
    pub obj: Vec<u8>,
    pub mtl: Vec<u8>,
    pub texture: Vec<u8>,
    /// File name of the material, which the OBJ names: `<stem>.mtl`.
    pub mtl_name: String,
    /// File name of the texture, which the material names: `<stem>_texture.jpg` or `.png`.
    pub texture_name: String,
}

/// Writes `model` as one file. `stem` names the members of a ZIP and the material.
///
/// # Errors
/// [`Error::Model`] when PLY's vertex colours cannot be had because the texture does not decode.
pub fn write(model: &Model, format: Format, stem: &str) -> Result<Vec<u8>, Error> {
    match format {
        Format::Glb => Ok(glb::write(model)),
        Format::Obj => Ok(obj::write_plain(model)),
        Format::ObjZip => obj_zip::write(model, stem),
        Format::Stl => Ok(stl::write(model)),
        Format::Ply => ply::write(model),
    }
}

/// The OBJ, its material and its texture, referring to each other by file name.
///
/// The names are made of [`file_stem`]. The texture's differs from the picture's own, which may lie beside it.
#[must_use]
pub fn write_obj_files(model: &Model, stem: &str) -> ObjFiles {
    obj::write_files(model, stem)
}

/// `stem` as it can stand in a file name and on a line of text on every system.
#[must_use]
pub fn file_stem(stem: &str) -> String {
    let allowed = |c: char| !c.is_control() && !r#"/\:*?"<>|"#.contains(c);
    let safe = |c: char| if allowed(c) { c } else { '_' };
    let name: String = stem.chars().take(200).map(safe).collect();
    if name.trim_matches(['.', ' ']).is_empty() {
        "model".to_owned()
    } else {
        name
    }
}

/// Reads a GLB that [`write()`] made; the model is equal to the one written, bit for bit.
///
/// # Errors
/// [`Error::Model`] when it is anything else.
pub fn read_glb(bytes: &[u8]) -> Result<Model, Error> {
    glb::read(bytes)
}

//! What the surface wears: an atlas with the front in its left half and the back in its right half.
//!
//! Colours are spread beyond the outline so that no background bleeds in at the rim. Knows the picture and
//! the matte, never the mesh: a triangle finds its colours by its [`Patch`] and its place in the picture.

use crate::{Error, Observer, Options, Texture, image::Picture, mesh::Patch, segment::Matte};

/// The encoded atlas and how picture space maps into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Atlas {
    pub texture: Texture,
    pub front: Placement,
    pub back: Placement,
}

/// An affine map from picture pixels to texture coordinates: `u = x * scale[0] + offset[0]`, likewise `v`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    pub scale: [f32; 2],
    pub offset: [f32; 2],
}

impl Atlas {
    /// Texture coordinates (origin top left) of picture position `x, y` on `patch`.
    #[must_use]
    pub fn uv(&self, patch: Patch, x: f32, y: f32) -> [f32; 2] {
        let at = match patch {
            Patch::Front => self.front,
            Patch::Back => self.back,
        };
        [
            x * at.scale[0] + at.offset[0],
            y * at.scale[1] + at.offset[1],
        ]
    }
}

/// Paints and encodes the atlas; its longest side is `options.texture_size`.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn paint(
    picture: &Picture,
    matte: &Matte,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Atlas, Error> {
    let _ = (picture, matte, options, observer);
    todo!()
}

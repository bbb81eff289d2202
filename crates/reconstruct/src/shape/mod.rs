//! A matte (and a picture) to a closed surface.
//!
//! All shapes build in *picture space*: x to the right and y down in pixels of the full picture, z towards
//! the viewer in the same unit, front faces looking along +z. Millimetre options are turned into pixels by
//! [`Scale`]. Knows nothing of textures and files.

use crate::{Error, Observer, Options, image::Picture, mesh::Mesh, segment::Matte};

/// Pixels of the picture per millimetre of the finished model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub pixels_per_mm: f32,
}

/// Builds the surface that `options.model` asks for; faces may be over the limit, simplification follows.
///
/// # Errors
/// [`Error::NoContent`] when nothing of the matte is left, [`Error::Cancelled`].
pub fn build(
    picture: &Picture,
    matte: &Matte,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let _ = (picture, matte, options, observer);
    todo!()
}

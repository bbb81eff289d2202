//! Which pixels belong to the object.
//!
//! Alpha where it is really used, else the person's own mask, else GrabCut at small size refined along
//! edges. Knows nothing of shapes; gives a soft matte at full resolution.

use crate::{Error, Observer, Warning, image::Picture};

/// How much of each pixel is object: 0 to 255, `width * height` values, 128 is the outline.
#[derive(Debug, Clone, PartialEq)]
pub struct Matte {
    pub width: u32,
    pub height: u32,
    pub alpha: Vec<u8>,
    pub warnings: Vec<Warning>,
}

/// Finds the object. With `mask` (an encoded picture: white, or opaque, is object) the person decides.
///
/// # Errors
/// [`Error::NoContent`], [`Error::Mask`], [`Error::Cancelled`].
pub fn segment(
    picture: &Picture,
    mask: Option<&Picture>,
    observer: &dyn Observer,
) -> Result<Matte, Error> {
    let _ = (picture, mask, observer);
    todo!()
}

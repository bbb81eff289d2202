//! Bytes to pixels, with every limit checked before memory is taken.
//!
//! Knows nothing of shapes. Content decides the format, never a name. `inspect` reads headers only;
//! `decode` gives one upright RGBA picture.

use serde::Serialize;

use crate::{Error, Warning};

/// What is refused before decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub bytes: u64,
    pub pixels: u64,
    pub side: u32,
}

impl Default for Limits {
    /// 25 MB, 50 megapixels, 16,384 pixels a side.
    fn default() -> Self {
        Self {
            bytes: 25 * 1024 * 1024,
            pixels: 50_000_000,
            side: 16_384,
        }
    }
}

/// What the headers tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// `JPEG`, `PNG` or `WebP`.
    pub format: &'static str,
    /// Upright width and height, EXIF orientation applied.
    pub width: u32,
    pub height: u32,
    pub animated: bool,
    /// Most bytes of memory that a reconstruction of it holds at once.
    pub peak_bytes: u64,
}

/// An upright picture: 8-bit sRGB with straight alpha, row by row from the top left.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    /// `4 * width * height` bytes.
    pub rgba: Vec<u8>,
    pub warnings: Vec<Warning>,
}

/// Reads headers only and applies `limits`.
///
/// # Errors
/// [`Error::UnknownFormat`], [`Error::TooLarge`], [`Error::TooSmall`], [`Error::Truncated`], [`Error::Damaged`].
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<Inspection, Error> {
    let _ = (bytes, limits);
    todo!()
}

/// Decodes the first frame, upright.
///
/// # Errors
/// As [`inspect`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, Error> {
    let _ = (bytes, limits);
    todo!()
}

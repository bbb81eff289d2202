//! Bytes to pixels, with every limit checked before memory is taken.
//!
//! Knows nothing of shapes. Content decides the format, never a name. `inspect` reads headers only;
//! `decode` gives one upright RGBA picture.
//!
//! Each format has a file that walks its container by itself, so sizes, orientation, animation and a
//! missing end are known before a decoder is started. Decoded rows go through a [`canvas`], which
//! averages a picture far larger than it is needed down while it is read.

mod canvas;
mod header;
mod jpeg;
mod memory;
mod png;
mod webp;

use serde::Serialize;

use self::header::Header;
pub(crate) use self::header::is_picture;
pub(crate) use self::memory::Decoding;
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

impl Picture {
    /// The part within left, top, right and bottom.
    pub(crate) fn cropped(self, frame: [u32; 4]) -> Self {
        Self {
            width: frame[2] - frame[0],
            height: frame[3] - frame[1],
            rgba: cropped(&self.rgba, self.width, frame, 4),
            warnings: self.warnings,
        }
    }
}

/// The part within left, top, right and bottom of rows of `width` pixels, each of so many bytes.
pub(crate) fn cropped(
    bytes: &[u8],
    width: u32,
    [left, top, right, bottom]: [u32; 4],
    pixel: usize,
) -> Vec<u8> {
    let columns = pixel * left as usize..pixel * right as usize;
    // Taken at once: growing step by step would hold up to twice as much.
    let mut part = Vec::with_capacity(columns.len() * (bottom - top) as usize);
    let rows = bytes.chunks_exact(pixel * width as usize);
    for row in rows.take(bottom as usize).skip(top as usize) {
        part.extend_from_slice(&row[columns.clone()]);
    }
    part
}

/// Reads headers only and applies `limits`.
///
/// # Errors
/// [`Error::UnknownFormat`], [`Error::TooLarge`], [`Error::TooSmall`], [`Error::Truncated`], [`Error::Damaged`].
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<Inspection, Error> {
    let header = Header::read(bytes, limits)?;
    let (width, height) = header.upright();
    Ok(Inspection {
        format: header.format.name(),
        width,
        height,
        animated: header.animated,
    })
}

/// Decodes the first frame, upright. A picture whose longest side is over `max_side` (at least 64) is
/// averaged down by the least whole factor that brings it within, while it is read.
///
/// # Errors
/// As [`inspect`].
pub fn decode(bytes: &[u8], limits: &Limits, max_side: u32) -> Result<Picture, Error> {
    let header = Header::read(bytes, limits)?;
    let canvas = match header.format {
        header::Format::Jpeg(frame) => jpeg::decode(bytes, &header, frame, max_side)?,
        header::Format::Png => png::decode(bytes, &header, max_side)?,
        header::Format::WebP(_) => webp::decode(bytes, &header, max_side)?,
    };
    let mut picture = canvas.finish(header.orientation)?;
    if header.animated {
        picture.warnings.push(Warning::FirstFrame);
    }
    Ok(picture)
}

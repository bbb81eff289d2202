//! What a file says of itself before any pixel is decoded, and the limits that it must keep.

use image::metadata::Orientation;

use super::{Limits, jpeg, png, webp};
use crate::Error;

/// The container, with what its decoder must know beforehand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Format {
    Jpeg(jpeg::Frame),
    Png,
    WebP(webp::Coding),
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jpeg(_) => jpeg::NAME,
            Self::Png => png::NAME,
            Self::WebP(_) => webp::NAME,
        }
    }
}

/// Everything known from headers; sizes as stored, before orientation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Header {
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) orientation: Orientation,
    pub(super) animated: bool,
    /// Rows come out of order, so the whole picture is decoded before it is averaged.
    pub(super) interlaced: bool,
    /// Bytes of one decoded pixel.
    pub(super) channels: u32,
}

/// Whether the bytes begin as a picture that is read does.
pub(crate) fn is_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(&jpeg::SIGNATURE) || bytes.starts_with(&png::SIGNATURE) || is_webp(bytes)
}

fn is_webp(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")
}

impl Header {
    /// Walks the container of `bytes` and refuses what breaks `limits`.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let len = bytes.len() as u64;
        if len > limits.bytes {
            return Err(too_large("the file's size in bytes", len, limits.bytes));
        }
        let header = if bytes.starts_with(&jpeg::SIGNATURE) {
            jpeg::read_header(bytes)?
        } else if bytes.starts_with(&png::SIGNATURE) {
            png::read_header(bytes)?
        } else if is_webp(bytes) {
            webp::read_header(bytes)?
        } else {
            return Err(Error::UnknownFormat);
        };
        check_size(header.width, header.height, limits)?;
        Ok(header)
    }

    /// Width and height once turned upright.
    pub(super) fn upright(&self) -> (u32, u32) {
        match self.orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (self.height, self.width),
            _ => (self.width, self.height),
        }
    }
}

fn check_size(width: u32, height: u32, limits: &Limits) -> Result<(), Error> {
    let side = u64::from(width.max(height));
    if side > u64::from(limits.side) {
        let what = "the picture's longest side in pixels";
        return Err(too_large(what, side, u64::from(limits.side)));
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels {
        return Err(too_large(
            "the picture's area in pixels",
            pixels,
            limits.pixels,
        ));
    }
    if width < 2 || height < 2 {
        return Err(Error::TooSmall { width, height });
    }
    Ok(())
}

fn too_large(what: &'static str, value: u64, limit: u64) -> Error {
    Error::TooLarge { what, value, limit }
}

/// The orientation in an EXIF block, with or without the `Exif` prefix that JPEG gives it.
pub(super) fn exif_orientation(block: &[u8]) -> Orientation {
    let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
}

/// Big-endian number of up to four bytes at `at`, if the bytes reach that far.
pub(super) fn big_endian(bytes: &[u8], at: usize, len: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(len)?)?;
    Some(part.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
}

/// Little-endian number of up to four bytes at `at`, if the bytes reach that far.
pub(super) fn little_endian(bytes: &[u8], at: usize, len: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(len)?)?;
    Some(
        part.iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | u32::from(byte)),
    )
}

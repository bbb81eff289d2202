//! WebP: lossy, lossless, with alpha, animated.
//!
//! The decoder trusts the size that a frame's own bitstream claims, so each one is compared with the
//! canvas before it is started.

use std::io::Cursor;

use image::{ImageDecoder, ImageError, codecs::webp::WebPDecoder, metadata::Orientation};

use super::{
    canvas::{Canvas, Layout},
    header::{Format, Header, exif_orientation, little_endian},
};
use crate::Error;

pub(super) const NAME: &str = "WebP";

/// How the first frame is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Lossy,
    Lossless,
}

fn truncated(detail: &str) -> Error {
    Error::Truncated {
        format: NAME,
        detail: detail.to_owned(),
    }
}

fn damaged(detail: impl Into<String>) -> Error {
    Error::Damaged {
        format: NAME,
        detail: detail.into(),
    }
}

/// A chunk's name and content.
struct Chunk<'a> {
    name: &'a [u8],
    content: &'a [u8],
    /// Where the next chunk begins.
    next: usize,
}

/// The chunk at `at` of `bytes`, or nothing at their end.
fn chunk(bytes: &[u8], at: usize) -> Result<Option<Chunk<'_>>, Error> {
    if at >= bytes.len() {
        return Ok(None);
    }
    let cut = || truncated("it ends inside a chunk");
    let name = bytes.get(at..at + 4).ok_or_else(cut)?;
    let len = little_endian(bytes, at + 4, 4).ok_or_else(cut)? as usize;
    let content = bytes.get(at + 8..at + 8 + len).ok_or_else(cut)?;
    Ok(Some(Chunk {
        name,
        content,
        next: at + 8 + len + len % 2,
    }))
}

/// Width, height and whether there is alpha, from a lossy or lossless bitstream.
fn bitstream(chunk: &Chunk<'_>) -> Result<Option<(u32, u32, bool, Coding)>, Error> {
    let short = || damaged("a frame has no header");
    let field = |at, len| little_endian(chunk.content, at, len).ok_or_else(short);
    match chunk.name {
        b"VP8 " => {
            let (width, height) = (field(6, 2)? & 0x3fff, field(8, 2)? & 0x3fff);
            Ok(Some((width, height, false, Coding::Lossy)))
        }
        b"VP8L" => {
            let bits = field(1, 4)?;
            let (width, height) = ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
            Ok(Some((width, height, bits >> 28 & 1 == 1, Coding::Lossless)))
        }
        _ => Ok(None),
    }
}

/// Walks all chunks, and those of the animation's frames.
pub(super) fn read_header(bytes: &[u8]) -> Result<Header, Error> {
    let cut = || truncated("it ends inside its headers");
    let size = little_endian(bytes, 4, 4).ok_or_else(cut)? as usize;
    // The size counts from the format's name on; an odd end may lack its padding.
    if bytes.len() < size.saturating_add(8) {
        return Err(truncated("it is shorter than it says"));
    }
    let bytes = &bytes[..size + 8];
    let first = chunk(bytes, 12)?.ok_or_else(cut)?;
    if first.name != b"VP8X" {
        let found = bitstream(&first)?.ok_or_else(|| damaged("it begins with an unknown chunk"))?;
        let (width, height, alpha, coding) = found;
        return Ok(header(width, height, alpha, coding));
    }
    let field = |at, len| little_endian(first.content, at, len);
    let short = || damaged("its header is too short");
    let flags = field(0, 1).ok_or_else(short)?;
    let width = field(4, 3).ok_or_else(short)? + 1;
    let height = field(7, 3).ok_or_else(short)? + 1;
    let mut found = header(width, height, flags >> 4 & 1 == 1, Coding::Lossy);
    found.animated = flags >> 1 & 1 == 1;
    let mut at = first.next;
    let mut frames = 0;
    while let Some(part) = chunk(bytes, at)? {
        match part.name {
            b"EXIF" => found.orientation = exif_orientation(part.content),
            b"ANMF" if found.animated => {
                let frame = read_animation_frame(part.content, width, height)?;
                if frames == 0 {
                    found.format = Format::WebP(frame);
                }
                frames += 1;
            }
            _ => {
                if let Some((w, h, _, coding)) = bitstream(&part)? {
                    if (w, h) != (width, height) {
                        return Err(damaged("its frame is not as large as its canvas"));
                    }
                    found.format = Format::WebP(coding);
                    frames += 1;
                }
            }
        }
        at = part.next;
    }
    if frames == 0 {
        return Err(damaged("it has no pixels"));
    }
    Ok(found)
}

fn header(width: u32, height: u32, alpha: bool, coding: Coding) -> Header {
    Header {
        format: Format::WebP(coding),
        width,
        height,
        orientation: Orientation::NoTransforms,
        animated: false,
        interlaced: true,
        channels: if alpha { 4 } else { 3 },
    }
}

/// The coding of a frame of an animation, which must lie within the canvas and be as large as it says.
fn read_animation_frame(content: &[u8], width: u32, height: u32) -> Result<Coding, Error> {
    let short = || damaged("a frame has no header");
    let field = |at| little_endian(content, at, 3).ok_or_else(short);
    let (x, y) = (2 * field(0)?, 2 * field(3)?);
    let (w, h) = (field(6)? + 1, field(9)? + 1);
    if x + w > width || y + h > height {
        return Err(damaged("a frame lies outside of the canvas"));
    }
    let mut at = 16;
    while let Some(part) = chunk(content, at)? {
        if let Some((frame_w, frame_h, _, coding)) = bitstream(&part)? {
            return if (frame_w, frame_h) == (w, h) {
                Ok(coding)
            } else {
                Err(damaged("a frame is not as large as it says"))
            };
        }
        at = part.next;
    }
    Err(damaged("a frame has no pixels"))
}

pub(super) fn decode(bytes: &[u8], header: &Header, max_side: u32) -> Result<Canvas, Error> {
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(refused)?;
    if decoder.dimensions() != (header.width, header.height) {
        return Err(damaged("it has two sizes"));
    }
    let layout = if decoder.color_type().has_alpha() {
        Layout::Rgba
    } else {
        Layout::Rgb
    };
    let row_len = header.width as usize * layout.channels();
    let mut samples = vec![0; row_len * header.height as usize];
    decoder.read_image(&mut samples).map_err(refused)?;
    let mut canvas = Canvas::new(header.width, header.height, max_side);
    for row in samples.chunks_exact(row_len) {
        canvas.push(row, layout);
    }
    Ok(canvas)
}

fn refused(error: ImageError) -> Error {
    match error {
        ImageError::IoError(_) => truncated("it ends inside its pixels"),
        other => damaged(other.to_string()),
    }
}

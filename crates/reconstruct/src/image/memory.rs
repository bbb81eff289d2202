//! How much memory a reconstruction needs, from the headers alone.

use super::{
    canvas::factor,
    header::{Format, Header},
    webp::Coding,
};

/// Longest side that a picture is decoded to at the default texture size.
const DEFAULT_MAX_SIDE: u32 = 2048;

/// What the steps after decoding hold at most beside the picture itself, apart from what grows with it.
const FIXED: u64 = 22 << 20;

/// What the steps after decoding hold at most for each pixel of the picture, itself included.
const PER_PIXEL: u64 = 7;

/// Most bytes that a reconstruction holds at once, the encoded `len` bytes included.
pub(super) fn peak(header: &Header, len: usize) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let factor = u64::from(factor(header.width, header.height, DEFAULT_MAX_SIDE));
    let kept = pixels.div_ceil(factor * factor);
    let decode = decoding(header, pixels) + 4 * kept;
    len as u64 + decode.max(FIXED + PER_PIXEL * kept) + (1 << 20)
}

/// Bytes that the decoder itself holds at once.
fn decoding(header: &Header, pixels: u64) -> u64 {
    let samples = u64::from(header.channels) * pixels;
    match header.format {
        Format::Jpeg(frame) if frame.buffered => {
            samples + (pixels as f64 * f64::from(frame.samples_per_pixel) * 2.0) as u64
        }
        Format::Jpeg(_) => samples,
        Format::Png if header.interlaced => samples,
        Format::Png => 0,
        // The planes, their alpha, and for animations the canvas that frames are laid on.
        Format::WebP(Coding::Lossy) => {
            samples + 3 * pixels + if header.animated { 8 * pixels } else { 0 }
        }
        Format::WebP(Coding::Lossless) => {
            samples + 6 * pixels + if header.animated { 8 * pixels } else { 0 }
        }
    }
}

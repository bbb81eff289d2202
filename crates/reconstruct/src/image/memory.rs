//! How much memory decoding needs, from the headers alone.

use super::{
    Limits,
    canvas::averaged,
    header::{Format, Header},
    webp::Coding,
};
use crate::Error;

/// What [`decode`](super::decode) costs and leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoding {
    /// Width and height of what is left; which of them is which is not told.
    pub(crate) sides: [u64; 2],
    /// Most bytes held at once, without the encoded ones.
    pub(crate) peak: u64,
}

impl Decoding {
    /// # Errors
    /// As [`inspect`](super::inspect).
    pub(crate) fn of(bytes: &[u8], limits: &Limits, max_side: u32) -> Result<Self, Error> {
        let header = Header::read(bytes, limits)?;
        let pixels = u64::from(header.width) * u64::from(header.height);
        let (width, height) = averaged(header.width, header.height, max_side);
        let sides = [width, height].map(u64::from);
        let left = sides[0] * sides[1];
        // The decoder is gone when the picture is turned, which takes a second one.
        let peak = (decoding(&header, pixels) + 4 * left).max(8 * left);
        Ok(Self { sides, peak })
    }

    pub(crate) fn pixels(&self) -> u64 {
        self.sides[0] * self.sides[1]
    }
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

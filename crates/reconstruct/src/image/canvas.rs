//! Collects decoded rows, averages them down by a whole factor, and turns the result upright.

use image::{DynamicImage, RgbaImage, metadata::Orientation};

use super::Picture;
use crate::Error;

/// How the samples of a decoded row lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// Ink, 255 is full; `inverted` as Adobe writes it, 255 is none.
    Cmyk {
        inverted: bool,
    },
}

impl Layout {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk { .. } => 4,
        }
    }

    pub(super) fn expand(self, row: &[u8], out: &mut [u8]) {
        let out = out.as_chunks_mut::<4>().0.iter_mut();
        match self {
            Self::Grey => {
                for (&v, px) in row.iter().zip(out) {
                    *px = [v, v, v, 255];
                }
            }
            Self::GreyAlpha => {
                for (&[v, alpha], px) in row.as_chunks().0.iter().zip(out) {
                    *px = [v, v, v, alpha];
                }
            }
            Self::Rgb => {
                for (&[r, g, b], px) in row.as_chunks().0.iter().zip(out) {
                    *px = [r, g, b, 255];
                }
            }
            Self::Rgba => {
                for (s, px) in row.as_chunks().0.iter().zip(out) {
                    *px = *s;
                }
            }
            Self::Cmyk { inverted } => {
                let flip = if inverted { 0 } else { 255 };
                for (s, px) in row.as_chunks::<4>().0.iter().zip(out) {
                    let light = |ink: u8| {
                        let product = u32::from(ink ^ flip) * u32::from(s[3] ^ flip);
                        ((product + 127) / 255) as u8
                    };
                    *px = [light(s[0]), light(s[1]), light(s[2]), 255];
                }
            }
        }
    }
}

/// An RGBA picture in the making.
#[derive(Debug)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    factor: usize,
    /// Rows that came so far.
    rows: usize,
    row: Vec<u8>,
    /// Per averaged pixel of the current band: colours times alpha, and alpha.
    sums: Vec<[u32; 4]>,
    rgba: Vec<u8>,
}

/// Sides are never averaged below this, which also keeps the sums within 32 bits.
const LEAST_MAX_SIDE: u32 = 64;

/// The least whole factor that brings the longest side within `max_side`; one that would leave a side under
/// two pixels is not taken.
fn factor(width: u32, height: u32, max_side: u32) -> u32 {
    width
        .max(height)
        .div_ceil(max_side.max(LEAST_MAX_SIDE))
        .min(width.min(height).div_ceil(2))
        .max(1)
}

/// Width and height that are left of a picture.
pub(super) fn averaged(width: u32, height: u32, max_side: u32) -> (u32, u32) {
    let factor = factor(width, height, max_side);
    (width.div_ceil(factor), height.div_ceil(factor))
}

impl Canvas {
    /// For a picture of `width` by `height`, each at least 1.
    pub(super) fn new(width: u32, height: u32, max_side: u32) -> Self {
        let factor = factor(width, height, max_side);
        let (out_width, out_height) = averaged(width, height, max_side);
        Self {
            width: width as usize,
            height: height as usize,
            factor: factor as usize,
            rows: 0,
            row: vec![0; 4 * width as usize],
            sums: vec![[0; 4]; if factor > 1 { out_width as usize } else { 0 }],
            rgba: Vec::with_capacity(4 * out_width as usize * out_height as usize),
        }
    }

    /// Takes the next row; rows beyond the height are ignored.
    pub(super) fn push(&mut self, row: &[u8], layout: Layout) {
        if self.rows == self.height {
            return;
        }
        self.rows += 1;
        layout.expand(row, &mut self.row);
        if self.factor == 1 {
            self.rgba.extend_from_slice(&self.row);
            return;
        }
        for (sum, block) in self.sums.iter_mut().zip(self.row.chunks(4 * self.factor)) {
            for px in block.as_chunks::<4>().0 {
                let [r, g, b, alpha] = px.map(u32::from);
                *sum = [
                    sum[0] + r * alpha,
                    sum[1] + g * alpha,
                    sum[2] + b * alpha,
                    sum[3] + alpha,
                ];
            }
        }
        if self.rows.is_multiple_of(self.factor) || self.rows == self.height {
            self.end_band();
        }
    }

    fn end_band(&mut self) {
        let band = (self.rows - 1) % self.factor + 1;
        let last = self.width - (self.sums.len() - 1) * self.factor;
        let columns = self.sums.len();
        for (x, sum) in self.sums.iter_mut().enumerate() {
            let across = if x + 1 == columns { last } else { self.factor };
            let count = (across * band) as u32;
            let alpha = sum[3];
            let mean = |total: u32| (total + alpha / 2).checked_div(alpha).unwrap_or(0) as u8;
            let px = [
                mean(sum[0]),
                mean(sum[1]),
                mean(sum[2]),
                ((alpha + count / 2) / count) as u8,
            ];
            self.rgba.extend_from_slice(&px);
            *sum = [0; 4];
        }
    }

    /// The upright picture; rows that never came are transparent.
    pub(super) fn finish(mut self, orientation: Orientation) -> Result<Picture, Error> {
        let (width, height) = (
            self.width.div_ceil(self.factor),
            self.height.div_ceil(self.factor),
        );
        self.rgba.resize(4 * width * height, 0);
        let rgba = RgbaImage::from_raw(width as u32, height as u32, self.rgba);
        let mut image = DynamicImage::ImageRgba8(rgba.unwrap_or_default());
        image.apply_orientation(orientation);
        let (width, height) = (image.width(), image.height());
        if width < 2 || height < 2 {
            return Err(Error::TooSmall { width, height });
        }
        Ok(Picture {
            width,
            height,
            rgba: image.into_rgba8().into_raw(),
            warnings: Vec::new(),
        })
    }
}

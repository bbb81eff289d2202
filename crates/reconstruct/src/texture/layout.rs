//! Where front and back lie in the atlas, and at which scale.

use super::Placement;
use crate::{image::Picture, segment::Matte};

/// What the back wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// The front's own texels, seen from behind.
    Same,
    /// One calm colour.
    Calm,
    /// A part of its own at half the front's scale: it holds no fine detail.
    Half,
}

/// A rectangle of texels that shows a part of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    /// Top left texel.
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Texels per pixel of the picture, and the texels between the part's edge and the object's box.
    pub(super) scale: f32,
    pub(super) margin: u32,
}

impl Part {
    /// Fills the part in an `rgb` atlas of `width` texels a row, by a colour for each texel.
    pub(super) fn draw(
        &self,
        rgb: &mut [u8],
        width: u32,
        colour: impl Fn(usize, usize) -> [u8; 3],
    ) {
        for y in 0..self.height as usize {
            let start = 3 * ((self.y as usize + y) * width as usize + self.x as usize);
            let row = rgb[start..].chunks_exact_mut(3).take(self.width as usize);
            for (x, texel) in row.enumerate() {
                texel.copy_from_slice(&colour(x, y));
            }
        }
    }
}

/// The atlas and its parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The object's box in the picture, in whole pixels: left, top, right, bottom.
    pub(super) object: [u32; 4],
    pub(super) front: Part,
    pub(super) back: Part,
}

impl Layout {
    /// Gives the object's box as many texels as fit, never more than the picture has pixels.
    pub(super) fn of(picture: &Picture, matte: &Matte, size: u32, back: Back) -> Self {
        let whole = [0, 0, picture.width, picture.height];
        let object = matte.bounds(LEAST_ALPHA).unwrap_or(whole);
        let margin = (size / 64).clamp(2, 8);
        let (wide, high) = (object[2] - object[0], object[3] - object[1]);
        let beside = Split::along(wide, high, size, margin, back);
        let below = Split::along(high, wide, size, margin, back);
        let upright = beside.scale >= below.scale;
        let best = if upright { beside } else { below };
        let part = |x: u32, scale: f32, calm: bool| {
            let len = |pixels: u32| (pixels as f32 * scale).ceil() as u32 + 2 * margin;
            let (width, height) = if calm {
                (2 * margin, 2 * margin)
            } else {
                (len(wide), len(high))
            };
            let (x, y) = if upright { (x, 0) } else { (0, x) };
            Part {
                x,
                y,
                width,
                height,
                scale,
                margin,
            }
        };
        let front = part(0, best.scale, false);
        let end = if upright { front.width } else { front.height };
        let back = match back {
            Back::Same => front,
            Back::Calm => part(end, 0.0, true),
            Back::Half => part(end, best.scale / 2.0, false),
        };
        let reach = |a: u32, b: u32| a.max(b);
        Self {
            width: reach(front.x + front.width, back.x + back.width),
            height: reach(front.y + front.height, back.y + back.height),
            object,
            front,
            back,
        }
    }

    /// How picture positions map into `part`.
    pub(super) fn placement(&self, part: &Part) -> Placement {
        let size = [self.width as f32, self.height as f32];
        let start = [part.x as f32, part.y as f32];
        let len = [part.width as f32, part.height as f32];
        let corner = [self.object[0] as f32, self.object[1] as f32];
        let map = |f: &dyn Fn(usize) -> f32| [f(0) / size[0], f(1) / size[1]];
        Placement {
            scale: map(&|_| part.scale),
            offset: map(&|axis| start[axis] + part.margin as f32 - corner[axis] * part.scale),
            least: map(&|axis| start[axis] + 0.5),
            most: map(&|axis| start[axis] + len[axis] - 0.5),
        }
    }
}

/// Front and back one after the other along an axis.
struct Split {
    scale: f32,
}

impl Split {
    /// The largest scale at which both fit, for an object of `along` by `across` pixels.
    fn along(along: u32, across: u32, size: u32, margin: u32, back: Back) -> Self {
        let (times, margins) = match back {
            Back::Same => (1.0, 2),
            Back::Calm => (1.0, 4),
            Back::Half => (1.5, 4),
        };
        // One texel is kept for rounding up each part.
        let room = |margins: u32| size.saturating_sub(margins * margin + 2).max(4) as f32;
        let scale = (room(margins) / (times * along as f32)).min(room(2) / across as f32);
        Self {
            scale: scale.min(1.0),
        }
    }
}

/// Less than this is not part of the object's box.
const LEAST_ALPHA: u8 = 64;

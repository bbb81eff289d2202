//! The side that the photo does not show.
//!
//! At the rim it is the front, so that no seam shows; the deeper inside, the wider the front is blurred,
//! which keeps its large colours (a red top over blue trousers) and loses what only a front has (a face,
//! a label). Fine grain of the front is laid over, held so low that no feature can be recognised.

use super::{layout::Layout, pyramid::Pyramid};
use crate::segment::Matte;

/// Blur grows by this many texels for each texel from the outline.
const GROWTH: f32 = 0.9;

/// Widest blur, as a share of the object's shorter side.
const WIDEST: f32 = 0.16;

/// Grain stronger than this many levels of 255 is flattened.
const GRAIN: f32 = 9.0;

/// Draws the back part of `layout`.
pub(super) fn draw(rgb: &mut [u8], layout: &Layout, front: &Pyramid, matte: &Matte) {
    let part = &layout.back;
    let depths = depths(layout, matte);
    let texels_per_texel = layout.front.scale / part.scale;
    let margin = part.margin as f32;
    let shorter = part.width.min(part.height) as f32 * texels_per_texel;
    let widest = (shorter * WIDEST).max(2.0).log2();
    part.draw(rgb, layout.width, |x, y| {
        let map = |texel: usize| {
            (texel as f32 + 0.5 - margin) * texels_per_texel + layout.front.margin as f32
        };
        let (fx, fy) = (map(x), map(y));
        let depth = depths[y * part.width as usize + x] * texels_per_texel;
        let blur = (2.0 + GROWTH * depth).log2().min(widest);
        let smooth = front.blurred(fx, fy, blur);
        let share = ((blur - 1.0) / 2.0).clamp(0.0, 1.0);
        if share == 0.0 {
            return smooth.map(|c| c.round() as u8);
        }
        let (fine, coarse) = (front.blurred(fx, fy, 1.0), front.blurred(fx, fy, 3.0));
        std::array::from_fn(|c| {
            let grain = fine[c] - coarse[c];
            let grain = grain / (1.0 + (grain / GRAIN).powi(2));
            (smooth[c] + share * grain).round().clamp(0.0, 255.0) as u8
        })
    });
}

/// Distance of each texel of the back from the outline, in its texels; 0 outside (chamfer 3-4).
fn depths(layout: &Layout, matte: &Matte) -> Vec<f32> {
    let part = &layout.back;
    let (width, height) = (part.width as usize, part.height as usize);
    let pixel = |texel: usize, origin: u32, limit: u32| {
        let at = (texel as f32 + 0.5 - part.margin as f32) / part.scale + origin as f32;
        (at >= 0.0 && at < limit as f32).then_some(at as usize)
    };
    let inside = |i: usize| {
        let x = pixel(i % width, layout.object[0], matte.width);
        let y = pixel(i / width, layout.object[1], matte.height);
        x.zip(y)
            .is_some_and(|(x, y)| matte.alpha[y * matte.width as usize + x] >= 128)
    };
    let mut far: Vec<u32> = (0..width * height)
        .map(|i| if inside(i) { 1 << 20 } else { 0 })
        .collect();
    let relax = |far: &mut Vec<u32>, i: usize, steps: [(isize, u32); 4]| {
        let least = steps
            .iter()
            .map(|&(step, cost)| far[i.wrapping_add_signed(step)] + cost)
            .min();
        far[i] = far[i].min(least.unwrap_or(0));
    };
    let row = width as isize;
    // The margin is never inside, so the rim of the part needs no visit.
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            relax(
                &mut far,
                y * width + x,
                [(-1, 3), (-row, 3), (-row - 1, 4), (-row + 1, 4)],
            );
        }
    }
    for y in (1..height - 1).rev() {
        for x in (1..width - 1).rev() {
            relax(
                &mut far,
                y * width + x,
                [(1, 3), (row, 3), (row + 1, 4), (row - 1, 4)],
            );
        }
    }
    far.iter().map(|&f| f as f32 / 3.0).collect()
}

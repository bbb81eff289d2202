//! The person's own mask.

use super::Matte;
use crate::{Error, image::Picture};

/// Stretches `mask` to `width` by `height`: its alpha where it has any, else its brightness.
///
/// # Errors
/// [`Error::Mask`] when it marks nothing.
pub(super) fn matte(mask: &Picture, width: u32, height: u32) -> Result<Matte, Error> {
    let has_alpha = mask.rgba.iter().skip(3).step_by(4).any(|&a| a < 255);
    let values: Vec<u8> = mask
        .rgba
        .chunks_exact(4)
        .map(|px| value(px, has_alpha))
        .collect();
    if values.iter().all(|&v| v < 128) {
        let kind = if has_alpha { "opaque" } else { "white" };
        return Err(Error::Mask(format!(
            "it is {}x{} pixels and none of them is {kind}, so nothing is marked as the object",
            mask.width, mask.height
        )));
    }
    let mut matte = Matte::whole(width, height);
    for y in 0..height {
        let from_y = place(y, height, mask.height);
        for x in 0..width {
            let from_x = place(x, width, mask.width);
            let at = (y * width + x) as usize;
            matte.alpha[at] = sample(&values, mask, from_x, from_y);
        }
    }
    Ok(matte)
}

fn value(px: &[u8], has_alpha: bool) -> u8 {
    if has_alpha {
        px[3]
    } else {
        ((u32::from(px[0]) + u32::from(px[1]) + u32::from(px[2]) + 1) / 3) as u8
    }
}

/// Centre of pixel `at` of `len`, in pixels of a side of `other` pixels.
fn place(at: u32, len: u32, other: u32) -> f32 {
    ((at as f32 + 0.5) * other as f32 / len as f32 - 0.5).clamp(0.0, other as f32 - 1.0)
}

fn sample(values: &[u8], mask: &Picture, x: f32, y: f32) -> u8 {
    let (x0, y0) = (x as u32, y as u32);
    let (x1, y1) = ((x0 + 1).min(mask.width - 1), (y0 + 1).min(mask.height - 1));
    let at = |x: u32, y: u32| f32::from(values[(y * mask.width + x) as usize]);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let top = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
    let bottom = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
    (top * (1.0 - fy) + bottom * fy).round() as u8
}

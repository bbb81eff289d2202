//! Carries an outline found at small size back to full resolution.
//!
//! Near the outline each pixel is compared with the mean colours of object and background nearby: where
//! the two differ, its place on the line between them says how much of it is object; where they do not,
//! the smoothly enlarged outline does.

use super::{Matte, small::Small};
use crate::image::Picture;

/// Reach of the colour means and of the unsure band, in small pixels.
const REACH: usize = 5;
const BAND: usize = 2;

/// Squared difference in sRGB at which colours and the enlarged outline count the same.
const TRUST: f32 = 24.0 * 24.0;

/// The soft matte of `picture` whose rough outline is `cut`.
pub(super) fn matte(picture: &Picture, small: &Small, cut: &[bool]) -> Matte {
    let near = Near::of(picture, small, cut);
    let mut matte = Matte::whole(picture.width, picture.height);
    let scale_x = small.width as f32 / picture.width as f32;
    let scale_y = small.height as f32 / picture.height as f32;
    let width = picture.width as usize;
    for (y, row) in matte.alpha.chunks_exact_mut(width).enumerate() {
        let small_y = ((y as f32 + 0.5) * scale_y - 0.5).clamp(0.0, small.height as f32 - 1.0);
        for (x, alpha) in row.iter_mut().enumerate() {
            let small_x = ((x as f32 + 0.5) * scale_x - 0.5).clamp(0.0, small.width as f32 - 1.0);
            let at = Place::of(small_x, small_y, small);
            let rough = at.mix(&near.soft);
            *alpha = if rough <= 0.001 {
                0
            } else if rough >= 0.999 {
                255
            } else {
                let px = &picture.rgba[4 * (y * width + x)..][..3];
                (near.judge(px, &at, rough) * 255.0).round() as u8
            };
        }
    }
    matte
}

/// Four small pixels around a place, and their weights.
struct Place {
    corners: [usize; 4],
    weights: [f32; 4],
}

impl Place {
    fn of(x: f32, y: f32, small: &Small) -> Self {
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = (
            (x0 + 1).min(small.width - 1),
            (y0 + 1).min(small.height - 1),
        );
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let index = |x: usize, y: usize| y * small.width + x;
        Self {
            corners: [index(x0, y0), index(x1, y0), index(x0, y1), index(x1, y1)],
            weights: [
                (1.0 - fx) * (1.0 - fy),
                fx * (1.0 - fy),
                (1.0 - fx) * fy,
                fx * fy,
            ],
        }
    }

    fn mix(&self, values: &[f32]) -> f32 {
        self.corners
            .iter()
            .zip(self.weights)
            .map(|(&i, w)| values[i] * w)
            .sum()
    }

    fn mix_colour(&self, values: &[[f32; 3]]) -> [f32; 3] {
        std::array::from_fn(|c| {
            self.corners
                .iter()
                .zip(self.weights)
                .map(|(&i, w)| values[i][c] * w)
                .sum()
        })
    }
}

/// What is known around each small pixel.
struct Near {
    /// The outline, blurred over the unsure band: 0 and 1 are certain.
    soft: Vec<f32>,
    object: Vec<[f32; 3]>,
    background: Vec<[f32; 3]>,
}

impl Near {
    fn of(picture: &Picture, small: &Small, cut: &[bool]) -> Self {
        let (width, height) = (small.width, small.height);
        let colours = small_colours(picture, width, height);
        let flat: Vec<f32> = cut.iter().map(|&c| f32::from(u8::from(c))).collect();
        let soft = blur(&flat, width, BAND);
        let mean = |side: f32| {
            // Pixels on the outline are mixed already: they tell less.
            let weights: Vec<f32> = soft
                .iter()
                .map(|s| (1.0 - 2.0 * (s - side).abs()).max(0.0) + 1e-5)
                .collect();
            let total = blur(&blur(&weights, width, REACH), width, REACH);
            let parts: [Vec<f32>; 3] = std::array::from_fn(|c| {
                let channel: Vec<f32> = colours
                    .iter()
                    .zip(&weights)
                    .map(|(p, w)| p[c] * w)
                    .collect();
                blur(&blur(&channel, width, REACH), width, REACH)
            });
            (0..width * height)
                .map(|i| std::array::from_fn(|c| parts[c][i] / total[i].max(1e-6)))
                .collect()
        };
        Self {
            object: mean(1.0),
            background: mean(0.0),
            soft,
        }
    }

    /// How much of the pixel of colour `px` is object.
    fn judge(&self, px: &[u8], at: &Place, rough: f32) -> f32 {
        let object = at.mix_colour(&self.object);
        let background = at.mix_colour(&self.background);
        let (mut along, mut length) = (0.0, 0.0);
        for c in 0..3 {
            let line = object[c] - background[c];
            along += (f32::from(px[c]) - background[c]) * line;
            length += line * line;
        }
        let share = (along / length.max(1.0)).clamp(0.0, 1.0);
        let trust = length / (length + TRUST);
        // Certainty fades towards the band's ends, so that no colour makes a hole beside it.
        let ends = 4.0 * rough * (1.0 - rough);
        let steep = ((rough - 0.5) * 2.0 + 0.5).clamp(0.0, 1.0);
        let weight = trust * ends;
        share * weight + steep * (1.0 - weight)
    }
}

/// Means of the picture's sRGB under each small pixel.
fn small_colours(picture: &Picture, width: usize, height: usize) -> Vec<[f32; 3]> {
    let (full_width, full_height) = (picture.width as usize, picture.height as usize);
    let mut out = Vec::with_capacity(width * height);
    for y in 0..height {
        let rows = y * full_height / height..((y + 1) * full_height).div_ceil(height);
        for x in 0..width {
            let columns = x * full_width / width..((x + 1) * full_width).div_ceil(width);
            let mut sum = [0_u32; 3];
            for row in rows.clone() {
                for px in picture.rgba
                    [4 * (row * full_width + columns.start)..4 * (row * full_width + columns.end)]
                    .chunks_exact(4)
                {
                    (0..3).for_each(|c| sum[c] += u32::from(px[c]));
                }
            }
            let count = (rows.len() * columns.len()) as f32;
            out.push(sum.map(|s| s as f32 / count));
        }
    }
    out
}

/// Mean over a square of `2 * reach + 1`, smaller at the rim.
fn blur(values: &[f32], width: usize, reach: usize) -> Vec<f32> {
    let height = values.len() / width;
    let mut rows = vec![0.0; values.len()];
    for (from, to) in values.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        running_mean(width, reach, |i| from[i], |i, mean| to[i] = mean);
    }
    let mut out = vec![0.0; values.len()];
    for x in 0..width {
        running_mean(
            height,
            reach,
            |i| rows[i * width + x],
            |i, mean| out[i * width + x] = mean,
        );
    }
    out
}

fn running_mean(
    len: usize,
    reach: usize,
    get: impl Fn(usize) -> f32,
    mut put: impl FnMut(usize, f32),
) {
    let (mut sum, mut count) = (0.0_f64, 0_u32);
    for i in 0..len + reach {
        if i < len {
            sum += f64::from(get(i));
            count += 1;
        }
        if i > 2 * reach {
            sum -= f64::from(get(i - 2 * reach - 1));
            count -= 1;
        }
        if i >= reach {
            put(i - reach, (sum / f64::from(count)) as f32);
        }
    }
}

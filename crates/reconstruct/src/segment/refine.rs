//! Carries an outline found at small size back to full resolution.
//!
//! Near the outline each pixel is compared with the mean colours of object and background nearby: where
//! the two differ, its place on the line between them says how much of it is object; where they do not,
//! the smoothly enlarged outline does.

use super::{
    Matte,
    small::{Small, blur},
};
use crate::image::Picture;

/// Reach of the colour means and of the unsure band, in small pixels.
const REACH: usize = 5;
const BAND: usize = 2;

/// Squared difference in sRGB at which colours and the enlarged outline count the same.
const TRUST: f32 = 24.0 * 24.0;

/// The soft matte of `picture` whose rough outline is `cut`.
pub(super) fn matte(picture: &Picture, small: &Small, cut: &[bool]) -> Matte {
    let near = Near::of(small, cut);
    let mut matte = Matte::whole(picture.width, picture.height);
    let scale_x = small.width as f32 / picture.width as f32;
    let scale_y = small.height as f32 / picture.height as f32;
    let width = picture.width as usize;
    for (y, row) in matte.alpha.chunks_exact_mut(width).enumerate() {
        let small_y = (y as f32 + 0.5) * scale_y;
        let cells = &near.certain[small_y as usize * small.width..][..small.width];
        for (x, alpha) in row.iter_mut().enumerate() {
            let small_x = (x as f32 + 0.5) * scale_x;
            *alpha = cells[small_x as usize].unwrap_or_else(|| {
                let px = &picture.rgba[4 * (y * width + x)..][..3];
                near.judge(px, &Place::of(small_x, small_y, small))
            });
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
    /// Of a place in small pixels from the corner.
    fn of(x: f32, y: f32, small: &Small) -> Self {
        let x = (x - 0.5).clamp(0.0, small.width as f32 - 1.0);
        let y = (y - 0.5).clamp(0.0, small.height as f32 - 1.0);
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
    /// The matte where the outline is not near.
    certain: Vec<Option<u8>>,
    object: Vec<[f32; 3]>,
    background: Vec<[f32; 3]>,
}

impl Near {
    fn of(small: &Small, cut: &[bool]) -> Self {
        let width = small.width;
        let flat: Vec<[f32; 1]> = cut.iter().map(|&c| [f32::from(u8::from(c))]).collect();
        let soft: Vec<f32> = blur(&flat, width, BAND).iter().map(|s| s[0]).collect();
        let mean = |side: f32| -> Vec<[f32; 3]> {
            let weighted = |(colour, soft): (&[f32; 3], &f32)| {
                // Pixels on the outline are mixed already: they tell less.
                let weight = (1.0 - 2.0 * (soft - side).abs()).max(0.0) + 1e-5;
                let [r, g, b] = colour.map(|c| c * weight);
                [r, g, b, weight]
            };
            let values: Vec<[f32; 4]> = small.rgb.iter().zip(&soft).map(weighted).collect();
            let spread = blur(&blur(&values, width, REACH), width, REACH);
            spread
                .iter()
                .map(|v| [v[0], v[1], v[2]].map(|c| c / v[3].max(1e-6)))
                .collect()
        };
        Self {
            object: mean(1.0),
            background: mean(0.0),
            certain: certain(&soft, small),
            soft,
        }
    }

    /// How much of the pixel of colour `px` is object.
    fn judge(&self, px: &[u8], at: &Place) -> u8 {
        let rough = at.mix(&self.soft);
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
        ((share * weight + steep * (1.0 - weight)) * 255.0).round() as u8
    }
}

/// 0 or 255 where a small pixel and all around it are surely of one side.
fn certain(soft: &[f32], small: &Small) -> Vec<Option<u8>> {
    let around = |i: usize| {
        let (x, y) = (i % small.width, i / small.width);
        let rows = y.saturating_sub(1)..(y + 2).min(small.height);
        rows.flat_map(move |y| {
            (x.saturating_sub(1)..(x + 2).min(small.width)).map(move |x| soft[y * small.width + x])
        })
    };
    (0..soft.len())
        .map(|i| {
            if soft[i] <= 0.001 && around(i).all(|s| s <= 0.001) {
                Some(0)
            } else if soft[i] >= 0.999 && around(i).all(|s| s >= 0.999) {
                Some(255)
            } else {
                None
            }
        })
        .collect()
}

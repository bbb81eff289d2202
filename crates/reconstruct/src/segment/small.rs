//! The picture at the size at which it is cut, in colours whose distances mean something.

use super::mixture::Lab;
use crate::image::Picture;

/// Longest side at which the object is searched for.
pub(super) const LONGEST: u32 = 320;

/// A picture of at most [`LONGEST`] pixels a side.
#[derive(Debug, Clone)]
pub(super) struct Small {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) lab: Vec<Lab>,
    /// The same in sRGB of 0 to 255.
    pub(super) rgb: Vec<[f32; 3]>,
}

impl Small {
    /// Averages `picture` down; a smaller picture stays as it is.
    pub(super) fn of(picture: &Picture) -> Self {
        let longest = picture.width.max(picture.height);
        let side = |len: u32| {
            let scaled = u64::from(len) * u64::from(LONGEST.min(longest)) / u64::from(longest);
            (scaled as usize).max(1)
        };
        let (width, height) = (side(picture.width), side(picture.height));
        let (full_width, full_height) = (picture.width as usize, picture.height as usize);
        let to_linear = linear_table();
        let mut rgb = Vec::with_capacity(width * height);
        for y in 0..height {
            let rows = y * full_height / height..((y + 1) * full_height).div_ceil(height);
            for x in 0..width {
                let columns = x * full_width / width..((x + 1) * full_width).div_ceil(width);
                let mut sum = [0_u32; 3];
                for row in rows.clone() {
                    let start = 4 * (row * full_width + columns.start);
                    let end = 4 * (row * full_width + columns.end);
                    for px in picture.rgba[start..end].chunks_exact(4) {
                        sum[0] += u32::from(px[0]);
                        sum[1] += u32::from(px[1]);
                        sum[2] += u32::from(px[2]);
                    }
                }
                let count = (rows.len() * columns.len()) as f32;
                rgb.push(sum.map(|s| s as f32 / count));
            }
        }
        let lab = rgb.iter().map(|&c| to_lab(c, &to_linear)).collect();
        Self {
            width,
            height,
            lab,
            rgb,
        }
    }

    /// Half as large, each pixel the mean of up to four.
    pub(super) fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let place = |i: usize| {
            let (x, y) = (2 * (i % width), 2 * (i / width));
            let (x1, y1) = ((x + 1).min(self.width - 1), (y + 1).min(self.height - 1));
            [(x, y), (x1, y), (x, y1), (x1, y1)].map(|(x, y)| y * self.width + x)
        };
        let halve = |values: &[[f32; 3]]| -> Vec<[f32; 3]> {
            let mean =
                |four: [usize; 4], c: usize| four.iter().map(|&i| values[i][c]).sum::<f32>() / 4.0;
            (0..width * height)
                .map(|i| std::array::from_fn(|c| mean(place(i), c)))
                .collect()
        };
        Self {
            width,
            height,
            lab: halve(&self.lab),
            rgb: halve(&self.rgb),
        }
    }
}

/// Linear light of each sRGB value (IEC 61966-2-1).
fn linear_table() -> [f32; 257] {
    std::array::from_fn(|i| {
        let v = (i as f32 / 255.0).min(1.0);
        if v <= 0.040_45 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// sRGB of 0 to 255 to CIE L*a*b* (white point D65).
fn to_lab(rgb: [f32; 3], table: &[f32; 257]) -> Lab {
    let [r, g, b] = rgb.map(|v| {
        let at = v as usize;
        table[at] + (table[at + 1] - table[at]) * (v - at as f32)
    });
    let f = |t: f32| {
        if t > 0.008_856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    };
    let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Mean over a square of `2 * reach + 1`, smaller at the rim.
pub(super) fn blur<const N: usize>(
    values: &[[f32; N]],
    width: usize,
    reach: usize,
) -> Vec<[f32; N]> {
    let height = values.len() / width;
    let mut rows = Vec::with_capacity(values.len());
    for row in values.chunks_exact(width) {
        let mut sum = [0.0; N];
        row.iter().take(reach).for_each(|v| add(&mut sum, v, 1.0));
        for x in 0..width {
            if let Some(next) = row.get(x + reach) {
                add(&mut sum, next, 1.0);
            }
            if x > reach {
                add(&mut sum, &row[x - reach - 1], -1.0);
            }
            let count = (x + reach + 1).min(width) - x.saturating_sub(reach);
            rows.push(sum.map(|s| s / count as f32));
        }
    }
    let mut out = Vec::with_capacity(values.len());
    let mut sums = vec![[0.0; N]; width];
    let add_row = |sums: &mut [[f32; N]], y: usize, sign: f32| {
        let row = &rows[y * width..][..width];
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, v)| add(sum, v, sign));
    };
    (0..reach.min(height)).for_each(|y| add_row(&mut sums, y, 1.0));
    for y in 0..height {
        if y + reach < height {
            add_row(&mut sums, y + reach, 1.0);
        }
        if y > reach {
            add_row(&mut sums, y - reach - 1, -1.0);
        }
        let count = (y + reach + 1).min(height) - y.saturating_sub(reach);
        out.extend(sums.iter().map(|sum| sum.map(|s| s / count as f32)));
    }
    out
}

fn add<const N: usize>(sum: &mut [f32; N], value: &[f32; N], sign: f32) {
    sum.iter_mut().zip(value).for_each(|(s, v)| *s += v * sign);
}

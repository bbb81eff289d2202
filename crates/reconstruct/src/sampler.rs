//! Reads a model's encoded texture back as filtered colours in linear light.
//!
//! Serves the preview and the formats that carry colours on vertices. Holds the texture as 8-bit sRGB with
//! all its halved versions; every mean is taken in linear light, so that edges neither darken nor brighten.

use crate::{Error, Texture};

/// A decoded texture with its mip levels, the full one first.
pub(crate) struct Sampler {
    repeats: bool,
    levels: Vec<Level>,
    linear: [f32; 256],
}

struct Level {
    width: usize,
    height: usize,
    texels: Vec<[u8; 4]>,
}

impl Sampler {
    /// # Errors
    /// [`Error::Model`] when the bytes are not the picture that the texture says.
    pub(crate) fn decode(texture: &Texture) -> Result<Self, Error> {
        let failed = |why: String| Error::Model(format!("its texture does not decode: {why}"));
        let format = match texture.media_type {
            "image/png" => image::ImageFormat::Png,
            _ => image::ImageFormat::Jpeg,
        };
        let picture = image::load_from_memory_with_format(&texture.bytes, format)
            .map_err(|e| failed(e.to_string()))?
            .into_rgba8();
        let (width, height) = picture.dimensions();
        if (width, height) != (texture.width, texture.height) || width == 0 || height == 0 {
            let Texture {
                width: w,
                height: h,
                ..
            } = texture;
            return Err(failed(format!(
                "it is {width}x{height}, not {w}x{h} pixels"
            )));
        }
        let full = Level {
            width: width as usize,
            height: height as usize,
            texels: picture.into_raw().as_chunks().0.to_vec(),
        };
        Ok(Self::with_levels(full, texture.repeats))
    }

    fn with_levels(full: Level, repeats: bool) -> Self {
        let linear = std::array::from_fn(|v| to_linear(v as u8));
        let encode = SrgbTable::new();
        let mut levels = vec![full];
        while let Some(last) = levels.last().filter(|l| l.width > 1 || l.height > 1) {
            levels.push(last.halved(&linear, &encode));
        }
        Self {
            repeats,
            levels,
            linear,
        }
    }

    /// Colour at `uv` (origin top left; beyond the edges as the texture says), blurred to one texel of `2^lod` texels' side.
    pub(crate) fn sample(&self, uv: [f32; 2], lod: f32) -> [f32; 3] {
        let last = self.levels.len() - 1;
        let lod = lod.clamp(0.0, last as f32);
        let below = lod as usize;
        let share = lod - below as f32;
        let sharp = self.bilinear(&self.levels[below], uv);
        // Within a few per cent of a level the next one does not show.
        if share < 0.04 {
            return sharp;
        }
        let soft = self.bilinear(&self.levels[(below + 1).min(last)], uv);
        std::array::from_fn(|c| sharp[c] + (soft[c] - sharp[c]) * share)
    }

    /// Width and height of the full texture.
    pub(crate) fn size(&self) -> [f32; 2] {
        [self.levels[0].width as f32, self.levels[0].height as f32]
    }

    fn bilinear(&self, level: &Level, [u, v]: [f32; 2]) -> [f32; 3] {
        let neighbours = if self.repeats { around } else { neighbours };
        let (x0, x1, fx) = neighbours(u, level.width);
        let (y0, y1, fy) = neighbours(v, level.height);
        let top = &level.texels[y0 * level.width..][..level.width];
        let bottom = &level.texels[y1 * level.width..][..level.width];
        let (a, b, c, d) = (top[x0], top[x1], bottom[x0], bottom[x1]);
        std::array::from_fn(|channel| {
            let value = |texel: [u8; 4]| self.linear[texel[channel] as usize];
            let upper = value(a) + (value(b) - value(a)) * fx;
            let lower = value(c) + (value(d) - value(c)) * fx;
            upper + (lower - upper) * fy
        })
    }
}

/// The two texels around coordinate `t` and the share of the second.
fn neighbours(t: f32, size: usize) -> (usize, usize, f32) {
    let at = (t * size as f32 - 0.5).clamp(0.0, (size - 1) as f32);
    let first = at as usize;
    (first, (first + 1).min(size - 1), at - first as f32)
}

/// The same where the last texel lies beside the first.
fn around(t: f32, size: usize) -> (usize, usize, f32) {
    let at = (t - t.floor()) * size as f32 - 0.5;
    let first = at.floor();
    let texel = |number: f32| (number as isize).rem_euclid(size as isize) as usize;
    (texel(first), texel(first + 1.0), at - first)
}

impl Level {
    /// Half as large (rounded up), each texel the mean of its four in linear light.
    fn halved(&self, linear: &[f32; 256], encode: &SrgbTable) -> Self {
        let width = self.width.div_ceil(2);
        let height = self.height.div_ceil(2);
        let mut texels = Vec::with_capacity(width * height);
        for y in 0..height {
            let rows = [2 * y, (2 * y + 1).min(self.height - 1)];
            let [top, bottom] = rows.map(|row| &self.texels[row * self.width..][..self.width]);
            for x in 0..width {
                let (left, right) = (2 * x, (2 * x + 1).min(self.width - 1));
                let four = [top[left], top[right], bottom[left], bottom[right]];
                let mut mean = [255; 4];
                for channel in 0..3 {
                    let sum: f32 = four.iter().map(|t| linear[t[channel] as usize]).sum();
                    mean[channel] = encode.get(sum * 0.25);
                }
                texels.push(mean);
            }
        }
        Self {
            width,
            height,
            texels,
        }
    }
}

/// Mean length of edges in texels of a texture of that size, at least 1: a vertex speaks for that much of it.
pub(crate) fn texels_per_edge(
    [width, height]: [f32; 2],
    edges: impl Iterator<Item = [[f32; 2]; 2]>,
) -> f32 {
    let (mut sum, mut count) = (0.0_f64, 0);
    for [a, b] in edges {
        sum += f64::from(((a[0] - b[0]) * width).hypot((a[1] - b[1]) * height));
        count += 1;
    }
    (sum / f64::from(count.max(1))).max(1.0) as f32
}

/// Linear light, 0 to 1, of an 8-bit sRGB value (IEC 61966-2-1).
pub(crate) fn to_linear(value: u8) -> f32 {
    let v = f32::from(value) / 255.0;
    if v <= 0.04045 {
        v / 12.92
    } else {
        ((v + 0.055) / 1.055).powf(2.4)
    }
}

/// The 8-bit sRGB value of linear light, clamped to 0 to 1 (IEC 61966-2-1).
pub(crate) fn to_srgb(linear: f32) -> u8 {
    let v = linear.clamp(0.0, 1.0);
    let encoded = if v <= 0.003_130_8 {
        v * 12.92
    } else {
        1.055 * v.powf(1.0 / 2.4) - 0.055
    };
    (encoded * 255.0).round() as u8
}

/// [`to_srgb`] by look-up, at most one step off in the deepest shadows.
pub(crate) struct SrgbTable(Vec<u8>);

impl SrgbTable {
    const STEPS: usize = 8192;

    pub(crate) fn new() -> Self {
        let value = |i: usize| to_srgb(i as f32 / Self::STEPS as f32);
        Self((0..=Self::STEPS).map(value).collect())
    }

    pub(crate) fn get(&self, linear: f32) -> u8 {
        let step = (linear * Self::STEPS as f32 + 0.5) as usize;
        self.0[step.min(Self::STEPS)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bit_colours_survive_the_way_to_linear_light_and_back() {
        let table = SrgbTable::new();
        for value in 0..=255 {
            assert_eq!(to_srgb(to_linear(value)), value);
            assert!(table.get(to_linear(value)).abs_diff(value) <= 1);
        }
    }

    #[test]
    fn a_checkerboard_blurs_to_the_grey_of_equal_light() {
        let texels = (0..64)
            .map(|i| {
                if (i / 8 + i) % 2 == 0 {
                    [255; 4]
                } else {
                    [0, 0, 0, 255]
                }
            })
            .collect();
        let full = Level {
            width: 8,
            height: 8,
            texels,
        };
        let sampler = Sampler::with_levels(full, false);
        let grey = sampler.sample([0.5, 0.5], 3.0);
        assert!(grey.iter().all(|c| (c - 0.5).abs() < 0.01), "{grey:?}");
        assert_eq!(sampler.sample([0.0, 0.0], 0.0), [1.0; 3]);
    }
    #[test]
    fn a_pattern_goes_on_beyond_its_edges() {
        let texels = [0, 255, 0, 0].map(|v| [v, v, v, 255]).to_vec();
        let full = Level {
            width: 4,
            height: 1,
            texels,
        };
        let sampler = Sampler::with_levels(full, true);
        for u in [0.375, 1.375, -0.625, -7.625] {
            assert_eq!(sampler.sample([u, 3.0], 0.0), [1.0; 3], "{u}");
        }
    }
}

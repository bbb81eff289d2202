//! Fills what is not known from its surroundings, by pulling colours up a pyramid and pushing them down
//! (Gortler et al., "The Lumigraph", 1996). The filled levels serve as blurred versions, too.

use super::sample::Samples;

/// Red, green, blue of 0 to 255, and trust of 0 to 1.
type Texel = [f32; 4];

/// A level of half the side of the one below.
#[derive(Debug, Clone)]
struct Level {
    width: usize,
    height: usize,
    texels: Vec<Texel>,
}

impl Level {
    /// Averages two by two, each texel by its trust.
    fn half(width: usize, height: usize, texel: impl Fn(usize, usize) -> Texel) -> Self {
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let mut texels = Vec::with_capacity(half_width * half_height);
        for y in 0..half_height {
            for x in 0..half_width {
                let (x1, y1) = ((2 * x + 1).min(width - 1), (2 * y + 1).min(height - 1));
                let mut sum = [0.0; 4];
                for (x, y) in [(2 * x, 2 * y), (x1, 2 * y), (2 * x, y1), (x1, y1)] {
                    let [r, g, b, trust] = texel(x, y);
                    for (total, value) in
                        sum.iter_mut().zip([r * trust, g * trust, b * trust, trust])
                    {
                        *total += value;
                    }
                }
                let by = 1.0 / sum[3].max(1e-9);
                texels.push([sum[0] * by, sum[1] * by, sum[2] * by, sum[3].min(1.0)]);
            }
        }
        Self {
            width: half_width,
            height: half_height,
            texels,
        }
    }

    fn halved(&self) -> Self {
        Self::half(self.width, self.height, |x, y| {
            self.texels[y * self.width + x]
        })
    }

    /// Bilinear colour at `x, y`, in texels of this level from its corner.
    fn at(&self, x: f32, y: f32) -> [f32; 3] {
        let x = (x - 0.5).clamp(0.0, self.width as f32 - 1.0);
        let y = (y - 0.5).clamp(0.0, self.height as f32 - 1.0);
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let [a, b] = [y0, y1].map(|y| [x0, x1].map(|x| &self.texels[y * self.width + x]));
        std::array::from_fn(|c| {
            let top = a[0][c] + (a[1][c] - a[0][c]) * fx;
            let bottom = b[0][c] + (b[1][c] - b[0][c]) * fx;
            top + (bottom - top) * fy
        })
    }

    /// Blends in the level above wherever trust is missing.
    fn fill_from(&mut self, above: &Self) {
        let width = self.width;
        for (i, texel) in self.texels.iter_mut().enumerate() {
            if texel[3] < 1.0 {
                let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
                let around = above.at(x / 2.0, y / 2.0);
                let trust = texel[3];
                (0..3).for_each(|c| texel[c] = texel[c] * trust + around[c] * (1.0 - trust));
            }
        }
    }
}

/// A part of the atlas without gaps, at all sizes.
#[derive(Debug, Clone)]
pub(super) struct Pyramid {
    finest: Samples,
    /// From half the side on; never empty.
    levels: Vec<Level>,
}

impl Pyramid {
    /// Fills `finest`: trusted colours stay, the others come from the nearest that are.
    pub(super) fn fill(mut finest: Samples) -> Self {
        let texel = |x: usize, y: usize| {
            let [r, g, b, trust] = finest.texels[y * finest.width + x].map(f32::from);
            [r, g, b, trust / 255.0]
        };
        let mut levels = vec![Level::half(finest.width, finest.height, texel)];
        while let Some(last) = levels.last()
            && last.texels.len() > 1
        {
            levels.push(last.halved());
        }
        for i in (1..levels.len()).rev() {
            let (below, above) = levels.split_at_mut(i);
            below[i - 1].fill_from(&above[0]);
        }
        let width = finest.width;
        for (i, texel) in finest.texels.iter_mut().enumerate() {
            if texel[3] == 0 {
                // Nothing of it is seen but what a filter takes in beside the rim: no need to be smooth.
                let above = &levels[0].texels[i / width / 2 * levels[0].width + i % width / 2];
                (0..3).for_each(|c| texel[c] = (above[c] + 0.5) as u8);
            } else if texel[3] < 255 {
                let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
                let around = levels[0].at(x / 2.0, y / 2.0);
                let trust = f32::from(texel[3]) / 255.0;
                for c in 0..3 {
                    let own = f32::from(texel[c]);
                    texel[c] = (own * trust + around[c] * (1.0 - trust) + 0.5) as u8;
                }
            }
        }
        Self { finest, levels }
    }

    /// The colour of a texel at full size.
    pub(super) fn texel(&self, x: usize, y: usize) -> [u8; 3] {
        let [r, g, b, _] = self.finest.texels[y * self.finest.width + x];
        [r, g, b]
    }

    /// Mean colour of what is trusted.
    pub(super) fn mean(&self) -> [u8; 3] {
        let top = self
            .levels
            .last()
            .map_or([128.0; 4], |level| level.texels[0]);
        [top[0], top[1], top[2]].map(|v| (v + 0.5) as u8)
    }

    /// Colour around `x, y` (texels at full size from the corner), blurred over about `2^depth` texels;
    /// `depth` counts from 1.
    pub(super) fn blurred(&self, x: f32, y: f32, depth: f32) -> [f32; 3] {
        let depth = (depth - 1.0).clamp(0.0, self.levels.len() as f32 - 1.0);
        let low = depth as usize;
        let high = (low + 1).min(self.levels.len() - 1);
        let part = depth - low as f32;
        let at = |level: usize| {
            let by = 1.0 / (2_u32 << level) as f32;
            self.levels[level].at(x * by, y * by)
        };
        if part == 0.0 {
            return at(low);
        }
        let (fine, coarse) = (at(low), at(high));
        std::array::from_fn(|c| fine[c] + (coarse[c] - fine[c]) * part)
    }
}

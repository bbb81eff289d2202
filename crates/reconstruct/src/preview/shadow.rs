//! The soft shadow on the ground (y = 0): dark and sharp where the model touches, faint and wide below
//! what is high above.
//!
//! The model is drawn onto the ground along the lamp's direction, once per layer of height; each layer is
//! blurred as widely as its height asks for, and what light is left through all layers is the shadow.

use super::vector::Vec3;
use crate::{Bounds, Model};

/// Cells along each side of the ground that is looked at.
const CELLS: usize = 192;
/// Heights of the layers' upper ends, as shares of the model's height, with the radius of their blur as a
/// share of the ground's side and the darkness of their shadow.
const LAYERS: [Layer; 4] = [
    Layer {
        up_to: 0.03,
        blur: 0.010,
        darkness: 0.55,
    },
    Layer {
        up_to: 0.15,
        blur: 0.022,
        darkness: 0.38,
    },
    Layer {
        up_to: 0.45,
        blur: 0.045,
        darkness: 0.30,
    },
    Layer {
        up_to: 1.01,
        blur: 0.080,
        darkness: 0.20,
    },
];

struct Layer {
    up_to: f32,
    blur: f32,
    darkness: f32,
}

/// Light that reaches each place on the ground.
pub(super) struct Shadow {
    corner: [f32; 2],
    cells_per_unit: f32,
    light: Vec<f32>,
}

impl Shadow {
    /// The shadow that `model` casts in light that comes from the direction `lamp`.
    pub(super) fn cast(model: &Model, lamp: Vec3) -> Self {
        let height = Bounds::of(&model.positions).max[1].max(f32::MIN_POSITIVE);
        // A lamp overhead and the key lamp between them: the shadow leans, but not far.
        let lean = [0, 2].map(|axis| 0.35 * lamp[axis] / lamp[1].max(0.3));
        let dropped: Vec<Vec3> = (model.positions.iter())
            .map(|p| [p[0] - lean[0] * p[1], p[1] / height, p[2] - lean[1] * p[1]])
            .collect();
        let bounds = Bounds::of(&dropped);
        let size = bounds.size();
        let side = size[0].max(size[2]).max(f32::MIN_POSITIVE) * 1.7;
        let middle = [0, 2].map(|axis| 0.5 * (bounds.min[axis] + bounds.max[axis]));
        let mut shadow = Self {
            corner: middle.map(|m| m - 0.5 * side),
            cells_per_unit: CELLS as f32 / side,
            light: vec![1.0; CELLS * CELLS],
        };
        let lowest = shadow.lowest(&dropped, &model.triangles);
        let mut from = f32::MIN;
        for layer in &LAYERS {
            let within = |h: &f32| f32::from(*h >= from && *h < layer.up_to);
            let mut shade: Vec<f32> = lowest.iter().map(within).collect();
            blur(&mut shade, (layer.blur * CELLS as f32).round() as usize);
            for (light, shade) in shadow.light.iter_mut().zip(shade) {
                *light *= 1.0 - layer.darkness * shade;
            }
            from = layer.up_to;
        }
        shadow
    }

    /// Light at a place on the ground: 1 where nothing shades it.
    pub(super) fn light(&self, x: f32, z: f32) -> f32 {
        let at = [
            (x - self.corner[0]) * self.cells_per_unit - 0.5,
            (z - self.corner[1]) * self.cells_per_unit - 0.5,
        ];
        let last = (CELLS - 2) as f32;
        if at.iter().any(|v| !(0.0..last).contains(v)) {
            return 1.0;
        }
        let [i, j] = at.map(|v| v as usize);
        let [fx, fz] = [at[0] - i as f32, at[1] - j as f32];
        let row = |j: usize| {
            let line = &self.light[j * CELLS + i..][..2];
            line[0] + (line[1] - line[0]) * fx
        };
        row(j) + (row(j + 1) - row(j)) * fz
    }

    /// The least height over each cell; infinite where nothing is.
    fn lowest(&self, dropped: &[Vec3], triangles: &[[u32; 3]]) -> Vec<f32> {
        let mut lowest = vec![f32::INFINITY; CELLS * CELLS];
        let place = |p: Vec3| {
            let x = (p[0] - self.corner[0]) * self.cells_per_unit;
            let z = (p[2] - self.corner[1]) * self.cells_per_unit;
            [x, p[1], z]
        };
        for triangle in triangles {
            let [a, b, c] = triangle.map(|i| place(dropped[i as usize]));
            let height = (a[1] + b[1] + c[1]) / 3.0;
            let range = |axis: usize| {
                let low = a[axis].min(b[axis]).min(c[axis]);
                let high = a[axis].max(b[axis]).max(c[axis]);
                // Cells whose middle may lie inside, and always one, so that thin faces are not lost.
                (low as usize)..=(high as usize).min(CELLS - 1)
            };
            let turn = |p: Vec3, q: Vec3, x: f32, z: f32| {
                (q[0] - p[0]) * (z - p[2]) - (q[2] - p[2]) * (x - p[0])
            };
            let single = range(0).count() == 1 && range(2).count() == 1;
            for j in range(2) {
                for i in range(0) {
                    let (x, z) = (i as f32 + 0.5, j as f32 + 0.5);
                    let turns = [turn(a, b, x, z), turn(b, c, x, z), turn(c, a, x, z)];
                    let inside = turns.iter().all(|t| *t >= 0.0) || turns.iter().all(|t| *t <= 0.0);
                    if single || inside {
                        let cell = &mut lowest[j * CELLS + i];
                        *cell = cell.min(height);
                    }
                }
            }
        }
        lowest
    }
}

/// Three box blurs each way, which come near to a Gaussian.
fn blur(cells: &mut [f32], radius: usize) {
    let mut line = [0.0; CELLS];
    for start in 0..CELLS {
        for _ in 0..3 {
            blur_line(cells, start * CELLS, 1, radius, &mut line);
        }
    }
    for start in 0..CELLS {
        for _ in 0..3 {
            blur_line(cells, start, CELLS, radius, &mut line);
        }
    }
}

/// One line of cells, `step` apart, each becoming the mean of those within `radius`; outside is empty.
fn blur_line(cells: &mut [f32], start: usize, step: usize, radius: usize, line: &mut [f32; CELLS]) {
    for (i, value) in line.iter_mut().enumerate() {
        *value = cells[start + i * step];
    }
    let over = 1.0 / (2 * radius + 1) as f32;
    let mut sum: f32 = line[..radius].iter().sum();
    for i in 0..CELLS {
        sum += line.get(i + radius).copied().unwrap_or(0.0);
        if i > radius {
            sum -= line[i - radius - 1];
        }
        cells[start + i * step] = (sum * over).max(0.0);
    }
}

//! Mountains in the evening haze over a lake: a scene in which nothing stands out.

use image::{Rgb, RgbImage};

use crate::{
    noise::{fractal, hash, noise},
    vector::{V3, hex, smooth, v},
};

const SAMPLES: u32 = 2;

/// Where the lake begins, from the top.
const SHORE: f32 = 0.66;

pub(crate) fn draw(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |px, py| {
        let mut sum = V3::default();
        for i in 0..SAMPLES * SAMPLES {
            let at =
                |p: u32, s: u32| (p as f32 + (s as f32 + 0.5) / SAMPLES as f32) / height as f32;
            sum = sum + light(at(px, i % SAMPLES), at(py, i / SAMPLES));
        }
        let mean = sum * (1.0 / (SAMPLES * SAMPLES) as f32);
        let grain = (hash(px as i32, py as i32) - 0.5) * 3.0;
        let byte =
            |c: f32| (c.clamp(0.0, 1.0).powf(1.0 / 2.2) * 255.0 + grain).clamp(0.0, 255.0) as u8;
        Rgb([byte(mean.x), byte(mean.y), byte(mean.z)])
    })
}

/// Light at `x` (0 to 1.5) and `y` (0 to 1, down).
fn light(x: f32, y: f32) -> V3 {
    if y < SHORE {
        return land(x, y);
    }
    if y > foreground(x) {
        let tuft = noise(x * 160.0, y * 40.0);
        return hex(0x1d2a17).mix(hex(0x55642a), 0.6 * tuft * smooth(0.0, 0.1, 1.02 - y));
    }
    let depth = y - SHORE;
    let ripple =
        (noise(x * 26.0, depth * 420.0 / (0.3 + 3.0 * depth)) - 0.5) * (0.012 + 0.05 * depth);
    let mirrored = land(x + ripple, SHORE - depth * 0.9 + ripple * 0.6);
    mirrored.times(v(0.72, 0.8, 0.86)) + hex(0x28455c) * (0.12 + 0.3 * depth)
}

fn foreground(x: f32) -> f32 {
    0.92 - 0.05 * (x - 0.3).powi(2) + 0.05 * fractal(x * 4.0 + 3.0, 0.5, 4)
        - 0.02 * hash((x * 420.0) as i32, 9)
}

/// Sky and five ridges, the nearer the darker.
fn land(x: f32, y: f32) -> V3 {
    let mut seen = sky(x, y);
    for ridge in 0..5 {
        let near = ridge as f32 / 4.0;
        let seed = 20.0 * ridge as f32;
        let rough = fractal(x * (1.6 + 1.6 * near) + seed, 4.0 + seed, 7);
        let peaks = 0.30 + 0.25 * near + 0.22 * (0.5 - rough) * (1.7 - near);
        let trees = if ridge == 4 {
            0.025 * hash((x * 260.0) as i32, 1) * noise(x * 40.0, 2.0)
        } else {
            0.0
        };
        if y > peaks - trees {
            let slope = fractal(x * 9.0 + seed, y * 14.0, 5);
            let snow =
                smooth(0.10, 0.0, y - peaks) * smooth(0.35, 0.6, slope) * (1.0 - near).powi(2);
            let rock = hex(0x2f3f4d)
                .mix(hex(0x1f3a2c), near)
                .mix(hex(0x6b7660), 0.35 * slope);
            let haze = (1.0 - near).powf(0.8) * 0.72 + 0.12 * smooth(0.0, 0.25, y - peaks);
            seen = rock
                .mix(hex(0xf3f4f8), snow)
                .mix(hex(0xd9b48f).mix(hex(0x9db4c9), near), haze);
        }
    }
    seen
}

fn sky(x: f32, y: f32) -> V3 {
    let base = hex(0x3f6fa8).mix(hex(0xf3c691), smooth(0.0, 0.5, y));
    let (dx, dy) = (x - 1.02, y - 0.27);
    let far = (dx * dx + dy * dy).sqrt();
    let sun = hex(0xfff3d0) * (smooth(0.045, 0.036, far) + 0.5 * (-far * 9.0).exp());
    let cloud = fractal(x * 2.2 + 1.0, y * 9.0, 6);
    let cover = smooth(0.5, 0.75, cloud) * smooth(0.5, 0.1, y);
    (base + sun).mix(hex(0xfbe3cd), 0.75 * cover)
}

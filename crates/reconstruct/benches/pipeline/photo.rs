//! A drawn photograph: a glazed jug on a checked cloth, with grain.

use jpeg_encoder::{ColorType, Encoder};

/// The photograph as a JPEG of quality 90.
pub(crate) fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut grain = 1_u32;
    let mut pixels = Vec::with_capacity(3 * usize::from(width) * usize::from(height));
    for y in 0..height {
        for x in 0..width {
            // From -1 to 1 along the shorter side.
            let scale = f32::from(width.min(height)) / 2.0;
            let u = (f32::from(x) - f32::from(width) / 2.0) / scale;
            let v = (f32::from(y) - f32::from(height) / 2.0) / scale;
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = ((grain >> 24) as f32 - 128.0) / 128.0 * 5.0;
            let colour = jug(u, v).unwrap_or_else(|| ground(u, v));
            pixels.extend(colour.map(|c| (c + noise).clamp(0.0, 255.0) as u8));
        }
    }
    let mut bytes = Vec::new();
    let encoder = Encoder::new(&mut bytes, 90);
    // Encoding into memory fails for no picture of this size; an empty file would fail the benchmark.
    let _ = encoder.encode(&pixels, width, height, ColorType::Rgb);
    bytes
}

fn jug(u: f32, v: f32) -> Option<[f32; 3]> {
    let half = 0.42 + 0.12 * (v * 3.2).cos();
    let body = u.abs() < half && v.abs() < 0.72;
    let reach = (u - 0.55).hypot(v * 1.1);
    if !body && !(0.16..0.28).contains(&reach) {
        return None;
    }
    let across = if body {
        u / half
    } else {
        (reach - 0.22) / 0.06
    };
    let shade = 0.35 + 0.65 * (1.0 - (across + 0.35).powi(2) * 0.6).max(0.0);
    let band = ((v * 14.0 + (u * 9.0).sin()).sin() > 0.75) as u8;
    let base = [[35.0, 90.0, 175.0], [235.0, 225.0, 200.0]][usize::from(band)];
    Some(base.map(|c| c * shade))
}

fn ground(u: f32, v: f32) -> [f32; 3] {
    let check = ((u * 9.0).floor() + (v * 9.0).floor()).rem_euclid(2.0);
    let light = 150.0 + 50.0 * check - 30.0 * v + 8.0 * (u * 40.0).sin();
    [light, light * 0.93, light * 0.8]
}

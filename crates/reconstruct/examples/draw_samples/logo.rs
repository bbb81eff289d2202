//! A flat logo: a cube in a ring, in four colours on white, with the ring's inside open.

use image::{Rgb, RgbImage};

const SAMPLES: u32 = 4;

pub(crate) fn draw(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |px, py| {
        let mut sum = [0.0_f32; 3];
        for i in 0..SAMPLES * SAMPLES {
            let at = |p: u32, s: u32, len: u32| {
                (2.0 * (p as f32 + (s as f32 + 0.5) / SAMPLES as f32) - len as f32)
                    / width.min(height) as f32
            };
            let code = colour(at(px, i % SAMPLES, width), at(py, i / SAMPLES, height));
            for (total, shift) in sum.iter_mut().zip([16, 8, 0]) {
                *total += (code >> shift & 255) as f32;
            }
        }
        Rgb(sum.map(|s| (s / (SAMPLES * SAMPLES) as f32 + 0.5) as u8))
    })
}

/// The colour at a place of the unit square about the origin, y down.
fn colour(x: f32, y: f32) -> u32 {
    let far = (x * x + y * y).sqrt();
    let angle = y.atan2(x);
    // A ring with an arrow's gap at the upper right.
    let gap = (angle + 0.7).abs();
    if (0.68..0.86).contains(&far) && gap > 0.16 {
        return 0x14_2b_4d;
    }
    let (ax, ay) = (0.77 * 0.7_f32.cos(), -0.77 * 0.7_f32.sin());
    if ((x - ax).powi(2) + (y - ay).powi(2)).sqrt() < 0.115 {
        return 0xf2_8c_28;
    }
    cube(x, y).unwrap_or(0xff_ff_ff)
}

/// Three faces of a cube seen from a corner, with narrow gaps between them.
fn cube(x: f32, y: f32) -> Option<u32> {
    let side = 0.47_f32;
    let (tall, slope) = (side, 0.5_f32 / 0.866);
    let edge = 0.022;
    let wide = side * 0.866;
    if x.abs() > wide {
        return None;
    }
    let fold = slope * x.abs();
    // The upper face lies between the two rising outlines and the fold of the lower faces.
    let top = -tall + fold;
    let middle = -fold;
    if y >= top && y <= middle - edge {
        return Some(0x2f_9e_d8);
    }
    if y >= middle + edge && y <= tall - fold && x.abs() >= edge {
        return Some(if x < 0.0 { 0x1d_5f_96 } else { 0xf2_8c_28 });
    }
    None
}

//! A glazed teapot on a table of old planks: a product on a busy ground.

use image::RgbaImage;

use crate::{
    noise::{fractal, hash},
    trace::{Camera, Scene, Surface, blend, ellipsoid, render, rod, studio, torus},
    vector::{V3, hex, smooth, v},
};

pub(crate) fn draw(width: u32, height: u32) -> RgbaImage {
    let scene = Scene {
        distance,
        surface,
        ground: Some(table),
        sky: |direction| studio(direction, v(0.55, 0.5, 0.44)),
        ball: (v(0.05, 0.95, 0.0), 2.0),
        light: v(0.35, 1.6, 1.1),
    };
    let camera = Camera {
        eye: v(1.0, 3.5, 6.2),
        target: v(0.06, 0.76, 0.0),
        zoom: 4.0,
        lens: 0.05,
    };
    render(&scene, &camera, width, height)
}

const POT: u32 = 0;
const KNOB: u32 = 1;

fn distance(p: V3) -> (f32, u32) {
    let body = ellipsoid(p - v(0.0, 0.78, 0.0), v(1.02, 0.8, 1.02));
    let foot = torus(v(p.x, p.z, p.y - 0.06), 0.52, 0.08);
    let lid = ellipsoid(p - v(0.0, 1.45, 0.0), v(0.56, 0.22, 0.56));
    let rim = torus(v(p.x, p.z, p.y - 1.44), 0.56, 0.045);
    let knob = (p - v(0.0, 1.78, 0.0)).len() - 0.15;
    let neck = rod(p, v(0.0, 1.6, 0.0), v(0.0, 1.75, 0.0), 0.08, 0.06);
    let low = rod(p, v(0.72, 0.62, 0.0), v(1.26, 0.98, 0.0), 0.27, 0.15);
    let high = rod(p, v(1.26, 0.98, 0.0), v(1.52, 1.42, 0.0), 0.15, 0.105);
    let mouth = rod(p, v(1.5, 1.38, 0.0), v(1.66, 1.66, 0.0), 0.065, 0.09);
    let spout = blend(low, high, 0.12).max(-mouth);
    let handle = torus(v(p.x + 1.05, (p.y - 0.88) * 0.9, p.z), 0.47, 0.095).max(p.x + 0.6);
    let pot = blend(blend(body, spout, 0.14), handle, 0.1);
    let pot = blend(blend(pot, foot, 0.06), lid, 0.03).min(rim);
    let knob = blend(knob, neck, 0.05);
    if knob < pot { (knob, KNOB) } else { (pot, POT) }
}

fn surface(p: V3, material: u32) -> Surface {
    let glaze = hex(0x0b7f86);
    let cream = hex(0xf6ecd6);
    let mut colour = if material == KNOB {
        hex(0xb3262a)
    } else {
        glaze
    };
    let round = (p.x * p.x + p.z * p.z).sqrt();
    if material == POT && round < 1.06 && p.x > -1.0 && p.x < 0.92 {
        let band = smooth(0.012, 0.0, (p.y - 1.1).abs() - 0.03).max(smooth(
            0.012,
            0.0,
            (p.y - 0.52).abs() - 0.03,
        ));
        colour = colour.mix(cream, band);
        let turn = p.z.atan2(p.x) / std::f32::consts::TAU * 15.0;
        let (u, w) = ((turn - turn.round()) * 0.42, p.y - 0.81);
        let dot = (u * u + w * w).sqrt();
        let petals = 0.115 + 0.035 * (5.0 * w.atan2(u)).cos();
        colour = colour.mix(cream, smooth(petals + 0.008, petals - 0.008, dot));
        colour = colour.mix(hex(0xe8a33d), smooth(0.052, 0.042, dot));
    }
    if p.y > 1.41 && p.y < 1.48 && round > 0.54 && round < 0.62 {
        colour = cream;
    }
    Surface {
        colour,
        mirror: 0.06,
        gloss: 180.0,
    }
}

/// Planks of different wood, with grain and gaps.
fn table(p: V3) -> Surface {
    let q = p.turned(0.35);
    let plank = (q.z / 0.62).floor();
    let grain = fractal(q.x * 0.9 + 31.0 * plank, q.z * 13.0, 5);
    let rings = (20.0 * fractal(q.x * 0.35 + 7.0 * plank, q.z * 2.2, 3)).sin() * 0.5 + 0.5;
    let tone = 0.6 + 0.8 * hash(plank as i32, 3);
    let gap = smooth(0.0, 0.02, (q.z / 0.62 - plank - 0.5).abs() * -0.62 + 0.31);
    let wood = hex(0x4a2a16).mix(hex(0x9a6238), 0.1 + 0.6 * grain + 0.3 * rings);
    Surface {
        colour: wood * (tone * (0.25 + 0.75 * gap)),
        mirror: 0.03,
        gloss: 30.0,
    }
}

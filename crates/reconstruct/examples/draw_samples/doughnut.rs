//! A doughnut with icing and sprinkles, cut out: transparent around it and in its hole.

use image::RgbaImage;

use crate::{
    noise::{fractal, hash},
    trace::{Camera, Scene, Surface, render, studio},
    vector::{V3, hex, smooth, v},
};

pub(crate) fn draw(width: u32, height: u32) -> RgbaImage {
    let scene = Scene {
        distance,
        surface,
        ground: None,
        sky: |direction| studio(direction, v(0.8, 0.78, 0.76)),
        ball: (v(0.0, 0.0, 0.0), 1.75),
        light: v(-0.7, 1.5, 0.8),
    };
    let camera = Camera {
        eye: v(0.0, 6.0, 5.2),
        target: v(0.0, -0.05, 0.0),
        zoom: 4.9,
        lens: 0.0,
    };
    render(&scene, &camera, width, height)
}

const DOUGH: u32 = 0;
const ICING: u32 = 1;
const SPRINKLE: u32 = 2;

/// Sprinkles around the ring, and rows of them across it.
const AROUND: i32 = 38;
const ROWS: i32 = 7;

/// Angle around the ring, angle around its section (0 is up, positive outwards), and distance to its core.
fn ring(p: V3) -> (f32, f32, f32) {
    let out = (p.x * p.x + p.z * p.z).sqrt() - 1.0;
    (
        p.z.atan2(p.x),
        out.atan2(p.y),
        (out * out + p.y * p.y).sqrt(),
    )
}

/// How far the icing runs down at an angle around the ring.
fn icing_edge(around: f32) -> f32 {
    1.28 + 0.13 * (5.0 * around + 1.0).sin() + 0.09 * (11.0 * around).sin()
}

fn distance(p: V3) -> (f32, u32) {
    let (around, across, far) = ring(p);
    let bumps = 0.018 * fractal(around * 3.0 + 9.0, across * 2.0 + 5.0, 2);
    let dough = far - 0.5 - bumps;
    let thick = 0.075 * smooth(icing_edge(around), icing_edge(around) - 0.16, across.abs());
    let icing = far - 0.475 - thick;
    let mut nearest = if icing < dough {
        (icing, ICING)
    } else {
        (dough, DOUGH)
    };
    if far < 0.75 && nearest.0 < 0.2 {
        let sprinkle = sprinkle(p, around, across);
        if sprinkle < nearest.0 {
            nearest = (sprinkle, SPRINKLE);
        }
    }
    (nearest.0 * 0.8, nearest.1)
}

/// Cell of the sprinkle lattice, and the local frame of its rod.
fn cell(around: f32, across: f32) -> (i32, i32) {
    let turn = around / std::f32::consts::TAU * AROUND as f32;
    let row = (across / 0.3).round();
    (turn.round() as i32, row as i32)
}

fn sprinkle(p: V3, around: f32, across: f32) -> f32 {
    let (i, row) = cell(around, across);
    if row.abs() > ROWS / 2 || hash(i.rem_euclid(AROUND), row + 50) < 0.3 {
        return f32::MAX;
    }
    let key = i.rem_euclid(AROUND);
    let jitter = |salt: i32| hash(key + 100 * salt, row + 50) - 0.5;
    let a = (i as f32 + 0.5 * jitter(1)) / AROUND as f32 * std::f32::consts::TAU;
    let b = (row as f32 + 0.4 * jitter(2)) * 0.3;
    let outwards = v(a.cos(), 0.0, a.sin());
    let up = v(0.0, 1.0, 0.0);
    let normal = up * b.cos() + outwards * b.sin();
    let centre = outwards + normal * 0.565;
    let along = v(-a.sin(), 0.0, a.cos());
    let aside = normal.cross(along);
    let angle = std::f32::consts::TAU * jitter(3);
    let axis = along * angle.cos() + aside * angle.sin();
    let q = p - centre;
    let t = q.dot(axis).clamp(-0.055, 0.055);
    (q - axis * t).len() - 0.024
}

fn surface(p: V3, material: u32) -> Surface {
    let (around, across, _) = ring(p);
    match material {
        ICING => Surface {
            colour: hex(0xe8699a),
            mirror: 0.05,
            gloss: 120.0,
        },
        SPRINKLE => {
            let (i, row) = cell(around, across);
            let palette = [0xfff6e8, 0xffd23f, 0x3fb8e0, 0x7ed957, 0x8e5bd0];
            let pick = (hash(i.rem_euclid(AROUND) + 7, row + 91) * 5.0) as usize;
            Surface {
                colour: hex(palette[pick.min(4)]),
                mirror: 0.04,
                gloss: 60.0,
            }
        }
        _ => {
            let pale = smooth(0.16, 0.02, (across.abs() - 1.75).abs());
            let crumb = 0.85 + 0.3 * fractal(around * 30.0, across * 14.0, 3);
            let colour = hex(0xb9762f).mix(hex(0xe6bd7a), 0.7 * pale) * crumb;
            Surface {
                colour,
                mirror: 0.01,
                gloss: 10.0,
            }
        }
    }
}

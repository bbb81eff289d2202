//! A bath duck, cut off by the lower edge of the picture, before blurred tiles.

use image::RgbaImage;

use crate::{
    trace::{Camera, Scene, Surface, blend, ellipsoid, render, studio},
    vector::{V3, hex, smooth, v},
};

pub(crate) fn draw(width: u32, height: u32) -> RgbaImage {
    let scene = Scene {
        distance,
        surface,
        ground: Some(tiles),
        sky: |direction| {
            let tiled = tile_wall(direction);
            studio(direction, v(0.6, 0.75, 0.78)).times(tiled)
        },
        ball: (v(0.0, 1.1, 0.0), 2.2),
        light: v(-0.6, 1.4, 1.1),
    };
    let camera = Camera {
        eye: v(-2.1, 2.1, 6.4),
        target: v(0.0, 1.86, 0.0),
        zoom: 4.5,
        lens: 0.16,
    };
    render(&scene, &camera, width, height)
}

const BODY: u32 = 0;
const BEAK: u32 = 1;
const EYE: u32 = 2;

fn distance(p: V3) -> (f32, u32) {
    let q = v(p.x, p.y, p.z.abs());
    let trunk = ellipsoid(p - v(0.25, 0.62, 0.0), v(1.35, 0.78, 0.95));
    let tail = ellipsoid(p - v(1.45, 1.12, 0.0), v(0.36, 0.34, 0.32));
    let head = (p - v(-0.62, 1.78, 0.0)).len() - 0.72;
    let tuft = ellipsoid(p - v(-0.45, 2.5, 0.0), v(0.12, 0.16, 0.1));
    let wing = ellipsoid(q - v(0.5, 0.82, 0.84), v(0.68, 0.36, 0.2));
    let tip = ellipsoid(q - v(1.05, 1.0, 0.86), v(0.28, 0.18, 0.12));
    let body = blend(blend(blend(trunk, head, 0.32), tail, 0.4), tuft, 0.12);
    let body = blend(body, blend(wing, tip, 0.15), 0.06);
    let open = 0.045 * smooth(-1.2, -1.6, p.x);
    let upper = ellipsoid(p - v(-1.38, 1.68 + open, 0.0), v(0.34, 0.085, 0.3));
    let lower = ellipsoid(p - v(-1.32, 1.58 - open, 0.0), v(0.28, 0.07, 0.24));
    let beak = blend(upper, lower, 0.03);
    let eye = ellipsoid(q - v(-1.1, 2.0, 0.4), v(0.15, 0.18, 0.13));
    let mut nearest = (body, BODY);
    for part in [(beak, BEAK), (eye, EYE)] {
        if part.0 < nearest.0 {
            nearest = part;
        }
    }
    nearest
}

fn surface(p: V3, material: u32) -> Surface {
    let colour = match material {
        BEAK => hex(0xf06a10),
        EYE => {
            let q = v(p.x, p.y, p.z.abs()) - v(-1.22, 2.0, 0.47);
            let white = smooth(0.105, 0.12, q.len());
            hex(0x14100c).mix(hex(0xffffff), white)
        }
        _ => hex(0xf7c211),
    };
    Surface {
        colour,
        mirror: if material == EYE { 0.08 } else { 0.035 },
        gloss: 60.0,
    }
}

/// Wet floor tiles, blue and white.
fn tiles(p: V3) -> Surface {
    let (x, z) = (p.x / 1.1, p.z / 1.1);
    let edge = |t: f32| (t - t.round()).abs();
    let joint = smooth(0.02, 0.035, edge(x).min(edge(z)));
    let odd = (x.floor() as i32 + z.floor() as i32) & 1 == 0;
    let tile = if odd { hex(0x2f7f95) } else { hex(0x9fd0d8) };
    Surface {
        colour: hex(0xdedbd2).mix(tile, joint),
        mirror: 0.05,
        gloss: 90.0,
    }
}

/// Darker joints on the wall that the sky stands for.
fn tile_wall(direction: V3) -> V3 {
    let (x, y) = (direction.x * 9.0, direction.y * 9.0);
    let edge = |t: f32| (t - t.round()).abs();
    let joint = smooth(0.03, 0.08, edge(x).min(edge(y)));
    v(0.62, 0.72, 0.75).mix(v(1.0, 1.0, 1.0), joint)
}

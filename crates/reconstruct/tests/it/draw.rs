//! Pictures whose truth is known, because the tests draw them.

use reconstruct::image::Picture;

/// Side of the drawn pictures.
pub(crate) const SIDE: u32 = 400;

/// A repeatable value of 0 to 1 for a place.
pub(crate) fn speckle(x: i32, y: i32) -> f32 {
    let mut n = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    n = (n ^ n >> 15).wrapping_mul(0x2c1b_3c6d);
    n = (n ^ n >> 12).wrapping_mul(0x297a_2d39);
    (n ^ n >> 15) as f32 / u32::MAX as f32
}

/// Smooth noise of 0 to 1.
pub(crate) fn clouds(x: f32, y: f32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (ease(x - x0), ease(y - y0));
    let at = |dx, dy| speckle(x0 as i32 + dx, y0 as i32 + dy);
    let top = at(0, 0) + (at(1, 0) - at(0, 0)) * fx;
    let bottom = at(0, 1) + (at(1, 1) - at(0, 1)) * fx;
    top + (bottom - top) * fy
}

/// A colour in levels of 255 for a place in the unit square about the origin.
pub(crate) type Paint = fn(f32, f32) -> [f32; 3];

/// An object: negative inside, about a distance.
pub(crate) type Outline = fn(f32, f32) -> f32;

pub(crate) const OBJECTS: [(&str, Outline, Paint); 3] = [
    ("mug", mug, glazed),
    ("star", star, striped),
    ("egg", egg, pale),
];

pub(crate) const GROUNDS: [(&str, Paint); 3] = [
    ("white", |_, _| [250.0; 3]),
    ("noisy gradient", gradient),
    ("busy", busy),
];

fn mug(x: f32, y: f32) -> f32 {
    let body = (x + 0.1).abs().max(y.abs() * 0.9) - 0.42;
    let ring = (((x - 0.38).powi(2) + y.powi(2)).sqrt() - 0.25).abs() - 0.07;
    body.min(ring)
}

fn glazed(x: f32, y: f32) -> [f32; 3] {
    let light = 0.75 + 0.35 * (1.0 - ((x + 0.3) * 2.0).powi(2)).max(0.0);
    let band = if (y - 0.1).abs() < 0.08 {
        [235.0, 215.0, 170.0]
    } else {
        [30.0, 120.0, 130.0]
    };
    band.map(|c: f32| c * light)
}

fn star(x: f32, y: f32) -> f32 {
    let far = (x * x + y * y).sqrt();
    far - 0.5 - 0.14 * (5.0 * y.atan2(x)).cos()
}

fn striped(x: f32, y: f32) -> [f32; 3] {
    let warm = 0.5 + 0.5 * (18.0 * (x + 0.3 * y)).sin();
    [200.0 + 40.0 * warm, 60.0 + 110.0 * warm, 40.0]
}

fn egg(x: f32, y: f32) -> f32 {
    ((x / 0.45).powi(2) + ((y - 0.05) / 0.58).powi(2)).sqrt() * 0.5 - 0.5
}

fn pale(x: f32, y: f32) -> [f32; 3] {
    let light = (0.9 - 0.35 * (0.6 * x + 0.7 * y)).clamp(0.35, 0.96);
    [245.0 * light, 232.0 * light, 205.0 * light]
}

fn gradient(x: f32, y: f32) -> [f32; 3] {
    let noise = 24.0 * (speckle((x * 999.0) as i32, (y * 999.0) as i32) - 0.5);
    [
        95.0 + 40.0 * y + noise,
        110.0 + 30.0 * x + noise,
        150.0 + 35.0 * y + noise,
    ]
}

fn busy(x: f32, y: f32) -> [f32; 3] {
    let leaf = clouds(x * 9.0 + 40.0, y * 9.0) * clouds(x * 23.0, y * 23.0 + 70.0) * 2.0;
    let dark = clouds(x * 4.0 + 9.0, y * 5.0 + 3.0);
    [
        40.0 + 60.0 * leaf,
        55.0 + 110.0 * leaf * dark + 30.0 * dark,
        30.0 + 40.0 * dark,
    ]
}

/// `object` on `ground`, moved by `shift`, with a soft rim one pixel wide; and where the object is.
pub(crate) fn composite(
    object: (Outline, Paint),
    ground: Paint,
    shift: [f32; 2],
) -> (Picture, Vec<bool>) {
    let mut rgba = Vec::new();
    let mut truth = Vec::new();
    for py in 0..SIDE {
        for px in 0..SIDE {
            let at = |p: u32| 2.0 * (p as f32 + 0.5) / SIDE as f32 - 1.0;
            let (x, y) = (at(px), at(py));
            let (ox, oy) = (x - shift[0], y - shift[1]);
            let far = (object.0)(ox, oy) * SIDE as f32 / 2.0;
            let cover = (0.5 - far).clamp(0.0, 1.0);
            let (front, back) = ((object.1)(ox, oy), ground(x, y));
            for c in 0..3 {
                rgba.push((front[c] * cover + back[c] * (1.0 - cover)).clamp(0.0, 255.0) as u8);
            }
            rgba.push(255);
            truth.push(far < 0.0);
        }
    }
    (
        Picture {
            width: SIDE,
            height: SIDE,
            rgba,
            warnings: Vec::new(),
        },
        truth,
    )
}

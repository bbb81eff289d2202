//! Drawn mattes and what is measured on meshes.

use reconstruct::{
    Options, Silent,
    image::Picture,
    mesh::{Mesh, check, simplify},
    segment::Matte,
    shape::{Fineness, build},
};

/// A matte with sixteen samples a pixel.
pub(crate) fn matte(width: u32, height: u32, inside: impl Fn(f32, f32) -> bool) -> Matte {
    let alpha = (0..width * height)
        .map(|i| {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let place = |k: u32| k as f32 / 4.0 + 0.125;
            let hits = (0..16)
                .filter(|&k| inside(x + place(k % 4), y + place(k / 4)))
                .count();
            (hits * 255 / 16) as u8
        })
        .collect();
    Matte {
        width,
        height,
        alpha,
        warnings: Vec::new(),
    }
}

pub(crate) fn disc(x: f32, y: f32, [cx, cy]: [f32; 2], radius: f32) -> bool {
    (x - cx).powi(2) + (y - cy).powi(2) < radius * radius
}

/// A ring beside a disc.
pub(crate) fn ring_and_disc() -> Matte {
    matte(360, 240, |x, y| {
        let ring = disc(x, y, [120.0, 120.0], 100.0) && !disc(x, y, [120.0, 120.0], 45.0);
        ring || disc(x, y, [290.0, 120.0], 50.0)
    })
}

/// A picture of that size, brighter to the right and with waves.
pub(crate) fn picture(matte: &Matte) -> Picture {
    let rgba = (0..matte.width * matte.height)
        .flat_map(|i| {
            let (x, y) = ((i % matte.width) as f32, (i / matte.width) as f32);
            let wave = (x / 7.0).sin() * (y / 11.0).cos();
            let grey = 60.0 + 120.0 * x / matte.width as f32 + 40.0 * wave;
            [grey as u8, grey as u8, grey as u8, 255]
        })
        .collect();
    Picture {
        width: matte.width,
        height: matte.height,
        rgba,
        warnings: Vec::new(),
    }
}

/// The surface from the first start that the ladder offers.
pub(crate) fn surface(matte: &Matte, options: &Options) -> Mesh {
    let limit = options.effective_face_limit();
    let fineness = Fineness::ladder(limit)[0];
    let start = build(&picture(matte), matte, options, fineness, &Silent).expect("a start");
    check(&start, u32::MAX).expect("a sound start");
    let simple = simplify(start, limit, &Silent).expect("a simpler mesh");
    check(&simple, limit).expect("a sound mesh");
    simple
}

/// Euler's characteristic: 2 for each body without a hole, 2 less for each hole.
pub(crate) fn euler(mesh: &Mesh) -> i64 {
    // A closed triangle mesh has three edges for every two faces.
    mesh.positions.len() as i64 - mesh.triangles.len() as i64 / 2
}

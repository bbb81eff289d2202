//! Shapes of drawn mattes: closed, within the limit, of the volume that geometry predicts.

use reconstruct::{
    ModelKind, Options, Silent,
    image::Picture,
    mesh::{Mesh, check, simplify},
    segment::Matte,
    shape::{Fineness, build},
};

fn matte(width: u32, height: u32, inside: impl Fn(f32, f32) -> bool) -> Matte {
    let alpha = (0..width * height)
        .map(|i| {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            // Sixteen samples a pixel.
            let hits = (0..16)
                .filter(|k| {
                    inside(
                        x + (k % 4) as f32 / 4.0 + 0.125,
                        y + (k / 4) as f32 / 4.0 + 0.125,
                    )
                })
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

fn grey(matte: &Matte) -> Picture {
    Picture {
        width: matte.width,
        height: matte.height,
        rgba: vec![128; matte.alpha.len() * 4],
        warnings: Vec::new(),
    }
}

fn disc(x: f32, y: f32, cx: f32, cy: f32, r: f32) -> bool {
    (x - cx).powi(2) + (y - cy).powi(2) < r * r
}

fn shape(matte: &Matte, options: &Options) -> Mesh {
    let limit = options.effective_face_limit();
    let fineness = Fineness::ladder(limit)[0];
    let start = build(&grey(matte), matte, options, fineness, &Silent).unwrap();
    check(&start, u32::MAX).unwrap();
    let simple = simplify(start, limit, &Silent).unwrap();
    check(&simple, limit).unwrap();
    simple
}

/// Euler's characteristic: 2 for each body without a hole, 2 less for each hole.
fn euler(mesh: &Mesh) -> i64 {
    // A closed triangle mesh has three edges for every two faces.
    mesh.positions.len() as i64 - mesh.triangles.len() as i64 / 2
}

#[test]
fn a_disc_becomes_a_ball() {
    let matte = matte(400, 400, |x, y| disc(x, y, 200.0, 200.0, 150.0));
    let mut options = Options::of(ModelKind::Inflate);
    options.back = 1.0;
    let mesh = shape(&matte, &options);
    assert_eq!(euler(&mesh), 2);
    let ball = 4.0 / 3.0 * std::f64::consts::PI * 150.0_f64.powi(3);
    let volume = mesh.volume();
    assert!(
        (volume / ball - 1.0).abs() < 0.02,
        "{volume} against {ball}"
    );
    for p in &mesh.positions {
        let radius = ((p[0] - 200.0).powi(2) + (p[1] - 200.0).powi(2) + p[2].powi(2)).sqrt();
        assert!((radius - 150.0).abs() < 2.0, "{p:?} at {radius}");
    }
}

#[test]
fn a_ring_keeps_its_hole_and_two_discs_stay_two() {
    let ring = matte(300, 300, |x, y| {
        disc(x, y, 150.0, 150.0, 120.0) && !disc(x, y, 150.0, 150.0, 60.0)
    });
    assert_eq!(euler(&shape(&ring, &Options::default())), 0);
    let two = matte(300, 300, |x, y| {
        disc(x, y, 80.0, 150.0, 60.0) || disc(x, y, 220.0, 150.0, 60.0)
    });
    assert_eq!(euler(&shape(&two, &Options::default())), 4);
}

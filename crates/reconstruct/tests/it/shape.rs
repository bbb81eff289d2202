//! Shapes of drawn mattes: closed, within the limit, of the volume that geometry predicts.

use reconstruct::{Bounds, ModelKind, Options, mesh::Mesh};

use crate::drawn::{disc, euler, matte, ring_and_disc, surface};

#[test]
fn a_disc_becomes_a_ball() {
    let matte = matte(400, 400, |x, y| disc(x, y, [200.0, 200.0], 150.0));
    let mut options = Options::of(ModelKind::Inflate);
    (options.back, options.detail) = (1.0, 0.0);
    let mesh = surface(&matte, &options);
    assert_eq!(euler(&mesh), 2);
    let ball = 4.0 / 3.0 * std::f64::consts::PI * 150.0_f64.powi(3);
    let volume = mesh.volume();
    assert!(
        (volume / ball - 1.0).abs() < 0.01,
        "{volume} against {ball}"
    );
    for p in &mesh.positions {
        let radius = ((p[0] - 200.0).powi(2) + (p[1] - 200.0).powi(2) + p[2].powi(2)).sqrt();
        assert!((radius - 150.0).abs() < 1.5, "{p:?} at {radius}");
    }
    for &triangle in &mesh.triangles {
        let [a, b, c] = triangle.map(|v| mesh.positions[v as usize].map(f64::from));
        let side = |p: [f64; 3]| [0, 1, 2].map(|axis| p[axis] - a[axis]);
        let ([u, v, w], [x, y, z]) = (side(b), side(c));
        let normal = [v * z - w * y, w * x - u * z, u * y - v * x];
        let out = [a[0] - 200.0, a[1] - 200.0, a[2]];
        let dot = |p: [f64; 3], q: [f64; 3]| p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
        let facing = dot(normal, out) / (dot(normal, normal) * dot(out, out)).sqrt();
        // A face that looks elsewhere is seen as a dent, however small it is.
        assert!(facing > 0.8, "{triangle:?} at {a:?} faces {facing}");
    }
}

/// The outline of a photograph's object is rough; what lies inside it is not.
#[test]
fn a_rough_outline_leaves_no_groove_inside() {
    let middle = [200.0, 200.0];
    let rough = matte(400, 400, |x, y| {
        let turn = (y - middle[1]).atan2(x - middle[0]);
        let ragged = 3.0 * (turn * 61.0).sin() * (turn * 23.0 + 1.0).sin();
        let tab = (x - 340.0).abs() < 12.0 && (y - 110.0).abs() < 8.0;
        disc(x, y, middle, 160.0 + ragged) || tab
    });
    let mut options = Options::of(ModelKind::Inflate);
    (options.back, options.detail) = (1.0, 0.0);
    let mesh = surface(&rough, &options);
    let radii: Vec<f32> = mesh
        .positions
        .iter()
        .filter(|p| (p[0] - middle[0]).hypot(p[1] - middle[1]) < 110.0)
        .map(|p| ((p[0] - middle[0]).powi(2) + (p[1] - middle[1]).powi(2) + p[2].powi(2)).sqrt())
        .collect();
    let mean = radii.iter().sum::<f32>() / radii.len() as f32;
    let worst = radii.iter().map(|r| (r - mean).abs()).fold(0.0, f32::max);
    assert!(worst < 0.006 * mean, "{worst} from {mean}");
}

#[test]
fn holes_stay_holes_and_parts_stay_parts_in_every_shape() {
    for kind in ModelKind::ALL {
        let mut options = Options::of(kind);
        options.cut_out = true;
        // A torus (0) and a ball (2).
        assert_eq!(
            euler(&surface(&ring_and_disc(), &options)),
            2,
            "{}",
            kind.name()
        );
    }
}

#[test]
fn every_face_limit_is_kept_by_every_shape() {
    for kind in ModelKind::ALL {
        for (asked, least) in [
            (1, 40),
            (100, 40),
            (101, 40),
            (1000, 400),
            (20_000, 0),
            (500_000, 0),
        ] {
            let mut options = Options::of(kind);
            options.face_limit = asked;
            let mesh = surface(&ring_and_disc(), &options);
            let faces = mesh.triangles.len();
            let limit = options.effective_face_limit() as usize;
            assert!(
                faces <= limit && faces >= least,
                "{}: {faces} of {asked}",
                kind.name()
            );
        }
    }
}

#[test]
fn simplification_ends_just_below_the_limit() {
    for kind in [ModelKind::Inflate, ModelKind::Relief] {
        for limit in [500, 2000, 5000] {
            let mut options = Options::of(kind);
            options.face_limit = limit;
            let faces = surface(&ring_and_disc(), &options).triangles.len();
            assert!(
                faces as f32 >= 0.97 * limit as f32,
                "{}: {faces} of {limit}",
                kind.name()
            );
        }
    }
}

#[test]
fn an_extruded_disc_is_a_cylinder_of_the_asked_thickness() {
    let matte = matte(300, 300, |x, y| disc(x, y, [150.0, 150.0], 120.0));
    let mut options = Options::of(ModelKind::Extrude);
    (options.bevel_mm, options.thickness_mm, options.size_mm) = (0.0, 10.0, Some(80.0));
    let mesh = surface(&matte, &options);
    // 240 pixels are 80 mm, so 10 mm are 30 pixels.
    let cylinder = std::f64::consts::PI * 120.0_f64.powi(2) * 30.0;
    assert!((mesh.volume() / cylinder - 1.0).abs() < 0.01);
    let thick = Bounds::of(&mesh.positions).size()[2];
    assert!((thick - 30.0).abs() < 0.2, "{thick}");

    options.bevel_mm = 2.0;
    let bevelled = surface(&matte, &options);
    assert!(bevelled.volume() < mesh.volume());
    assert_eq!(Bounds::of(&bevelled.positions).size()[2], thick);
}

#[test]
fn a_relief_has_its_base_thickness_and_border_in_millimetres() {
    let matte = matte(300, 200, |_, _| true);
    let mut options = Options::of(ModelKind::Relief);
    (options.base_mm, options.thickness_mm, options.border_mm) = (2.0, 4.0, 5.0);
    let mesh = surface(&matte, &options);
    let [width, height, thick] = Bounds::of(&mesh.positions).size();
    // The picture's 300 pixels are the 90 mm between the borders.
    let pixels_per_mm = 300.0 / 90.0;
    assert!((width / pixels_per_mm - 100.0).abs() < 0.01, "{width}");
    assert!(
        (height / pixels_per_mm - (10.0 + 60.0)).abs() < 0.01,
        "{height}"
    );
    assert!((thick / pixels_per_mm - 6.0).abs() < 0.01, "{thick}");
    let top = mesh.positions.iter().filter(|p| p[2] > 0.0).map(|p| p[2]);
    let lowest = top.fold(f32::INFINITY, f32::min) / pixels_per_mm;
    assert!((2.0..2.3).contains(&lowest), "{lowest}");
}

#[test]
fn inverting_a_relief_turns_its_heights_round() {
    let matte = matte(200, 200, |_, _| true);
    let mean = |invert: bool| {
        let mut options = Options::of(ModelKind::Relief);
        options.invert = invert;
        let mesh = surface(&matte, &options);
        // The picture is bright to the right.
        let right = mesh.positions.iter().filter(|p| p[0] > 150.0 && p[2] > 0.0);
        let heights: Vec<f32> = right.map(|p| p[2]).collect();
        heights.iter().sum::<f32>() / heights.len() as f32
    };
    assert!(mean(false) > 1.3 * mean(true));
}

/// What must not change unless somebody means it to: faces, size, area and volume of each shape.
#[test]
fn digests_of_the_shapes() {
    let digest = |mesh: &Mesh| {
        let [x, y, z] = Bounds::of(&mesh.positions).size();
        [x, y, z, mesh.area() as f32, mesh.volume() as f32]
    };
    let known = [
        (
            ModelKind::Inflate,
            true,
            [319.92, 199.96, 89.64, 118_489.0, 1_827_355.0],
        ),
        (
            ModelKind::Relief,
            false,
            [360.0, 240.0, 14.4, 185_182.0, 782_497.0],
        ),
        (
            ModelKind::Relief,
            true,
            [319.95, 199.97, 12.8, 75_931.0, 253_879.0],
        ),
        (
            ModelKind::Extrude,
            true,
            [319.98, 200.0, 32.0, 102_640.0, 1_048_880.0],
        ),
    ];
    let mut changed = Vec::new();
    for (kind, cut_out, known) in known {
        let mut options = Options::of(kind);
        (options.face_limit, options.cut_out) = (4000, cut_out);
        let drawn = if kind == ModelKind::Relief && !cut_out {
            matte(360, 240, |_, _| true)
        } else {
            ring_and_disc()
        };
        let digest = digest(&surface(&drawn, &options));
        let close = |(value, known): (&f32, &f32)| (value / known - 1.0).abs() < 5e-3;
        if !digest.iter().zip(&known).all(close) {
            changed.push(format!("{} {cut_out}: {digest:?}", kind.name()));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

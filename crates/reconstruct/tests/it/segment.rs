//! The object is found, or it is said that there is none.

use reconstruct::{
    Silent, Warning,
    image::Picture,
    segment::{Matte, segment},
};

use crate::draw::{GROUNDS, OBJECTS, SIDE, clouds, composite, speckle};

fn overlap(matte: &Matte, truth: &[bool]) -> f64 {
    let found = matte.alpha.iter().map(|&a| a >= 128);
    let (mut both, mut either) = (0_u32, 0_u32);
    for (a, &b) in found.zip(truth) {
        both += u32::from(a && b);
        either += u32::from(a || b);
    }
    f64::from(both) / f64::from(either)
}

#[test]
fn objects_are_found_on_plain_noisy_and_busy_grounds() {
    let mut all = Vec::new();
    for (name, outline, paint) in OBJECTS {
        for (ground_name, ground) in GROUNDS {
            let (picture, truth) = composite((outline, paint), ground, [0.0, 0.0]);
            let matte = segment(&picture, None, &Silent).unwrap();
            let share = overlap(&matte, &truth);
            assert!(share > 0.85, "{name} on {ground_name}: {share}");
            all.push(share);
        }
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    assert!(mean >= 0.93, "mean {mean} of {all:?}");
}

#[test]
fn an_object_that_runs_off_the_edge_is_found() {
    for (name, outline, paint) in OBJECTS {
        for shift in [[0.0, 0.6], [-0.4, 0.1], [0.5, -0.5]] {
            let (picture, truth) = composite((outline, paint), GROUNDS[2].1, shift);
            let share = overlap(&segment(&picture, None, &Silent).unwrap(), &truth);
            assert!(share > 0.9, "{name} moved by {shift:?}: {share}");
        }
    }
}

fn picture(colour: impl Fn(f32, f32) -> [f32; 3]) -> Picture {
    let side = 2.0 / SIDE as f32;
    let mut rgba = Vec::new();
    for i in 0..SIDE * SIDE {
        let c = colour(
            (i % SIDE) as f32 * side - 1.0,
            (i / SIDE) as f32 * side - 1.0,
        );
        rgba.extend(c.map(|v| v.clamp(0.0, 255.0) as u8));
        rgba.push(255);
    }
    Picture {
        width: SIDE,
        height: SIDE,
        rgba,
        warnings: Vec::new(),
    }
}

#[test]
fn a_scene_without_an_object_is_taken_whole_and_says_so() {
    let scenes: [fn(f32, f32) -> [f32; 3]; 4] = [
        // Hills under a sky.
        |x, y| {
            let ridge = 0.5 * clouds(x * 2.0 + 8.0, 1.0) - 0.3;
            if y < ridge {
                [130.0 - 40.0 * y, 170.0, 220.0 + 20.0 * y]
            } else {
                [60.0, 90.0 + 50.0 * clouds(x * 30.0, y * 30.0), 40.0]
            }
        },
        |x, y| {
            [128.0; 3]
                .map(|v: f32| v + 90.0 * (speckle((x * 500.0) as i32, (y * 500.0) as i32) - 0.5))
        },
        |x, y| {
            [
                200.0 * clouds(x * 6.0, y * 6.0),
                180.0 * clouds(x * 5.0 + 9.0, y * 6.0),
                150.0,
            ]
        },
        |x, y| [120.0 + 80.0 * x, 120.0 + 60.0 * y, 140.0],
    ];
    for (i, scene) in scenes.into_iter().enumerate() {
        let matte = segment(&picture(scene), None, &Silent).unwrap();
        assert_eq!(matte.warnings, [Warning::NoForeground], "scene {i}");
        assert!(matte.alpha.iter().all(|&a| a == 255), "scene {i}");
    }
}

use super::{TURNTABLE_FRAMES, View, render, turntable, unlit_front};
use crate::{
    Error, Observer, Silent, Step,
    fixtures::{ball, cube},
};

fn pixels(png: &[u8]) -> image::RgbImage {
    image::load_from_memory_with_format(png, image::ImageFormat::Png)
        .unwrap()
        .into_rgb8()
}

#[test]
fn a_ball_seen_from_the_front_fills_its_share_of_the_picture() {
    let view = View {
        width: 200,
        height: 120,
        yaw: 0.0,
        pitch: 0.0,
    };
    let picture = pixels(&render(&ball(64, 32), &view).unwrap());
    assert_eq!(picture.dimensions(), (200, 120));
    // The stripes are saturated, the room is grey.
    let coloured = |x: u32, y: u32| {
        let [r, g, b] = picture.get_pixel(x, y).0;
        r.max(g).max(b) - r.min(g).min(b) > 40
    };
    let columns: Vec<u32> = (0..200)
        .filter(|x| (0..120).any(|y| coloured(*x, y)))
        .collect();
    let rows: Vec<u32> = (0..120)
        .filter(|y| (0..200).any(|x| coloured(x, *y)))
        .collect();
    let span = |range: &[u32]| range[range.len() - 1] + 1 - range[0];
    assert!(span(&rows).abs_diff(98) <= 2, "{} rows", span(&rows));
    assert!(
        span(&columns).abs_diff(98) <= 2,
        "{} columns",
        span(&columns)
    );
    assert!(columns[0].abs_diff(51) <= 2, "starts at {}", columns[0]);
}

#[test]
fn yaw_and_pitch_turn_the_camera_the_way_they_say() {
    // The cube's sides wear: -x red, +x orange, -y yellow, +y green, -z blue, +z purple.
    let seen = |yaw: f32, pitch: f32| {
        let view = View {
            width: 64,
            height: 64,
            yaw,
            pitch,
        };
        pixels(&render(&cube(), &view).unwrap()).get_pixel(32, 32).0
    };
    let purple = seen(0.0, 0.0);
    assert!(purple[2] > purple[1] && purple[0] > purple[1], "{purple:?}");
    let orange = seen(90.0, 0.0);
    assert!(orange[0] > orange[1] && orange[1] > orange[2], "{orange:?}");
    let red = seen(-90.0, 0.0);
    assert!(red[0] > 2 * red[1] && red[0] > 2 * red[2], "{red:?}");
    let blue = seen(180.0, 0.0);
    assert!(blue[2] > blue[1] && blue[1] > blue[0], "{blue:?}");
    let green = seen(0.0, 80.0);
    assert!(green[1] > green[0] && green[1] > green[2], "{green:?}");
}

#[test]
fn a_shadow_lies_below_the_model_and_nothing_above_it() {
    let view = View {
        width: 96,
        height: 96,
        yaw: 0.0,
        pitch: 20.0,
    };
    let picture = pixels(&render(&ball(48, 24), &view).unwrap());
    let grey = |x: u32, y: u32| u32::from(picture.get_pixel(x, y).0[1]);
    assert!(
        grey(48, 92) + 12 < grey(2, 92),
        "{} {}",
        grey(48, 92),
        grey(2, 92)
    );
    assert!(grey(48, 2).abs_diff(grey(30, 2)) < 6);
}

#[test]
fn a_turn_is_a_strip_of_frames_that_begins_at_the_front() {
    let strip = pixels(&turntable(&cube(), 48, &Silent).unwrap());
    assert_eq!(strip.dimensions(), (48 * TURNTABLE_FRAMES, 48));
    let frame = |i: u32| image::imageops::crop_imm(&strip, 48 * i, 0, 48, 48).to_image();
    assert_ne!(frame(0), frame(6));
    let front = frame(0).get_pixel(24, 28).0;
    assert!(front[2] > front[1] && front[0] > front[1], "{front:?}");
}

#[test]
fn a_cancelled_turn_stops() {
    struct Cancel;
    impl Observer for Cancel {
        fn begin(&self, _: Step) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let result = turntable(&cube(), 48, &Cancel);
    assert_eq!(result, Err(Error::Cancelled(Step::Preview)));
}

#[test]
fn the_unlit_front_is_the_texture_itself_within_the_bounding_box() {
    let model = cube();
    let seen = unlit_front(&model, 40, 20).unwrap();
    assert_eq!(seen.len(), 40 * 20 * 4);
    assert!(
        seen.chunks_exact(4).all(|pixel| pixel[3] == 255),
        "it fills the picture"
    );
    let texture = crate::sampler::Sampler::decode(&model.texture).unwrap();
    // The +z side is the last stripe; u runs along x, v along y upwards.
    let (x, y) = (10, 5);
    let along = (x as f32 + 0.5) / 40.0;
    let up = 1.0 - (y as f32 + 0.5) / 20.0;
    let want = texture
        .sample([(5.1 + 0.8 * along) / 6.0, up], 0.0)
        .map(crate::sampler::to_srgb);
    let got = &seen[4 * (y * 40 + x)..][..3];
    assert!(
        got.iter().zip(want).all(|(g, w)| g.abs_diff(w) <= 3),
        "{got:?} {want:?}"
    );

    let round = unlit_front(&ball(64, 32), 64, 64).unwrap();
    let covered: f32 = round.chunks_exact(4).map(|p| f32::from(p[3]) / 255.0).sum();
    let disc = std::f32::consts::FRAC_PI_4 * 64.0 * 64.0;
    assert!((covered / disc - 1.0).abs() < 0.01, "{covered} of {disc}");
}

#[test]
fn neighbouring_faces_leave_no_gap() {
    let seen = unlit_front(&ball(200, 100), 301, 299).unwrap();
    let inside = |x: i32, y: i32| (x - 150).pow(2) + (y - 149).pow(2) < 140_i32.pow(2);
    for y in 0..299 {
        for x in 0..301 {
            let alpha = seen[4 * (y * 301 + x) as usize + 3];
            assert!(!inside(x, y) || alpha == 255, "a gap at {x}, {y}: {alpha}");
        }
    }
}

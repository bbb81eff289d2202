//! From encoded bytes to a model: which way it looks, that it is the same every time, that it can be stopped.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use image::{ImageFormat, Rgba, RgbaImage};
use reconstruct::{
    Bounds, Error, Format, Limits, Model, ModelKind, Observer, Options, Silent, Step, Warning,
    format, mesh, reconstruct,
};

use crate::drawn::disc;

/// Cut out by alpha: a large red disc at the lower left, a small green one at the upper right, joined.
fn photo() -> Vec<u8> {
    let image = RgbaImage::from_fn(320, 240, |x, y| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        let neck = disc(x, y, [170.0, 120.0], 30.0);
        if disc(x, y, [110.0, 150.0], 70.0) {
            Rgba([200, 30, 30, 255])
        } else if disc(x, y, [220.0, 80.0], 40.0) || neck {
            Rgba([30, 180, 30, 255])
        } else {
            Rgba([0, 0, 0, 0])
        }
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).expect("a PNG");
    bytes.into_inner()
}

fn model(options: &Options) -> Model {
    reconstruct(&photo(), None, options, &Limits::default(), &Silent).expect("a model")
}

#[test]
fn left_stays_left_up_is_up_and_the_front_looks_forward() {
    for kind in ModelKind::ALL {
        let mut options = Options::of(kind);
        (options.cut_out, options.size_mm) = (true, Some(50.0));
        let model = model(&options);
        let bounds = Bounds::of(&model.positions);
        let size = bounds.size();
        let longest = size.into_iter().fold(0.0, f32::max);
        assert!((longest - 0.05).abs() < 1e-7, "{longest}");
        assert!(bounds.min[1].abs() < 1e-9);
        assert!((bounds.min[0] + bounds.max[0]).abs() < 1e-7);
        assert!((bounds.min[2] + bounds.max[2]).abs() < 1e-7);

        let picture = image::load_from_memory(&model.texture.bytes)
            .expect("a texture")
            .to_rgb8();
        let colour = |uv: [f32; 2]| {
            let at = |share: f32, side: u32| ((share * side as f32) as u32).min(side - 1);
            picture
                .get_pixel(at(uv[0], picture.width()), at(uv[1], picture.height()))
                .0
        };
        // Foremost points of either disc.
        let foremost = |left: bool| {
            (0..model.positions.len())
                .filter(|&v| (model.positions[v][0] < -0.005) == left)
                .filter(|&v| left || model.positions[v][0] > 0.012)
                .max_by(|&a, &b| model.positions[a][2].total_cmp(&model.positions[b][2]))
                .expect("points on both sides")
        };
        let (red, green) = (foremost(true), foremost(false));
        assert!(colour(model.uvs[red])[0] > 150, "{}", kind.name());
        assert!(colour(model.uvs[green])[1] > 130, "{}", kind.name());
        assert!(
            model.positions[red][1] < model.positions[green][1],
            "{}",
            kind.name()
        );
        // Outward normals agree with the winding, and with where the faces are.
        for &[a, b, c] in &model.triangles {
            let [p, q, r] = [a, b, c].map(|v| model.positions[v as usize].map(f64::from));
            let (u, v) = (
                [0, 1, 2].map(|k| q[k] - p[k]),
                [0, 1, 2].map(|k| r[k] - p[k]),
            );
            let face = [
                u[1] * v[2] - u[2] * v[1],
                u[2] * v[0] - u[0] * v[2],
                u[0] * v[1] - u[1] * v[0],
            ];
            let sum: f64 = [a, b, c]
                .iter()
                .map(|&v| model.normals[v as usize])
                .map(|n| (0..3).map(|k| f64::from(n[k]) * face[k]).sum::<f64>())
                .sum();
            assert!(sum > 0.0, "{}: a normal looks inwards", kind.name());
        }
    }
}

#[test]
fn what_leaves_is_closed_once_welded_by_position() {
    for kind in ModelKind::ALL {
        let options = Options::of(kind);
        let model = model(&options);
        let mut names = std::collections::HashMap::new();
        let mut welded = mesh::Mesh::default();
        let names: Vec<u32> = model
            .positions
            .iter()
            .map(|p| {
                *names.entry(p.map(f32::to_bits)).or_insert_with(|| {
                    welded.positions.push(*p);
                    welded.positions.len() as u32 - 1
                })
            })
            .collect();
        for triangle in &model.triangles {
            welded.triangles.push(triangle.map(|v| names[v as usize]));
            welded.patches.push(mesh::Patch::Front);
        }
        assert_eq!(
            mesh::check(&welded, options.face_limit),
            Ok(()),
            "{}",
            kind.name()
        );
        assert_eq!(model.options, options.pairs());
    }
}

#[test]
fn the_same_bytes_twice_and_from_two_threads_at_once() {
    let options = Options::default();
    let file = || format::write(&model(&options), Format::Glb, "same").expect("a file");
    let first = file();
    std::thread::scope(|scope| {
        let other = scope.spawn(file);
        assert!(file() == first);
        assert!(other.join().expect("no panic") == first);
    });
}

#[test]
fn a_low_limit_is_raised_and_said_once() {
    let options = Options {
        face_limit: 3,
        ..Options::default()
    };
    let model = model(&options);
    assert!(model.triangles.len() <= 100);
    assert_eq!(model.warnings, [Warning::FaceLimitRaised { asked: 3 }]);
}

#[test]
fn a_picture_with_transparency_is_cut_out_along_it_as_a_relief_too() {
    let mut options = Options::of(ModelKind::Relief);
    options.border_mm = 5.0;
    assert!(!options.cut_out);
    let model = model(&options);
    assert_eq!(model.warnings, [Warning::BorderLeftOut]);
    // The two discs are 220 wide and 180 high; the picture is 320 by 240.
    let [width, height, _] = Bounds::of(&model.positions).size();
    assert!(
        (height / width - 180.0 / 220.0).abs() < 0.01,
        "{width} {height}"
    );
    // The picture's lower right corner is clear.
    let corner = |p: &&[f32; 3]| p[0] > 0.3 * width && p[1] < 0.2 * height;
    assert_eq!(model.positions.iter().find(corner), None);
}

/// Counts how often it is asked, and cancels from the given time on.
struct Countdown {
    asked: AtomicUsize,
    until: usize,
    steps: Mutex<Vec<Step>>,
}

impl Countdown {
    fn new(until: usize) -> Self {
        Self {
            asked: AtomicUsize::new(0),
            until,
            steps: Mutex::new(Vec::new()),
        }
    }
}

impl Observer for Countdown {
    fn begin(&self, step: Step) {
        self.steps.lock().expect("no panic").push(step);
    }

    fn cancelled(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.until
    }
}

#[test]
fn it_can_be_stopped_wherever_it_asks() {
    let options = Options::default();
    let run =
        |observer: &Countdown| reconstruct(&photo(), None, &options, &Limits::default(), observer);
    let whole = Countdown::new(usize::MAX);
    run(&whole).expect("a model");
    assert_eq!(
        *whole.steps.lock().expect("no panic"),
        [
            Step::Decode,
            Step::Segment,
            Step::Shape,
            Step::Simplify,
            Step::Texture,
            Step::Finish
        ]
    );
    let asked = whole.asked.into_inner();
    assert!(asked > 20, "asked only {asked} times");
    for until in (0..asked).step_by(asked / 20) {
        assert!(matches!(
            run(&Countdown::new(until)),
            Err(Error::Cancelled(_))
        ));
    }
}

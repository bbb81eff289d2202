use reconstruct::{Bounds, format::read_glb};
use serde_json::Value;

use super::{Desk, disc, encode, is_glb, photo, plain};

#[test]
fn standard_input_becomes_standard_output() {
    let desk = Desk::new();
    let run = desk
        .run_with(
            &["convert", "-", "-o", "-", "--face-limit", "500"],
            &photo(),
            &[],
        )
        .succeeded();
    assert!(
        is_glb(&run.out),
        "nothing but the model is on standard output"
    );
    assert_eq!(run.err, "");
    let stl = desk
        .run_with(
            &["convert", "-", "-o", "-", "--format", "stl"],
            &photo(),
            &[],
        )
        .succeeded();
    assert!(stl.out.starts_with(b"image2model"));
    desk.run_with(&["convert", "-", "-o", "out/"], &photo(), &[])
        .succeeded();
    assert_eq!(desk.list("out"), ["stdin.glb"]);

    let failed = desk.run_with(&["convert", "-", "-o", "-"], b"no picture", &[]);
    assert_eq!((failed.code, failed.out.len()), (1, 0));
    assert!(
        failed.err.starts_with("error: -: not a JPEG"),
        "{}",
        failed.err
    );
}

#[test]
fn json_is_one_object_a_line() {
    let desk = Desk::new();
    desk.put("good.png", photo());
    desk.put("text.png", "no picture");
    let arguments = [
        "convert", "good.png", "text.png", "-o", "out", "--json", "--jobs", "1",
    ];
    let run = desk.run(
        &[
            &arguments[..],
            &["--face-limit", "50", "--format", "glb,obj"],
        ]
        .concat(),
    );
    assert_eq!((run.code, &*run.err), (1, ""));
    let lines: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    insta::assert_json_snapshot!(lines, {
        "[].seconds" => "[seconds]",
        "[].faces" => "[faces]",
        "[].files[].bytes" => "[bytes]",
        "[].size_mm" => "[x, y, z]",
    });
    assert!(lines[0]["faces"].as_u64().unwrap() <= 100);
    let written = desk.read("out/good.glb").len() as u64;
    assert_eq!(lines[0]["files"][0]["bytes"].as_u64(), Some(written));
}

#[test]
fn plain_lines_where_there_is_no_terminal() {
    let desk = Desk::new();
    desk.put("photo.png", photo());
    let run = desk
        .run(&["convert", "photo.png", "--face-limit", "7", "--size", "50"])
        .succeeded();
    let line = run.text();
    assert!(
        line.starts_with("photo.png -> photo.glb  (") && line.contains(" 50.0"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1);
    let warning = "warning: photo.png: a face limit of 7 counts as 100, the least there is\n";
    assert_eq!(run.err, warning);
    assert!(
        !line.contains('\u{1b}'),
        "no colours and no cursor movements"
    );
}

#[test]
fn options_reach_the_model() {
    let desk = Desk::new();
    desk.put("photo.png", photo());
    let shape = [
        "--model",
        "extrude",
        "--size",
        "80",
        "--texture-size",
        "256",
    ];
    let option = ["--option", "thickness_mm=12", "--option", "bevel_mm = 0"];
    desk.convert(&[&["photo.png", "-o", "disc.glb"], &shape[..], &option].concat())
        .succeeded();
    let model = read_glb(&desk.read("disc.glb")).unwrap();
    let [width, height, depth] = Bounds::of(&model.positions).size().map(|v| v * 1000.0);
    assert!(
        (width - 80.0).abs() < 0.1 || (height - 80.0).abs() < 0.1,
        "{width} {height}"
    );
    assert!((depth - 12.0).abs() < 0.1, "{depth}");
    assert!(model.triangles.len() <= 300);
    // As the file itself tells them.
    for (name, value) in [
        ("thickness_mm", "12"),
        ("bevel_mm", "0"),
        ("texture_size", "256"),
    ] {
        let told = (name.to_owned(), value.to_owned());
        assert!(model.options.contains(&told), "{:?}", model.options);
    }
}

#[test]
fn the_mask_decides_what_is_object() {
    let desk = Desk::new();
    desk.put("photo.png", photo());
    // The upper half of the picture alone.
    let mut mask = image::load_from_memory(&plain(64, 64, [0, 0, 0, 255]))
        .unwrap()
        .to_rgb8();
    for (_, y, pixel) in mask.enumerate_pixels_mut() {
        if (8..32).contains(&y) {
            pixel.0 = [255; 3];
        }
    }
    desk.put("mask.png", encode(&mask.into(), image::ImageFormat::Png));
    desk.convert(&["photo.png", "-o", "half.glb", "--mask", "mask.png"])
        .succeeded();
    let model = read_glb(&desk.read("half.glb")).unwrap();
    let [width, height, _] = Bounds::of(&model.positions).size();
    assert!(
        (width / height - 64.0 / 24.0).abs() < 0.2,
        "{width} x {height}"
    );
}

#[test]
fn the_same_bytes_come_out_of_any_number_of_jobs() {
    let desk = Desk::new();
    let names: Vec<String> = (0..6).map(|n| format!("in/{n}.png")).collect();
    for (n, name) in names.iter().enumerate() {
        desk.put(name, disc([40 * n as u8, 200, 90]));
    }
    desk.convert(&["in", "-o", "alone", "--jobs", "1", "--preview"])
        .succeeded();
    desk.convert(&["in", "-o", "together", "--jobs", "4", "--preview"])
        .succeeded();
    assert_eq!(desk.list("alone").len(), 12);
    assert_eq!(desk.list("alone"), desk.list("together"));
    for name in desk.list("alone") {
        let (alone, together) = (format!("alone/{name}"), format!("together/{name}"));
        assert!(desk.read(&alone) == desk.read(&together), "{name} differs");
    }
}

#[cfg(unix)]
#[test]
fn models_are_as_readable_as_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    desk.put("photo.png", photo());
    desk.convert(&["photo.png"]).succeeded();
    let mode = |name: &str| {
        let metadata = std::fs::metadata(desk.path(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("photo.glb"), mode("photo.png"));
}

use std::fs::File;

use image::{DynamicImage, ImageFormat, RgbImage};

use super::{Desk, encode, exists, is_glb, photo, plain};

/// A PNG that says it is `width` by `height` pixels and ends after its header and an empty data chunk.
fn header_only(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for chunk in [&header[..], b"IDAT", b"IEND"] {
        png.extend((chunk.len() as u32 - 4).to_be_bytes());
        png.extend(chunk);
        png.extend(crc32(chunk).to_be_bytes());
    }
    png
}

/// CRC-32 of ISO 3309, as PNG has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn jpeg() -> Vec<u8> {
    let noisy = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 5) as u8, (x * y) as u8]);
    let picture = RgbImage::from_fn(80, 60, noisy);
    encode(&DynamicImage::from(picture), ImageFormat::Jpeg)
}

#[test]
fn each_bad_picture_fails_alone_and_names_its_problem() {
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let table = [
        (
            "text.jpg",
            b"Dear diary, today I drew a cat.".to_vec(),
            "not a JPEG, PNG or WebP",
        ),
        ("empty.png", Vec::new(), "not a JPEG, PNG or WebP"),
        ("cut.jpg", half(jpeg()), "the JPEG picture is truncated"),
        ("cut.png", half(photo()), "the PNG picture is truncated"),
        ("bomb.png", header_only(30_000, 30_000), "over the limit of"),
        ("ribbon.png", header_only(1, 60_000), "60000"),
        ("clear.png", plain(32, 32, [9, 9, 9, 0]), "no content"),
        ("grey.png", plain(32, 32, [9, 9, 9, 255]), "no content"),
        (
            "dot.png",
            plain(1, 1, [9, 9, 9, 255]),
            "1x1 pixels; each side must be at least 2",
        ),
    ];
    let desk = Desk::new();
    for (name, bytes, _) in &table {
        desk.put(&format!("in/{name}"), bytes);
    }
    desk.put("in/huge.jpg", b"");
    let huge = File::options().write(true).open(desk.path("in/huge.jpg"));
    huge.unwrap().set_len(26 * 1024 * 1024 + 1).unwrap();
    desk.put("in/good.png", photo());

    let run = desk.convert(&["in", "nowhere.jpg", "-o", "out"]);
    assert_eq!(run.code, 1, "{}", run.err);
    for (name, _, problem) in table {
        assert_complaint(&run.err, &format!("in/{name}"), problem);
    }
    assert_complaint(
        &run.err,
        "in/huge.jpg",
        "27262977, over the limit of 26214400",
    );
    assert_complaint(&run.err, "nowhere.jpg", "there is no such file or folder");
    assert_eq!(run.err.lines().count(), 11, "{}", run.err);
    assert!(
        run.text().contains("in/good.png -> out/good.glb"),
        "{}",
        run.text()
    );
    assert!(
        run.text().contains("1 of 12 pictures became models"),
        "{}",
        run.text()
    );
    assert_eq!(desk.list("out"), ["good.glb"]);
    assert!(is_glb(&desk.read("out/good.glb")));
}

#[track_caller]
fn assert_complaint(err: &str, input: &str, problem: &str) {
    let start = format!("error: {input}: ");
    let line = err.lines().find(|line| line.starts_with(&start));
    assert!(
        line.is_some_and(|line| line.contains(problem)),
        "{input}: {problem}\n{err}"
    );
}

#[test]
fn what_is_wrong_with_a_mask_is_said_of_the_mask() {
    let desk = Desk::new();
    desk.put("photo.png", photo());
    let cut = photo();
    let table = [
        (
            "cut",
            cut[..cut.len() / 2].to_vec(),
            "the PNG picture is truncated",
        ),
        ("text", b"no picture".to_vec(), "not a JPEG, PNG or WebP"),
        (
            "bomb",
            header_only(30_000, 30_000),
            "the picture's longest side in pixels is 30000",
        ),
        (
            "black",
            plain(9, 5, [0, 0, 0, 255]),
            "it is 9x5 pixels and none",
        ),
    ];
    for (name, mask, problem) in table {
        desk.put(name, mask);
        let run = desk.convert(&["photo.png", "--mask", name]);
        assert_eq!(run.code, 1, "{name}: {}", run.err);
        let problem = format!("the mask cannot be used: {problem}");
        assert_complaint(&run.err, "photo.png", &problem);
        assert!(!exists(&desk.path("photo.glb")), "{name}");
    }
    // One of another size is stretched.
    desk.put("white", plain(9, 5, [255; 4]));
    desk.convert(&["photo.png", "--mask", "white"]).succeeded();
}

#[test]
fn a_picture_over_the_whole_memory_budget_fails_with_both_figures() {
    let desk = Desk::new();
    desk.put("photo.png", photo());
    let small = [("IMAGE2MODEL_WORKER__MEMORY", "3 MB")];
    let run = desk.run_with(&["convert", "photo.png"], &[], &small);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("MB of memory, over the budget of 3 MB"),
        "{}",
        run.err
    );
    assert_eq!(desk.list("."), ["photo.png"]);
}

#[test]
fn what_cannot_be_written_is_named_and_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.put("photo.png", photo());
    desk.put("out", "a file where a folder should be");
    let run = desk.convert(&["photo.png", "-o", "out/model.glb"]);
    assert_eq!(run.code, 1);
    assert!(
        run.err.starts_with("error: photo.png: cannot write out"),
        "{}",
        run.err
    );

    std::fs::create_dir_all(desk.path("models/photo.stl/busy")).unwrap();
    let run = desk.convert(&["photo.png", "-o", "models", "--format", "stl"]);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("cannot write models/photo.stl"),
        "{}",
        run.err
    );
    assert_eq!(
        desk.list("models"),
        ["photo.stl"],
        "no temporary file is left"
    );
}

//! Every colour type, orientation and container is read; what is wrong is named; nothing panics.

use image::{DynamicImage, RgbaImage};
use jpeg_encoder::{ColorType, SamplingFactor};
use png::BitDepth;
use proptest::prelude::*;
use reconstruct::{
    Error, Limits, Warning,
    image::{Picture, decode, inspect},
};

use crate::files::{
    BASELINE, Jpeg, animated_webp, apng, corners, exif, jpeg, jpeg_with_exif, png, raw_png,
    rgb_jpeg, webp, webp_with_exif, with_chunk, without_segment,
};

fn read(bytes: &[u8]) -> Result<Picture, Error> {
    decode(bytes, &Limits::default(), 16_384)
}

fn pixel(picture: &Picture, x: u32, y: u32) -> [u8; 4] {
    let at = 4 * (y * picture.width + x) as usize;
    picture.rgba[at..at + 4].try_into().unwrap()
}

fn close(a: [u8; 4], b: [u8; 4], tolerance: u8) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= tolerance)
}

/// Colour type, depth, rows of two pixels, and what the two become.
type Case = (png::ColorType, BitDepth, Vec<u8>, [u8; 4], [u8; 4]);

#[test]
fn every_png_colour_type_and_depth_is_read() {
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let palette: (&[u8], &[u8]) = (&[10, 20, 30, 200, 100, 50], &[255, 40]);
    let (a, b) = ([10, 20, 30, 255], [200, 100, 50, 40]);
    let cases: [Case; 11] = [
        (
            Grayscale,
            BitDepth::One,
            vec![0b0100_0000; 2],
            [0, 0, 0, 255],
            [255; 4],
        ),
        (
            Grayscale,
            BitDepth::Two,
            vec![0b0001_0000; 2],
            [0, 0, 0, 255],
            [85, 85, 85, 255],
        ),
        (
            Grayscale,
            BitDepth::Four,
            vec![0x1f; 2],
            [17, 17, 17, 255],
            [255; 4],
        ),
        (
            Grayscale,
            BitDepth::Eight,
            [7, 99].repeat(2),
            [7, 7, 7, 255],
            [99, 99, 99, 255],
        ),
        (
            Grayscale,
            BitDepth::Sixteen,
            [7, 0, 99, 0].repeat(2),
            [7, 7, 7, 255],
            [99, 99, 99, 255],
        ),
        (
            GrayscaleAlpha,
            BitDepth::Eight,
            [7, 40, 99, 255].repeat(2),
            [7, 7, 7, 40],
            [99, 99, 99, 255],
        ),
        (
            Rgb,
            BitDepth::Eight,
            [10, 20, 30, 200, 100, 50].repeat(2),
            a,
            [200, 100, 50, 255],
        ),
        (
            Rgb,
            BitDepth::Sixteen,
            [10, 0, 20, 0, 30, 0, 200, 0, 100, 0, 50, 0].repeat(2),
            a,
            [200, 100, 50, 255],
        ),
        (
            Rgba,
            BitDepth::Eight,
            [10, 20, 30, 255, 200, 100, 50, 40].repeat(2),
            a,
            b,
        ),
        (Indexed, BitDepth::Eight, [0, 1].repeat(2), a, b),
        (Indexed, BitDepth::One, vec![0b0100_0000; 2], a, b),
    ];
    for (colour, depth, rows, left, right) in cases {
        let palette = (colour == Indexed).then_some(palette);
        let picture = read(&raw_png((2, 2), colour, depth, palette, &rows)).unwrap();
        let found = (pixel(&picture, 0, 1), pixel(&picture, 1, 1));
        assert_eq!(found, (left, right), "{colour:?} {depth:?}");
    }
}

#[test]
fn every_jpeg_coding_is_read() {
    let image = corners(40, 24);
    for progressive in [false, true] {
        for sampling in [
            SamplingFactor::F_1_1,
            SamplingFactor::F_2_1,
            SamplingFactor::F_1_2,
            SamplingFactor::F_2_2,
        ] {
            for restarts in [0, 2] {
                let how = Jpeg {
                    progressive,
                    sampling,
                    restarts,
                };
                let picture = read(&jpeg(&image, 40, 24, ColorType::Rgb, how)).unwrap();
                assert_eq!((picture.width, picture.height), (40, 24));
                let found = pixel(&picture, 3, 3);
                assert!(close(found, [220, 40, 40, 255], 12), "{how:?}: {found:?}");
            }
        }
    }
    let grey: Vec<u8> = (0..40 * 24)
        .map(|i| if i % 40 < 20 { 30 } else { 220 })
        .collect();
    let picture = read(&jpeg(&grey, 40, 24, ColorType::Luma, BASELINE)).unwrap();
    assert!(close(pixel(&picture, 2, 2), [30, 30, 30, 255], 6));
}

#[test]
fn inks_become_colours_whether_adobe_inverted_them_or_not() {
    // Full cyan and half of the black on the left, plain paper on the right.
    let inks: Vec<u8> = (0..32 * 16)
        .flat_map(|i| {
            if i % 32 < 16 {
                [255, 0, 0, 128]
            } else {
                [0; 4]
            }
        })
        .collect();
    let (left, right) = ([0, 127, 127, 255], [255; 4]);
    let adobe = |colour| jpeg(&inks, 32, 16, colour, BASELINE);
    for (name, bytes) in [
        ("CMYK", adobe(ColorType::Cmyk)),
        ("YCCK", adobe(ColorType::CmykAsYcck)),
    ] {
        let picture = read(&bytes).unwrap();
        assert!(
            close(pixel(&picture, 3, 8), left, 8),
            "{name}: {:?}",
            pixel(&picture, 3, 8)
        );
        assert!(
            close(pixel(&picture, 28, 8), right, 8),
            "{name}: {:?}",
            pixel(&picture, 28, 8)
        );
    }
    let stored: Vec<u8> = inks.iter().map(|v| 255 - v).collect();
    let plain = without_segment(&jpeg(&stored, 32, 16, ColorType::Cmyk, BASELINE), 0xee);
    let picture = read(&plain).unwrap();
    assert!(
        close(pixel(&picture, 3, 8), left, 8),
        "no marker: {:?}",
        pixel(&picture, 3, 8)
    );
    assert!(
        close(pixel(&picture, 28, 8), right, 8),
        "no marker: {:?}",
        pixel(&picture, 28, 8)
    );
}

#[test]
fn webp_is_read_with_its_alpha() {
    let image = RgbaImage::from_fn(9, 7, |x, y| {
        image::Rgba([20 * x as u8, 30 * y as u8, 9, if x < 4 { 0 } else { 255 }])
    });
    let picture = read(&webp(&image)).unwrap();
    assert_eq!(picture.rgba, image.into_raw());
}

#[test]
fn all_orientations_of_all_formats_stand_upright() {
    let upright = DynamicImage::ImageRgb8(corners(24, 16));
    for orientation in 1..=8_u8 {
        // What a camera stores, so that the orientation undoes it.
        let mut stored = upright.clone();
        let undo = match orientation {
            6 => 8,
            8 => 6,
            same => same,
        };
        stored.apply_orientation(image::metadata::Orientation::from_exif(undo).unwrap());
        let (rgb, rgba) = (stored.to_rgb8(), stored.to_rgba8());
        let files = [
            ("JPEG", jpeg_with_exif(&rgb_jpeg(&rgb), orientation)),
            (
                "PNG",
                with_chunk(&png(&stored), b"eXIf", &exif(orientation)),
            ),
            ("WebP", webp_with_exif(&rgba, orientation)),
        ];
        for (name, bytes) in files {
            let seen = inspect(&bytes, &Limits::default()).unwrap();
            let picture = read(&bytes).unwrap();
            assert_eq!(
                (seen.format, seen.width, seen.height),
                (name, 24, 16),
                "{orientation}"
            );
            assert_eq!(
                (picture.width, picture.height),
                (24, 16),
                "{name} {orientation}"
            );
            for (x, y) in [(2, 2), (21, 2), (2, 13), (21, 13)] {
                let [r, g, b] = upright.to_rgb8().get_pixel(x, y).0;
                let found = pixel(&picture, x, y);
                assert!(
                    close(found, [r, g, b, 255], 12),
                    "{name} {orientation}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn animations_give_their_first_frame_and_say_so() {
    let plain = |v: u8| RgbaImage::from_pixel(10, 8, image::Rgba([v, v, v, 255]));
    let bytes = animated_webp(&[plain(50), plain(200)]);
    let picture = read(&bytes).unwrap();
    assert!(inspect(&bytes, &Limits::default()).unwrap().animated);
    assert_eq!(picture.warnings, [Warning::FirstFrame]);
    assert_eq!(pixel(&picture, 5, 5), [50, 50, 50, 255]);
    // The default image does not belong to this animation; its frame leaves a rim free.
    let frame = RgbaImage::from_pixel(4, 3, image::Rgba([1, 2, 3, 255]));
    let picture = read(&apng(&plain(90), &frame)).unwrap();
    assert_eq!(picture.warnings, [Warning::FirstFrame]);
    assert_eq!(pixel(&picture, 3, 2), [1, 2, 3, 255]);
    assert_eq!(pixel(&picture, 0, 0), [0; 4]);
    // Here it is the first frame.
    let control = [0, 10, 8, 0, 0].map(u32::to_be_bytes).concat();
    let control = [control.as_slice(), &[0, 1, 0, 10, 0, 0]].concat();
    let still = with_chunk(
        &png(&DynamicImage::ImageRgba8(plain(90))),
        b"fcTL",
        &control,
    );
    let still = with_chunk(&still, b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]);
    let picture = read(&still).unwrap();
    assert_eq!(
        (pixel(&picture, 0, 0), picture.warnings.as_slice()),
        ([90, 90, 90, 255], [Warning::FirstFrame].as_slice())
    );
}

#[test]
fn large_pictures_are_averaged_down_without_edges_bleeding() {
    let image = RgbaImage::from_fn(200, 130, |x, _| {
        image::Rgba(if x < 100 {
            [200, 10, 10, 255]
        } else {
            [0, 0, 0, 0]
        })
    });
    let bytes = png(&DynamicImage::ImageRgba8(image));
    let picture = decode(&bytes, &Limits::default(), 70).unwrap();
    assert_eq!((picture.width, picture.height), (67, 44));
    // The mixed column keeps the colour and a part of the alpha.
    assert_eq!(pixel(&picture, 33, 10), [200, 10, 10, 85]);
    assert_eq!(pixel(&picture, 10, 43), [200, 10, 10, 255]);
    assert_eq!(pixel(&picture, 66, 0)[3], 0);
}

/// A PNG header of this size, and nothing behind it that could be decoded.
fn header_only(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = raw_png(
        (1, 1),
        png::ColorType::Grayscale,
        BitDepth::Eight,
        None,
        &[0],
    );
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    bytes
}

/// A JPEG whose frame header says this size.
fn jpeg_of_size(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = rgb_jpeg(&corners(16, 16));
    let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

#[test]
fn sizes_over_the_limits_are_refused_by_the_header_alone() {
    let code = |bytes: &[u8]| {
        let both = (
            inspect(bytes, &Limits::default()).unwrap_err(),
            read(bytes).unwrap_err(),
        );
        assert_eq!(both.0, both.1);
        both.0
    };
    for bytes in [
        header_only(30_000, 30_000),
        jpeg_of_size(30_000, 30_000),
        header_only(1, 60_000),
        jpeg_of_size(1, 60_000),
    ] {
        assert!(matches!(
            code(&bytes),
            Error::TooLarge { limit: 16_384, .. }
        ));
    }
    let area = Error::TooLarge {
        what: "the picture's area in pixels",
        value: 10_000 * 10_000,
        limit: 50_000_000,
    };
    assert_eq!(code(&header_only(10_000, 10_000)), area);
    assert_eq!(code(&jpeg_of_size(10_000, 10_000)), area);
    for (width, height) in [(0, 5), (5, 0), (1, 1), (1, 300)] {
        let small = Error::TooSmall { width, height };
        assert_eq!(code(&header_only(width, height)), small);
        assert_eq!(code(&jpeg_of_size(width as u16, height as u16)), small);
    }
    let limits = Limits {
        bytes: 100,
        ..Limits::default()
    };
    let bytes = rgb_jpeg(&corners(16, 16));
    assert!(matches!(
        inspect(&bytes, &limits),
        Err(Error::TooLarge { limit: 100, .. })
    ));
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let image = corners(61, 47);
    let rgba = DynamicImage::ImageRgb8(image.clone()).to_rgba8();
    let progressive = Jpeg {
        progressive: true,
        sampling: SamplingFactor::F_2_2,
        restarts: 0,
    };
    vec![
        ("JPEG", rgb_jpeg(&image)),
        ("JPEG", jpeg(&image, 61, 47, ColorType::Rgb, progressive)),
        ("JPEG", jpeg(&rgba, 61, 47, ColorType::CmykAsYcck, BASELINE)),
        ("PNG", png(&DynamicImage::ImageRgb8(image))),
        (
            "PNG",
            apng(&rgba, &RgbaImage::from_pixel(9, 9, image::Rgba([9; 4]))),
        ),
        ("WebP", webp(&rgba)),
        ("WebP", webp_with_exif(&rgba, 6)),
        ("WebP", animated_webp(&[rgba.clone(), rgba])),
    ]
}

#[test]
fn a_truncated_file_is_an_error_that_says_so() {
    for (format, bytes) in samples() {
        assert!(read(&bytes).is_ok(), "{format} of {} bytes", bytes.len());
        for part in 1..20 {
            let cut = &bytes[..(bytes.len() * part / 20).max(12)];
            match read(cut) {
                Err(Error::Truncated { format: named, .. }) => assert_eq!(named, format),
                other => panic!("{part}/20 of a {format}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_is_no_picture_is_named_as_such() {
    for bytes in [
        b"".as_slice(),
        b"hello, I am text named photo.jpg",
        b"GIF89a..........",
        b"RIFF\x10\0\0\0WAVEfmt ",
    ] {
        assert_eq!(read(bytes), Err(Error::UnknownFormat));
    }
}

proptest! {
    #[test]
    fn changed_files_never_panic(
        which in 0..8_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        side in 1..5000_u32,
    ) {
        let (_, mut bytes) = samples().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let limits = Limits { pixels: 1_000_000, ..Limits::default() };
        if let Ok(picture) = decode(&bytes, &limits, side) {
            prop_assert_eq!(picture.rgba.len(), 4 * (picture.width * picture.height) as usize);
        }
    }

    #[test]
    fn random_bytes_never_panic(start in 0..4_usize, rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let starts: [&[u8]; 4] = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\0\0\0WEBPVP8X"];
        let bytes = [starts[start], &rest].concat();
        prop_assert!(read(&bytes).is_err());
    }
}

//! What a picture is said to need is what it needs at most, and not much more.
#![expect(
    unsafe_code,
    reason = "a global allocator that counts cannot be written without"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use image::{DynamicImage, RgbImage};
use jpeg_encoder::{ColorType, SamplingFactor};
use reconstruct::{
    Error, Format, Limits, ModelKind, Options, Silent, format, peak_bytes, reconstruct,
};

use crate::{
    draw::clouds,
    files::{BASELINE, Jpeg, jpeg, png, webp},
};

thread_local! {
    /// Bytes that this thread holds, and the most it has held since it last asked.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(change: isize) {
    let (held, most) = HELD.get();
    HELD.set((held + change, most.max(held + change)));
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps this function's contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Most bytes that `work` holds at once beyond what was held before.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (before, _) = HELD.get();
    HELD.set((before, before));
    let made = work();
    (made, (HELD.get().1 - before) as u64)
}

/// A bright, grained blot on dark clouds that fills most of the picture, as the estimate supposes.
pub(crate) fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |px, py| {
        let (x, y) = (px as f32 / width as f32, py as f32 / height as f32);
        let cloud = clouds(x * 30.0, y * 30.0);
        let inside = (x - 0.5).powi(2) / 0.14 + (y - 0.5).powi(2) / 0.16 < 1.0;
        let base = if inside {
            [210.0, 150.0, 60.0]
        } else {
            [40.0, 60.0, 80.0]
        };
        image::Rgb(base.map(|c| (c + 40.0 * (cloud - 0.5)) as u8))
    })
}

/// The same in blocks of four by four pixels: quickly drawn, and within the limit on bytes.
fn large_photo(width: u32, height: u32) -> RgbImage {
    let drawn = photo(width / 4, height / 4);
    image::imageops::resize(&drawn, width, height, image::imageops::FilterType::Nearest)
}

/// Bytes held to make a model and all its files, the encoded ones included, and what they were said to be.
fn cost(bytes: &[u8], mask: Option<&[u8]>, options: &Options) -> (u64, u64) {
    let limits = Limits::default();
    let (estimate, estimating) = peak(|| peak_bytes(bytes, mask, options, &limits).unwrap());
    assert!(estimating < 10_000, "estimating took {estimating} bytes");
    let ((), held) = peak(|| {
        let model = reconstruct(bytes, mask, options, &limits, &Silent).unwrap();
        let written = Format::ALL.map(|format| format::write(&model, format, "model").unwrap());
        assert!(written.iter().all(|file| !file.is_empty()));
    });
    let encoded = bytes.len() + mask.map_or(0, <[u8]>::len);
    (held + encoded as u64, estimate)
}

/// A line on each of the rows whose estimate is wrong.
fn wrong<'a>(
    rows: impl IntoIterator<Item = (&'a str, Vec<u8>, Option<Vec<u8>>, Options)>,
    most: u64,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, bytes, mask, options) in rows {
        let (held, estimate) = cost(&bytes, mask.as_deref(), &options);
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let line = format!(
            "{name}: {:.1} MB held, {:.1} MB estimated",
            megabytes(held),
            megabytes(estimate)
        );
        println!("{line}");
        if held > estimate || estimate > 2 * held || held > most {
            wrong.push(line);
        }
    }
    wrong
}

fn inflate(pairs: &[(&str, &str)]) -> Options {
    Options::parse(ModelKind::Inflate, pairs.iter().copied()).unwrap()
}

#[test]
fn the_estimate_bounds_what_a_reconstruction_holds() {
    let progressive = Jpeg {
        progressive: true,
        sampling: SamplingFactor::F_2_2,
        restarts: 0,
    };
    let coded =
        |width, height, how| jpeg(&photo(width, height), width, height, ColorType::Rgb, how);
    let large = photo(4000, 3000);
    let files = [
        ("1 MP JPEG", coded(1200, 850, BASELINE)),
        (
            "12 MP JPEG",
            jpeg(&large, 4000, 3000, ColorType::Rgb, BASELINE),
        ),
        (
            "12 MP progressive JPEG",
            jpeg(&large, 4000, 3000, ColorType::Rgb, progressive),
        ),
        ("12 MP PNG", png(&DynamicImage::ImageRgb8(large))),
        (
            "3 MP WebP",
            webp(&DynamicImage::ImageRgb8(photo(2000, 1500)).into_rgba8()),
        ),
    ];
    let rows = files.map(|(name, bytes)| (name, bytes, None, inflate(&[])));
    let wrong = wrong(rows, 250_000_000);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_estimate_follows_the_texture_the_faces_and_the_mask() {
    let small = jpeg(&photo(1200, 850), 1200, 850, ColorType::Rgb, BASELINE);
    let large = |width, height| png(&DynamicImage::ImageRgb8(large_photo(width, height)));
    let mask = RgbImage::from_fn(2000, 1500, |x, _| image::Rgb([(x / 8) as u8; 3]));
    let mask = image::imageops::resize(&mask, 8000, 6000, image::imageops::FilterType::Nearest);
    let mask = jpeg(&mask, 8000, 6000, ColorType::Rgb, BASELINE);
    let rows = [
        (
            "texture of 2048",
            large(4000, 3000),
            None,
            inflate(&[("texture_size", "2048")]),
        ),
        (
            "texture of 4096",
            large(6000, 4500),
            None,
            inflate(&[("texture_size", "4096")]),
        ),
        (
            "80,000 faces",
            small.clone(),
            None,
            inflate(&[("face_limit", "80000")]),
        ),
        (
            "200,000 faces",
            small.clone(),
            None,
            inflate(&[("face_limit", "200000")]),
        ),
        ("mask of 48 MP", small, Some(mask), inflate(&[])),
    ];
    let wrong = wrong(rows, u64::MAX);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_estimate_holds_for_little_things_in_large_pictures() {
    // One small blot, and specks in opposite corners.
    type Inside = fn(f32, f32) -> bool;
    let shapes: [(&str, Inside); 2] = [
        ("one", |x, y| (x - 0.5).hypot(y - 0.5) < 0.03),
        ("corners", |x, y| {
            (x - 0.1).hypot(y - 0.1) < 0.02 || (x - 0.9).hypot(y - 0.9) < 0.02
        }),
    ];
    for (name, inside) in shapes {
        let (width, height) = (4000, 3000);
        let drawn = image::RgbaImage::from_fn(width / 4, height / 4, |px, py| {
            let (x, y) = (
                px as f32 * 4.0 / width as f32,
                py as f32 * 4.0 / height as f32,
            );
            image::Rgba([200, 120, 40, if inside(x, y) { 255 } else { 0 }])
        });
        let nearest = image::imageops::FilterType::Nearest;
        let drawn = image::imageops::resize(&drawn, width, height, nearest);
        let bytes = png(&DynamicImage::ImageRgba8(drawn));
        for pairs in [
            &[][..],
            &[("texture_size", "4096"), ("face_limit", "200000")],
        ] {
            let (held, estimate) = cost(&bytes, None, &inflate(pairs));
            assert!(held <= estimate, "{name} {pairs:?}: {held} of {estimate}");
        }
    }
}

#[test]
fn the_estimate_holds_for_every_shape() {
    let bytes = jpeg(&photo(1200, 850), 1200, 850, ColorType::Rgb, BASELINE);
    for model in ModelKind::ALL {
        for pairs in [&[][..], &[("face_limit", "100"), ("texture_size", "64")]] {
            let options = Options::parse(model, pairs.iter().copied()).unwrap();
            let (held, estimate) = cost(&bytes, None, &options);
            assert!(
                held <= estimate,
                "{model:?} {pairs:?}: {held} of {estimate}"
            );
        }
    }
}

#[test]
fn a_bomb_is_refused_without_memory() {
    let mut bytes = png(&DynamicImage::ImageRgb8(RgbImage::new(4, 4)));
    bytes[16..20].copy_from_slice(&30_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&30_000_u32.to_be_bytes());
    let options = Options::parse(ModelKind::Inflate, []).unwrap();
    let (refused, held) = peak(|| reconstruct(&bytes, None, &options, &Limits::default(), &Silent));
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    assert!(held < 10_000, "{held}");
}

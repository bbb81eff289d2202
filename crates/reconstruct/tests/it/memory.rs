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
use reconstruct::{Error, Limits, ModelKind, Options, Silent, inspect, reconstruct};

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
fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (before, _) = HELD.get();
    HELD.set((before, before));
    let made = work();
    (made, (HELD.get().1 - before) as u64)
}

/// A bright, grained blot on dark clouds.
fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |px, py| {
        let (x, y) = (px as f32 / width as f32, py as f32 / height as f32);
        let cloud = clouds(x * 30.0, y * 30.0);
        let inside = (x - 0.5).powi(2) / 0.08 + (y - 0.5).powi(2) / 0.12 < 1.0;
        let base = if inside {
            [210.0, 150.0, 60.0]
        } else {
            [40.0, 60.0, 80.0]
        };
        image::Rgb(base.map(|c| (c + 40.0 * (cloud - 0.5)) as u8))
    })
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
    let files = [
        ("1 MP JPEG", coded(1200, 850, BASELINE)),
        ("12 MP JPEG", coded(4000, 3000, BASELINE)),
        ("12 MP progressive JPEG", coded(4000, 3000, progressive)),
        (
            "12 MP PNG",
            png(&DynamicImage::ImageRgb8(photo(4000, 3000))),
        ),
        (
            "3 MP WebP",
            webp(&DynamicImage::ImageRgb8(photo(2000, 1500)).into_rgba8()),
        ),
    ];
    let options = Options::parse(ModelKind::Inflate, []).unwrap();
    let mut wrong = Vec::new();
    for (name, bytes) in files {
        let (estimate, inspecting) =
            peak(|| inspect(&bytes, &Limits::default()).unwrap().peak_bytes);
        assert!(
            inspecting < 10_000,
            "inspecting a {name} took {inspecting} bytes"
        );
        let work = || reconstruct(&bytes, None, &options, &Limits::default(), &Silent);
        let (model, held) = peak(work);
        assert!(model.is_ok(), "{name}: {model:?}");
        let held = held + bytes.len() as u64;
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let said = format!(
            "{name}: {} MB held, {} MB estimated",
            megabytes(held),
            megabytes(estimate)
        );
        if held > estimate || estimate > 2 * held || held > 250_000_000 {
            wrong.push(said);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_estimate_holds_for_every_shape() {
    let bytes = jpeg(&photo(1200, 850), 1200, 850, ColorType::Rgb, BASELINE);
    let estimate = inspect(&bytes, &Limits::default()).unwrap().peak_bytes;
    for model in ModelKind::ALL {
        let options = Options::parse(model, []).unwrap();
        let work = || reconstruct(&bytes, None, &options, &Limits::default(), &Silent);
        let (made, held) = peak(work);
        assert!(made.is_ok(), "{model:?}: {made:?}");
        assert!(
            held + bytes.len() as u64 <= estimate,
            "{model:?}: {held} of {estimate}"
        );
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

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// A PNG of 16 pixels a side with a spot on white; every seed gives other bytes.
pub(crate) fn tiny(seed: u64) -> Vec<u8> {
    let [red, green, blue, ..] = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
    encoded(&spot(16, [red / 2, green / 2, blue / 2]), ImageFormat::Png)
}

/// A JPEG of `side` pixels a side with a shaded spot on white.
pub(crate) fn jpeg(side: u32) -> Vec<u8> {
    encoded(&spot(side, [180, 60, 40]), ImageFormat::Jpeg)
}

fn spot(side: u32, colour: [u8; 3]) -> RgbImage {
    let middle = f64::from(side) / 2.0;
    RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = (f64::from(x) - middle, f64::from(y) - middle);
        let share = x.hypot(y) / (middle * 0.7);
        if share > 1.0 {
            return Rgb([255; 3]);
        }
        // Shaded and a little uneven, so that it is no single colour to a codec.
        let light = 1.0 - 0.5 * share * share + 0.05 * (x * 0.3).sin() * (y * 0.2).cos();
        Rgb(colour.map(|channel| (f64::from(channel) * light) as u8))
    })
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(picture.clone())
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

//! Draws the pictures in `samples/`: `cargo run -p reconstruct --release --example draw_samples [folder]`.
//!
//! Each is made from formulas alone, so anybody may use them, and the same bytes come out every time.

mod doughnut;
mod duck;
mod landscape;
mod logo;
mod noise;
mod teapot;
mod trace;
mod vector;

use std::{error::Error, fs, path::PathBuf};

use image::{ImageFormat, RgbImage, RgbaImage};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "samples".to_owned()),
    );
    fs::create_dir_all(&folder)?;
    let jpeg = |name: &str, image: &RgbImage| -> Result<(), Box<dyn Error>> {
        let mut bytes = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut bytes, 86);
        let (width, height) = (
            u16::try_from(image.width())?,
            u16::try_from(image.height())?,
        );
        encoder.encode(image, width, height, jpeg_encoder::ColorType::Rgb)?;
        Ok(fs::write(folder.join(name), bytes)?)
    };
    jpeg("teapot.jpg", &opaque(&teapot::draw(1120, 840)))?;
    jpeg("duck.jpg", &opaque(&duck::draw(1080, 880)))?;
    jpeg("landscape.jpg", &landscape::draw(1200, 800))?;
    logo::draw(720, 720).save_with_format(folder.join("logo.png"), ImageFormat::Png)?;
    doughnut::draw(560, 490).save_with_format(folder.join("doughnut.png"), ImageFormat::Png)?;
    Ok(())
}

fn opaque(image: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, _] = image.get_pixel(x, y).0;
        image::Rgb([r, g, b])
    })
}

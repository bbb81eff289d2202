//! One picture of many models: a row per photo, with the photo and its model in each shape and from behind.
//!
//! `cargo run --release --example gallery -- OUT.png PHOTO...` made the README's picture; it is also how one
//! looks at a whole corpus at once. `--shapes inflate,relief` takes other columns.

#![expect(
    clippy::print_stderr,
    reason = "a program for the command line, apart from the library"
)]

use std::{env, error::Error, fs, process::ExitCode};

use image::{DynamicImage, RgbaImage, imageops};
use reconstruct::{
    Limits, Model, ModelKind, Options, Silent,
    preview::{self, View},
};

/// Side of one cell in pixels.
const CELL: u32 = 320;

fn main() -> ExitCode {
    let mut shapes = vec![ModelKind::Inflate, ModelKind::Relief, ModelKind::Extrude];
    let mut paths: Vec<String> = env::args().skip(1).collect();
    if let Some(at) = paths.iter().position(|arg| arg == "--shapes") {
        let names = paths.drain(at..(at + 2).min(paths.len())).nth(1);
        shapes = names
            .iter()
            .flat_map(|names| names.split(','))
            .filter_map(ModelKind::from_name)
            .collect();
    }
    let Some((out, photos)) = paths.split_first().filter(|(_, photos)| !photos.is_empty()) else {
        eprintln!("usage: gallery [--shapes inflate,relief,extrude] OUT.png PHOTO...");
        return ExitCode::from(2);
    };
    match gallery(photos, &shapes).and_then(|sheet| Ok(sheet.save(out)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gallery: {error}");
            ExitCode::FAILURE
        }
    }
}

fn gallery(photos: &[String], shapes: &[ModelKind]) -> Result<DynamicImage, Box<dyn Error>> {
    // The photo, then front and back of the first shape and the front of each other.
    let columns = 2 + shapes.len() as u32;
    let mut sheet = RgbaImage::from_pixel(
        columns * CELL,
        photos.len() as u32 * CELL,
        image::Rgba([255; 4]),
    );
    for (row, path) in photos.iter().enumerate() {
        eprintln!("{path}");
        let y = i64::from(row as u32 * CELL);
        for (column, cell) in cells(path, shapes)?.into_iter().enumerate() {
            let left = i64::from((CELL - cell.width()) / 2) + i64::from(column as u32 * CELL);
            let top = i64::from((CELL - cell.height()) / 2) + y;
            imageops::overlay(&mut sheet, &cell, left, top);
        }
    }
    Ok(DynamicImage::ImageRgba8(sheet).to_rgb8().into())
}

fn cells(path: &str, shapes: &[ModelKind]) -> Result<Vec<RgbaImage>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let photo = image::load_from_memory(&bytes)?.thumbnail(CELL - 16, CELL - 16);
    let mut cells = vec![photo.to_rgba8()];
    for (number, &shape) in shapes.iter().enumerate() {
        let options = Options::of(shape);
        let model =
            match reconstruct::reconstruct(&bytes, None, &options, &Limits::default(), &Silent) {
                Ok(model) => model,
                Err(error) => {
                    eprintln!("  {}: {error}", shape.name());
                    cells.push(RgbaImage::new(1, 1));
                    continue;
                }
            };
        let front = View::three_quarter(CELL);
        cells.push(view(&model, &front)?);
        if number == 0 {
            let behind = View {
                yaw: front.yaw + 180.0,
                ..front
            };
            cells.push(view(&model, &behind)?);
        }
    }
    Ok(cells)
}

fn view(model: &Model, view: &View) -> Result<RgbaImage, Box<dyn Error>> {
    Ok(image::load_from_memory(&preview::render(model, view)?)?.to_rgba8())
}

//! Several images side by side in one.

use image::{RgbImage, imageops};

use super::{
    colour::decoded,
    soup::{BARE, Soup},
};
use crate::{Error, Texture, texture::encoded};

/// Longest side of an atlas in texels; images are halved until they fit.
const MOST_SIDE: u32 = 4096;

/// Texels around each image that repeat its edge, so that its neighbours do not bleed in.
const GUTTER: u32 = 4;

/// Where an image lies, its gutter not included.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    image: u32,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

/// Lays `images` out, which may include [`BARE`], and turns the vertices' texture coordinates, which are within 0
/// to 1, into those of the atlas.
///
/// # Errors
/// [`Error::Model`], should an encoder refuse.
pub(super) fn build(soup: &mut Soup, images: &[u32]) -> Result<Texture, Error> {
    let size = |image: &u32| match soup.images.get(*image as usize) {
        Some(texture) => (*image, texture.width, texture.height),
        None => (*image, 1, 1),
    };
    let sizes: Vec<_> = images.iter().map(size).collect();
    let (cells, width, height) = fitting(&sizes);
    let mut atlas = RgbImage::new(width, height);
    for cell in &cells {
        let picture = (soup.images.get(cell.image as usize))
            .and_then(decoded)
            .unwrap_or_else(|| RgbImage::from_pixel(1, 1, image::Rgb([255; 3])));
        draw(&mut atlas, &picture, cell);
    }
    for vertex in &mut soup.vertices {
        let Some(cell) = cells.iter().find(|cell| cell.image == vertex.image) else {
            continue;
        };
        let uv = match vertex.image {
            BARE => [0.5; 2],
            _ => vertex.uv,
        };
        vertex.uv = [
            (cell.x as f32 + uv[0] * cell.width as f32) / width as f32,
            (cell.y as f32 + uv[1] * cell.height as f32) / height as f32,
        ];
    }
    let flat = soup.images.iter().all(|t| t.media_type == "image/png");
    encoded(&atlas, width, height, flat)
}

/// Cells for images of so many texels, and the size of the atlas that they make.
fn fitting(sizes: &[(u32, u32, u32)]) -> (Vec<Cell>, u32, u32) {
    let mut halvings = 0;
    loop {
        let smaller: Vec<_> = (sizes.iter())
            .map(|(image, w, h)| (*image, (w >> halvings).max(1), (h >> halvings).max(1)))
            .collect();
        let (cells, width, height) = shelves(&smaller);
        // No image has more texels a side than sixteen halvings leave one of.
        if width.max(height) <= MOST_SIDE || halvings == 16 {
            return (cells, width, height);
        }
        halvings += 1;
    }
}

/// Rows of images, the highest first.
fn shelves(sizes: &[(u32, u32, u32)]) -> (Vec<Cell>, u32, u32) {
    let mut sizes = sizes.to_vec();
    sizes.sort_by_key(|(image, _, height)| (std::cmp::Reverse(*height), *image));
    let outer = |side: u32| side + 2 * GUTTER;
    let area: u64 = (sizes.iter())
        .map(|(_, w, h)| u64::from(outer(*w)) * u64::from(outer(*h)))
        .sum();
    let widest = sizes.iter().map(|(_, w, _)| outer(*w)).max().unwrap_or(1);
    let width = ((area as f64).sqrt().ceil() as u32).max(widest);
    let (mut x, mut y, mut row) = (0, 0, 0);
    let mut cells = Vec::with_capacity(sizes.len());
    for (image, w, h) in sizes {
        if x + outer(w) > width {
            (x, y, row) = (0, y + row, 0);
        }
        cells.push(Cell {
            image,
            x: x + GUTTER,
            y: y + GUTTER,
            width: w,
            height: h,
        });
        x += outer(w);
        row = row.max(outer(h));
    }
    (cells, width, y + row)
}

fn draw(atlas: &mut RgbImage, picture: &RgbImage, cell: &Cell) {
    let scaled = imageops::thumbnail(picture, cell.width, cell.height);
    let (left, top) = (cell.x - GUTTER, cell.y - GUTTER);
    for y in 0..cell.height + 2 * GUTTER {
        for x in 0..cell.width + 2 * GUTTER {
            let from = |at: u32, side: u32| at.saturating_sub(GUTTER).min(side - 1);
            let texel = scaled.get_pixel(from(x, cell.width), from(y, cell.height));
            atlas.put_pixel(left + x, top + y, *texel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_lie_apart_and_within_the_atlas() {
        let sizes: Vec<_> = (0..40)
            .map(|n| (n, 1 + 613 * n % 900, 1 + 257 * n % 1500))
            .collect();
        let (cells, width, height) = fitting(&sizes);
        assert!(width.max(height) <= MOST_SIDE, "{width}x{height}");
        for (n, a) in cells.iter().enumerate() {
            assert!(a.x + a.width + GUTTER <= width && a.y + a.height + GUTTER <= height);
            for b in &cells[..n] {
                let apart = a.x + a.width + 2 * GUTTER <= b.x
                    || b.x + b.width + 2 * GUTTER <= a.x
                    || a.y + a.height + 2 * GUTTER <= b.y
                    || b.y + b.height + 2 * GUTTER <= a.y;
                assert!(apart, "{a:?} {b:?}");
            }
        }
    }
}

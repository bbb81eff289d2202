//! What the faces wear, brought into one texture and the vertices' colours.
//!
//! One image that all faces wear stays as it is. Several are laid side by side; where one of them repeats, which a
//! part of an atlas cannot, its colours go to the vertices. Faces without an image wear a white texel.

use std::io::Cursor;

use super::{
    atlas,
    soup::{BARE, Soup},
};
use crate::{
    Error, Limits, Texture, Warning,
    sampler::{Sampler, texels_per_edge},
};

/// Texture coordinates that are outside by less than this are rounding.
const ROUNDING: f32 = 1e-3;

/// Images of one file have no more texels than this together; further ones are left out.
const MOST_TEXELS: u64 = 128 << 20;

/// A white texel as a PNG.
const WHITE: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\
    \x00\x0aIDATx\xdac\xf8\x0f\x00\x01\x01\x01\x00\x1c\xb0\x8c\x99\x00\x00\x00\x00IEND\xaeB`\x82";

/// What a surface wears that has no image.
pub(super) fn white() -> Texture {
    Texture {
        media_type: "image/png",
        width: 1,
        height: 1,
        repeats: false,
        bytes: WHITE.to_vec(),
    }
}

/// An image's media type, width and height, if its header is that of a JPEG or PNG within the limits.
pub(super) fn size(bytes: &[u8]) -> Option<(&'static str, u32, u32)> {
    let (format, media_type) = match bytes {
        [0xff, 0xd8, ..] => (image::ImageFormat::Jpeg, "image/jpeg"),
        [0x89, b'P', ..] => (image::ImageFormat::Png, "image/png"),
        _ => return None,
    };
    let reader = image::ImageReader::with_format(Cursor::new(bytes), format);
    let (width, height) = reader.into_dimensions().ok()?;
    let limits = Limits::default();
    let fits = width.max(height) <= limits.side
        && u64::from(width) * u64::from(height) <= limits.pixels
        && width.min(height) > 0;
    fits.then_some((media_type, width, height))
}

/// The images of a file that can be used.
pub(super) struct Images {
    pub(super) textures: Vec<Texture>,
    bytes_left: usize,
    texels_left: u64,
}

impl Images {
    /// Of a file of so many bytes: images that share bytes could come to more.
    pub(super) fn within(bytes: usize) -> Self {
        Self {
            textures: Vec::new(),
            bytes_left: bytes,
            texels_left: MOST_TEXELS,
        }
    }

    /// Takes an image in and gives its number; `None` when it is no sound JPEG or PNG, or there is no room.
    pub(super) fn take(&mut self, bytes: &[u8], repeats: bool) -> Option<u32> {
        let (media_type, width, height) = size(bytes)?;
        let texels = u64::from(width) * u64::from(height);
        self.bytes_left = self.bytes_left.checked_sub(bytes.len())?;
        self.texels_left = self.texels_left.checked_sub(texels)?;
        let texture = Texture {
            media_type,
            width,
            height,
            repeats,
            bytes: bytes.to_vec(),
        };
        // Whatever follows may rely on it.
        decoded(&texture)?;
        self.textures.push(texture);
        Some(self.textures.len() as u32 - 1)
    }
}

/// The pixels of a texture whose header is right.
pub(super) fn decoded(texture: &Texture) -> Option<image::RgbImage> {
    let format = match texture.media_type {
        "image/png" => image::ImageFormat::Png,
        _ => image::ImageFormat::Jpeg,
    };
    let picture = image::load_from_memory_with_format(&texture.bytes, format).ok()?;
    let picture = picture.into_rgb8();
    (picture.dimensions() == (texture.width, texture.height)).then_some(picture)
}

/// Gives the soup's vertices texture coordinates in the one texture that is answered.
///
/// # Errors
/// [`Error::Model`], should an encoder refuse.
pub(super) fn settle(soup: &mut Soup) -> Result<Texture, Error> {
    if worn(soup).len() > 1 {
        for image in worn(soup) {
            if image != BARE && !fit_one_tile(soup, image) {
                bake(soup, image)?;
            }
        }
    }
    match worn(soup)[..] {
        [] | [BARE] => Ok(white()),
        [image] => Ok(alone(soup, image)),
        ref several => atlas::build(soup, several),
    }
}

/// Every image that a vertex wears, [`BARE`] included, in ascending order.
fn worn(soup: &Soup) -> Vec<u32> {
    let mut images: Vec<u32> = soup.vertices.iter().map(|vertex| vertex.image).collect();
    images.sort_unstable();
    images.dedup();
    images
}

fn alone(soup: &mut Soup, image: u32) -> Texture {
    let inside = |c: &f32| (-ROUNDING..=1.0 + ROUNDING).contains(c);
    let is_pattern = !(soup.vertices.iter()).all(|vertex| vertex.uv.iter().all(inside));
    let mut texture = soup.images.swap_remove(image as usize);
    texture.repeats &= is_pattern;
    texture
}

/// Moves the texture coordinates of an image's vertices by whole tiles into 0 to 1. False, and nothing moves, when
/// they take more than one tile.
fn fit_one_tile(soup: &mut Soup, image: u32) -> bool {
    let repeats = soup.images[image as usize].repeats;
    let wears = |vertex: &&mut super::soup::Vertex| vertex.image == image;
    let (mut least, mut most) = ([f32::MAX; 2], [f32::MIN; 2]);
    for vertex in soup.vertices.iter_mut().filter(wears) {
        least = std::array::from_fn(|i| least[i].min(vertex.uv[i]));
        most = std::array::from_fn(|i| most[i].max(vertex.uv[i]));
    }
    let tile = least.map(|c| if repeats { (c + ROUNDING).floor() } else { 0.0 });
    let fits = (0..2).all(|i| most[i] - tile[i] <= 1.0 + ROUNDING);
    if repeats && !fits {
        return false;
    }
    for vertex in soup.vertices.iter_mut().filter(wears) {
        vertex.uv = std::array::from_fn(|i| (vertex.uv[i] - tile[i]).clamp(0.0, 1.0));
    }
    true
}

/// Lets the vertices keep what an image shows at them.
fn bake(soup: &mut Soup, image: u32) -> Result<(), Error> {
    let texture = &soup.images[image as usize];
    let sampler = Sampler::decode(texture)?;
    let vertices = &soup.vertices;
    let edges = (soup.triangles.iter())
        .map(|[a, b, _]| [a, b].map(|v| &vertices[*v as usize]))
        .filter(|[a, _]| a.image == image)
        .map(|ends| ends.map(|vertex| vertex.uv));
    let lod = texels_per_edge(sampler.size(), edges).log2();
    for vertex in &mut soup.vertices {
        if vertex.image == image {
            let shown = sampler.sample(vertex.uv, lod);
            vertex.colour = std::array::from_fn(|c| vertex.colour[c] * shown[c]);
            vertex.image = BARE;
        }
    }
    soup.warn(Warning::TextureOnVertices);
    Ok(())
}

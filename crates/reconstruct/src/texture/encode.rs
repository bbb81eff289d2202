//! JPEG for photographs, PNG for flat art.

use jpeg_encoder::{ColorType, Encoder};

use crate::{Error, Texture, image::Picture, segment::Matte};

const JPEG_QUALITY: u8 = 90;

/// A PNG may be this many times larger than the JPEG, or this large anyway: flat art shows JPEG's ringing.
const PNG_WORTH: usize = 2;
const PNG_SMALL: usize = 100_000;

/// Colours that flat art has at most, at five bits a channel, and the share of the object they cover.
const FLAT_COLOURS: usize = 12;
const FLAT_SHARE: f32 = 0.9;

/// Whether the object is flat art: few colours cover nearly all of it.
pub(super) fn is_flat(picture: &Picture, matte: &Matte) -> bool {
    let mut counts = vec![0_u32; 1 << 15];
    let mut total = 0_u32;
    for (px, _) in picture
        .rgba
        .chunks_exact(4)
        .zip(&matte.alpha)
        .filter(|(_, a)| **a >= 250)
    {
        let bits = |v: u8| usize::from(v >> 3);
        counts[bits(px[0]) << 10 | bits(px[1]) << 5 | bits(px[2])] += 1;
        total += 1;
    }
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let most: u32 = counts.iter().take(FLAT_COLOURS).sum();
    most as f32 >= FLAT_SHARE * total as f32
}

/// Encodes an atlas of `width` by `height` RGB texels.
///
/// # Errors
/// [`Error::Model`], should an encoder refuse.
pub(crate) fn texture(rgb: &[u8], width: u32, height: u32, flat: bool) -> Result<Texture, Error> {
    let jpeg = jpeg(rgb, width, height)?;
    let (media_type, bytes) = if flat {
        let png = png(rgb, width, height)?;
        if png.len() <= PNG_SMALL.max(PNG_WORTH * jpeg.len()) {
            ("image/png", png)
        } else {
            ("image/jpeg", jpeg)
        }
    } else {
        ("image/jpeg", jpeg)
    };
    Ok(Texture {
        media_type,
        width,
        height,
        repeats: false,
        bytes,
    })
}

fn jpeg(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let encoder = Encoder::new(&mut bytes, JPEG_QUALITY);
    encoder
        .encode(rgb, width as u16, height as u16, ColorType::Rgb)
        .map_err(|e| Error::Model(format!("its texture was refused: {e}")))?;
    Ok(bytes)
}

fn png(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, Error> {
    let refused = |e: png::EncodingError| Error::Model(format!("its texture was refused: {e}"));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(rgb).map_err(refused)?;
    writer.finish().map_err(refused)?;
    Ok(bytes)
}

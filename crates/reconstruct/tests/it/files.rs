//! Encoded pictures of every kind, built by the tests.

use image::{
    DynamicImage, ExtendedColorType, ImageEncoder, RgbImage, RgbaImage, codecs::webp::WebPEncoder,
};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// An upright picture in which every corner has another colour: no turn or flip looks like another.
pub(crate) fn corners(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb(match (2 * x < width, 2 * y < height) {
            (true, true) => [220, 40, 40],
            (false, true) => [40, 200, 60],
            (true, false) => [50, 60, 210],
            (false, false) => [230, 220, 60],
        })
    })
}

/// How a JPEG is to be coded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jpeg {
    pub(crate) progressive: bool,
    pub(crate) sampling: SamplingFactor,
    pub(crate) restarts: u16,
}

pub(crate) const BASELINE: Jpeg = Jpeg {
    progressive: false,
    sampling: SamplingFactor::F_1_1,
    restarts: 0,
};

pub(crate) fn jpeg(
    samples: &[u8],
    width: u32,
    height: u32,
    colour: ColorType,
    how: Jpeg,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 92);
    encoder.set_progressive(how.progressive);
    encoder.set_sampling_factor(how.sampling);
    encoder.set_restart_interval(how.restarts);
    encoder
        .encode(samples, width as u16, height as u16, colour)
        .unwrap();
    bytes
}

pub(crate) fn rgb_jpeg(image: &RgbImage) -> Vec<u8> {
    jpeg(
        image,
        image.width(),
        image.height(),
        ColorType::Rgb,
        BASELINE,
    )
}

/// Without the segments of marker `code`.
pub(crate) fn without_segment(jpeg: &[u8], code: u8) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != code {
            out.extend(&jpeg[at..end]);
        }
        at = end;
    }
    out.extend(&jpeg[at..]);
    out
}

/// A TIFF block that holds nothing but an orientation.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

pub(crate) fn jpeg_with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let block = [b"Exif\0\0".to_vec(), exif(orientation)].concat();
    let len = (block.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &len, &block, &jpeg[2..]].concat()
}

pub(crate) fn png(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .write_to(
            &mut std::io::Cursor::new(&mut bytes),
            image::ImageFormat::Png,
        )
        .unwrap();
    bytes
}

/// A PNG of raw rows in any colour type and depth, filtered with none.
pub(crate) fn raw_png(
    (width, height): (u32, u32),
    colour: png::ColorType,
    depth: png::BitDepth,
    palette: Option<(&[u8], &[u8])>,
    rows: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if let Some((colours, alphas)) = palette {
        encoder.set_palette(colours.to_vec());
        encoder.set_trns(alphas.to_vec());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(rows).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A PNG chunk with its checksum.
pub(crate) fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), content].concat();
    let crc = body.iter().fold(u32::MAX, |mut crc, &byte| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
        crc
    });
    [
        &(content.len() as u32).to_be_bytes(),
        body.as_slice(),
        &(!crc).to_be_bytes(),
    ]
    .concat()
}

/// With another chunk right after the header.
pub(crate) fn with_chunk(png: &[u8], kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&png[..33], &chunk(kind, content), &png[33..]].concat()
}

/// The first chunk of `kind`, whole.
fn part<'a>(png: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let mut at = 8;
    loop {
        let end = at + 12 + u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        if &png[at + 4..at + 8] == kind {
            return &png[at..end];
        }
        at = end;
    }
}

/// An APNG of a hidden default image and one smaller frame at `2, 1`.
pub(crate) fn apng(default: &RgbaImage, frame: &RgbaImage) -> Vec<u8> {
    let still = png(&DynamicImage::ImageRgba8(default.clone()));
    let inner = png(&DynamicImage::ImageRgba8(frame.clone()));
    let pixels = part(&inner, b"IDAT");
    let control = [
        0_u32.to_be_bytes(),
        frame.width().to_be_bytes(),
        frame.height().to_be_bytes(),
        2_u32.to_be_bytes(),
        1_u32.to_be_bytes(),
    ];
    let control = [control.concat().as_slice(), &[0, 1, 0, 10, 0, 0]].concat();
    let animation = [1_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat();
    let data = [&1_u32.to_be_bytes(), &pixels[8..pixels.len() - 4]].concat();
    let still = with_chunk(&still, b"acTL", &animation);
    let end = still.len() - 12;
    [
        &still[..end],
        &chunk(b"fcTL", &control),
        &chunk(b"fdAT", &data),
        &still[end..],
    ]
    .concat()
}

pub(crate) fn webp(image: &RgbaImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes)
        .write_image(
            image,
            image.width(),
            image.height(),
            ExtendedColorType::Rgba8,
        )
        .unwrap();
    bytes
}

fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend(*name);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend(content);
        body.extend(std::iter::repeat_n(0, content.len() % 2));
    }
    [
        b"RIFF".as_slice(),
        &(body.len() as u32).to_le_bytes(),
        &body,
    ]
    .concat()
}

fn extended(width: u32, height: u32, flags: u8) -> Vec<u8> {
    let size = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    [vec![flags, 0, 0, 0], size(width), size(height)].concat()
}

/// The bitstream of a lossless WebP.
fn bitstream(image: &RgbaImage) -> Vec<u8> {
    let file = webp(image);
    let len = u32::from_le_bytes(file[16..20].try_into().unwrap()) as usize;
    file[20..20 + len].to_vec()
}

pub(crate) fn webp_with_exif(image: &RgbaImage, orientation: u8) -> Vec<u8> {
    riff(&[
        (b"VP8X", extended(image.width(), image.height(), 0x18)),
        (b"VP8L", bitstream(image)),
        (b"EXIF", exif(orientation)),
    ])
}

/// An animation of `frames`, each as large as the canvas.
pub(crate) fn animated_webp(frames: &[RgbaImage]) -> Vec<u8> {
    let (width, height) = frames[0].dimensions();
    let mut chunks = vec![
        (b"VP8X", extended(width, height, 0x12)),
        (b"ANIM", vec![0; 6]),
    ];
    for frame in frames {
        let bits = bitstream(frame);
        let mut content = vec![0; 6];
        content.extend(&extended(width, height, 0)[4..]);
        content.extend([10, 0, 0, 2]);
        content.extend(b"VP8L");
        content.extend((bits.len() as u32).to_le_bytes());
        content.extend(&bits);
        content.extend(std::iter::repeat_n(0, bits.len() % 2));
        chunks.push((b"ANMF", content));
    }
    riff(&chunks)
}

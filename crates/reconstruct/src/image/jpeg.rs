//! JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK.
//!
//! The decoder fills what is missing with grey, so the markers are walked to the end of the image first:
//! a file without one is truncated. Adobe's encoders store inks inverted and say so by their own marker.

use image::metadata::Orientation;
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{
    canvas::{Canvas, Layout},
    header::{Format, Header, big_endian, exif_orientation},
};
use crate::Error;

pub(super) const NAME: &str = "JPEG";
pub(super) const SIGNATURE: [u8; 3] = [0xff, 0xd8, 0xff];

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// What decides how a frame is decoded and what memory that takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) components: u8,
    /// All coefficients are kept until the last scan.
    pub(super) buffered: bool,
    /// Samples of all components for each 8×8 block of pixels, relative to the fullest component.
    pub(super) samples_per_pixel: f32,
    adobe: bool,
    /// Where the first start-of-scan marker stands.
    scan: usize,
}

/// One marker segment: its code and where its content lies.
struct Segment {
    code: u8,
    start: usize,
    end: usize,
}

fn truncated(detail: &str) -> Error {
    Error::Truncated {
        format: NAME,
        detail: detail.to_owned(),
    }
}

fn damaged(detail: impl Into<String>) -> Error {
    Error::Damaged {
        format: NAME,
        detail: detail.into(),
    }
}

/// The segment whose marker begins at or after `at`; markers without content are passed over.
fn next_segment(bytes: &[u8], mut at: usize) -> Result<Segment, Error> {
    const CUT: &str = "it ends inside its headers";
    loop {
        at += bytes
            .get(at..)
            .ok_or_else(|| truncated(CUT))?
            .iter()
            .position(|&b| b == 0xff)
            .ok_or_else(|| truncated(CUT))?;
        let code = *bytes.get(at + 1).ok_or_else(|| truncated(CUT))?;
        match code {
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            END_OF_IMAGE => {
                return Ok(Segment {
                    code,
                    start: at + 2,
                    end: at + 2,
                });
            }
            _ => {
                let len = big_endian(bytes, at + 2, 2).ok_or_else(|| truncated(CUT))? as usize;
                if len < 2 {
                    return Err(damaged(format!("marker {code:02X} has a length of {len}")));
                }
                let end = at + 2 + len;
                if end > bytes.len() {
                    return Err(truncated(CUT));
                }
                return Ok(Segment {
                    code,
                    start: at + 4,
                    end,
                });
            }
        }
    }
}

/// Reads everything before the first scan.
pub(super) fn read_header(bytes: &[u8]) -> Result<Header, Error> {
    let mut at = 2;
    let mut orientation = Orientation::NoTransforms;
    let mut adobe = false;
    let mut size = None;
    loop {
        let segment = next_segment(bytes, at)?;
        let content = &bytes[segment.start..segment.end];
        match segment.code {
            0xe1 if content.starts_with(b"Exif\0\0") => orientation = exif_orientation(content),
            0xee if content.starts_with(b"Adobe") => adobe = true,
            0xc0..=0xcf if !matches!(segment.code, 0xc4 | 0xc8 | 0xcc) => {
                if size.is_some() {
                    return Err(damaged("it has two frame headers"));
                }
                size = Some(read_frame(segment.code, content)?);
            }
            START_OF_SCAN => {
                let (width, height, mut frame) =
                    size.ok_or_else(|| damaged("it has no frame header"))?;
                // A baseline scan of some of the components makes the decoder keep all of them.
                frame.buffered |= content.first() != Some(&frame.components);
                frame.adobe = adobe;
                frame.scan = segment.end;
                return Ok(Header {
                    format: Format::Jpeg(frame),
                    width,
                    height,
                    orientation,
                    animated: false,
                    interlaced: true,
                    channels: u32::from(frame.components),
                });
            }
            END_OF_IMAGE => return Err(damaged("it ends before its first scan")),
            _ => {}
        }
        at = segment.end;
    }
}

fn read_frame(code: u8, content: &[u8]) -> Result<(u32, u32, Frame), Error> {
    let short = || damaged("its frame header is too short");
    let height = big_endian(content, 1, 2).ok_or_else(short)?;
    let width = big_endian(content, 3, 2).ok_or_else(short)?;
    let components = *content.get(5).ok_or_else(short)?;
    if !matches!(components, 1 | 3 | 4) {
        return Err(damaged(format!(
            "it has {components} components; 1, 3 and 4 are read"
        )));
    }
    if !matches!(code, 0xc0..=0xc2) {
        return Err(damaged(format!(
            "its coding (frame marker {code:02X}) is not read"
        )));
    }
    let table = content
        .get(6..6 + 3 * usize::from(components))
        .ok_or_else(short)?;
    let factors = table.chunks_exact(3).map(|c| (c[1] >> 4, c[1] & 15));
    let (mut across, mut down, mut samples) = (1, 1, 0.0);
    for (h, v) in factors {
        if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
            return Err(damaged(format!(
                "a component is sampled {h}x{v}; 1x1 to 4x4 are read"
            )));
        }
        across = across.max(h);
        down = down.max(v);
        samples += f32::from(h * v);
    }
    let frame = Frame {
        components,
        buffered: code == 0xc2,
        samples_per_pixel: samples / f32::from(across * down),
        adobe: false,
        scan: 0,
    };
    Ok((width, height, frame))
}

/// Follows scans and the segments between them to the end of the image.
fn check_complete(bytes: &[u8], scan: usize) -> Result<(), Error> {
    let mut at = scan;
    loop {
        at = end_of_scan(bytes, at).ok_or_else(|| truncated("it ends inside its pixels"))?;
        let segment = next_segment(bytes, at)?;
        if segment.code == END_OF_IMAGE {
            return Ok(());
        }
        at = segment.end;
    }
}

/// Where the marker that ends the entropy-coded data from `at` on begins.
fn end_of_scan(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == 0xff)?;
        match bytes.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    frame: Frame,
    max_side: u32,
) -> Result<Canvas, Error> {
    check_complete(bytes, frame.scan)?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(refused)?;
    let (space, layout) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (ColorSpace::Luma, Layout::Grey),
        Some(space @ (ColorSpace::CMYK | ColorSpace::YCCK)) => {
            // The decoder hands YCCK out as it is stored, so the inks are made from it here.
            (
                space,
                Layout::Cmyk {
                    inverted: frame.adobe,
                },
            )
        }
        _ => (ColorSpace::RGB, Layout::Rgb),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    if decoder.dimensions() != Some((header.width as usize, header.height as usize)) {
        return Err(damaged("it has two sizes"));
    }
    let row_len = header.width as usize * layout.channels();
    let mut samples = vec![0; row_len * header.height as usize];
    decoder.decode_into(&mut samples).map_err(refused)?;
    let mut canvas = Canvas::new(header.width, header.height, max_side);
    for row in samples.chunks_exact_mut(row_len) {
        if space == ColorSpace::YCCK {
            inks_from_ycck(row);
        }
        canvas.push(row, layout);
    }
    Ok(canvas)
}

/// JFIF's YCbCr to RGB; the inks are its complement, and black stays as it is.
fn inks_from_ycck(row: &mut [u8]) {
    for px in row.chunks_exact_mut(4) {
        let (y, cb, cr) = (
            f32::from(px[0]),
            f32::from(px[1]) - 128.0,
            f32::from(px[2]) - 128.0,
        );
        let ink = |light: f32| 255 - light.round().clamp(0.0, 255.0) as u8;
        px[0] = ink(y + 1.402 * cr);
        px[1] = ink(y - 0.344_136 * cb - 0.714_136 * cr);
        px[2] = ink(y + 1.772 * cb);
    }
}

fn refused(error: DecodeErrors) -> Error {
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => {
            truncated("it ends inside its pixels")
        }
        other => damaged(other.to_string()),
    }
}

//! PNG and APNG: every colour type and bit depth, interlaced or not.

use std::io::{Cursor, ErrorKind};

use image::metadata::Orientation;
use png::{DecodingError, Reader, Transformations};

use super::{
    canvas::{Canvas, Layout},
    header::{Format, Header, big_endian, exif_orientation},
};
use crate::Error;

pub(super) const NAME: &str = "PNG";
pub(super) const SIGNATURE: [u8; 8] = [137, 80, 78, 71, 13, 10, 26, 10];

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

/// Reads the first chunk, then follows the chunks' lengths to the end without looking into pixels.
pub(super) fn read_header(bytes: &[u8]) -> Result<Header, Error> {
    const CUT: &str = "it ends before its last chunk";
    let field = |at, len| big_endian(bytes, at, len).ok_or_else(|| truncated(CUT));
    if field(8, 4)? != 13 || bytes.get(12..16).ok_or_else(|| truncated(CUT))? != b"IHDR" {
        return Err(damaged("it does not begin with its header"));
    }
    let mut header = Header {
        format: Format::Png,
        width: field(16, 4)?,
        height: field(20, 4)?,
        orientation: Orientation::NoTransforms,
        animated: false,
        interlaced: field(28, 1)? == 1,
        channels: 4,
    };
    let mut at = 8;
    loop {
        let len = field(at, 4)? as usize;
        let kind = bytes.get(at + 4..at + 8).ok_or_else(|| truncated(CUT))?;
        let end = at
            .checked_add(12)
            .and_then(|n| n.checked_add(len))
            .filter(|&end| end <= bytes.len());
        let end = end.ok_or_else(|| truncated(CUT))?;
        match kind {
            b"acTL" => header.animated = true,
            b"eXIf" => header.orientation = exif_orientation(&bytes[at + 8..end - 4]),
            b"IEND" => return Ok(header),
            _ => {}
        }
        at = end;
    }
}

pub(super) fn decode(bytes: &[u8], header: &Header, max_side: u32) -> Result<Canvas, Error> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(refused)?;
    let frame = first_frame(&mut reader, header)?;
    let layout = match reader.output_color_type().0 {
        png::ColorType::Grayscale => Layout::Grey,
        png::ColorType::GrayscaleAlpha => Layout::GreyAlpha,
        png::ColorType::Rgb => Layout::Rgb,
        png::ColorType::Rgba => Layout::Rgba,
        png::ColorType::Indexed => return Err(damaged("its palette was not applied")),
    };
    let mut canvas = Canvas::new(header.width, header.height, max_side);
    if frame.fills(header) {
        read_rows(&mut reader, header, layout, |row| canvas.push(row, layout))?;
    } else {
        place_rows(&mut reader, header, layout, &frame, &mut canvas)?;
    }
    Ok(canvas)
}

/// Where on the canvas the first frame lies.
struct Region {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Region {
    fn fills(&self, header: &Header) -> bool {
        (self.x, self.y, self.width, self.height) == (0, 0, header.width, header.height)
    }
}

/// Moves to the first frame: the default image may stand before the animation without being part of it.
fn first_frame(reader: &mut Reader<Cursor<&[u8]>>, header: &Header) -> Result<Region, Error> {
    let whole = Region {
        x: 0,
        y: 0,
        width: header.width,
        height: header.height,
    };
    let info = reader.info();
    let outside = info
        .animation_control
        .is_some_and(|control| control.num_frames > 0)
        && info.frame_control.is_none();
    if !outside {
        return Ok(whole);
    }
    let frame = reader.next_frame_info().map_err(refused)?;
    let region = Region {
        x: frame.x_offset,
        y: frame.y_offset,
        width: frame.width,
        height: frame.height,
    };
    let within = |offset: u32, len: u32, whole: u32| {
        len > 0 && offset.checked_add(len).is_some_and(|end| end <= whole)
    };
    if within(region.x, region.width, header.width)
        && within(region.y, region.height, header.height)
    {
        Ok(region)
    } else {
        Err(damaged("its first frame lies outside of it"))
    }
}

/// Hands each row of the current frame to `take`, top to bottom.
fn read_rows(
    reader: &mut Reader<Cursor<&[u8]>>,
    header: &Header,
    layout: Layout,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Error> {
    if header.interlaced {
        let size = reader
            .output_buffer_size()
            .ok_or_else(|| damaged("its rows are too long"))?;
        let mut samples = vec![0; size];
        let frame = reader.next_frame(&mut samples).map_err(refused)?;
        let row_len = frame.width as usize * layout.channels();
        samples
            .chunks_exact(row_len)
            .take(frame.height as usize)
            .for_each(take);
        return Ok(());
    }
    while let Some(row) = reader.next_row().map_err(refused)? {
        take(row.data());
    }
    Ok(())
}

/// Reads a frame smaller than the canvas; what it leaves free is transparent.
fn place_rows(
    reader: &mut Reader<Cursor<&[u8]>>,
    header: &Header,
    layout: Layout,
    region: &Region,
    canvas: &mut Canvas,
) -> Result<(), Error> {
    let mut full = vec![0; 4 * header.width as usize];
    for _ in 0..region.y {
        canvas.push(&full, Layout::Rgba);
    }
    let place = 4 * region.x as usize..4 * (region.x + region.width) as usize;
    read_rows(reader, header, layout, |row| {
        layout.expand(row, &mut full[place.clone()]);
        canvas.push(&full, Layout::Rgba);
    })
}

fn refused(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            truncated("it ends inside its pixels")
        }
        other => damaged(other.to_string()),
    }
}

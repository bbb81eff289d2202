//! Wavefront OBJ with its material and texture: metres, y up, as in the GLB.
//!
//! Positions are welded (`v`), while texture coordinates (`vt`) and normals (`vn`) are one per vertex of
//! the model, so the surface is closed for every reader whatever its seams. Positions are written with as
//! many digits as bring back the same `f32`.

use std::io::Write as _;

use super::{
    ObjFiles, file_stem,
    weld::{Welded, weld},
};
use crate::{Model, sampler::to_srgb};

/// The text alone, for those who want the shape: it names no material that would be missed.
pub(super) fn write_plain(model: &Model) -> Vec<u8> {
    text(model, None)
}

pub(super) fn write_files(model: &Model, stem: &str) -> ObjFiles {
    let stem = file_stem(stem);
    let material = stem.replace(char::is_whitespace, "_");
    let mtl_name = format!("{stem}.mtl");
    let extension = match model.texture.media_type {
        "image/png" => "png",
        _ => "jpg",
    };
    let texture_name = format!("{stem}_texture.{extension}");
    let mtl = format!(
        "# {}\nnewmtl {material}\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nd 1\nillum 1\nmap_Kd {texture_name}\n",
        super::GENERATOR
    );
    ObjFiles {
        obj: text(model, Some((&mtl_name, &material))),
        mtl: mtl.into_bytes(),
        texture: model.texture.bytes.clone(),
        mtl_name,
        texture_name,
    }
}

fn text(model: &Model, material: Option<(&str, &str)>) -> Vec<u8> {
    let welded = weld(&model.positions);
    // About what a vertex and a face take, so that the text is not moved as it grows.
    let mut out = Vec::with_capacity(80 * model.positions.len() + 44 * model.triangles.len() + 256);
    push_text(&mut out, &format!("# {}; metres, y up\n", super::GENERATOR));
    if let Some((mtl_name, _)) = material {
        push_text(&mut out, &format!("mtllib {mtl_name}\n"));
    }
    let colours = vertex_colours(model, &welded);
    for (place, [x, y, z]) in welded.positions.iter().enumerate() {
        // Writing to memory does not fail.
        let _ = write!(out, "v {x} {y} {z}");
        match colours.get(place) {
            Some(colour) => push_fixed(&mut out, "", colour, 4),
            None => out.push(b'\n'),
        }
    }
    for [u, v] in &model.uvs {
        // Texture coordinates of OBJ start at the bottom.
        push_fixed(&mut out, "vt ", &[*u, 1.0 - v], 6);
    }
    for normal in &model.normals {
        push_fixed(&mut out, "vn ", normal, 4);
    }
    if let Some((_, material)) = material {
        push_text(&mut out, &format!("usemtl {material}\n"));
    }
    for triangle in &model.triangles {
        push_text(&mut out, "f");
        for &vertex in triangle {
            let vertex_text = vertex + 1;
            for (separator, index) in [
                (b' ', welded.of[vertex as usize] + 1),
                (b'/', vertex_text),
                (b'/', vertex_text),
            ] {
                out.push(separator);
                push_integer(&mut out, u64::from(index));
            }
        }
        out.push(b'\n');
    }
    out
}

/// Per welded position, 0 to 1 in sRGB, as most readers take them after a position; none of a model without any.
fn vertex_colours(model: &Model, welded: &Welded) -> Vec<[f32; 3]> {
    if model.colours.is_empty() {
        return Vec::new();
    }
    let mut sums = vec![([0.0_f32; 3], 0.0_f32); welded.positions.len()];
    for (place, colour) in welded.of.iter().zip(&model.colours) {
        let (sum, count) = &mut sums[*place as usize];
        *sum = std::array::from_fn(|c| sum[c] + colour[c]);
        *count += 1.0;
    }
    let mean = |(sum, count): ([f32; 3], f32)| sum.map(|c| f32::from(to_srgb(c / count)) / 255.0);
    sums.into_iter().map(mean).collect()
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// The rest of a line: numbers with a fixed count of decimals: several times faster than the shortest exact text.
fn push_fixed(out: &mut Vec<u8>, label: &str, values: &[f32], decimals: u32) {
    push_text(out, label);
    let unit = 10_u64.pow(decimals);
    for (i, value) in values.iter().enumerate() {
        if i > 0 || label.is_empty() {
            out.push(b' ');
        }
        let scaled = (f64::from(*value) * unit as f64).round();
        if scaled < 0.0 {
            out.push(b'-');
        }
        let scaled = scaled.abs() as u64;
        push_integer(out, scaled / unit);
        out.push(b'.');
        let mut digit = unit / 10;
        while digit > 0 {
            out.push(b'0' + (scaled / digit % 10) as u8);
            digit /= 10;
        }
    }
    out.push(b'\n');
}

fn push_integer(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

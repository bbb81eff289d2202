//! Hand-made models for tests of what happens to a finished model.

use crate::{Model, Texture};

/// A unit cube whose sides each wear a sixth of a coloured stripe.
pub(crate) fn cube() -> Model {
    let mut model = empty(stripes(96, 16));
    for side in 0..6_u32 {
        let (axis, far) = ((side / 2) as usize, side % 2 == 1);
        let mut normal = [0.0; 3];
        normal[axis] = if far { 1.0 } else { -1.0 };
        let first = model.positions.len() as u32;
        for (a, b) in [(0, 0), (1, 0), (1, 1), (0, 1)] {
            let mut corner = [-0.05_f32; 3];
            corner[axis] = if far { 0.05 } else { -0.05 };
            corner[(axis + 1) % 3] += 0.1 * a as f32;
            corner[(axis + 2) % 3] += 0.1 * b as f32;
            corner[1] += 0.05;
            model.positions.push(corner);
            model.normals.push(normal);
            let u = (side as f32 + 0.1 + 0.8 * a as f32) / 6.0;
            model.uvs.push([u, b as f32]);
        }
        for [a, b, c] in [[0, 1, 2], [0, 2, 3]] {
            let [b, c] = if far { [b, c] } else { [c, b] };
            model.triangles.push([first + a, first + b, first + c]);
        }
    }
    model
}

/// A ball of diameter 0.1 with a seam in its texture; `2 * columns * (rows - 1)` faces.
pub(crate) fn ball(columns: u32, rows: u32) -> Model {
    let mut model = empty(stripes(256, 128));
    let (width, height) = (columns as f32, rows as f32);
    for row in 0..=rows {
        for column in 0..=columns {
            let polar = std::f32::consts::PI * row as f32 / height;
            // The seam and the poles have bit-equal positions on all their vertices.
            let around = std::f32::consts::TAU * (column % columns) as f32 / width;
            let radius = if row % rows == 0 { 0.0 } else { polar.sin() };
            let normal = [radius * around.sin(), polar.cos(), radius * around.cos()];
            model.normals.push(normal);
            model.positions.push([
                normal[0] * 0.05 + 0.0,
                normal[1] * 0.05 + 0.05,
                normal[2] * 0.05 + 0.0,
            ]);
            let uv = [column as f32 / width, row as f32 / height];
            model.uvs.push(uv);
        }
    }
    for row in 0..rows {
        for column in 0..columns {
            let a = row * (columns + 1) + column;
            let (b, c, d) = (a + 1, a + columns + 1, a + columns + 2);
            if row > 0 {
                model.triangles.push([a, c, b]);
            }
            if row + 1 < rows {
                model.triangles.push([b, c, d]);
            }
        }
    }
    model
}

/// Six colours side by side, each getting brighter downwards.
fn stripes(width: u32, height: u32) -> Texture {
    const COLOURS: [[u8; 3]; 6] = [
        [214, 69, 65],
        [245, 171, 53],
        [247, 220, 111],
        [63, 195, 128],
        [68, 108, 179],
        [142, 68, 173],
    ];
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let colour = COLOURS[(6 * x / width) as usize];
            rgb.extend(colour.map(|c| (u32::from(c) * (height + y) / (2 * height)) as u8));
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&rgb))
        .unwrap();
    Texture {
        media_type: "image/png",
        width,
        height,
        repeats: false,
        bytes,
    }
}

fn empty(texture: Texture) -> Model {
    Model {
        positions: Vec::new(),
        normals: Vec::new(),
        uvs: Vec::new(),
        colours: Vec::new(),
        triangles: Vec::new(),
        texture,
        warnings: Vec::new(),
        options: vec![
            ("model".to_owned(), "inflate".to_owned()),
            ("face_limit".to_owned(), "20000".to_owned()),
        ],
    }
}

//! Binary STL for slicers: millimetres, z up.
//!
//! The model stands upright on the plate (its lowest point is at z = 0), centred on the origin, and its
//! front looks towards -y, which slicers show as the side of the plate nearest to the person. Lithophanes
//! print best standing, too. Faces share corners bit by bit, so the surface is closed for every reader.

use crate::Model;

const MM_PER_METRE: f32 = 1000.0;

pub(super) fn write(model: &Model) -> Vec<u8> {
    let mut out = Vec::with_capacity(84 + 50 * model.triangles.len());
    // Must not begin with "solid", by which readers tell the text form.
    out.extend_from_slice(format!("{}; mm, z up", super::GENERATOR).as_bytes());
    out.resize(80, 0);
    out.extend_from_slice(&(model.triangles.len() as u32).to_le_bytes());
    for triangle in &model.triangles {
        let corners = triangle.map(|i| stand(model.positions[i as usize]));
        for vector in [normal(corners)].iter().chain(&corners) {
            for value in vector {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        out.extend_from_slice(&[0, 0]);
    }
    out
}

/// From y up in metres to z up in millimetres; `0.0 - z` keeps -0.0 out of the file.
fn stand([x, y, z]: [f32; 3]) -> [f32; 3] {
    [x + 0.0, 0.0 - z, y + 0.0].map(|v| v * MM_PER_METRE)
}

/// Unit normal by the right-hand rule; zero for a face without area, which readers take as "work it out".
fn normal([a, b, c]: [[f32; 3]; 3]) -> [f32; 3] {
    let edge =
        |to: [f32; 3]| -> [f64; 3] { std::array::from_fn(|i| f64::from(to[i]) - f64::from(a[i])) };
    let (u, v) = (edge(b), edge(c));
    let n = [
        u[1] * v[2] - u[2] * v[1],
        u[2] * v[0] - u[0] * v[2],
        u[0] * v[1] - u[1] * v[0],
    ];
    let length = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt();
    if length > 0.0 {
        n.map(|v| (v / length) as f32)
    } else {
        [0.0; 3]
    }
}

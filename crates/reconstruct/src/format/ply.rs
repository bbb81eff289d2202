//! Binary little-endian PLY: welded vertices with normals and the colours that they show; metres, y up.

use super::weld::weld;
use crate::{
    Error, Model,
    sampler::{Sampler, texels_per_edge, to_srgb},
};

pub(super) fn write(model: &Model) -> Result<Vec<u8>, Error> {
    let sampler = Sampler::decode(&model.texture)?;
    let welded = weld(&model.positions);
    let edges = model
        .triangles
        .iter()
        .map(|[a, b, _]| [a, b].map(|v| model.uvs[*v as usize]));
    let lod = texels_per_edge(sampler.size(), edges).log2();
    let mut sums = vec![Sum::default(); welded.positions.len()];
    for (vertex, place) in welded.of.iter().enumerate() {
        let sum = &mut sums[*place as usize];
        let shown = sampler.sample(model.uvs[vertex], lod);
        let own = model.colours.get(vertex).copied().unwrap_or([1.0; 3]);
        let colour = std::array::from_fn(|c| shown[c] * own[c]);
        sum.add(model.normals[vertex], colour);
    }

    let mut out = header(sums.len(), model.triangles.len()).into_bytes();
    out.reserve(27 * sums.len() + 13 * model.triangles.len());
    for (position, sum) in welded.positions.iter().zip(&sums) {
        for value in position.iter().chain(&sum.normal()) {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&sum.colour.map(|c| to_srgb(c / sum.count)));
    }
    for triangle in &model.triangles {
        out.push(3);
        for vertex in triangle {
            out.extend_from_slice(&welded.of[*vertex as usize].to_le_bytes());
        }
    }
    Ok(out)
}

/// What the vertices at one position add up to.
#[derive(Clone, Default)]
struct Sum {
    normal: [f32; 3],
    /// Linear light.
    colour: [f32; 3],
    count: f32,
}

impl Sum {
    fn add(&mut self, normal: [f32; 3], colour: [f32; 3]) {
        let plus = |a: [f32; 3], b: [f32; 3]| std::array::from_fn(|i| a[i] + b[i]);
        self.normal = plus(self.normal, normal);
        self.colour = plus(self.colour, colour);
        self.count += 1.0;
    }

    fn normal(&self) -> [f32; 3] {
        let length = self.normal.iter().map(|v| v * v).sum::<f32>().sqrt();
        if length > 0.0 {
            self.normal.map(|v| v / length)
        } else {
            [0.0, 1.0, 0.0]
        }
    }
}

fn header(vertices: usize, faces: usize) -> String {
    format!(
        "ply\nformat binary_little_endian 1.0\ncomment {}; metres, y up\n\
         element vertex {vertices}\n\
         property float x\nproperty float y\nproperty float z\n\
         property float nx\nproperty float ny\nproperty float nz\n\
         property uchar red\nproperty uchar green\nproperty uchar blue\n\
         element face {faces}\nproperty list uchar int vertex_indices\nend_header\n",
        super::GENERATOR
    )
}

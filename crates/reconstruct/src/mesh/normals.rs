//! Smooth normals that break at creases.

use super::{Mesh, area_vector, cross, difference, dot, fans::Corners, length};

/// A unit normal for every corner of every triangle of a closed, manifold mesh: the mean of the faces around
/// it, weighted by their angles there (Thürmer and Wüthrich 1998), over those not parted from its own face
/// by an edge sharper than `crease` degrees. Corners that share a normal share a number in `group`.
pub(super) struct Normals {
    pub(super) normals: Vec<[f32; 3]>,
    /// Per triangle and corner: index into `normals`.
    pub(super) group: Vec<[u32; 3]>,
}

impl Normals {
    pub(super) fn of(mesh: &Mesh, crease: f64) -> Self {
        let sharp = crease.to_radians().cos();
        let faces: Vec<[f64; 3]> = (0..mesh.triangles.len())
            .map(|t| unit(area_vector(mesh.corners(t))))
            .collect();
        let corners = Corners::of(mesh);
        let mut result = Self {
            normals: Vec::with_capacity(mesh.positions.len()),
            group: vec![[0; 3]; mesh.triangles.len()],
        };
        for vertex in 0..mesh.positions.len() {
            for mut fan in corners.fans(vertex) {
                let parted = |a: u32, b: u32| dot(faces[a as usize], faces[b as usize]) < sharp;
                // Start right after a crease, so that each run is a smooth stretch of the fan.
                let start = (0..fan.len()).find(|&i| {
                    let before = fan[(i + fan.len() - 1) % fan.len()].triangle;
                    parted(before, fan[i].triangle)
                });
                fan.rotate_left(start.unwrap_or(0));
                for run in fan.chunk_by(|a, b| !parted(a.triangle, b.triangle)) {
                    let triangles: Vec<u32> = run.iter().map(|c| c.triangle).collect();
                    result.add(mesh, &faces, vertex, &triangles);
                }
            }
        }
        result
    }

    fn add(&mut self, mesh: &Mesh, faces: &[[f64; 3]], vertex: usize, triangles: &[u32]) {
        let number = self.normals.len() as u32;
        let mut sum = [0.0; 3];
        for &triangle in triangles {
            let indices = mesh.triangles[triangle as usize];
            let Some(at) = indices.iter().position(|&v| v as usize == vertex) else {
                continue;
            };
            self.group[triangle as usize][at] = number;
            let [own, next, last] =
                [0, 1, 2].map(|k| mesh.positions[indices[(at + k) % 3] as usize]);
            let weight = angle(difference(next, own), difference(last, own));
            let face = faces[triangle as usize];
            for axis in 0..3 {
                sum[axis] += weight * face[axis];
            }
        }
        let normal = if length(sum) > 1e-9 {
            unit(sum)
        } else {
            triangles
                .first()
                .map_or([0.0, 0.0, 1.0], |&t| faces[t as usize])
        };
        self.normals.push(normal.map(|x| x as f32));
    }
}

pub(crate) fn angle(a: [f64; 3], b: [f64; 3]) -> f64 {
    length(cross(a, b)).atan2(dot(a, b))
}

/// Of length 1; a vector without length becomes the front.
pub(crate) fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = length(a);
    if length > 0.0 {
        a.map(|x| x / length)
    } else {
        [0.0, 0.0, 1.0]
    }
}

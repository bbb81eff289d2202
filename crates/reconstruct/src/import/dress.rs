//! From what was read to a model: unused vertices go, and normals that are missing are made.

use std::collections::HashMap;

use super::soup::Soup;
use crate::{
    Model, Texture,
    format::weld::weld,
    mesh::{Corners, Mesh, angle, area_vector, difference, dot, length, unit},
};

/// The angle between faces, in degrees, from which an edge is shown sharp.
const CREASE: f64 = 40.0;

/// More faces than this at one vertex are not averaged, which would take the square of their number.
const MOST_AROUND: usize = 256;

/// Every triangle must have an area.
pub(super) fn dress(soup: Soup, texture: Texture) -> Model {
    let made = (soup
        .vertices
        .iter()
        .any(|v| length(v.normal.map(f64::from)) == 0.0))
    .then(|| Made::of(&soup));
    let coloured = soup.vertices.iter().any(|v| v.colour != [1.0; 3]);
    let mut names: HashMap<(u32, [u32; 3]), u32> = HashMap::with_capacity(soup.vertices.len());
    let mut model = Model {
        positions: Vec::with_capacity(soup.vertices.len()),
        normals: Vec::with_capacity(soup.vertices.len()),
        uvs: Vec::with_capacity(soup.vertices.len()),
        colours: Vec::new(),
        triangles: soup.triangles,
        texture,
        warnings: soup.warnings,
        options: Vec::new(),
    };
    for number in 0..model.triangles.len() {
        for corner in 0..3 {
            let index = model.triangles[number][corner];
            let vertex = &soup.vertices[index as usize];
            let own = vertex.normal.map(f64::from);
            let (normal, kind) = match &made {
                Some(made) if length(own) == 0.0 => {
                    let normal = made.normal(number, index);
                    (normal, normal.map(f32::to_bits))
                }
                _ => (unit(own).map(|x| x as f32), [0; 3]),
            };
            let next = model.positions.len() as u32;
            let name = *names.entry((index, kind)).or_insert(next);
            if name == next {
                model.positions.push(vertex.position);
                model.normals.push(normal);
                model.uvs.push(vertex.uv);
                if coloured {
                    model.colours.push(vertex.colour);
                }
            }
            model.triangles[number][corner] = name;
        }
    }
    model
}

/// What normals are made of.
struct Made {
    mesh: Mesh,
    /// Per vertex of the soup: its vertex in the mesh.
    of: Vec<u32>,
    faces: Vec<[f64; 3]>,
    corners: Corners,
}

impl Made {
    fn of(soup: &Soup) -> Self {
        let positions: Vec<_> = soup.vertices.iter().map(|v| v.position).collect();
        let welded = weld(&positions);
        let mesh = Mesh {
            positions: welded.positions,
            triangles: (soup.triangles.iter())
                .map(|t| t.map(|v| welded.of[v as usize]))
                .collect(),
            patches: Vec::new(),
        };
        Self {
            faces: (0..mesh.triangles.len())
                .map(|t| unit(area_vector(mesh.corners(t))))
                .collect(),
            corners: Corners::of(&mesh),
            of: welded.of,
            mesh,
        }
    }

    /// The mean of the faces around the vertex that turn from `triangle` by less than the crease, weighted by their
    /// angles there.
    fn normal(&self, triangle: usize, vertex: u32) -> [f32; 3] {
        let own = self.faces[triangle];
        let place = self.of[vertex as usize] as usize;
        let around = self.corners.at(place);
        let mut sum = [0.0; 3];
        if around.len() <= MOST_AROUND {
            let smooth = CREASE.to_radians().cos();
            for corner in around {
                let face = self.faces[corner.triangle as usize];
                if dot(own, face) < smooth {
                    continue;
                }
                let edge = |to: u32| {
                    difference(self.mesh.positions[to as usize], self.mesh.positions[place])
                };
                let weight = angle(edge(corner.next), edge(corner.previous));
                sum = std::array::from_fn(|axis| sum[axis] + weight * face[axis]);
            }
        }
        let normal = if length(sum) > 0.0 { unit(sum) } else { own };
        normal.map(|x| x as f32)
    }
}

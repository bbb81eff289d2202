//! From a welded mesh in picture space to a model in metres.

use std::collections::HashMap;

use super::{Mesh, Patch, check, normals::Normals};
use crate::{Error, Model, ModelKind, Observer, Options, Step, model::Bounds, texture::Atlas};

/// Turns `mesh` upright and into metres, checks it in its final numbers, and gives it normals and texture
/// coordinates. Warnings and options of the model are left empty.
///
/// # Errors
/// [`Error::Mesh`] when the mesh breaks a promise, [`Error::Cancelled`].
pub(crate) fn finish(
    mesh: &Mesh,
    atlas: Atlas,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Model, Error> {
    let placed = place(mesh, options);
    check(&placed, options.effective_face_limit())?;
    observer.checkpoint(Step::Finish)?;
    let normals = Normals::of(&placed, crease(options.model));
    observer.checkpoint(Step::Finish)?;
    Ok(dress(mesh, &placed, &normals, atlas))
}

/// The angle between faces, in degrees, from which an edge is shown sharp.
fn crease(model: ModelKind) -> f64 {
    match model {
        ModelKind::Inflate => 80.0,
        ModelKind::Relief => 60.0,
        ModelKind::Extrude => 35.0,
    }
}

/// Picture space (y down) to metres (y up), the origin at the bottom centre, the longest edge as long as asked.
/// Mirroring y turns the winding round, so that faces still look outwards.
pub(crate) fn place(mesh: &Mesh, options: &Options) -> Mesh {
    let size = f64::from(options.effective_size_mm()) / 1000.0;
    let bounds = Bounds::of(&mesh.positions);
    let edge = |axis: usize| f64::from(bounds.max[axis]) - f64::from(bounds.min[axis]);
    let middle = |axis: usize| (f64::from(bounds.max[axis]) + f64::from(bounds.min[axis])) / 2.0;
    let scale = size / edge(0).max(edge(1)).max(edge(2));
    let positions = mesh
        .positions
        .iter()
        .map(|p| {
            let [x, y, z] = p.map(f64::from);
            [
                ((x - middle(0)) * scale) as f32,
                ((f64::from(bounds.max[1]) - y) * scale) as f32,
                ((z - middle(2)) * scale) as f32,
            ]
        })
        .collect();
    Mesh {
        positions,
        triangles: mesh.triangles.iter().map(|&[a, b, c]| [a, c, b]).collect(),
        patches: mesh.patches.clone(),
    }
}

/// One vertex for each place, patch and normal.
fn dress(mesh: &Mesh, placed: &Mesh, normals: &Normals, atlas: Atlas) -> Model {
    let mut names: HashMap<(u32, Patch), u32> = HashMap::with_capacity(placed.positions.len());
    let (mut positions, mut directions, mut uvs) = (Vec::new(), Vec::new(), Vec::new());
    let mut triangles = placed.triangles.clone();
    for (t, (triangle, &patch)) in triangles.iter_mut().zip(&placed.patches).enumerate() {
        for (k, vertex) in triangle.iter_mut().enumerate() {
            // A normal's number belongs to one vertex only, so it stands for the vertex too.
            let group = normals.group[t][k];
            *vertex = *names.entry((group, patch)).or_insert_with(|| {
                let welded = *vertex as usize;
                let [x, y, _] = mesh.positions[welded];
                positions.push(placed.positions[welded]);
                directions.push(normals.normals[group as usize]);
                uvs.push(atlas.uv(patch, x, y));
                positions.len() as u32 - 1
            });
        }
    }
    Model {
        positions,
        normals: directions,
        uvs,
        colours: Vec::new(),
        triangles,
        texture: atlas.texture,
        warnings: Vec::new(),
        options: Vec::new(),
    }
}

//! What is wrong with the surface of a mesh that was read: told, not refused.

use crate::{
    Model, Warning,
    format::weld::weld,
    mesh::{Mesh, Topology},
};

/// A warning for each thing that a closed, manifold surface that faces outwards has not.
pub(super) fn survey(model: &Model) -> Vec<Warning> {
    let mesh = surface(model);
    let Topology {
        open,
        crowded,
        pinched,
    } = Topology::of(&mesh);
    let count = |count: usize| Some(count as u32).filter(|count| *count > 0);
    let is_inside_out = open == 0 && crowded == 0 && mesh.volume() < 0.0;
    [
        count(open).map(|edges| Warning::NotClosed { edges }),
        count(crowded).map(|edges| Warning::NotManifold { edges }),
        count(pinched).map(|vertices| Warning::Pinched { vertices }),
        is_inside_out.then_some(Warning::InsideOut),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The surface behind the model's split vertices.
pub(super) fn surface(model: &Model) -> Mesh {
    let welded = weld(&model.positions);
    let triangles: Vec<_> = (model.triangles.iter())
        .map(|triangle| triangle.map(|v| welded.of[v as usize]))
        .collect();
    Mesh {
        positions: welded.positions,
        patches: vec![crate::mesh::Patch::Front; triangles.len()],
        triangles,
    }
}

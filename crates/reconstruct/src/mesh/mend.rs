//! Mends what simplification folds.
//!
//! Edge collapses on a thin body can lay two faces onto the same three vertices, back to back, and leave
//! vertices at which parts of the surface only touch (see issue 699 of zeux/meshoptimizer). Folded pairs
//! enclose nothing and are dropped; touching parts are drawn apart a little; shells without volume go.

use std::collections::HashMap;

use super::{
    Mesh,
    check::shells,
    fans::{Corner, Corners},
    signed_volume,
};

/// How far a touching part is drawn back, as a share of its distance to its own neighbours.
const RETREAT: f32 = 0.02;

/// Mends `mesh` in place as far as that is possible; [`check`](super::check) tells whether it sufficed.
pub(super) fn mend(mesh: &mut Mesh) {
    drop_folds(mesh);
    part_pinches(mesh);
    drop_empty_shells(mesh);
    compact(mesh);
}

/// Drops triangles with a repeated vertex, and all that share the same three vertices.
fn drop_folds(mesh: &mut Mesh) {
    let key = |t: &[u32; 3]| {
        let mut sorted = *t;
        sorted.sort_unstable();
        sorted
    };
    let mut seen: HashMap<[u32; 3], u32> = HashMap::with_capacity(mesh.triangles.len());
    for triangle in &mesh.triangles {
        *seen.entry(key(triangle)).or_default() += 1;
    }
    retain(mesh, |triangle| {
        let [a, b, c] = *triangle;
        a != b && b != c && c != a && seen[&key(triangle)] == 1
    });
}

/// Gives every fan of a pinched vertex a vertex of its own, drawn back towards that fan.
fn part_pinches(mesh: &mut Mesh) {
    let corners = Corners::of(mesh);
    for vertex in 0..mesh.positions.len() {
        if corners.at(vertex).is_empty() || corners.fan_count(vertex) == 1 {
            continue;
        }
        let own = mesh.positions[vertex];
        for (turn, fan) in corners.fans(vertex).into_iter().enumerate() {
            let moved = retreat(mesh, own, &fan);
            if turn == 0 {
                mesh.positions[vertex] = moved;
                continue;
            }
            let Ok(copy) = u32::try_from(mesh.positions.len()) else {
                return;
            };
            mesh.positions.push(moved);
            for corner in fan {
                for index in &mut mesh.triangles[corner.triangle as usize] {
                    if *index as usize == vertex {
                        *index = copy;
                    }
                }
            }
        }
    }
}

fn retreat(mesh: &Mesh, from: [f32; 3], fan: &[Corner]) -> [f32; 3] {
    let share = RETREAT / fan.len() as f32;
    let mut to = from;
    for corner in fan {
        let neighbour = mesh.positions[corner.next as usize];
        for axis in 0..3 {
            to[axis] += share * (neighbour[axis] - from[axis]);
        }
    }
    to
}

fn drop_empty_shells(mesh: &mut Mesh) {
    let (shell_of, count) = shells(mesh);
    let origin = mesh.positions.first().copied().unwrap_or_default();
    let mut volumes = vec![0.0; count];
    for triangle in 0..mesh.triangles.len() {
        let shell = shell_of[mesh.triangles[triangle][0] as usize] as usize;
        volumes[shell] += signed_volume(mesh.corners(triangle), origin);
    }
    let whole: f64 = volumes.iter().sum();
    retain(mesh, |triangle| {
        volumes[shell_of[triangle[0] as usize] as usize] > whole * 1e-7
    });
}

/// Removes vertices that no triangle names, keeping the order of the others.
pub(super) fn compact(mesh: &mut Mesh) {
    let mut renamed = vec![u32::MAX; mesh.positions.len()];
    for &vertex in mesh.triangles.iter().flatten() {
        renamed[vertex as usize] = 0;
    }
    let mut kept = 0_u32;
    for (vertex, name) in renamed.iter_mut().enumerate() {
        if *name == 0 {
            *name = kept;
            mesh.positions[kept as usize] = mesh.positions[vertex];
            kept += 1;
        }
    }
    mesh.positions.truncate(kept as usize);
    for vertex in mesh.triangles.iter_mut().flatten() {
        *vertex = renamed[*vertex as usize];
    }
}

fn retain(mesh: &mut Mesh, keep: impl Fn(&[u32; 3]) -> bool) {
    let mut kept = 0;
    for triangle in 0..mesh.triangles.len() {
        if keep(&mesh.triangles[triangle]) {
            mesh.triangles[kept] = mesh.triangles[triangle];
            mesh.patches[kept] = mesh.patches[triangle];
            kept += 1;
        }
    }
    mesh.triangles.truncate(kept);
    mesh.patches.truncate(kept);
}

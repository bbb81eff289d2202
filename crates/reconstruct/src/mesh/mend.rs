//! Mends what simplification folds.
//!
//! Edge collapses on a thin body can lay two faces onto the same three vertices, back to back, and leave
//! vertices at which parts of the surface only touch (see issue 699 of zeux/meshoptimizer). Folded pairs
//! enclose nothing and are dropped; touching parts are drawn apart a little; thin triangles that stand out are
//! turned; shells without volume go.

use std::collections::HashMap;

use super::{
    Mesh, area_vector,
    check::shells,
    difference, dot,
    fans::{Corner, Corners},
    length, signed_volume,
};
use crate::Bounds;

/// How far a touching part is drawn back, as a share of its distance to its own neighbours.
const RETREAT: f32 = 0.02;

/// A triangle lower than this share of the mesh's size is flat: it would not outlast a change of unit.
const FLAT: f64 = 4e-7;

/// A triangle lower than this share of its longest side is thin.
const THIN: f64 = 0.05;

/// Mends `mesh` in place as far as that is possible; [`check`](super::check()) tells whether it sufficed.
pub(super) fn mend(mesh: &mut Mesh) {
    drop_folds(mesh);
    part_pinches(mesh);
    turn_thin(mesh);
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

/// Turns the longest side of every flat triangle to join the two points beside it, and of every thin one that
/// stands out of its surroundings: whichever way so little a face looks, it is seen as a dent.
fn turn_thin(mesh: &mut Mesh) {
    let size = Bounds::of(&mesh.positions).size();
    let least = FLAT * f64::from(size[0].max(size[1]).max(size[2]));
    for _ in 0..4 {
        let thin: Vec<(usize, Thin)> = (0..mesh.triangles.len())
            .filter_map(|t| Some((t, Thin::of(mesh, t, least)?)))
            .collect();
        if thin.is_empty() {
            return;
        }
        let mut owners: HashMap<(u32, u32), usize> = HashMap::new();
        for (t, &[a, b, c]) in mesh.triangles.iter().enumerate() {
            owners.extend([((a, b), t), ((b, c), t), ((c, a), t)]);
        }
        let mut turned = false;
        for (t, seen) in thin {
            // Turned already, as some other thin triangle's neighbour.
            if Thin::of(mesh, t, least) != Some(seen) {
                continue;
            }
            let [a, b, c] = [0, 1, 2].map(|k| mesh.triangles[t][(seen.side + k) % 3]);
            let Some(&over) = owners.get(&(b, a)) else {
                continue;
            };
            let Some(&d) = mesh.triangles[over].iter().find(|&&v| v != a && v != b) else {
                continue;
            };
            if over == t || d == c || owners.contains_key(&(c, d)) || owners.contains_key(&(d, c)) {
                continue;
            }
            let agreement = |pair: [[u32; 3]; 2]| {
                let [m, n] = pair.map(|t| area_vector(t.map(|v| mesh.positions[v as usize])));
                dot(m, n) / (length(m) * length(n)).max(f64::MIN_POSITIVE)
            };
            let after = [[a, d, c], [d, b, c]];
            if !seen.flat && agreement(after) <= agreement([[a, b, c], [b, a, d]]) {
                continue;
            }
            [mesh.triangles[t], mesh.triangles[over]] = after;
            owners.remove(&(a, b));
            owners.remove(&(b, a));
            owners.extend([((a, d), t), ((d, c), t), ((c, a), t)]);
            owners.extend([((d, b), over), ((b, c), over), ((c, d), over)]);
            turned = true;
        }
        if !turned {
            return;
        }
    }
}

/// A triangle that is far lower than it is long.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Thin {
    /// Where its longest side starts.
    side: usize,
    /// So low that it would not outlast a change of unit.
    flat: bool,
}

impl Thin {
    fn of(mesh: &Mesh, triangle: usize, least: f64) -> Option<Self> {
        let corners = mesh.corners(triangle);
        let sides = [0, 1, 2].map(|k| length(difference(corners[(k + 1) % 3], corners[k])));
        let side = (0..3).max_by(|&a, &b| sides[a].total_cmp(&sides[b]))?;
        let doubled_area = length(area_vector(corners));
        let flat = doubled_area < least * sides[side];
        (flat || doubled_area < THIN * sides[side] * sides[side]).then_some(Self { side, flat })
    }
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

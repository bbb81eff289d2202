//! A silhouette pushed straight back, with bevelled edges.
//!
//! The outline is traced exactly, thinned to what the face limit allows and drawn inwards for the bevel; the
//! caps are its constrained Delaunay triangulation. Every number of faces is known beforehand, so nothing
//! has to be simplified afterwards.

use std::collections::VecDeque;

use spade::{ConstrainedDelaunayTriangulation, Point2, Triangulation};

use super::{
    field::Field,
    outline::{Ring, area, meetings, thin, trace},
};
use crate::{
    Error, Observer, Step,
    mesh::{Defect, Mesh, Patch},
};

/// The finest that an outline is thinned, in pixels: what hides the staircase of a matte without grey.
const FINEST: f32 = 0.3;
/// A bevelled corner is drawn in by at most this many widths, however sharp it is.
const LONGEST_MITRE: f32 = 3.0;
/// Share of its length that a side keeps at least when it is drawn in.
const LEAST_SIDE: f32 = 0.05;

/// How thick, in pixels, and how wide a bevel at front and back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile {
    pub(super) thickness: f32,
    pub(super) bevel: f32,
}

/// How many faces the rings have once extruded.
fn faces(rings: &[Ring], bevelled: bool) -> usize {
    let sides: usize = rings.iter().map(Vec::len).sum();
    let holes = rings.iter().filter(|r| area(r) < 0.0).count();
    let parts = rings.len() - holes;
    let bands = if bevelled { 3 } else { 1 };
    2 * (sides + 2 * holes).saturating_sub(2 * parts) + 2 * sides * bands
}

/// Rings of `field` with at most `most_faces` once extruded, and whether that is with a bevel: at very low
/// limits it is given up for the outline's sake. `None` when even the coarsest outline has too many.
///
/// # Errors
/// [`Error::NoContent`], [`Error::Cancelled`].
pub(super) fn rings(
    field: &Field,
    bevelled: bool,
    least_area: f32,
    most_faces: usize,
    observer: &dyn Observer,
) -> Result<Option<(Vec<Ring>, bool)>, Error> {
    let mut traced = trace(field, observer)?;
    let largest = traced.first().map_or(0.0, |r| area(r));
    // A hole is smaller than its part, so no hole stays without one.
    traced.retain(|ring| area(ring).abs() >= least_area.min(largest));
    if traced.is_empty() {
        return Err(Error::NoContent("nothing of the mask is large enough"));
    }
    let size = largest.sqrt();
    for (bevelled, coarsest) in [(bevelled, size / 100.0), (false, size / 8.0)] {
        let mut tolerance = FINEST;
        while tolerance <= coarsest.max(FINEST) {
            let thinned = thin(&traced, tolerance, observer)?;
            if faces(&thinned, bevelled) <= most_faces {
                return Ok(Some((thinned, bevelled)));
            }
            tolerance *= 1.3;
        }
    }
    // The smallest parts and holes go.
    while traced.len() > 1 {
        traced.truncate(traced.len() * 3 / 4);
        let thinned = thin(&traced, size / 32.0, observer)?;
        if faces(&thinned, false) <= most_faces {
            return Ok(Some((thinned, false)));
        }
    }
    Ok(None)
}

/// The solid between z = 0 and the profile's thickness.
///
/// # Errors
/// [`Error::Mesh`] when the outline cannot be triangulated, [`Error::Cancelled`].
pub(super) fn extrude(
    rings: &[Ring],
    profile: Profile,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let Profile { thickness, bevel } = profile;
    let (cap_rings, cap) = cap(rings, bevel, observer)?;
    let mut levels: Vec<(&[Ring], f32)> = vec![(&cap_rings, thickness), (&cap_rings, 0.0)];
    if bevel > 0.0 {
        levels = vec![
            (&cap_rings, thickness),
            (rings, thickness - bevel),
            (rings, bevel),
            (&cap_rings, 0.0),
        ];
    }
    let per_level: u32 = rings.iter().map(|r| r.len() as u32).sum();
    let mut mesh = Mesh::default();
    for (rings, z) in &levels {
        let points = rings.iter().flatten();
        mesh.positions.extend(points.map(|&[x, y]| [x, y, *z]));
    }
    let last = per_level * (levels.len() as u32 - 1);
    for &[a, b, c] in &cap {
        mesh.triangles
            .extend([[a, b, c], [a + last, c + last, b + last]]);
        mesh.patches.extend([Patch::Front, Patch::Back]);
    }
    for band in 0..levels.len() as u32 - 1 {
        let patch = if band == 2 { Patch::Back } else { Patch::Front };
        let (upper, lower) = (band * per_level, (band + 1) * per_level);
        let mut start = 0;
        for ring in rings {
            let count = ring.len() as u32;
            for k in 0..count {
                let (a, b) = (start + k, start + (k + 1) % count);
                mesh.triangles.extend([
                    [b + upper, a + upper, a + lower],
                    [b + upper, a + lower, b + lower],
                ]);
                mesh.patches.extend([patch; 2]);
            }
            start += count;
        }
    }
    Ok(mesh)
}

/// The rings drawn in by `width`, and the triangles between them. Where parts or holes would pass each other
/// they are drawn in by less.
fn cap(
    rings: &[Ring],
    mut width: f32,
    observer: &dyn Observer,
) -> Result<(Vec<Ring>, Vec<[u32; 3]>), Error> {
    for _ in 0..6 {
        if width <= 0.0 {
            break;
        }
        let inner = draw_in(rings, width, observer)?;
        observer.checkpoint(Step::Shape)?;
        if let Ok(triangles) = triangulate(&inner) {
            return Ok((inner, triangles));
        }
        width /= 2.0;
    }
    observer.checkpoint(Step::Shape)?;
    Ok((rings.to_vec(), triangulate(rings)?))
}

/// The rings moved to their inside by `width`, less where they are too narrow for it.
fn draw_in(rings: &[Ring], width: f32, observer: &dyn Observer) -> Result<Vec<Ring>, Error> {
    let mitres: Vec<Ring> = rings.iter().map(ring_mitres).collect();
    let mut widths: Vec<Vec<f32>> = rings.iter().map(|r| vec![width; r.len()]).collect();
    let moved = |widths: &[Vec<f32>]| -> Vec<Ring> {
        (0..rings.len())
            .map(|r| {
                (0..rings[r].len())
                    .map(|k| {
                        let ([x, y], [u, v]) = (rings[r][k], mitres[r][k]);
                        [x + u * widths[r][k], y + v * widths[r][k]]
                    })
                    .collect()
            })
            .collect()
    };
    for turn in 0.. {
        observer.checkpoint(Step::Shape)?;
        let inner = moved(&widths);
        let mut narrow = meetings(&inner, observer)?;
        for (r, ring) in rings.iter().enumerate() {
            // A small ring can turn inside out as a whole, though none of its sides turns round.
            let turned = area(ring) * area(&inner[r]) <= 0.0;
            narrow.extend(
                (0..ring.len())
                    .filter(|&k| turned || shrinks(ring, &inner[r], k))
                    .map(|k| (r, k)),
            );
        }
        if narrow.is_empty() {
            return Ok(inner);
        }
        for (r, k) in narrow {
            let next = (k + 1) % rings[r].len();
            for point in [k, next] {
                widths[r][point] *= if turn < 8 { 0.6 } else { 0.0 };
            }
        }
    }
    Ok(rings.to_vec())
}

/// Whether a side turns round or nearly vanishes.
fn shrinks(before: &Ring, after: &Ring, k: usize) -> bool {
    let next = (k + 1) % before.len();
    let side = |ring: &Ring| [ring[next][0] - ring[k][0], ring[next][1] - ring[k][1]];
    let (a, b) = (side(before), side(after));
    a[0] * b[0] + a[1] * b[1] < LEAST_SIDE * (a[0] * a[0] + a[1] * a[1])
}

/// For each point the way inwards that moves both its sides by one.
fn ring_mitres(ring: &Ring) -> Ring {
    let count = ring.len();
    let inward = |k: usize| {
        let (a, b) = (ring[k], ring[(k + 1) % count]);
        let (u, v) = (b[0] - a[0], b[1] - a[1]);
        let length = u.hypot(v);
        [-v / length, u / length]
    };
    (0..count)
        .map(|k| {
            let (m, n) = (inward((k + count - 1) % count), inward(k));
            let both = [m[0] + n[0], m[1] + n[1]];
            let stretch = 1.0 + m[0] * n[0] + m[1] * n[1];
            // |both| = √(2·stretch), so the mitre's length is √(2 / stretch).
            let least = 2.0 / (LONGEST_MITRE * LONGEST_MITRE);
            both.map(|x| x / stretch.max(least))
        })
        .collect()
}

/// Triangles between the rings, numbered as their points follow each other.
fn triangulate(rings: &[Ring]) -> Result<Vec<[u32; 3]>, Error> {
    let mut points = Vec::new();
    let mut sides: Vec<[usize; 2]> = Vec::new();
    for ring in rings {
        let first = points.len();
        points.extend(
            ring.iter()
                .map(|p| Point2::new(f64::from(p[0]), f64::from(p[1]))),
        );
        sides.extend((0..ring.len()).map(|k| [first + k, first + (k + 1) % ring.len()]));
    }
    let count = points.len();
    let mut conflicts = 0;
    let plan: ConstrainedDelaunayTriangulation<Point2<f64>> =
        ConstrainedDelaunayTriangulation::try_bulk_load_cdt(points, sides.clone(), |_| {
            conflicts += 1;
        })
        .map_err(|_| Error::Mesh(Defect::NotFinite(0)))?;
    if conflicts > 0 || plan.num_vertices() != count {
        return Err(Error::Mesh(Defect::NonManifold(conflicts)));
    }
    // Each side crossed from the outside turns inside and outside about.
    let mut inside = vec![None; plan.num_all_faces()];
    let outer = plan.outer_face().fix().index();
    inside[outer] = Some(false);
    let mut neighbours: Vec<Vec<(usize, bool)>> = vec![Vec::new(); plan.num_all_faces()];
    for edge in plan.directed_edges() {
        neighbours[edge.face().fix().index()]
            .push((edge.rev().face().fix().index(), edge.is_constraint_edge()));
    }
    let mut queue = VecDeque::from([outer]);
    while let Some(face) = queue.pop_front() {
        for &(next, side) in &neighbours[face] {
            if inside[next].is_none() {
                inside[next] = inside[face].map(|own: bool| own != side);
                queue.push_back(next);
            }
        }
    }
    // The sides are numbered by their first points, and each has the inside on its left, or a ring lies on
    // the wrong side of another.
    let astray = plan.directed_edges().filter(|edge| {
        let leaves = inside[edge.face().fix().index()] == Some(true) && edge.is_constraint_edge();
        leaves && sides[edge.from().fix().index()][1] != edge.to().fix().index()
    });
    match astray.count() {
        0 => Ok(plan
            .inner_faces()
            .filter(|face| inside[face.fix().index()] == Some(true))
            .map(|face| face.vertices().map(|v| v.fix().index() as u32))
            .collect()),
        count => Err(Error::Mesh(Defect::NonManifold(count))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Silent, mesh::check};

    #[test]
    fn a_part_narrower_than_the_bevel_does_not_turn_inside_out() {
        let large = vec![[0.0, 50.0], [400.0, 50.0], [400.0, 300.0], [0.0, 300.0]];
        let small = vec![
            [417.222_32, 112.5],
            [417.5, 110.9733],
            [418.5, 111.4247],
            [419.9936, 114.5],
            [419.5, 115.245_47],
            [417.5, 114.024_54],
        ];
        let profile = Profile {
            thickness: 40.517_838,
            bevel: 2.025_891_8,
        };
        let mesh = extrude(&[large, small], profile, &Silent).unwrap();
        assert_eq!(check(&mesh, 1000), Ok(()));
    }
}

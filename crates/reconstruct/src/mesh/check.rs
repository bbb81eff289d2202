//! Whether a mesh keeps every promise.

use super::{Defect, Mesh, area_vector, fans::Corners, signed_volume};

/// Checks every invariant, the face limit included.
///
/// # Errors
/// The first [`Defect`] found.
pub fn check(mesh: &Mesh, face_limit: u32) -> Result<(), Defect> {
    let faces = mesh.triangles.len();
    if faces == 0 {
        return Err(Defect::Empty);
    }
    if faces > face_limit as usize {
        return Err(Defect::FaceLimit {
            faces,
            limit: face_limit,
        });
    }
    values(mesh)?;
    places(mesh)?;
    if let Some(triangle) = (0..faces).find(|&t| area_vector(mesh.corners(t)) == [0.0; 3]) {
        return Err(Defect::Degenerate(triangle));
    }
    topology(mesh)?;
    match least_shell_volume(mesh) {
        volume if volume > 0.0 => Ok(()),
        volume => Err(Defect::Volume(volume)),
    }
}

fn values(mesh: &Mesh) -> Result<(), Defect> {
    let vertices = mesh.positions.len();
    if let Some(t) = mesh
        .triangles
        .iter()
        .position(|t| t.iter().any(|&v| v as usize >= vertices))
    {
        return Err(Defect::BadIndex(t));
    }
    mesh.positions
        .iter()
        .position(|p| p.iter().any(|x| !x.is_finite()))
        .map_or(Ok(()), |v| Err(Defect::NotFinite(v)))
}

/// No two vertices at one place: readers that weld by position would join them.
fn places(mesh: &Mesh) -> Result<(), Defect> {
    let mut keys: Vec<([u32; 3], u32)> = (0_u32..)
        .zip(&mesh.positions)
        // Adding zero turns -0 into 0, which readers hold for the same number.
        .map(|(vertex, p)| (p.map(|x| (x + 0.0).to_bits()), vertex))
        .collect();
    keys.sort_unstable();
    keys.windows(2)
        .find(|pair| pair[0].0 == pair[1].0)
        .map_or(Ok(()), |pair| {
            Err(Defect::Coincident(pair[0].1 as usize, pair[1].1 as usize))
        })
}

/// Every edge on two faces that run along it in opposite ways, every vertex in one fan.
fn topology(mesh: &Mesh) -> Result<(), Defect> {
    let Topology {
        crowded,
        open,
        pinched,
    } = Topology::of(mesh);
    match (crowded, open, pinched) {
        (0, 0, 0) => Ok(()),
        (0, 0, n) => Err(Defect::PinchedVertex(n)),
        (0, n, _) => Err(Defect::Open(n)),
        (n, _, _) => Err(Defect::NonManifold(n)),
    }
}

/// How often a surface is not closed or not manifold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Topology {
    /// Edges on one face only.
    pub(crate) open: usize,
    /// Edges on more than two faces, or along which two faces run the same way.
    pub(crate) crowded: usize,
    /// Vertices at which parts of the surface only touch.
    pub(crate) pinched: usize,
}

impl Topology {
    /// All indices must be in range.
    pub(crate) fn of(mesh: &Mesh) -> Self {
        let corners = Corners::of(mesh);
        let mut counts = Self::default();
        let mut incoming = Vec::new();
        for vertex in 0..mesh.positions.len() {
            let around = corners.at(vertex);
            if around.is_empty() {
                continue;
            }
            incoming.clear();
            incoming.extend(around.iter().map(|corner| corner.previous));
            incoming.sort_unstable();
            let repeated = around.windows(2).filter(|c| c[0].next == c[1].next).count();
            let unmatched = around
                .iter()
                .filter(|corner| incoming.binary_search(&corner.next).is_err())
                .count();
            counts.crowded += repeated;
            counts.open += unmatched;
            if repeated == 0
                && unmatched == 0
                && incoming.windows(2).all(|pair| pair[0] != pair[1])
                && corners.fan_count(vertex) > 1
            {
                counts.pinched += 1;
            }
        }
        counts
    }
}

fn least_shell_volume(mesh: &Mesh) -> f64 {
    let (shells, count) = shells(mesh);
    let mut origins = vec![None; count];
    let mut volumes = vec![0.0; count];
    for (triangle, corner) in mesh.triangles.iter().enumerate() {
        let shell = shells[corner[0] as usize] as usize;
        let origin = *origins[shell].get_or_insert(mesh.positions[corner[0] as usize]);
        volumes[shell] += signed_volume(mesh.corners(triangle), origin);
    }
    volumes.into_iter().fold(f64::INFINITY, f64::min)
}

/// Which connected shell each vertex belongs to (numbered from 0 in order of their first vertex; a vertex
/// without faces belongs to none, `u32::MAX`), and how many there are.
pub(super) fn shells(mesh: &Mesh) -> (Vec<u32>, usize) {
    let mut parents: Vec<u32> = (0_u32..).take(mesh.positions.len()).collect();
    let mut used = vec![false; mesh.positions.len()];
    for &[a, b, c] in &mesh.triangles {
        for vertex in [a, b, c] {
            used[vertex as usize] = true;
        }
        for other in [b, c] {
            let (x, y) = (root(&mut parents, a), root(&mut parents, other));
            parents[x.max(y) as usize] = x.min(y);
        }
    }
    let mut numbers = vec![u32::MAX; mesh.positions.len()];
    let mut count = 0;
    for vertex in 0..mesh.positions.len() {
        if !used[vertex] {
            continue;
        }
        // A root is the least vertex of its shell, so it has been numbered before the others.
        let first = root(&mut parents, u32::try_from(vertex).unwrap_or(u32::MAX)) as usize;
        if first == vertex {
            numbers[vertex] = count;
            count += 1;
        } else {
            numbers[vertex] = numbers[first];
        }
    }
    (numbers, count as usize)
}

fn root(parents: &mut [u32], mut vertex: u32) -> u32 {
    while parents[vertex as usize] != vertex {
        let grandparent = parents[parents[vertex as usize] as usize];
        parents[vertex as usize] = grandparent;
        vertex = grandparent;
    }
    vertex
}

#[cfg(test)]
mod tests {
    use super::super::Patch;
    use super::*;

    fn tetrahedron(offset: f32) -> Mesh {
        Mesh {
            positions: vec![
                [offset, 0.0, 0.0],
                [offset + 1.0, 0.0, 0.0],
                [offset, 1.0, 0.0],
                [offset, 0.0, 1.0],
            ],
            triangles: vec![[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]],
            patches: vec![Patch::Front; 4],
        }
    }

    fn join(mut a: Mesh, b: &Mesh) -> Mesh {
        let shift = a.positions.len() as u32;
        a.positions.extend(&b.positions);
        a.triangles
            .extend(b.triangles.iter().map(|t| t.map(|v| v + shift)));
        a.patches.extend(&b.patches);
        a
    }

    #[test]
    fn each_broken_promise_is_named() {
        let whole = tetrahedron(0.0);
        assert_eq!(check(&whole, 4), Ok(()));
        assert_eq!(
            check(&whole, 3),
            Err(Defect::FaceLimit { faces: 4, limit: 3 })
        );
        assert_eq!(check(&Mesh::default(), 100), Err(Defect::Empty));

        let broken = |change: fn(&mut Mesh)| {
            let mut mesh = tetrahedron(0.0);
            change(&mut mesh);
            check(&mesh, 100).unwrap_err()
        };
        assert_eq!(broken(|m| m.triangles[2][1] = 9), Defect::BadIndex(2));
        assert_eq!(
            broken(|m| m.positions[3][1] = f32::NAN),
            Defect::NotFinite(3)
        );
        assert_eq!(
            broken(|m| m.positions[3] = [-0.0, 1.0, 0.0]),
            Defect::Coincident(2, 3)
        );
        assert_eq!(
            broken(|m| m.positions[3] = [0.5, 0.0, 0.0]),
            Defect::Degenerate(1)
        );
        assert_eq!(broken(|m| m.triangles.truncate(3)), Defect::Open(3));
        assert_eq!(
            broken(|m| m.triangles[0].swap(0, 1)),
            Defect::NonManifold(3)
        );
        assert!(matches!(
            broken(|m| m.triangles.iter_mut().for_each(|t| t.swap(0, 1))),
            Defect::Volume(v) if v < 0.0
        ));
    }

    #[test]
    fn a_vertex_shared_by_two_bodies_is_pinched_and_each_shell_counts() {
        let two = join(tetrahedron(0.0), &tetrahedron(5.0));
        assert_eq!(check(&two, 8), Ok(()));
        assert_eq!(shells(&two).1, 2);

        let mut pinched = join(tetrahedron(0.0), &tetrahedron(5.0));
        for t in &mut pinched.triangles[4..] {
            *t = t.map(|v| if v == 4 { 1 } else { v });
        }
        assert_eq!(check(&pinched, 8), Err(Defect::PinchedVertex(1)));

        let mut inverted = join(tetrahedron(0.0), &tetrahedron(5.0));
        inverted.triangles[4..]
            .iter_mut()
            .for_each(|t| t.swap(0, 1));
        assert!(matches!(check(&inverted, 8), Err(Defect::Volume(_))));
    }
}

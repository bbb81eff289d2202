//! The indexed triangle mesh and its invariants.
//!
//! A [`Mesh`] is welded: one vertex per position. It must be closed, manifold, consistently oriented, of
//! positive volume and free of degenerate faces; [`check()`] says whether it is, and nothing leaves the
//! crate unchecked. Knows nothing of pictures.
//!
//! A shape arrives in picture space, [`simplify()`] brings it under the face limit and mends what that
//! folded, `finish` turns it upright into metres, checks it in its final numbers and
//! gives it normals and texture coordinates.

mod check;
mod fans;
mod finish;
mod mend;
mod normals;
mod simplify;

pub(crate) use check::Topology;
pub use check::check;
pub(crate) use fans::Corners;
pub(crate) use finish::{finish, place};
pub(crate) use normals::{angle, unit};
pub use simplify::simplify;

/// A welded triangle mesh.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    pub positions: Vec<[f32; 3]>,
    /// Outward by the right-hand rule of the coordinates: counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// Per triangle: which part of the texture it wears.
    pub patches: Vec<Patch>,
}

/// Which half of the texture atlas a triangle wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Patch {
    Front,
    Back,
}

/// A broken invariant, with the first place that breaks it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    #[error("it has no faces")]
    Empty,
    #[error("triangle {0} names a vertex that does not exist")]
    BadIndex(usize),
    #[error("vertex {0} is not a finite number")]
    NotFinite(usize),
    #[error("vertices {0} and {1} lie at the same place")]
    Coincident(usize, usize),
    #[error("triangle {0} is degenerate")]
    Degenerate(usize),
    #[error("{0} edges lie on one face only: the surface has a hole")]
    Open(usize),
    #[error("{0} edges lie on more than two faces, or two faces run along one the same way")]
    NonManifold(usize),
    #[error("{0} vertices join parts of the surface that touch only there")]
    PinchedVertex(usize),
    #[error("the volume of one of its shells is {0}, not positive")]
    Volume(f64),
    #[error("it has {faces} faces, over the limit of {limit}")]
    FaceLimit { faces: usize, limit: u32 },
}

impl Mesh {
    pub(crate) fn corners(&self, triangle: usize) -> [[f32; 3]; 3] {
        self.triangles[triangle].map(|vertex| self.positions[vertex as usize])
    }

    /// Enclosed volume in the cube of its unit, by the divergence theorem.
    #[must_use]
    pub fn volume(&self) -> f64 {
        let origin = self.positions.first().copied().unwrap_or_default();
        (0..self.triangles.len())
            .map(|triangle| signed_volume(self.corners(triangle), origin))
            .sum()
    }

    /// Surface area in the square of its unit.
    #[must_use]
    pub fn area(&self) -> f64 {
        (0..self.triangles.len())
            .map(|triangle| length(area_vector(self.corners(triangle))) / 2.0)
            .sum()
    }
}

/// Volume of the tetrahedron from `origin` to a triangle, positive when the triangle faces away.
pub(crate) fn signed_volume(corners: [[f32; 3]; 3], origin: [f32; 3]) -> f64 {
    let [a, b, c] = corners.map(|p| difference(p, origin));
    dot(a, cross(b, c)) / 6.0
}

/// Twice the area, along the normal. Exactly zero only for a degenerate triangle, since differences and
/// products of `f32` values of like magnitude are exact in `f64`.
pub(crate) fn area_vector([a, b, c]: [[f32; 3]; 3]) -> [f64; 3] {
    cross(difference(b, a), difference(c, a))
}

pub(crate) fn difference(a: [f32; 3], b: [f32; 3]) -> [f64; 3] {
    std::array::from_fn(|axis| f64::from(a[axis]) - f64::from(b[axis]))
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn length(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

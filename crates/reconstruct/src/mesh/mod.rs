//! The indexed triangle mesh and its invariants.
//!
//! A [`Mesh`] is welded: one vertex per position. It must be closed, manifold, consistently oriented, of
//! positive volume and free of degenerate faces; [`check`] says whether it is, and nothing leaves the
//! crate unchecked. Knows nothing of pictures.

/// A welded triangle mesh.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    pub positions: Vec<[f32; 3]>,
    /// Counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// Per triangle: which part of the texture it wears.
    pub patches: Vec<Patch>,
}

/// Which half of the texture atlas a triangle wears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    #[error("triangle {0} is degenerate")]
    Degenerate(usize),
    #[error("{0} edges lie on one face only: the surface has a hole")]
    Open(usize),
    #[error("{0} edges lie on more than two faces, or two faces run along one the same way")]
    NonManifold(usize),
    #[error("{0} vertices join parts of the surface that touch only there")]
    PinchedVertex(usize),
    #[error("its volume is {0}, not positive")]
    Volume(f64),
    #[error("it has {faces} faces, over the limit of {limit}")]
    FaceLimit { faces: usize, limit: u32 },
}

/// Checks every invariant, the face limit included.
///
/// # Errors
/// The first [`Defect`] found.
pub fn check(mesh: &Mesh, face_limit: u32) -> Result<(), Defect> {
    let _ = (mesh, face_limit);
    todo!()
}

//! Fewer faces, by edge collapse.

use meshopt::SimplifyOptions;

use super::{Defect, Mesh, Patch, area_vector, check, mend::mend};
use crate::{Error, Observer, Step};

/// How one attempt goes about it.
struct Attempt {
    /// Whether the line between front and back stays where it is, so that it keeps to the outline.
    keep_seams: bool,
    /// Share of the limit that is aimed at.
    share: f64,
    options: SimplifyOptions,
}

const ATTEMPTS: [Attempt; 4] = [
    Attempt {
        keep_seams: true,
        share: 1.0,
        options: SimplifyOptions::RegularizeLight,
    },
    Attempt {
        keep_seams: true,
        share: 0.97,
        options: SimplifyOptions::PreserveFolds,
    },
    Attempt {
        keep_seams: false,
        share: 1.0,
        options: SimplifyOptions::PreserveFolds,
    },
    Attempt {
        keep_seams: false,
        share: 0.9,
        options: SimplifyOptions::Regularize,
    },
];

/// Reduces `mesh` to at most `face_limit` faces and mends it; a mesh under the limit stays as it is.
///
/// # Errors
/// [`Error::Mesh`] when no attempt gives a mesh that passes its [`check()`]: start from a coarser one then.
/// [`Error::Cancelled`].
pub fn simplify(mesh: Mesh, face_limit: u32, observer: &dyn Observer) -> Result<Mesh, Error> {
    if mesh.triangles.len() <= face_limit as usize {
        check(&mesh, face_limit)?;
        return Ok(mesh);
    }
    let mut last = Defect::Empty;
    for attempt in &ATTEMPTS {
        observer.checkpoint(Step::Simplify)?;
        let target = (f64::from(face_limit) * attempt.share) as usize;
        let mut simpler = collapse(&mesh, target, attempt);
        observer.checkpoint(Step::Simplify)?;
        mend(&mut simpler);
        match check(&simpler, face_limit) {
            Ok(()) => return Ok(simpler),
            Err(defect) => last = defect,
        }
    }
    Err(last.into())
}

fn collapse(mesh: &Mesh, target: usize, attempt: &Attempt) -> Mesh {
    let split = Split::of(mesh, attempt.keep_seams);
    let indices = meshopt::simplify_decoder(
        &split.indices,
        &split.positions,
        target * 3,
        f32::MAX,
        attempt.options,
        None,
    );
    let triangles: Vec<[u32; 3]> = indices
        .as_chunks::<3>()
        .0
        .iter()
        .map(|t| t.map(|v| split.welded[v as usize]))
        .collect();
    let patches = indices
        .as_chunks::<3>()
        .0
        .iter()
        .map(|t| {
            if attempt.keep_seams {
                split.patches[t[0] as usize]
            } else {
                facing(t.map(|v| split.positions[v as usize]))
            }
        })
        .collect();
    Mesh {
        positions: mesh.positions.clone(),
        triangles,
        patches,
    }
}

/// Shapes look along z in picture space: what faces away is back.
fn facing(corners: [[f32; 3]; 3]) -> Patch {
    if area_vector(corners)[2] < 0.0 {
        Patch::Back
    } else {
        Patch::Front
    }
}

/// The mesh with a vertex per patch along seams, which the simplifier then keeps as attribute seams.
struct Split {
    positions: Vec<[f32; 3]>,
    welded: Vec<u32>,
    patches: Vec<Patch>,
    indices: Vec<u32>,
}

impl Split {
    fn of(mesh: &Mesh, seams: bool) -> Self {
        let vertices = mesh.positions.len();
        let mut split = Self {
            positions: Vec::with_capacity(vertices),
            welded: Vec::with_capacity(vertices),
            patches: Vec::with_capacity(vertices),
            indices: Vec::with_capacity(mesh.triangles.len() * 3),
        };
        let mut names = vec![[u32::MAX; 2]; vertices];
        for (triangle, &patch) in mesh.triangles.iter().zip(&mesh.patches) {
            let side = usize::from(seams && patch == Patch::Back);
            for &vertex in triangle {
                let name = &mut names[vertex as usize][side];
                if *name == u32::MAX {
                    *name = split.welded.len() as u32;
                    split.positions.push(mesh.positions[vertex as usize]);
                    split.welded.push(vertex);
                    split.patches.push(patch);
                }
                split.indices.push(*name);
            }
        }
        split
    }
}

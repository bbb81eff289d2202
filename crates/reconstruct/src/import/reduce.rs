//! Fewer faces, by edge collapse that minds what the surface wears.
//!
//! First the seams of texture, colours and normals stay as they are; then they may move; last the surface alone
//! counts, and what the texture showed is kept at the vertices.

use std::collections::HashMap;

use meshopt::SimplifyOptions;

use super::{
    colour::white,
    dress::dress,
    soup::{Soup, Vertex},
    survey::surface,
};
use crate::{
    Error, Model, Observer, Step, Warning,
    mesh::{self, Mesh, check},
    sampler::{Sampler, texels_per_edge},
};

/// How much a turn of the normal, a way in the texture and a change of colour count beside one of place.
const WEIGHTS: [f32; 8] = [0.2, 0.2, 0.2, 0.5, 0.5, 0.3, 0.3, 0.3];

/// Ways to collapse edges of the model as it is split, the most careful first.
const CAREFUL: [SimplifyOptions; 3] = [
    SimplifyOptions::RegularizeLight,
    SimplifyOptions::PreserveFolds,
    SimplifyOptions::Permissive,
];

/// Brings `model` to `limit` faces at most, or as near as its surface survives.
///
/// # Errors
/// [`Error::Model`] when its texture does not decode, [`Error::Cancelled`].
pub(super) fn reduce(model: &mut Model, limit: u32, observer: &dyn Observer) -> Result<(), Error> {
    if model.triangles.len() <= limit as usize {
        return Ok(());
    }
    let whole = surface(model);
    let was_sound = check(&whole, u32::MAX).is_ok();
    let mut tolerable = None;
    for options in CAREFUL {
        observer.checkpoint(Step::Simplify)?;
        let triangles = collapse(model, limit, options);
        if triangles.is_empty() || triangles.len() > limit as usize {
            continue;
        }
        let candidate = part(model, &triangles);
        if !was_sound || check(&surface(&candidate), limit).is_ok() {
            *model = candidate;
            return Ok(());
        }
        tolerable.get_or_insert(candidate);
    }
    let is_textured = model.texture != white();
    // What a texture shows is worth more than a surface without a flaw.
    if let Some(candidate) = tolerable.take_if(|_| is_textured) {
        *model = candidate;
        return Ok(());
    }
    let colours = colours(model, &whole)?;
    let simpler = simplified(whole, limit, was_sound, observer)?;
    let missed = simpler.triangles.len();
    let mut bare = dress(coloured(simpler, &colours), white());
    bare.warnings.append(&mut model.warnings);
    if is_textured {
        bare.warnings.push(Warning::TextureOnVertices);
    }
    if missed > limit as usize {
        bare.warnings.push(Warning::FaceLimitMissed {
            faces: missed as u32,
        });
    }
    *model = bare;
    Ok(())
}

fn collapse(model: &Model, limit: u32, options: SimplifyOptions) -> Vec<[u32; 3]> {
    let mut attributes = Vec::with_capacity(WEIGHTS.len() * model.positions.len());
    for (vertex, normal) in model.normals.iter().enumerate() {
        attributes.extend_from_slice(normal);
        attributes.extend_from_slice(&model.uvs[vertex]);
        let colour = model.colours.get(vertex).copied().unwrap_or([1.0; 3]);
        attributes.extend_from_slice(&colour);
    }
    let indices = meshopt::simplify_with_attributes_and_locks_decoder(
        model.triangles.as_flattened(),
        &model.positions,
        &attributes,
        &WEIGHTS,
        WEIGHTS.len() * size_of::<f32>(),
        &vec![false; model.positions.len()],
        limit as usize * 3,
        f32::MAX,
        options,
        None,
    );
    without_flat(indices.as_chunks().0, &model.positions)
}

fn without_flat(triangles: &[[u32; 3]], positions: &[[f32; 3]]) -> Vec<[u32; 3]> {
    let has_area = |triangle: &&[u32; 3]| {
        mesh::area_vector(triangle.map(|v| positions[v as usize])) != [0.0; 3]
    };
    triangles.iter().filter(has_area).copied().collect()
}

/// The model of those of its triangles alone.
fn part(model: &Model, triangles: &[[u32; 3]]) -> Model {
    let mut part = Model {
        positions: Vec::new(),
        normals: Vec::new(),
        uvs: Vec::new(),
        colours: Vec::new(),
        triangles: triangles.to_vec(),
        texture: model.texture.clone(),
        warnings: model.warnings.clone(),
        options: model.options.clone(),
    };
    let mut names = HashMap::new();
    for index in part.triangles.as_flattened_mut() {
        let from = *index as usize;
        *index = *names.entry(from).or_insert_with(|| {
            part.positions.push(model.positions[from]);
            part.normals.push(model.normals[from]);
            part.uvs.push(model.uvs[from]);
            part.colours.extend(model.colours.get(from));
            part.positions.len() as u32 - 1
        });
    }
    part
}

/// The surface with `limit` faces at most, or with as few as leave one.
fn simplified(
    whole: Mesh,
    limit: u32,
    was_sound: bool,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    if was_sound {
        match mesh::simplify(whole.clone(), limit, observer) {
            Ok(mesh) => return Ok(mesh),
            Err(Error::Mesh(_)) => {}
            Err(other) => return Err(other),
        }
    }
    observer.checkpoint(Step::Simplify)?;
    let indices = whole.triangles.as_flattened();
    let target = limit as usize * 3;
    let careful = meshopt::simplify_decoder(
        indices,
        &whole.positions,
        target,
        f32::MAX,
        SimplifyOptions::PreserveFolds,
        None,
    );
    let mut best = without_flat(careful.as_chunks().0, &whole.positions);
    if best.len() > limit as usize {
        observer.checkpoint(Step::Simplify)?;
        let rough =
            meshopt::simplify_sloppy_decoder(indices, &whole.positions, target, f32::MAX, None);
        let rough = without_flat(rough.as_chunks().0, &whole.positions);
        if !rough.is_empty() {
            best = rough;
        }
    }
    if best.is_empty() {
        best.clone_from(&whole.triangles);
    }
    Ok(Mesh {
        triangles: best,
        ..whole
    })
}

/// Linear light at each vertex of the surface: the mean of what the model's vertices there show.
fn colours(model: &Model, surface: &Mesh) -> Result<HashMap<[u32; 3], [f32; 3]>, Error> {
    let sampler = Sampler::decode(&model.texture)?;
    let edges = model
        .triangles
        .iter()
        .map(|[a, b, _]| [a, b].map(|v| model.uvs[*v as usize]));
    let lod = texels_per_edge(sampler.size(), edges).log2();
    let mut sums: HashMap<[u32; 3], ([f32; 3], f32)> =
        HashMap::with_capacity(surface.positions.len());
    for (vertex, position) in model.positions.iter().enumerate() {
        let shown = sampler.sample(model.uvs[vertex], lod);
        let own = model.colours.get(vertex).copied().unwrap_or([1.0; 3]);
        let (sum, count) = sums.entry(bits(*position)).or_default();
        *sum = std::array::from_fn(|c| sum[c] + shown[c] * own[c]);
        *count += 1.0;
    }
    let mean = |(place, (sum, count)): ([u32; 3], ([f32; 3], f32))| (place, sum.map(|c| c / count));
    Ok(sums.into_iter().map(mean).collect())
}

fn bits(position: [f32; 3]) -> [u32; 3] {
    position.map(|x| (x + 0.0).to_bits())
}

/// The surface with those colours. A vertex that was moved a little takes its neighbour's.
fn coloured(mesh: Mesh, colours: &HashMap<[u32; 3], [f32; 3]>) -> Soup {
    let own = |position: &[f32; 3]| colours.get(&bits(*position)).copied();
    let mut found: Vec<_> = mesh.positions.iter().map(own).collect();
    for triangle in &mesh.triangles {
        let known = triangle.iter().find_map(|v| found[*v as usize]);
        for vertex in triangle {
            let colour = &mut found[*vertex as usize];
            *colour = colour.or(known);
        }
    }
    let vertex = |(position, colour): (&[f32; 3], Option<[f32; 3]>)| Vertex {
        colour: colour.unwrap_or([1.0; 3]),
        ..Vertex::at(*position)
    };
    let mut soup = Soup::new("");
    soup.vertices = mesh.positions.iter().zip(found).map(vertex).collect();
    soup.triangles = mesh.triangles;
    soup
}

//! A matte (and a picture) to a closed surface.
//!
//! All shapes build in *picture space*: x to the right and y down in pixels of the full picture, z towards
//! the viewer in the same unit, front faces looking along +z. Millimetre options are turned into pixels by
//! [`Scale`]. Knows nothing of textures and files.

mod detail;
mod extrude;
mod field;
mod inflate;
mod locate;
mod luma;
mod outline;
mod plan;
mod poisson;
mod relief;

use crate::{
    Bounds, Error, ModelKind, Observer, Options, Step, Warning, image::Picture, mesh::Mesh,
    segment::Matte,
};
use extrude::Profile;
use field::Field;
use plan::Plan;
use relief::Heights;

/// Pixels of the picture per millimetre of the finished model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub pixels_per_mm: f32,
}

impl Scale {
    /// The scale at which the box around `points` has the wanted longest side.
    fn filling<'a>(points: impl IntoIterator<Item = &'a [f32; 2]>, options: &Options) -> Self {
        let flat: Vec<_> = points.into_iter().map(|&[x, y]| [x, y, 0.0]).collect();
        let [width, height, _] = Bounds::of(&flat).size();
        Self {
            pixels_per_mm: width.max(height) / options.effective_size_mm(),
        }
    }
}

/// How fine the surface starts out, before simplification.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fineness {
    /// Faces aimed at.
    pub faces: u32,
    /// Faces never exceeded; coarser lattices are tried until it is kept.
    pub most_faces: u32,
    /// Separate parts kept at most, largest first.
    pub parts: usize,
}

impl Fineness {
    /// From finest to coarsest: what to start from to end within `limit` faces. The last ones stay under the
    /// limit by themselves, so that simplification is not needed.
    #[must_use]
    pub fn ladder(limit: u32) -> [Self; 6] {
        // Simplification pays for adaptive triangles; large meshes are fine enough without.
        let surplus = match limit {
            0..=40_000 => 2.6,
            40_001..=80_000 => 1.6,
            80_001..=120_000 => 1.25,
            _ => 0.9,
        };
        let rung = |share: f64, parts: u32| Self {
            faces: (f64::from(limit) * share) as u32,
            most_faces: if share < 1.0 { limit } else { u32::MAX },
            parts: (limit / parts).max(1) as usize,
        };
        [
            rung(surplus, 20),
            rung(f64::min(surplus, 1.3), 30),
            rung(0.9, 40),
            rung(0.6, 60),
            rung(0.4, 100),
            rung(0.25, u32::MAX),
        ]
    }
}

/// Builds the surface that `options.model` asks for; faces may be over the limit, simplification follows.
///
/// # Errors
/// [`Error::NoContent`] when nothing of the matte is left, [`Error::Cancelled`].
pub fn build(
    picture: &Picture,
    matte: &Matte,
    options: &Options,
    fineness: Fineness,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    match options.model {
        ModelKind::Inflate => body(picture, matte, options, fineness, observer),
        ModelKind::Relief if matte.is_whole() => plate(picture, matte, options, fineness, observer),
        ModelKind::Relief => plaque(picture, matte, options, fineness, observer),
        ModelKind::Extrude => silhouette(matte, options, fineness, observer),
    }
}

fn body(
    picture: &Picture,
    matte: &Matte,
    options: &Options,
    fineness: Fineness,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let (plan, spacing) = plan(matte, fineness, observer)?;
    // A whole photograph as a fat pillow looks like none; a flat one is a plaque.
    let flatness = if matte.warnings.contains(&Warning::NoForeground) {
        0.35
    } else {
        1.0
    };
    let size = plan.area().sqrt();
    let detail = detail::fine_relief(picture, matte, spacing, size, options, observer)?;
    inflate::inflate(&plan, spacing, detail.as_ref(), flatness, options, observer)
}

/// Relief of the whole picture.
fn plate(
    picture: &Picture,
    matte: &Matte,
    options: &Options,
    fineness: Fineness,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let (width, height) = (picture.width as f32, picture.height as f32);
    let size = options.effective_size_mm();
    let border = options.border_mm.min(size / 3.0);
    let scale = Scale {
        pixels_per_mm: width.max(height) / (size - 2.0 * border),
    };
    // Nearly all faces are the front's, two for each square of the grid; walls and underside take the rest.
    let mut spacing = (2.0 * width * height / fineness.faces as f32)
        .sqrt()
        .max(1.0);
    loop {
        let heights = Heights::of(picture, matte, spacing, scale, options, observer)?;
        let border = border * scale.pixels_per_mm;
        let mesh = relief::plate(picture, &heights, spacing, border, observer)?;
        if mesh.triangles.len() <= fineness.most_faces as usize {
            return Ok(mesh);
        }
        let over = mesh.triangles.len() as f32 / fineness.most_faces as f32;
        spacing *= over.sqrt().max(1.05);
    }
}

/// Relief of the object alone.
fn plaque(
    picture: &Picture,
    matte: &Matte,
    options: &Options,
    fineness: Fineness,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let (plan, spacing) = plan(matte, fineness, observer)?;
    let scale = Scale::filling(&plan.points, options);
    let heights = Heights::of(picture, matte, spacing, scale, options, observer)?;
    Ok(relief::cut_out(&plan, &heights))
}

fn silhouette(
    matte: &Matte,
    options: &Options,
    fineness: Fineness,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let most = fineness.faces.min(options.effective_face_limit()) as usize;
    // As fine as the picture, but no finer than about a thousandth of it.
    let mut spacing = (matte.width.max(matte.height) as f32 / 800.0).max(1.4);
    loop {
        let field = outline_field(matte, spacing, observer)?;
        let least = (2.0 * spacing * spacing).max(4.0);
        let wanted = options.bevel_mm > 0.0;
        if let Some((rings, bevelled)) = extrude::rings(&field, wanted, least, most, observer)? {
            let scale = Scale::filling(rings.iter().flatten(), options);
            let thickness = options.thickness_mm * scale.pixels_per_mm;
            let bevel = (options.bevel_mm * scale.pixels_per_mm).min(thickness / 3.0);
            let profile = Profile {
                thickness,
                bevel: if bevelled { bevel } else { 0.0 },
            };
            return extrude::extrude(&rings, profile, observer);
        }
        spacing *= 1.5;
    }
}

/// A picture has at most this many times the area that is counted as its object's.
const SPARSEST: f32 = 20.0;

/// Plan and spacing whose two sides have about the faces that `fineness` asks for.
fn plan(matte: &Matte, fineness: Fineness, observer: &dyn Observer) -> Result<(Plan, f32), Error> {
    let area = matte.alpha.iter().filter(|&&a| a >= 128).count() as f32;
    if area == 0.0 {
        return Err(Error::NoContent("the mask is empty"));
    }
    // A lattice lies over the whole picture: where little of it is object, fewer faces are made of that.
    let area = area.max((matte.width * matte.height) as f32 / SPARSEST);
    // An equilateral triangle of edge s has the area √3/4 s²; there is one for the front and one for the back.
    let mut spacing = (2.0 * area / (0.433 * fineness.faces as f32))
        .sqrt()
        .max(1.0);
    loop {
        observer.checkpoint(Step::Shape)?;
        let field = outline_field(matte, spacing, observer)?;
        let least = 4.0 * spacing * spacing;
        let plan = Plan::of(&field, spacing, least, fineness.parts, observer)?;
        if plan.triangles.is_empty() {
            return Err(Error::NoContent("nothing of the mask is large enough"));
        }
        if plan.triangles.len() * 2 <= fineness.most_faces as usize {
            return Ok((plan, spacing));
        }
        let over = (plan.triangles.len() * 2) as f32 / fineness.most_faces as f32;
        spacing *= over.sqrt().max(1.1);
    }
}

/// The matte as a field that is positive inside, smoothed to what a lattice of `spacing` can follow.
fn outline_field(matte: &Matte, spacing: f32, observer: &dyn Observer) -> Result<Field, Error> {
    let step = (spacing / 2.0).floor().max(1.0) as usize;
    // Half an edge: narrower features would come out in pieces; at least what hides a staircase of pixels.
    let sigma = (0.5 * spacing).max(0.7) / step as f32;
    let margin = (3.0 * sigma).ceil() as usize + 1;
    let (width, height) = (matte.width as usize, matte.height as usize);
    let columns = width.div_ceil(step) + 2 * margin;
    let rows = height.div_ceil(step) + 2 * margin;
    let mut values = vec![0.0_f32; columns * rows];
    let share = 1.0 / (255.0 * (step * step) as f32);
    for (j, band) in matte.alpha.chunks(width * step).enumerate() {
        observer.checkpoint(Step::Shape)?;
        let row = &mut values[(j + margin) * columns + margin..][..width.div_ceil(step)];
        for line in band.chunks(width) {
            for (value, cell) in row.iter_mut().zip(line.chunks(step)) {
                let sum: u32 = cell.iter().map(|&a| u32::from(a)).sum();
                *value += sum as f32 * share;
            }
        }
    }
    let cell = step as f32;
    let mut field = Field {
        columns,
        rows,
        cell,
        origin: [-(margin as f32) * cell; 2],
        values,
        outside: 0.0,
        clamped: false,
    };
    field.blur(sigma, observer)?;
    // Where all is too thin for the lattice, the outline is taken lower so that something thicker is left.
    let highest = field.values.iter().copied().fold(0.0, f32::max);
    let level = if highest < 0.6 { highest / 2.0 } else { 0.5 };
    field.values.iter_mut().for_each(|v| *v -= level);
    field.outside = -level;
    Ok(field)
}

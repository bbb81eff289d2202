//! A plate whose height follows the picture's brightness.
//!
//! The whole picture becomes a rectangular plate on a regular grid, with a plain border if asked for; a cut-out
//! becomes a plate in the outline's shape. Side walls are upright and the underside is flat at z = 0.

use super::{Scale, field::Field, luma::Light, plan::Plan};
use crate::{
    Error, Observer, Options, Step,
    image::Picture,
    mesh::{Mesh, Patch},
    options::Curve,
    segment::Matte,
};

/// The darkest shade of a lithophane lets through this share of the light of the brightest.
const LEAST_LIGHT: f32 = 0.02;
/// The least span of brightness that is stretched to the whole height, so that a plain wall's noise is not.
const LEAST_CONTRAST: f32 = 0.25;
/// Share of the pixels that may be cut off at either end of the brightness.
const CUT_OFF: f32 = 0.005;

/// From brightness to height in pixels above the underside.
pub(super) struct Heights {
    field: Field,
    dark: f32,
    bright: f32,
    curve: Curve,
    invert: bool,
    base: f32,
    thickness: f32,
}

impl Heights {
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn of(
        picture: &Picture,
        matte: &Matte,
        spacing: f32,
        scale: Scale,
        options: &Options,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let step = spacing.floor().max(1.0) as usize;
        let field = Light::of(picture, matte, step, observer)?.smoothed(0.5, observer)?;
        let (dark, bright) = span(&field);
        Ok(Self {
            field,
            dark,
            bright,
            curve: options.curve,
            invert: options.invert,
            base: options.base_mm * scale.pixels_per_mm,
            thickness: options.thickness_mm * scale.pixels_per_mm,
        })
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let light = (self.field.sample(x, y) - self.dark) / (self.bright - self.dark);
        self.base + self.thickness * rise(light.clamp(0.0, 1.0), self.curve, self.invert)
    }

    fn highest(&self) -> f32 {
        self.base + self.thickness
    }
}

/// Height from 0 to 1 for a brightness from 0 to 1.
fn rise(light: f32, curve: Curve, invert: bool) -> f32 {
    let rise = match curve {
        Curve::Linear => light,
        Curve::Lithophane => {
            // Beer–Lambert: light falls with exp(−μ·thickness), so the thickness for a wanted (linear) light
            // is its negative logarithm; dark is thick.
            let linear = light.powf(2.2);
            (LEAST_LIGHT + (1.0 - LEAST_LIGHT) * linear).ln() / LEAST_LIGHT.ln()
        }
    };
    if invert { 1.0 - rise } else { rise }
}

/// The darkest and brightest value, but for a few, at least [`LEAST_CONTRAST`] apart.
fn span(field: &Field) -> (f32, f32) {
    let mut bins = [0_usize; 256];
    for value in &field.values {
        bins[(value * 255.0).clamp(0.0, 255.0) as usize] += 1;
    }
    let cut = (field.values.len() as f32 * CUT_OFF) as usize;
    let end = |order: &mut dyn Iterator<Item = usize>| {
        let mut seen = 0;
        for bin in order {
            seen += bins[bin];
            if seen > cut {
                return bin as f32 / 255.0;
            }
        }
        0.5
    };
    let dark = end(&mut (0..256));
    let bright = end(&mut (0..256).rev());
    let missing = (LEAST_CONTRAST - (bright - dark)).max(0.0) / 2.0;
    (dark - missing, bright + missing)
}

/// A plate of the whole picture.
pub(super) fn plate(
    picture: &Picture,
    heights: &Heights,
    spacing: f32,
    border: f32,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let columns = Ruler::along(picture.width as f32, spacing, border);
    let rows = Ruler::along(picture.height as f32, spacing, border);
    let (across, down) = (columns.marks.len(), rows.marks.len());
    let mut mesh = Mesh::default();
    for j in 0..down {
        observer.checkpoint(Step::Shape)?;
        for i in 0..across {
            let (x, y) = (columns.marks[i], rows.marks[j]);
            let z = if columns.border(i) || rows.border(j) {
                heights.highest()
            } else {
                heights.at(x, y)
            };
            mesh.positions.push([x, y, z]);
        }
    }
    let top = |i: usize, j: usize| (j * across + i) as u32;
    for j in 0..down - 1 {
        for i in 0..across - 1 {
            let [a, b, c, d] = [top(i, j), top(i + 1, j), top(i, j + 1), top(i + 1, j + 1)];
            let z = |v: u32| mesh.positions[v as usize][2];
            // The diagonal along which the height changes less follows edges in the picture.
            let halves = if (z(a) - z(d)).abs() <= (z(b) - z(c)).abs() {
                [[a, b, d], [a, d, c]]
            } else {
                [[a, b, c], [b, d, c]]
            };
            mesh.triangles.extend(halves);
        }
    }
    mesh.patches.resize(mesh.triangles.len(), Patch::Front);
    // Once around, the way the front's triangles turn.
    let rim: Vec<u32> = (0..across - 1)
        .map(|i| top(i, 0))
        .chain((0..down - 1).map(|j| top(across - 1, j)))
        .chain((1..across).rev().map(|i| top(i, down - 1)))
        .chain((1..down).rev().map(|j| top(0, j)))
        .collect();
    let foot = add_walls(&mut mesh, &rim);
    let middle = [picture.width as f32 / 2.0, picture.height as f32 / 2.0, 0.0];
    mesh.positions.push(middle);
    let middle = mesh.positions.len() as u32 - 1;
    for k in 0..foot.len() {
        let (a, b) = (foot[k], foot[(k + 1) % foot.len()]);
        mesh.triangles.push([b, a, middle]);
        mesh.patches.push(Patch::Back);
    }
    Ok(mesh)
}

/// Upright walls from `rim` down to z = 0; gives the points at their foot.
fn add_walls(mesh: &mut Mesh, rim: &[u32]) -> Vec<u32> {
    let first = mesh.positions.len() as u32;
    let foot: Vec<u32> = (0..rim.len() as u32).map(|k| first + k).collect();
    for &v in rim {
        let [x, y, _] = mesh.positions[v as usize];
        mesh.positions.push([x, y, 0.0]);
    }
    for k in 0..rim.len() {
        let next = (k + 1) % rim.len();
        add_wall(mesh, [rim[k], rim[next]], [foot[k], foot[next]]);
    }
    foot
}

/// Two triangles between an edge of the top, in the way its triangle runs along it, and the edge below.
fn add_wall(mesh: &mut Mesh, [a, b]: [u32; 2], [below_a, below_b]: [u32; 2]) {
    mesh.triangles
        .extend([[b, a, below_a], [b, below_a, below_b]]);
    mesh.patches.extend([Patch::Front; 2]);
}

/// A plate in the outline's shape.
pub(super) fn cut_out(plan: &Plan, heights: &Heights) -> Mesh {
    let points = plan.points.len() as u32;
    let top = plan.points.iter().map(|&[x, y]| [x, y, heights.at(x, y)]);
    let bottom = plan.points.iter().map(|&[x, y]| [x, y, 0.0]);
    let mut mesh = Mesh {
        positions: top.chain(bottom).collect(),
        ..Mesh::default()
    };
    for &triangle in &plan.triangles {
        let [a, b, c] = triangle.map(|v| v + points);
        mesh.triangles.extend([triangle, [a, c, b]]);
        mesh.patches.extend([Patch::Front, Patch::Back]);
    }
    for [a, b] in plan.rim_edges() {
        add_wall(&mut mesh, [a, b], [a + points, b + points]);
    }
    mesh
}

/// Grid lines along one side of the picture.
struct Ruler {
    marks: Vec<f32>,
    has_border: bool,
}

impl Ruler {
    fn along(length: f32, spacing: f32, border: f32) -> Self {
        let cells = (length / spacing).round().max(1.0) as usize;
        let inner = (0..=cells).map(|i| length * i as f32 / cells as f32);
        let has_border = border > 0.0;
        if !has_border {
            return Self {
                marks: inner.collect(),
                has_border,
            };
        }
        // The border ends in a steep step at the picture's edge.
        let step = 0.1 * length / cells as f32;
        let last = length - step;
        Self {
            marks: [-border, 0.0]
                .into_iter()
                .chain(inner.map(|x| x.clamp(step, last)))
                .chain([length, length + border])
                .collect(),
            has_border,
        }
    }

    fn border(&self, mark: usize) -> bool {
        self.has_border && (mark < 2 || mark + 2 >= self.marks.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_through_a_lithophane_follows_the_picture() {
        // Absorption such that the whole rise dims to the least light.
        let through = |light: f32| LEAST_LIGHT.powf(rise(light, Curve::Lithophane, false));
        for light in [0.0, 0.2, 0.5, 0.8, 1.0_f32] {
            let wanted = LEAST_LIGHT + (1.0 - LEAST_LIGHT) * light.powf(2.2);
            assert!((through(light) - wanted).abs() < 1e-4);
        }
        assert_eq!(rise(1.0, Curve::Lithophane, false), 0.0);
        assert_eq!(rise(1.0, Curve::Lithophane, true), 1.0);
        assert_eq!(rise(0.25, Curve::Linear, true), 0.75);
    }
}

//! A rounded body: heights from Poisson's equation over the matte, front and back welded on the outline.
//!
//! With −Δh = 4 and h = 0 on the outline, z = √h turns a disc into a half ball (Baran and Lehtinen,
//! "Notes on Inflating Curves", 2009). √h is steep at the rim, so points are first moved towards it until
//! they are as evenly spaced along the body's surface as they were in the plane.

use super::{field::Field, plan::Plan, poisson};
use crate::{
    Error, Observer, Options, Step,
    mesh::{Mesh, Patch},
};

/// Least height of a point inside, as a share of the lattice's edge: front and back never touch there.
const LEAST_HEIGHT: f32 = 0.02;
/// Share of its area in the plane that a triangle keeps at least when points move towards the rim.
const LEAST_AREA: f32 = 2e-3;

/// The welded body over `plan`. `flatness` scales the whole thickness; `relief` adds fine height to the front.
///
/// # Errors
/// [`Error::Cancelled`].
pub(super) fn inflate(
    plan: &Plan,
    spacing: f32,
    relief: Option<&Field>,
    flatness: f32,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let heights = poisson::heights(plan, spacing, observer)?;
    observer.checkpoint(Step::Shape)?;
    let mut body = Body::over(plan, &heights);
    for (height, &rim) in body.heights.iter_mut().zip(&plan.rim) {
        *height = if rim {
            0.0
        } else {
            height.max(LEAST_HEIGHT * spacing)
        };
    }
    observer.checkpoint(Step::Shape)?;
    let front = options.depth * flatness;
    let back = front * options.back;
    let fine = |x: f32, y: f32, z: f32, facing: f32| {
        relief.map_or(0.0, |field| {
            // Nothing at the seam, all of it from a few edges inside; less where the body turns away, since
            // there a pixel's width is stretched to a groove.
            let inside = (z / (6.0 * spacing)).min(1.0);
            let share = inside * inside * (3.0 - 2.0 * inside) * facing;
            field.sample(x, y) * share * front.min(1.0)
        })
    };
    let points = plan.points.len();
    let mut mesh = Mesh {
        positions: Vec::with_capacity(points * 2),
        triangles: Vec::with_capacity(plan.triangles.len() * 2),
        patches: Vec::with_capacity(plan.triangles.len() * 2),
    };
    for (point, &[x, y]) in body.points.iter().enumerate() {
        let z = body.heights[point];
        // However dark a spot, a part of the body's own thickness stays.
        let height = (z * front + fine(x, y, z, body.facing[point])).max(z * front * 0.4);
        mesh.positions.push([x, y, height]);
    }
    let mut behind: Vec<u32> = (0..points as u32).collect();
    for (point, name) in behind.iter_mut().enumerate() {
        if !plan.rim[point] {
            *name = mesh.positions.len() as u32;
            let [x, y] = body.points[point];
            mesh.positions.push([x, y, -body.heights[point] * back]);
        }
    }
    for &triangle in &plan.triangles {
        let [a, b, c] = triangle.map(|v| behind[v as usize]);
        mesh.triangles.extend([triangle, [a, c, b]]);
        mesh.patches.extend([Patch::Front, Patch::Back]);
    }
    Ok(mesh)
}

struct Body {
    points: Vec<[f32; 2]>,
    /// Thickness above the plane: √h.
    heights: Vec<f32>,
    /// How much the round body faces the viewer: 1 on top, 0 at the rim.
    facing: Vec<f32>,
}

impl Body {
    fn over(plan: &Plan, heights: &[f64]) -> Self {
        let slopes = slopes(plan, heights);
        let moves: Vec<Move> = (0..plan.points.len())
            .map(|v| Move::of(heights[v], slopes[v]))
            .collect();
        let mut shares = vec![1.0_f32; plan.points.len()];
        let place = |v: usize, share: f32| {
            let [x, y] = plan.points[v];
            [x + moves[v].by[0] * share, y + moves[v].by[1] * share]
        };
        // Where neighbours would pass each other, go half as far.
        for _ in 0..12 {
            let mut crossed = false;
            for &triangle in &plan.triangles {
                let moved = triangle.map(|v| place(v as usize, shares[v as usize]));
                let least = LEAST_AREA * plan.doubled_area(triangle);
                if super::plan::doubled_area(moved) < least {
                    crossed = true;
                    for v in triangle {
                        shares[v as usize] *= 0.5;
                    }
                }
            }
            if !crossed {
                break;
            }
        }
        Self {
            points: (0..moves.len()).map(|v| place(v, shares[v])).collect(),
            heights: moves
                .iter()
                .zip(&shares)
                .map(|(step, &share)| step.height(share))
                .collect(),
            facing: moves
                .iter()
                .zip(&shares)
                .map(|(step, &share)| step.facing(share))
                .collect(),
        }
    }
}

/// How a point moves towards the rim, on the round profile that its height and slope tell of: for
/// h = k (ρ² − x²), x is the distance from the middle line and ρ − x that to the outline.
struct Move {
    by: [f32; 2],
    height: f64,
    x: f64,
    moved: f64,
    radius: f64,
}

impl Move {
    fn of(height: f64, slope: [f64; 2]) -> Self {
        let steep = slope[0].hypot(slope[1]);
        // The profile of a strip, k = 2; on a disc it asks for somewhat less than the full way.
        let radius = (steep * steep + 8.0 * height).sqrt() / 4.0;
        let x = steep / 4.0;
        let moved = if radius > 0.0 {
            radius * (std::f64::consts::FRAC_PI_2 * x / radius).sin()
        } else {
            x
        };
        let by = if steep > 0.0 && height > 0.0 {
            slope.map(|s| (-s / steep * (moved - x)) as f32)
        } else {
            [0.0; 2]
        };
        Self {
            by,
            height,
            x,
            moved,
            radius,
        }
    }

    /// Distance from the middle line after going `share` of the way.
    fn reached(&self, share: f32) -> f64 {
        self.x + (self.moved - self.x) * f64::from(share)
    }

    /// The normal's part along z on a round profile.
    fn facing(&self, share: f32) -> f32 {
        if self.radius > 0.0 {
            let across = self.reached(share) / self.radius;
            (1.0 - across * across).max(0.0).sqrt() as f32
        } else {
            0.0
        }
    }

    /// √h after going `share` of the way.
    fn height(&self, share: f32) -> f32 {
        let x = self.reached(share);
        let before = self.radius * self.radius - self.x * self.x;
        let after = self.radius * self.radius - x * x;
        if before > 0.0 && after > 0.0 {
            (self.height * after / before).sqrt() as f32
        } else {
            self.height.max(0.0).sqrt() as f32
        }
    }
}

/// The gradient at each point: the mean of its triangles', weighted by area.
fn slopes(plan: &Plan, heights: &[f64]) -> Vec<[f64; 2]> {
    let mut sums = vec![[0.0; 3]; heights.len()];
    for &triangle in &plan.triangles {
        let [a, b, c] = triangle.map(|v| plan.points[v as usize].map(f64::from));
        let [p, q, r] = triangle.map(|v| heights[v as usize]);
        // Gradient times doubled area.
        let gradient = [
            p * (b[1] - c[1]) + q * (c[1] - a[1]) + r * (a[1] - b[1]),
            p * (c[0] - b[0]) + q * (a[0] - c[0]) + r * (b[0] - a[0]),
        ];
        let doubled = f64::from(plan.doubled_area(triangle));
        for v in triangle {
            let sum = &mut sums[v as usize];
            sum[0] += gradient[0];
            sum[1] += gradient[1];
            sum[2] += doubled;
        }
    }
    sums.into_iter()
        .map(|[x, y, area]| {
            if area > 0.0 {
                [x / area, y / area]
            } else {
                [0.0; 2]
            }
        })
        .collect()
}

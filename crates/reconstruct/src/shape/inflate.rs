//! A rounded body: heights from Poisson's equation over the matte, front and back welded on the outline.
//!
//! With −Δh = 4 and h = 0 on the outline, z = √h turns a disc into a half ball (Baran and Lehtinen,
//! "Notes on Inflating Curves", 2009). √h is steep at the rim, so points are first moved towards it until
//! they are nearly as evenly spaced along the body's surface as they were in the plane.

use super::{
    field::Field,
    locate::Locator,
    plan::{Plan, doubled_area},
    poisson,
};
use crate::{
    Error, Observer, Options, Step,
    mesh::{Mesh, Patch},
};

/// Least height of a point inside, as a share of the lattice's edge: front and back never touch there.
const LEAST_HEIGHT: f32 = 0.02;
/// Share of the way towards the rim that points go. All of it would leave no room between the last ones there, so
/// that the least roughness of an outline folds them over each other.
const WAY: f32 = 0.75;
/// Share of its area in the plane that a triangle keeps at least when points move towards the rim.
const LEAST_AREA: f32 = 0.05;

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
        let points = spread(plan, heights, &slopes);
        let locator = Locator::over(plan);
        let mut body = Self {
            heights: Vec::with_capacity(points.len()),
            facing: Vec::with_capacity(points.len()),
            points: Vec::new(),
        };
        for (v, &point) in points.iter().enumerate() {
            // However far a point has gone, it lies on the one surface over the plane.
            let place = locator.find(v, point);
            let height = place.mix(|v| heights[v]).max(0.0);
            let steep: f64 = [0, 1]
                .map(|axis| place.mix(|v| slopes[v][axis]).powi(2))
                .iter()
                .sum();
            body.heights.push(height.sqrt() as f32);
            // The gradient of √h is that of h over 2√h.
            let facing = 4.0 * height / (4.0 * height + steep).max(f64::MIN_POSITIVE);
            body.facing.push(facing.sqrt() as f32);
        }
        body.points = points;
        body
    }
}

/// The points moved towards the rim; where neighbours would pass each other, not as far.
fn spread(plan: &Plan, heights: &[f64], slopes: &[[f64; 2]]) -> Vec<[f32; 2]> {
    let moves: Vec<[f32; 2]> = heights
        .iter()
        .zip(slopes)
        .map(|(&height, &slope)| towards_rim(height, slope))
        .collect();
    let mut shares = vec![WAY; plan.points.len()];
    let place = |v: usize, share: f32| {
        let ([x, y], [u, w]) = (plan.points[v], moves[v]);
        [x + u * share, y + w * share]
    };
    for _ in 0..30 {
        let mut crossed = false;
        for &triangle in &plan.triangles {
            let moved = triangle.map(|v| place(v as usize, shares[v as usize]));
            if doubled_area(moved) < LEAST_AREA * plan.doubled_area(triangle) {
                crossed = true;
                for v in triangle {
                    shares[v as usize] *= 0.8;
                }
            }
        }
        if !crossed {
            break;
        }
    }
    (0..moves.len()).map(|v| place(v, shares[v])).collect()
}

/// How a point moves towards the rim, on the round profile that its height and slope tell of: for
/// h = k (ρ² − x²), x is the distance from the middle line and ρ − x that to the outline.
fn towards_rim(height: f64, slope: [f64; 2]) -> [f32; 2] {
    let steep = slope[0].hypot(slope[1]);
    if steep <= 0.0 || height <= 0.0 {
        return [0.0; 2];
    }
    // The profile of a strip, k = 2; on a disc it asks for somewhat less than the full way.
    let radius = steep.hypot((8.0 * height).sqrt()) / 4.0;
    let x = steep / 4.0;
    let moved = radius * (std::f64::consts::FRAC_PI_2 * x / radius).sin();
    slope.map(|s| (-s / steep * (moved - x)) as f32)
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

//! Poisson's equation −Δh = 4 on a plan, h = 0 on its rim.
//!
//! Linear finite elements (cotangent weights), solved by conjugate gradients with a multigrid cycle as the
//! preconditioner. Coarser levels come from joining the unknowns in ever larger squares of the plane (plain
//! aggregation, Galerkin operators), so islands, holes and threads need no special care.

use super::plan::Plan;
use crate::{Error, Observer, Step};

/// Relative residual at which the solution is good enough for eyes and for the tests of volume.
const TOLERANCE: f64 = 1e-5;
const MOST_ITERATIONS: usize = 200;
/// Least doubled area of a triangle, as a share of the squares of two edges.
const THINNEST: f64 = 1e-7;
/// Unknowns of the coarsest level, which is solved by sweeps.
const COARSEST: usize = 24;
/// Coarse corrections of plain aggregation fall short; stretching them halves the iterations (Braess 1995).
const STRETCH: f64 = 1.5;

/// The height at every point of the plan. For a disc of radius R it is R² − r².
///
/// # Errors
/// [`Error::Cancelled`].
pub(super) fn heights(
    plan: &Plan,
    spacing: f32,
    observer: &dyn Observer,
) -> Result<Vec<f64>, Error> {
    let mut unknown = vec![u32::MAX; plan.points.len()];
    let mut places = Vec::new();
    for (point, &rim) in plan.rim.iter().enumerate() {
        if !rim {
            unknown[point] = places.len() as u32;
            places.push(plan.points[point]);
        }
    }
    let (matrix, load) = assemble(plan, &unknown, places.len());
    let hierarchy = Hierarchy::over(matrix, &places, spacing);
    let solution = hierarchy.solve(&load, observer)?.0;
    Ok(unknown
        .iter()
        .map(|&u| solution.get(u as usize).copied().unwrap_or(0.0))
        .collect())
}

/// A symmetric sparse matrix by rows; the diagonal is kept apart.
struct Matrix {
    starts: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f64>,
    diagonal: Vec<f64>,
}

impl Matrix {
    /// Sums entries given as (row, column, value), in any order and with repeats.
    fn of(size: usize, entries: &[(u32, u32, f64)]) -> Self {
        let mut starts = vec![0_u32; size + 1];
        for &(row, _, _) in entries {
            starts[row as usize + 1] += 1;
        }
        for i in 0..size {
            starts[i + 1] += starts[i];
        }
        let mut by_row = vec![(0, 0.0); entries.len()];
        let mut fill = starts.clone();
        for &(row, column, value) in entries {
            by_row[fill[row as usize] as usize] = (column, value);
            fill[row as usize] += 1;
        }
        let mut matrix = Self {
            starts: vec![0],
            columns: Vec::with_capacity(entries.len() / 2),
            values: Vec::with_capacity(entries.len() / 2),
            diagonal: vec![0.0; size],
        };
        for row in 0..size {
            let line = &mut by_row[starts[row] as usize..starts[row + 1] as usize];
            line.sort_by_key(|&(column, _)| column);
            for same in line.chunk_by(|a, b| a.0 == b.0) {
                let sum: f64 = same.iter().map(|&(_, value)| value).sum();
                if same[0].0 as usize == row {
                    matrix.diagonal[row] = sum;
                } else {
                    matrix.columns.push(same[0].0);
                    matrix.values.push(sum);
                }
            }
            matrix.starts.push(matrix.columns.len() as u32);
        }
        matrix
    }

    fn size(&self) -> usize {
        self.diagonal.len()
    }

    /// The row's product with `x`, without the diagonal.
    fn off_diagonal(&self, row: usize, x: &[f64]) -> f64 {
        let span = self.starts[row] as usize..self.starts[row + 1] as usize;
        self.columns[span.clone()]
            .iter()
            .zip(&self.values[span])
            .map(|(&column, &value)| value * x[column as usize])
            .sum()
    }

    fn multiply(&self, x: &[f64], into: &mut [f64]) {
        for (row, out) in into.iter_mut().enumerate() {
            *out = self.diagonal[row] * x[row] + self.off_diagonal(row, x);
        }
    }

    /// One Gauss–Seidel sweep over the rows in the given order.
    fn relax(&self, rows: impl Iterator<Item = usize>, load: &[f64], x: &mut [f64]) {
        for row in rows {
            x[row] = (load[row] - self.off_diagonal(row, x)) / self.diagonal[row];
        }
    }

    fn entries(&self) -> impl Iterator<Item = (u32, u32, f64)> + '_ {
        (0..self.size()).flat_map(move |row| {
            let span = self.starts[row] as usize..self.starts[row + 1] as usize;
            std::iter::once((row as u32, row as u32, self.diagonal[row])).chain(
                self.columns[span.clone()]
                    .iter()
                    .zip(&self.values[span])
                    .map(move |(&column, &value)| (row as u32, column, value)),
            )
        })
    }
}

fn assemble(plan: &Plan, unknown: &[u32], size: usize) -> (Matrix, Vec<f64>) {
    let mut entries = Vec::with_capacity(plan.triangles.len() * 9);
    let mut load = vec![0.0; size];
    for triangle in &plan.triangles {
        let points = triangle.map(|v| plan.points[v as usize].map(f64::from));
        let names = triangle.map(|v| unknown[v as usize]);
        let edge = |a: usize, b: usize| [points[b][0] - points[a][0], points[b][1] - points[a][1]];
        let (u, v) = (edge(0, 1), edge(0, 2));
        let area = (u[0] * v[1] - u[1] * v[0]).max(0.0);
        // One without area would tie its corners together with a weight beyond all numbers.
        let edges = u[0] * u[0] + u[1] * u[1] + v[0] * v[0] + v[1] * v[1];
        let doubled = area.max(THINNEST * edges).max(f64::MIN_POSITIVE);
        for k in 0..3 {
            let (i, j) = (names[(k + 1) % 3], names[(k + 2) % 3]);
            let (to_i, to_j) = (edge(k, (k + 1) % 3), edge(k, (k + 2) % 3));
            let weight = (to_i[0] * to_j[0] + to_i[1] * to_j[1]) / doubled / 2.0;
            for (own, other) in [(i, j), (j, i)] {
                if own == u32::MAX {
                    continue;
                }
                entries.push((own, own, weight));
                if other != u32::MAX {
                    entries.push((own, other, -weight));
                }
            }
            if names[k] != u32::MAX {
                // −Δh = 4 tested with the hat function, whose integral is a third of the area.
                load[names[k] as usize] += 4.0 * area / 6.0;
            }
        }
    }
    (Matrix::of(size, &entries), load)
}

struct Hierarchy {
    levels: Vec<Level>,
}

struct Level {
    matrix: Matrix,
    /// The unknown of the next level that each unknown is joined into; empty on the last.
    joined: Vec<u32>,
}

impl Hierarchy {
    fn over(matrix: Matrix, places: &[[f32; 2]], spacing: f32) -> Self {
        let mut levels = vec![Level {
            matrix,
            joined: Vec::new(),
        }];
        let mut cell = spacing;
        // Which finest unknown stands for each unknown of the current level.
        let mut heads: Vec<u32> = (0..places.len() as u32).collect();
        while let Some(last) = levels.last_mut() {
            let size = last.matrix.size();
            if size <= COARSEST {
                break;
            }
            cell *= 2.0;
            let (joined, next_heads) = join(&heads, places, cell);
            let coarse = next_heads.len();
            if coarse == size && cell > 1e6 {
                break;
            }
            let entries: Vec<_> = last
                .matrix
                .entries()
                .map(|(row, column, value)| (joined[row as usize], joined[column as usize], value))
                .collect();
            last.joined = joined;
            heads = next_heads;
            levels.push(Level {
                matrix: Matrix::of(coarse, &entries),
                joined: Vec::new(),
            });
        }
        Self { levels }
    }

    /// Conjugate gradients; gives the solution and the number of iterations.
    fn solve(&self, load: &[f64], observer: &dyn Observer) -> Result<(Vec<f64>, usize), Error> {
        let matrix = &self.levels[0].matrix;
        let size = matrix.size();
        let mut x = vec![0.0; size];
        let mut residual = load.to_vec();
        let mut direction = vec![0.0; size];
        let mut product = vec![0.0; size];
        let goal = TOLERANCE * norm(load);
        let mut last = 1.0;
        for iteration in 0..MOST_ITERATIONS {
            observer.checkpoint(Step::Shape)?;
            if norm(&residual) <= goal {
                return Ok((x, iteration));
            }
            let better = self.cycle(0, &residual);
            let now = dot(&residual, &better);
            let keep = if iteration == 0 { 0.0 } else { now / last };
            for (d, z) in direction.iter_mut().zip(&better) {
                *d = z + keep * *d;
            }
            matrix.multiply(&direction, &mut product);
            let step = now / dot(&direction, &product);
            for i in 0..size {
                x[i] += step * direction[i];
                residual[i] -= step * product[i];
            }
            last = now;
        }
        Ok((x, MOST_ITERATIONS))
    }

    /// A symmetric W-cycle from zero.
    fn cycle(&self, level: usize, load: &[f64]) -> Vec<f64> {
        let Level { matrix, joined } = &self.levels[level];
        let size = matrix.size();
        let mut x = vec![0.0; size];
        let Some(coarse) = self.levels.get(level + 1) else {
            for _ in 0..8 {
                matrix.relax(0..size, load, &mut x);
                matrix.relax((0..size).rev(), load, &mut x);
            }
            return x;
        };
        matrix.relax(0..size, load, &mut x);
        let turns = if level == 0 { 1 } else { 2 };
        for _ in 0..turns {
            let mut rest = vec![0.0; coarse.matrix.size()];
            for row in 0..size {
                rest[joined[row] as usize] +=
                    load[row] - matrix.diagonal[row] * x[row] - matrix.off_diagonal(row, &x);
            }
            let correction = self.cycle(level + 1, &rest);
            for (x, &to) in x.iter_mut().zip(joined) {
                *x += STRETCH * correction[to as usize];
            }
        }
        matrix.relax((0..size).rev(), load, &mut x);
        x
    }
}

/// Joins unknowns whose places share a square of edge `cell`.
fn join(heads: &[u32], places: &[[f32; 2]], cell: f32) -> (Vec<u32>, Vec<u32>) {
    let square = |head: u32| places[head as usize].map(|x| (x / cell).floor() as i32);
    let mut order: Vec<u32> = (0..heads.len() as u32).collect();
    order.sort_by_key(|&unknown| square(heads[unknown as usize]));
    let mut joined = vec![0; heads.len()];
    let mut next_heads: Vec<u32> = Vec::new();
    let mut last = None;
    for unknown in order {
        let head = heads[unknown as usize];
        let own = square(head);
        if last != Some(own) {
            last = Some(own);
            next_heads.push(head);
        }
        joined[unknown as usize] = next_heads.len() as u32 - 1;
    }
    (joined, next_heads)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::*;
    use crate::Silent;

    /// A plan of what lies inside, one pixel a cell.
    fn plan(side: usize, spacing: f32, inside: impl Fn(f32, f32) -> f32) -> Plan {
        let values = (0..side * side)
            .map(|i| inside((i % side) as f32 + 0.5, (i / side) as f32 + 0.5))
            .collect();
        let field = Field {
            columns: side,
            rows: side,
            cell: 1.0,
            origin: [0.0; 2],
            values,
            outside: -1.0,
            clamped: false,
        };
        Plan::of(&field, spacing, 0.0, usize::MAX, &Silent).unwrap()
    }

    fn disc(x: f32, y: f32) -> f32 {
        80.0 - (x - 100.0).hypot(y - 100.0)
    }

    #[test]
    fn a_disc_has_the_height_that_is_known() {
        let plan = plan(200, 2.0, disc);
        let heights = heights(&plan, 2.0, &Silent).unwrap();
        // A tenth of a pixel at the outline is worth 16.
        for (p, height) in plan.points.iter().zip(&heights) {
            let radius = f64::from((p[0] - 100.0).hypot(p[1] - 100.0));
            let known = 80.0_f64.powi(2) - radius * radius;
            assert!(
                (height - known).abs() < 20.0,
                "{height} against {known} at {p:?}"
            );
        }
    }

    #[test]
    fn it_converges_fast_on_odd_domains_too() {
        let comb = |x: f32, y: f32| {
            let tooth = (x * 0.4).sin() * 3.0 + 0.5;
            tooth
                .max(y - 170.0)
                .min(190.0 - y)
                .min(x - 5.0)
                .min(195.0 - x)
        };
        let spiral = |x: f32, y: f32| {
            let (u, v) = (x - 100.0, y - 100.0);
            ((u.hypot(v) * 0.5 + v.atan2(u)).sin() * 4.0).min(disc(x, y))
        };
        let islands = |x: f32, y: f32| (x * 0.3).sin() * (y * 0.3).cos() - 0.3;
        let domains: [&dyn Fn(f32, f32) -> f32; 4] = [&disc, &comb, &spiral, &islands];
        for (number, domain) in domains.into_iter().enumerate() {
            for spacing in [1.3, 3.0] {
                let plan = plan(200, spacing, domain);
                let places: Vec<[f32; 2]> = (0..plan.points.len())
                    .filter(|&v| !plan.rim[v])
                    .map(|v| plan.points[v])
                    .collect();
                let mut unknown = vec![u32::MAX; plan.points.len()];
                let inner = (0..plan.points.len()).filter(|&v| !plan.rim[v]);
                for (name, v) in inner.enumerate() {
                    unknown[v] = name as u32;
                }
                let (matrix, load) = assemble(&plan, &unknown, places.len());
                let hierarchy = Hierarchy::over(matrix, &places, spacing);
                let (x, iterations) = hierarchy.solve(&load, &Silent).unwrap();
                assert!(iterations < 60, "domain {number}: {iterations} iterations");
                let mut product = vec![0.0; x.len()];
                hierarchy.levels[0].matrix.multiply(&x, &mut product);
                let rest: Vec<f64> = load.iter().zip(&product).map(|(a, b)| a - b).collect();
                assert!(norm(&rest) <= 2.0 * TOLERANCE * norm(&load));
            }
        }
    }
}

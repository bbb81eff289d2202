//! The matte as a flat triangulation whose rim lies on the outline.
//!
//! A lattice of equilateral triangles is laid over the matte; lattice points near the outline are drawn onto
//! it and the edges that still cross it are cut there (Labelle and Shewchuk's isosurface stuffing, 2007, in
//! the plane). Triangles have no ambiguous case, so features that touch at a corner come apart or join but
//! never share a single point.

use std::collections::HashMap;

use super::field::Field;
use crate::{Error, Observer, Step};

/// A flat, well-shaped triangulation.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// Picture positions.
    pub(super) points: Vec<[f32; 2]>,
    /// Whether a point lies on the outline. No edge inside joins two of them.
    pub(super) rim: Vec<bool>,
    /// Positive in picture coordinates (turning from x towards y).
    pub(super) triangles: Vec<[u32; 3]>,
}

/// A lattice point this share of an edge from the outline is drawn onto it.
const SNAP: f32 = 0.3;
/// The nearest to a lattice point that an edge is cut, as a share of its length.
const NEAREST_CUT: f32 = 0.05;

impl Plan {
    /// Triangulates where `field` is positive with edges of about `spacing` pixels. Parts with an area under
    /// `least_area` square pixels are left out, and so are all but the `most_parts` largest.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn of(
        field: &Field,
        spacing: f32,
        least_area: f32,
        most_parts: usize,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let mut lattice = Lattice::over(field, spacing, observer)?;
        lattice.snap(field);
        let mut plan = loop {
            observer.checkpoint(Step::Shape)?;
            let (plan, pinched) = lattice.cut(field);
            if pinched.is_empty() {
                break plan;
            }
            for point in pinched {
                lattice.release(point);
            }
        };
        plan.keep_parts(least_area, most_parts);
        plan.split_chords();
        Ok(plan)
    }

    /// Twice the signed area of a triangle.
    pub(super) fn doubled_area(&self, triangle: [u32; 3]) -> f32 {
        doubled_area(triangle.map(|v| self.points[v as usize]))
    }

    /// In square pixels.
    pub(super) fn area(&self) -> f32 {
        let doubled = self.triangles.iter().map(|&t| self.doubled_area(t));
        doubled.sum::<f32>() / 2.0
    }

    /// The edges of the outline, each the way its triangle runs along it.
    pub(super) fn rim_edges(&self) -> Vec<[u32; 2]> {
        let mut edges: Vec<(u32, u32, bool)> = self
            .triangles
            .iter()
            .flat_map(|&[a, b, c]| [(a, b), (b, c), (c, a)])
            .map(|(a, b)| (a.min(b), a.max(b), a < b))
            .collect();
        edges.sort_unstable();
        edges
            .chunk_by(|p, q| (p.0, p.1) == (q.0, q.1))
            .filter_map(|edge| match *edge {
                [(low, high, true)] => Some([low, high]),
                [(low, high, false)] => Some([high, low]),
                _ => None,
            })
            .collect()
    }

    fn keep_parts(&mut self, least_area: f32, most_parts: usize) {
        let part_of = self.parts();
        let count = part_of.iter().map(|&p| p + 1).max().unwrap_or(0) as usize;
        let mut areas = vec![0.0_f32; count];
        for &triangle in &self.triangles {
            areas[part_of[triangle[0] as usize] as usize] += self.doubled_area(triangle) / 2.0;
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| areas[b].total_cmp(&areas[a]).then(a.cmp(&b)));
        let mut keep = vec![false; count];
        for (rank, part) in order.into_iter().enumerate() {
            keep[part] = rank == 0 || (rank < most_parts && areas[part] >= least_area);
        }
        self.triangles
            .retain(|t| keep[part_of[t[0] as usize] as usize]);
        self.compact();
    }

    /// The connected part of each point, numbered by first point.
    fn parts(&self) -> Vec<u32> {
        let mut parents: Vec<u32> = (0..self.points.len() as u32).collect();
        fn root(parents: &mut [u32], mut v: u32) -> u32 {
            while parents[v as usize] != v {
                parents[v as usize] = parents[parents[v as usize] as usize];
                v = parents[v as usize];
            }
            v
        }
        for &[a, b, c] in &self.triangles {
            for other in [b, c] {
                let (x, y) = (root(&mut parents, a), root(&mut parents, other));
                parents[x.max(y) as usize] = x.min(y);
            }
        }
        let mut numbers = vec![0; self.points.len()];
        let mut count = 0;
        for v in 0..self.points.len() as u32 {
            let first = root(&mut parents, v);
            numbers[v as usize] = if first == v {
                count += 1;
                count - 1
            } else {
                numbers[first as usize]
            };
        }
        numbers
    }

    fn compact(&mut self) {
        let mut names = vec![u32::MAX; self.points.len()];
        for &v in self.triangles.iter().flatten() {
            names[v as usize] = 0;
        }
        let mut kept = 0;
        for (v, name) in names.iter_mut().enumerate() {
            if *name == 0 {
                *name = kept;
                self.points[kept as usize] = self.points[v];
                self.rim[kept as usize] = self.rim[v];
                kept += 1;
            }
        }
        self.points.truncate(kept as usize);
        self.rim.truncate(kept as usize);
        for v in self.triangles.iter_mut().flatten() {
            *v = names[*v as usize];
        }
    }

    /// Puts a point on every inner edge that joins two points of the rim, and into every triangle that has
    /// only rim edges: front and back need a point of their own there.
    fn split_chords(&mut self) {
        let mut rim_edges: HashMap<[u32; 2], u8> = HashMap::new();
        let all_rim = |t: &[u32; 3], rim: &[bool]| t.iter().filter(|&&v| rim[v as usize]).count();
        for t in self.triangles.iter().filter(|t| all_rim(t, &self.rim) >= 2) {
            for k in 0..3 {
                let (a, b) = (t[k], t[(k + 1) % 3]);
                if self.rim[a as usize] && self.rim[b as usize] {
                    *rim_edges.entry([a.min(b), a.max(b)]).or_default() += 1;
                }
            }
        }
        let mut middles: HashMap<[u32; 2], u32> = HashMap::new();
        let old = std::mem::take(&mut self.triangles);
        for triangle in old {
            let middle = [0, 1, 2].map(|k| {
                let (a, b) = (triangle[k], triangle[(k + 1) % 3]);
                let edge = [a.min(b), a.max(b)];
                (rim_edges.get(&edge) == Some(&2)).then(|| {
                    *middles
                        .entry(edge)
                        .or_insert_with(|| self.add_inner(&[a, b]))
                })
            });
            self.split(triangle, middle);
        }
    }

    fn add_inner(&mut self, around: &[u32]) -> u32 {
        let share = 1.0 / around.len() as f32;
        let middle = around.iter().fold([0.0; 2], |[x, y], &v| {
            let p = self.points[v as usize];
            [x + share * p[0], y + share * p[1]]
        });
        self.points.push(middle);
        self.rim.push(false);
        self.points.len() as u32 - 1
    }

    /// Replaces a triangle by those that its edges' middle points (of edge 0–1, 1–2, 2–0) make of it.
    fn split(&mut self, t: [u32; 3], middle: [Option<u32>; 3]) {
        let count = middle.iter().flatten().count();
        // Turn it so that the first edge is split and, where two are, the last is not.
        let turn = (0..3)
            .find(|&k| match count {
                1 => middle[k].is_some(),
                2 => middle[(k + 2) % 3].is_none(),
                _ => true,
            })
            .unwrap_or(0);
        let [a, b, c] = [0, 1, 2].map(|k| t[(turn + k) % 3]);
        let [m, n, o] = [0, 1, 2].map(|k| middle[(turn + k) % 3]);
        match (m, n, o) {
            (Some(m), Some(n), Some(o)) => {
                self.triangles
                    .extend([[a, m, o], [m, b, n], [o, n, c], [m, n, o]]);
            }
            (Some(m), Some(n), None) => self.triangles.extend([[m, b, n], [a, m, n], [a, n, c]]),
            (Some(m), None, None) => self.triangles.extend([[a, m, c], [m, b, c]]),
            _ if t.iter().all(|&v| self.rim[v as usize]) => {
                let m = self.add_inner(&t);
                self.triangles.extend([[a, b, m], [b, c, m], [c, a, m]]);
            }
            _ => self.triangles.push(t),
        }
    }
}

pub(super) fn doubled_area([a, b, c]: [[f32; 2]; 3]) -> f32 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Where a lattice point lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Inside,
    /// On the outline, drawn there.
    On,
    Outside,
}

struct Lattice {
    columns: usize,
    rows: usize,
    /// In place: the point itself, or where it was drawn to.
    points: Vec<[f32; 2]>,
    homes: Vec<[f32; 2]>,
    values: Vec<f32>,
    sides: Vec<Side>,
}

impl Lattice {
    fn over(field: &Field, spacing: f32, observer: &dyn Observer) -> Result<Self, Error> {
        let rise = spacing * 0.75_f32.sqrt();
        let start = [field.origin[0] - spacing, field.origin[1] - rise];
        let columns = (field.columns as f32 * field.cell / spacing) as usize + 4;
        let rows = (field.rows as f32 * field.cell / rise) as usize + 4;
        let mut homes = Vec::with_capacity(columns * rows);
        let mut values = Vec::with_capacity(columns * rows);
        for j in 0..rows {
            observer.checkpoint(Step::Shape)?;
            let shift = if j % 2 == 1 { 0.5 } else { 0.0 };
            for i in 0..columns {
                let x = start[0] + (i as f32 + shift) * spacing;
                let y = start[1] + j as f32 * rise;
                homes.push([x, y]);
                values.push(field.sample(x, y));
            }
        }
        let sides = values
            .iter()
            .map(|&v| if v > 0.0 { Side::Inside } else { Side::Outside })
            .collect();
        Ok(Self {
            columns,
            rows,
            points: homes.clone(),
            homes,
            values,
            sides,
        })
    }

    /// The two triangles to the right and below of each lattice point.
    fn triangles(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let columns = self.columns;
        (0..self.rows - 1).flat_map(move |j| {
            (0..columns - 1).flat_map(move |i| {
                let (a, b) = (j * columns + i, j * columns + i + 1);
                let (c, d) = (a + columns, b + columns);
                if j % 2 == 0 {
                    [[a, b, c], [b, d, c]]
                } else {
                    [[a, b, d], [a, d, c]]
                }
            })
        })
    }

    fn edges(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (columns, rows) = (self.columns, self.rows);
        (0..rows).flat_map(move |j| {
            (0..columns).flat_map(move |i| {
                let at = j * columns + i;
                let odd = j % 2;
                let right = (i + 1 < columns).then_some((at, at + 1));
                let below = j + 1 < rows;
                let left_below = (below && i + odd >= 1).then(|| (at, at + columns + odd - 1));
                let right_below = (below && i + odd < columns).then(|| (at, at + columns + odd));
                [right, left_below, right_below].into_iter().flatten()
            })
        })
    }

    /// Draws every point near the outline onto it, along the edge where it is nearest.
    fn snap(&mut self, field: &Field) {
        let mut nearest: HashMap<usize, (f32, usize)> = HashMap::new();
        for (a, b) in self.edges() {
            if self.sides[a] == self.sides[b] {
                continue;
            }
            let share = self.values[a] / (self.values[a] - self.values[b]);
            for (point, other, share) in [(a, b, share), (b, a, 1.0 - share)] {
                if share < SNAP {
                    let best = nearest.entry(point).or_insert((share, other));
                    if share < best.0 {
                        *best = (share, other);
                    }
                }
            }
        }
        let snapped: Vec<(usize, [f32; 2])> = nearest
            .into_iter()
            .map(|(point, (_, other))| (point, self.crossing(field, point, other)))
            .collect();
        for (point, place) in snapped {
            self.points[point] = place;
            self.sides[point] = Side::On;
        }
    }

    /// Puts a point back where it belongs.
    fn release(&mut self, point: usize) {
        self.points[point] = self.homes[point];
        self.sides[point] = if self.values[point] > 0.0 {
            Side::Inside
        } else {
            Side::Outside
        };
    }

    /// Where the outline crosses the edge between the homes of `a` and `b`, by false position.
    fn crossing(&self, field: &Field, a: usize, b: usize) -> [f32; 2] {
        let (a, b) = (a.min(b), a.max(b));
        let at = |share: f32| {
            let (p, q) = (self.homes[a], self.homes[b]);
            [p[0] + (q[0] - p[0]) * share, p[1] + (q[1] - p[1]) * share]
        };
        let (mut low, mut high) = (0.0, 1.0);
        let (mut low_value, mut high_value) = (self.values[a], self.values[b]);
        let mut share = 0.5;
        for _ in 0..4 {
            share = low + (high - low) * low_value / (low_value - high_value);
            let [x, y] = at(share);
            let value = field.sample(x, y);
            if (value > 0.0) == (low_value > 0.0) {
                (low, low_value) = (share, value);
            } else {
                (high, high_value) = (share, value);
            }
            if value.abs() < 1e-4 || (low_value - high_value).abs() < 1e-9 {
                break;
            }
        }
        at(share.clamp(NEAREST_CUT, 1.0 - NEAREST_CUT))
    }

    /// The inner triangles, and the drawn points at which they only touch.
    fn cut(&self, field: &Field) -> (Plan, Vec<usize>) {
        let mut plan = Plan::default();
        let mut names = vec![u32::MAX; self.points.len()];
        let mut lattice_point = Vec::new();
        let mut cuts: HashMap<(usize, usize), u32> = HashMap::new();
        for triangle in self.triangles() {
            if !self.inside(field, triangle) {
                continue;
            }
            let mut polygon = [0; 4];
            let mut corners = 0;
            for k in 0..3 {
                let (a, b) = (triangle[k], triangle[(k + 1) % 3]);
                if self.sides[a] != Side::Outside {
                    if names[a] == u32::MAX {
                        names[a] = plan.points.len() as u32;
                        plan.points.push(self.points[a]);
                        plan.rim.push(false);
                        lattice_point.push(Some(a));
                    }
                    polygon[corners] = names[a];
                    corners += 1;
                }
                if self.crosses(a, b) {
                    polygon[corners] = *cuts.entry((a.min(b), a.max(b))).or_insert_with(|| {
                        plan.points.push(self.crossing(field, a, b));
                        plan.rim.push(false);
                        lattice_point.push(None);
                        plan.points.len() as u32 - 1
                    });
                    corners += 1;
                }
            }
            plan.add_polygon(&polygon[..corners]);
        }
        let pinched = plan.find_rim();
        let pinched = pinched
            .into_iter()
            .filter_map(|v| lattice_point[v as usize])
            .collect();
        (plan, pinched)
    }

    fn crosses(&self, a: usize, b: usize) -> bool {
        matches!(
            (self.sides[a], self.sides[b]),
            (Side::Inside, Side::Outside) | (Side::Outside, Side::Inside)
        )
    }

    fn inside(&self, field: &Field, triangle: [usize; 3]) -> bool {
        if triangle.iter().any(|&v| self.sides[v] == Side::Inside) {
            return true;
        }
        if triangle.iter().any(|&v| self.sides[v] == Side::Outside) {
            return false;
        }
        let [a, b, c] = triangle.map(|v| self.points[v]);
        field.sample((a[0] + b[0] + c[0]) / 3.0, (a[1] + b[1] + c[1]) / 3.0) > 0.0
    }
}

impl Plan {
    fn add_polygon(&mut self, polygon: &[u32]) {
        match *polygon {
            [a, b, c] => self.triangles.push([a, b, c]),
            [a, b, c, d] => {
                let square = |p: u32, q: u32| {
                    let (p, q) = (self.points[p as usize], self.points[q as usize]);
                    (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2)
                };
                if square(a, c) <= square(b, d) {
                    self.triangles.extend([[a, b, c], [a, c, d]]);
                } else {
                    self.triangles.extend([[a, b, d], [b, c, d]]);
                }
            }
            _ => {}
        }
    }

    /// Marks the points of the rim; gives those that the rim passes more than once.
    fn find_rim(&mut self) -> Vec<u32> {
        let mut leaving = vec![0_u8; self.points.len()];
        for [from, to] in self.rim_edges() {
            self.rim[from as usize] = true;
            self.rim[to as usize] = true;
            leaving[from as usize] = leaving[from as usize].saturating_add(1);
        }
        (0_u32..)
            .zip(&leaving)
            .filter(|&(_, &count)| count > 1)
            .map(|(v, _)| v)
            .collect()
    }
}

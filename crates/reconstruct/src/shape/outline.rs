//! The matte's outline as closed polygons.
//!
//! Marching squares (Lorensen and Cline's idea in the plane) with positions between pixels, then thinned by
//! Douglas and Peucker's rule as long as no two sides meet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::field::Field;
use crate::{Error, Observer, Step};

/// A closed polygon: turning from x towards y around a part, the other way around a hole. The last point
/// joins the first.
pub(super) type Ring = Vec<[f32; 2]>;

/// The rings along which `field` is zero, inside to the side that turns from x to y; largest area first.
///
/// # Errors
/// [`Error::Cancelled`].
pub(super) fn trace(field: &Field, observer: &dyn Observer) -> Result<Vec<Ring>, Error> {
    let mut next: BTreeMap<usize, usize> = BTreeMap::new();
    for j in 0..field.rows - 1 {
        observer.checkpoint(Step::Shape)?;
        for i in 0..field.columns - 1 {
            add_square(field, i, j, &mut next);
        }
    }
    let mut rings = Vec::new();
    while let Some((&first, _)) = next.first_key_value() {
        observer.checkpoint(Step::Shape)?;
        let mut ring = Ring::new();
        let mut at = first;
        while let Some(to) = next.remove(&at) {
            ring.push(crossing(field, at));
            at = to;
        }
        rings.push(ring);
    }
    rings.sort_by(|a, b| area(b).abs().total_cmp(&area(a).abs()));
    Ok(rings)
}

/// Signed area, positive around parts and negative around holes.
pub(super) fn area(ring: &[[f32; 2]]) -> f32 {
    let doubled: f64 = sides(ring.len())
        .map(|(i, j)| {
            let [a, b] = [ring[i].map(f64::from), ring[j].map(f64::from)];
            a[0] * b[1] - a[1] * b[0]
        })
        .sum();
    (doubled / 2.0) as f32
}

fn sides(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).map(move |i| (i, (i + 1) % count))
}

/// Notes the pieces of outline within the square whose corners are four neighbouring values. An edge of the
/// grid is named `2 · cell` (to the right of the cell's centre) or `2 · cell + 1` (below it).
fn add_square(field: &Field, i: usize, j: usize, next: &mut BTreeMap<usize, usize>) {
    let at = j * field.columns + i;
    let corners = [at, at + 1, at + field.columns + 1, at + field.columns];
    let inside = corners.map(|c| field.values[c] > 0.0);
    if inside == [inside[0]; 4] {
        return;
    }
    let edges = [
        2 * at,
        2 * (at + 1) + 1,
        2 * (at + field.columns),
        2 * at + 1,
    ];
    let leaves = |k: usize| inside[k] && !inside[(k + 1) % 4];
    let enters = |k: usize| !inside[k] && inside[(k + 1) % 4];
    let saddle = inside[0] == inside[2] && inside[1] == inside[3];
    let joined = saddle && corners.iter().map(|&c| field.values[c]).sum::<f32>() > 0.0;
    for from in (0..4).filter(|&k| leaves(k)) {
        // Around the square, the inside lies before a leaving edge; the outline closes it to the edge where
        // it was entered, or, joined through a saddle, goes on to the next one entered.
        let turn = |back: bool| (1..4).map(move |d| (from + if back { 4 - d } else { d }) % 4);
        let to = if joined {
            turn(false).find(|&k| enters(k))
        } else {
            turn(true).find(|&k| enters(k))
        };
        if let Some(to) = to {
            next.insert(edges[from], edges[to]);
        }
    }
}

fn crossing(field: &Field, edge: usize) -> [f32; 2] {
    let cell = edge / 2;
    let other = if edge.is_multiple_of(2) {
        cell + 1
    } else {
        cell + field.columns
    };
    let centre = |cell: usize| {
        let (i, j) = (cell % field.columns, cell / field.columns);
        [
            field.origin[0] + (i as f32 + 0.5) * field.cell,
            field.origin[1] + (j as f32 + 0.5) * field.cell,
        ]
    };
    let (a, b) = (field.values[cell], field.values[other]);
    // Off the very corners, where the outline of two squares would meet.
    let share = (a / (a - b)).clamp(0.01, 0.99);
    let (p, q) = (centre(cell), centre(other));
    [p[0] + (q[0] - p[0]) * share, p[1] + (q[1] - p[1]) * share]
}

/// Rings that keep within `tolerance` of the given ones with fewer points, none of whose sides meet.
///
/// # Errors
/// [`Error::Cancelled`].
pub(super) fn thin(
    rings: &[Ring],
    tolerance: f32,
    observer: &dyn Observer,
) -> Result<Vec<Ring>, Error> {
    let mut tolerances = vec![tolerance; rings.len()];
    let mut thinned: Vec<Ring> = rings.iter().map(|r| thin_ring(r, tolerance)).collect();
    loop {
        observer.checkpoint(Step::Shape)?;
        let meeting: BTreeSet<usize> = meetings(&thinned, observer)?
            .into_iter()
            .map(|(ring, _)| ring)
            .filter(|&ring| tolerances[ring] > 0.0)
            .collect();
        if meeting.is_empty() {
            return Ok(thinned);
        }
        for ring in meeting {
            tolerances[ring] = if tolerances[ring] < tolerance / 30.0 {
                0.0
            } else {
                tolerances[ring] / 2.0
            };
            thinned[ring] = thin_ring(&rings[ring], tolerances[ring]);
        }
    }
}

fn thin_ring(ring: &Ring, tolerance: f32) -> Ring {
    if tolerance <= 0.0 || ring.len() <= 4 {
        return ring.clone();
    }
    // Two ends that surely lie on the hull: the leftmost point and the one farthest from it.
    let squared = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    let by = |key: &dyn Fn([f32; 2]) -> f32| {
        (0..ring.len())
            .max_by(|&a, &b| key(ring[a]).total_cmp(&key(ring[b])))
            .unwrap_or(0)
    };
    let first = by(&|p| -p[0]);
    let farthest = by(&|p| squared(p, ring[first]));
    let mut turned = ring.clone();
    turned.rotate_left(first);
    turned.push(turned[0]);
    let middle = (farthest + ring.len() - first) % ring.len();
    let mut keep = vec![false; turned.len()];
    keep[0] = true;
    keep[middle] = true;
    let mut spans = vec![(0, middle), (middle, turned.len() - 1)];
    while let Some((from, to)) = spans.pop() {
        let worst = (from + 1..to)
            .map(|k| (distance(turned[k], turned[from], turned[to]), k))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((far, at)) = worst
            && far > tolerance
        {
            keep[at] = true;
            spans.extend([(from, at), (at, to)]);
        }
    }
    let thinned: Ring = (0..ring.len())
        .filter(|&k| keep[k])
        .map(|k| turned[k])
        .collect();
    let same_side = area(&thinned) * area(ring) > 0.0;
    if thinned.len() >= 3 && same_side {
        thinned
    } else {
        thin_ring(ring, tolerance / 2.0)
    }
}

/// Distance of `p` from the segment between `a` and `b`.
fn distance(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (u, v) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let along = u[0] * u[0] + u[1] * u[1];
    let share = if along > 0.0 {
        ((u[0] * v[0] + u[1] * v[1]) / along).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (v[0] - share * u[0]).hypot(v[1] - share * u[1])
}

/// Every side (ring, number of its first point) that meets a side that is not its neighbour, or folds back
/// onto its neighbour.
///
/// # Errors
/// [`Error::Cancelled`].
pub(super) fn meetings(
    rings: &[Ring],
    observer: &dyn Observer,
) -> Result<BTreeSet<(usize, usize)>, Error> {
    let all: Vec<(usize, usize)> = rings
        .iter()
        .enumerate()
        .flat_map(|(r, ring)| (0..ring.len()).map(move |k| (r, k)))
        .collect();
    let ends = |(r, k): (usize, usize)| (rings[r][k], rings[r][(k + 1) % rings[r].len()]);
    let whole: f32 = all
        .iter()
        .map(|&side| ends(side))
        .map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]))
        .sum();
    let cell = (2.0 * whole / all.len().max(1) as f32).max(1e-3);
    let mut cells: HashMap<(i32, i32), Vec<u32>> = HashMap::new();
    for (number, &side) in all.iter().enumerate() {
        let (a, b) = ends(side);
        let span = |axis: usize| {
            let (low, high) = (a[axis].min(b[axis]), a[axis].max(b[axis]));
            (low / cell).floor() as i32..=(high / cell).floor() as i32
        };
        for i in span(0) {
            for j in span(1) {
                cells.entry((i, j)).or_default().push(number as u32);
            }
        }
    }
    let mut found = BTreeSet::new();
    for (turn, crowd) in cells.values().enumerate() {
        if turn % 64 == 0 {
            observer.checkpoint(Step::Shape)?;
        }
        for (n, &first) in crowd.iter().enumerate() {
            for &second in &crowd[n + 1..] {
                let (s, t) = (all[first as usize], all[second as usize]);
                if sides_meet(rings, s, t) {
                    found.extend([s, t]);
                }
            }
        }
    }
    Ok(found)
}

fn sides_meet(rings: &[Ring], s: (usize, usize), t: (usize, usize)) -> bool {
    let count = rings[s.0].len();
    let end = |(r, k): (usize, usize), on: usize| rings[r][(k + on) % rings[r].len()];
    let (a, b, c, d) = (end(s, 0), end(s, 1), end(t, 0), end(t, 1));
    let neighbours = |s: (usize, usize), t: (usize, usize)| s.0 == t.0 && (s.1 + 1) % count == t.1;
    if neighbours(s, t) {
        return folds(a, b, d);
    }
    if neighbours(t, s) {
        return folds(c, d, b);
    }
    let turns = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
    if turns[0] * turns[1] > 0.0 || turns[2] * turns[3] > 0.0 {
        return false;
    }
    // On one line they meet only where their spans do.
    (0..2).all(|axis| {
        a[axis].min(b[axis]) <= c[axis].max(d[axis]) && c[axis].min(d[axis]) <= a[axis].max(b[axis])
    })
}

/// Whether the way from `a` over `b` to `c` turns straight back.
fn folds(a: [f32; 2], b: [f32; 2], c: [f32; 2]) -> bool {
    let ahead = (f64::from(b[0]) - f64::from(a[0])) * (f64::from(c[0]) - f64::from(b[0]))
        + (f64::from(b[1]) - f64::from(a[1])) * (f64::from(c[1]) - f64::from(b[1]));
    turn(a, b, c) == 0.0 && ahead <= 0.0
}

/// Twice the signed area of the triangle; its sign is exact for pixels.
fn turn(a: [f32; 2], b: [f32; 2], c: [f32; 2]) -> f64 {
    let [a, b, c] = [a, b, c].map(|p| p.map(f64::from));
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

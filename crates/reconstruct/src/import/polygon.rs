//! Polygons to triangles, by cutting ears (Meisters 1975): also right where a polygon is not convex.

use crate::mesh::{cross, difference, dot};

/// Polygons with more corners are taken for convex: cutting ears takes the square of their number.
const MOST_CORNERS: usize = 512;

/// Calls `emit` with the places in `corners` of each triangle's corners; `n - 2` of them, wound as the polygon.
pub(super) fn triangulate<E>(
    corners: &[[f32; 3]],
    mut emit: impl FnMut([usize; 3]) -> Result<(), E>,
) -> Result<(), E> {
    if corners.len() < 3 {
        return Ok(());
    }
    if corners.len() == 3 || corners.len() > MOST_CORNERS {
        return (1..corners.len() - 1).try_for_each(|i| emit([0, i, i + 1]));
    }
    let flat = flattened(corners);
    let mut left: Vec<usize> = (0..corners.len()).collect();
    while left.len() > 3 {
        let count = left.len();
        let around = |i: usize| {
            [
                left[(i + count - 1) % count],
                left[i],
                left[(i + 1) % count],
            ]
        };
        let is_ear = |i: &usize| {
            let ear = around(*i);
            let [a, b, c] = ear.map(|k| flat[k]);
            let others = left.iter().filter(|k| !ear.contains(k));
            turn(a, b, c) > 0.0 && !others.into_iter().any(|k| inside(flat[*k], [a, b, c]))
        };
        // A polygon that crosses itself has no ear at times: then any corner goes.
        let mut from_second = (1..=count).map(|i| i % count);
        let ear = from_second.find(is_ear).unwrap_or(1);
        emit(around(ear))?;
        left.remove(ear);
    }
    emit([left[0], left[1], left[2]])
}

/// The corners in the plane that shows most of the polygon, wound counter-clockwise there (Newell's normal).
fn flattened(corners: &[[f32; 3]]) -> Vec<[f64; 2]> {
    let mut normal = [0.0; 3];
    for (i, corner) in corners.iter().enumerate() {
        let next = corners[(i + 1) % corners.len()];
        let part = cross(
            difference(*corner, corners[0]),
            difference(next, corners[0]),
        );
        normal = std::array::from_fn(|axis| normal[axis] + part[axis]);
    }
    let axis = (0..3)
        .max_by(|a, b| normal[*a].abs().total_cmp(&normal[*b].abs()))
        .unwrap_or(2);
    let (mut u, mut v) = ((axis + 1) % 3, (axis + 2) % 3);
    if normal[axis] < 0.0 {
        (u, v) = (v, u);
    }
    let place = |c: &[f32; 3]| difference(*c, corners[0]);
    corners.iter().map(place).map(|p| [p[u], p[v]]).collect()
}

/// Above zero where `a`, `b`, `c` turn left.
fn turn(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> f64 {
    let edge = |to: [f64; 2]| [to[0] - a[0], to[1] - a[1], 0.0];
    dot(cross(edge(b), edge(c)), [0.0, 0.0, 1.0])
}

fn inside(p: [f64; 2], [a, b, c]: [[f64; 2]; 3]) -> bool {
    p != a
        && p != b
        && p != c
        && turn(a, b, p) >= 0.0
        && turn(b, c, p) >= 0.0
        && turn(c, a, p) >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_that_is_not_convex_keeps_its_area_and_winding() {
        // An L in the plane y = 1, seen from above counter-clockwise.
        let corners = [[0, 0], [0, 3], [1, 3], [1, 1], [3, 1], [3, 0]]
            .map(|[x, z]| [x as f32, 1.0, z as f32]);
        let mut area = 0.0;
        let mut triangles = 0;
        triangulate(&corners, |[a, b, c]| {
            let [u, v] = [b, c].map(|k| difference(corners[k], corners[a]));
            let up = cross(u, v)[1] / 2.0;
            assert!(up >= 0.0, "{a} {b} {c}");
            area += up;
            triangles += 1;
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!((area, triangles), (5.0, 4));
    }
}

//! The triangles around each vertex.

use super::Mesh;

/// One triangle's corner at a vertex: the triangle, and its two other vertices in winding order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Corner {
    pub(crate) next: u32,
    pub(crate) previous: u32,
    pub(crate) triangle: u32,
}

/// The corners of every vertex, sorted by [`Corner::next`].
pub(crate) struct Corners {
    starts: Vec<u32>,
    corners: Vec<Corner>,
}

impl Corners {
    /// All indices must be in range.
    pub(crate) fn of(mesh: &Mesh) -> Self {
        let mut starts = vec![0_u32; mesh.positions.len() + 1];
        for &vertex in mesh.triangles.iter().flatten() {
            starts[vertex as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let empty = Corner {
            next: 0,
            previous: 0,
            triangle: 0,
        };
        let mut corners = vec![empty; mesh.triangles.len() * 3];
        let mut fill = starts.clone();
        for (triangle, &[a, b, c]) in (0_u32..).zip(&mesh.triangles) {
            for (vertex, next, previous) in [(a, b, c), (b, c, a), (c, a, b)] {
                let slot = &mut fill[vertex as usize];
                corners[*slot as usize] = Corner {
                    next,
                    previous,
                    triangle,
                };
                *slot += 1;
            }
        }
        for vertex in 0..mesh.positions.len() {
            corners[starts[vertex] as usize..starts[vertex + 1] as usize].sort_unstable();
        }
        Self { starts, corners }
    }

    pub(crate) fn at(&self, vertex: usize) -> &[Corner] {
        &self.corners[self.starts[vertex] as usize..self.starts[vertex + 1] as usize]
    }

    /// The corners of `vertex` as closed fans in turning order. Only for a vertex whose every edge lies on
    /// exactly two triangles; more than one fan means that the vertex is pinched.
    pub(super) fn fans(&self, vertex: usize) -> Vec<Vec<Corner>> {
        let corners = self.at(vertex);
        let mut used = vec![false; corners.len()];
        let mut fans = Vec::with_capacity(1);
        for first in 0..corners.len() {
            if used[first] {
                continue;
            }
            let mut fan = Vec::with_capacity(corners.len());
            let mut at = first;
            while !used[at] {
                used[at] = true;
                fan.push(corners[at]);
                let Ok(turn) = corners.binary_search_by_key(&corners[at].previous, |c| c.next)
                else {
                    break;
                };
                at = turn;
            }
            fans.push(fan);
        }
        fans
    }

    /// How many fans `vertex` has, under the same condition.
    pub(super) fn fan_count(&self, vertex: usize) -> usize {
        let corners = self.at(vertex);
        let mut seen = 0;
        let mut at = 0;
        // Most vertices are one fan: walk it without taking memory.
        while let Ok(turn) = corners.binary_search_by_key(&corners[at].previous, |c| c.next) {
            at = turn;
            seen += 1;
            if at == 0 || seen > corners.len() {
                break;
            }
        }
        if seen == corners.len() {
            1
        } else {
            self.fans(vertex).len()
        }
    }
}

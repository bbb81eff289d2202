//! Which triangle of a plan holds a place.
//!
//! From a triangle nearby, step over an edge that has the place on its other side until there is none
//! (the visibility walk of Devillers, Pion and Teillaud, 2002).

use super::plan::{Plan, doubled_area};

/// A place in a plan: a triangle, and the weights of its corners, which sum to one.
pub(super) struct Place {
    corners: [u32; 3],
    weights: [f64; 3],
}

impl Place {
    /// What is known at the corners, at this place.
    pub(super) fn mix(&self, at: impl Fn(usize) -> f64) -> f64 {
        let both = self.corners.iter().zip(self.weights);
        both.map(|(&v, weight)| at(v as usize) * weight).sum()
    }
}

/// A plan's triangles and which of them share an edge.
pub(super) struct Locator<'a> {
    plan: &'a Plan,
    /// Over the edge from corner `k` to the next; [`OUTSIDE`] over the rim.
    neighbours: Vec<[u32; 3]>,
    /// One triangle of each point.
    first: Vec<u32>,
}

const OUTSIDE: u32 = u32::MAX;

/// Longest walk, in triangles: a badly shaped plan could lead in circles.
const STEPS: usize = 4096;

impl<'a> Locator<'a> {
    pub(super) fn over(plan: &'a Plan) -> Self {
        let mut edges: Vec<([u32; 2], u32, u8)> = Vec::with_capacity(plan.triangles.len() * 3);
        let mut first = vec![OUTSIDE; plan.points.len()];
        for (t, triangle) in (0..).zip(&plan.triangles) {
            for k in 0..3_u8 {
                let (a, b) = (triangle[k as usize], triangle[(k as usize + 1) % 3]);
                edges.push(([a.min(b), a.max(b)], t, k));
                first[a as usize] = t;
            }
        }
        edges.sort_unstable();
        let mut neighbours = vec![[OUTSIDE; 3]; plan.triangles.len()];
        for pair in edges.windows(2) {
            let [(edge, t, k), (other, u, l)] = [pair[0], pair[1]];
            if edge == other {
                neighbours[t as usize][k as usize] = u;
                neighbours[u as usize][l as usize] = t;
            }
        }
        Self {
            plan,
            neighbours,
            first,
        }
    }

    /// Where `place` lies, looked for from point `near`. Beyond the rim it is the nearest that the walk came to.
    pub(super) fn find(&self, near: usize, place: [f32; 2]) -> Place {
        let mut at = self.first[near] as usize;
        for step in 0..STEPS {
            let areas = self.areas(at, place);
            // Begun at another edge each time, so that a walk does not circle.
            let over = (0..3)
                .map(|k| (k + step) % 3)
                .find(|&k| areas[k] < 0.0 && self.neighbours[at][k] != OUTSIDE);
            match over {
                Some(k) => at = self.neighbours[at][k] as usize,
                None => break,
            }
        }
        self.place(at, place)
    }

    /// The weights of triangle `at` for a place, none below zero.
    fn place(&self, at: usize, place: [f32; 2]) -> Place {
        let [ab, bc, ca] = self.areas(at, place).map(|area| area.max(0.0));
        let sum = (ab + bc + ca).max(f64::MIN_POSITIVE);
        Place {
            corners: self.plan.triangles[at],
            weights: [bc / sum, ca / sum, ab / sum],
        }
    }

    /// Twice the areas between a place and the edges of triangle `at`, negative where it lies beyond one.
    fn areas(&self, at: usize, place: [f32; 2]) -> [f64; 3] {
        let corners = self.plan.triangles[at].map(|v| self.plan.points[v as usize]);
        [0, 1, 2].map(|k| f64::from(doubled_area([corners[k], corners[(k + 1) % 3], place])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of four triangles around its middle, with a triangle less: a notch at the top.
    fn notched() -> Plan {
        Plan {
            points: vec![[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [2.0, 2.0]],
            rim: vec![true; 5],
            triangles: vec![[1, 2, 4], [2, 3, 4], [3, 0, 4]],
        }
    }

    fn mixed(near: usize, place: [f32; 2]) -> [f64; 2] {
        let plan = notched();
        let found = Locator::over(&plan).find(near, place);
        [0, 1].map(|axis| found.mix(|v| f64::from(plan.points[v][axis])))
    }

    #[test]
    fn a_place_is_found_from_afar() {
        assert_eq!(mixed(1, [0.5, 2.0]), [0.5, 2.0]);
        assert_eq!(mixed(0, [3.0, 3.5]), [3.0, 3.5]);
    }

    #[test]
    fn a_place_beyond_the_rim_is_drawn_back_to_it() {
        let [x, y] = mixed(2, [6.0, 2.0]);
        assert!(
            (x - 4.0).abs() < 1e-6 && (0.0..=4.0).contains(&y),
            "{x} {y}"
        );
    }
}

//! From a node's space to its scene's.

use super::json::Node;
use crate::mesh::{cross, dot};

/// An affine map: three columns and the origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    columns: [[f64; 3]; 3],
    origin: [f64; 3],
}

impl Default for Place {
    fn default() -> Self {
        Self {
            columns: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            origin: [0.0; 3],
        }
    }
}

impl Place {
    /// The space of a node whose parent's this is.
    pub(super) fn then(&self, node: &Node) -> Self {
        let own = Self::of(node);
        let origin = self.turn(own.origin);
        Self {
            columns: own.columns.map(|column| self.turn(column)),
            origin: std::array::from_fn(|axis| origin[axis] + self.origin[axis]),
        }
    }

    fn of(node: &Node) -> Self {
        if let Some(m) = node.matrix.as_deref() {
            let column = |first: usize| [m[first], m[first + 1], m[first + 2]];
            return Self {
                columns: [column(0), column(4), column(8)],
                origin: column(12),
            };
        }
        let [x, y, z, w] = node.rotation.unwrap_or([0.0, 0.0, 0.0, 1.0]);
        let scale = node.scale.unwrap_or([1.0; 3]);
        let turned = [
            [
                1.0 - 2.0 * (y * y + z * z),
                2.0 * (x * y + z * w),
                2.0 * (x * z - y * w),
            ],
            [
                2.0 * (x * y - z * w),
                1.0 - 2.0 * (x * x + z * z),
                2.0 * (y * z + x * w),
            ],
            [
                2.0 * (x * z + y * w),
                2.0 * (y * z - x * w),
                1.0 - 2.0 * (x * x + y * y),
            ],
        ];
        Self {
            columns: std::array::from_fn(|axis| turned[axis].map(|v| v * scale[axis])),
            origin: node.translation.unwrap_or_default(),
        }
    }

    fn turn(&self, v: [f64; 3]) -> [f64; 3] {
        let [a, b, c] = self.columns;
        std::array::from_fn(|axis| a[axis] * v[0] + b[axis] * v[1] + c[axis] * v[2])
    }

    pub(super) fn point(&self, point: [f32; 3]) -> [f32; 3] {
        let turned = self.turn(point.map(f64::from));
        std::array::from_fn(|axis| (turned[axis] + self.origin[axis]) as f32)
    }

    /// A normal stays perpendicular to its surface: it goes by the cofactors, which need no inverse.
    pub(super) fn direction(&self, normal: [f32; 3]) -> [f32; 3] {
        let [a, b, c] = self.columns;
        let cofactors = [cross(b, c), cross(c, a), cross(a, b)];
        let n = normal.map(f64::from);
        let sign = if self.mirrors() { -1.0 } else { 1.0 };
        let sum = |axis: usize| {
            cofactors[0][axis] * n[0] + cofactors[1][axis] * n[1] + cofactors[2][axis] * n[2]
        };
        let turned: [f64; 3] = std::array::from_fn(|axis| sign * sum(axis));
        let length = dot(turned, turned).sqrt();
        if length > 0.0 {
            turned.map(|v| (v / length) as f32)
        } else {
            [0.0; 3]
        }
    }

    /// Whether it turns right into left, and so a face's winding round.
    pub(super) fn mirrors(&self) -> bool {
        let [a, b, c] = self.columns;
        dot(a, cross(b, c)) < 0.0
    }
}

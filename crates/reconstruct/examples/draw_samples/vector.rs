//! Three-component vectors, for places, directions and colours.

use std::ops::{Add, Mul, Neg, Sub};

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct V3 {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) z: f32,
}

pub(crate) const fn v(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

/// A colour as it stands in style sheets, in linear light.
pub(crate) fn hex(code: u32) -> V3 {
    let channel = |shift: u32| ((code >> shift & 255) as f32 / 255.0).powf(2.2);
    v(channel(16), channel(8), channel(0))
}

impl V3 {
    pub(crate) fn dot(self, o: Self) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    pub(crate) fn cross(self, o: Self) -> Self {
        v(
            self.y * o.z - self.z * o.y,
            self.z * o.x - self.x * o.z,
            self.x * o.y - self.y * o.x,
        )
    }

    pub(crate) fn len(self) -> f32 {
        self.dot(self).sqrt()
    }

    pub(crate) fn unit(self) -> Self {
        self * (1.0 / self.len().max(1e-9))
    }

    pub(crate) fn mix(self, o: Self, t: f32) -> Self {
        self + (o - self) * t
    }

    /// Component by component.
    pub(crate) fn times(self, o: Self) -> Self {
        v(self.x * o.x, self.y * o.y, self.z * o.z)
    }

    pub(crate) fn mirrored(self, normal: Self) -> Self {
        self - normal * (2.0 * self.dot(normal))
    }

    /// Turned about the vertical axis by `angle` radians.
    pub(crate) fn turned(self, angle: f32) -> Self {
        let (s, c) = angle.sin_cos();
        v(c * self.x + s * self.z, self.y, c * self.z - s * self.x)
    }
}

impl Add for V3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        v(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl Sub for V3 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        v(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f32> for V3 {
    type Output = Self;
    fn mul(self, s: f32) -> Self {
        v(self.x * s, self.y * s, self.z * s)
    }
}

impl Neg for V3 {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

/// 0 below `from`, 1 above `to`, smooth between.
pub(crate) fn smooth(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

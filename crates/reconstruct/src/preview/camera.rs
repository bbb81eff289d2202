//! Where the picture is taken from, and the way from a vertex to the screen.

use super::{
    View,
    raster::Projected,
    vector::{Vec3, along, cross, dot, sub, unit},
};
use crate::Bounds;

/// Tangent of half the angle that the picture's shorter side spans: 26 degrees, a moderate telephoto.
const HALF_ANGLE: f32 = 0.231;
/// Share of the picture that the model may fill.
const FILL: f32 = 0.82;

/// What the camera looks at, and from how far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framing {
    target: Vec3,
    distance: f32,
}

impl Framing {
    /// The nearest at which every vertex is inside the picture, with the model in the middle.
    pub(super) fn of(positions: &[Vec3], view: &View) -> Self {
        let mut framing = Self::at_centre(positions);
        let axes = Axes::of(view);
        // Moving the target changes the distance needed; this settles within two rounds.
        for _ in 0..3 {
            framing.distance = needed_distance(positions, &axes, framing.target, view);
            let [dx, dy] = off_centre(positions, &axes, &framing);
            framing.target = along(framing.target, axes.right, dx);
            framing.target = along(framing.target, axes.up, dy);
        }
        framing.distance = needed_distance(positions, &axes, framing.target, view);
        framing
    }

    /// One framing for a model that turns: about its centre, from as far as the widest view needs.
    pub(super) fn of_all(positions: &[Vec3], views: &[View]) -> Self {
        let mut framing = Self::at_centre(positions);
        framing.distance = views
            .iter()
            .map(|view| needed_distance(positions, &Axes::of(view), framing.target, view))
            .fold(f32::MIN_POSITIVE, f32::max);
        framing
    }

    fn at_centre(positions: &[Vec3]) -> Self {
        let Bounds { min, max } = Bounds::of(positions);
        Self {
            target: std::array::from_fn(|i| 0.5 * (min[i] + max[i])),
            distance: f32::MIN_POSITIVE,
        }
    }
}

struct Axes {
    right: Vec3,
    up: Vec3,
    /// From the target towards the camera.
    back: Vec3,
}

impl Axes {
    fn of(view: &View) -> Self {
        let (yaw, pitch) = (view.yaw.to_radians(), view.pitch.to_radians());
        let back = unit([
            pitch.cos() * yaw.sin(),
            pitch.sin(),
            pitch.cos() * yaw.cos(),
        ]);
        let right = [yaw.cos(), 0.0, -yaw.sin()];
        Self {
            right,
            up: cross(back, right),
            back,
        }
    }
}

/// Tangents of half the angles across and up.
fn half_angles(view: &View) -> [f32; 2] {
    let short = view.width.min(view.height).max(1) as f32;
    [view.width as f32, view.height as f32].map(|side| HALF_ANGLE * side / short)
}

fn needed_distance(positions: &[Vec3], axes: &Axes, target: Vec3, view: &View) -> f32 {
    let [across, up] = half_angles(view).map(|tangent| tangent * FILL);
    positions
        .iter()
        .map(|position| {
            let p = sub(*position, target);
            let x = dot(p, axes.right).abs() / across;
            let y = dot(p, axes.up).abs() / up;
            x.max(y) + dot(p, axes.back)
        })
        .fold(f32::MIN_POSITIVE, f32::max)
}

/// How far, in the plane of the target, the middle of what is seen lies from the picture's middle.
fn off_centre(positions: &[Vec3], axes: &Axes, framing: &Framing) -> [f32; 2] {
    let mut low = [f32::MAX; 2];
    let mut high = [f32::MIN; 2];
    for position in positions {
        let p = sub(*position, framing.target);
        let scale =
            framing.distance / (framing.distance - dot(p, axes.back)).max(f32::MIN_POSITIVE);
        for (i, axis) in [axes.right, axes.up].into_iter().enumerate() {
            let at = dot(p, axis) * scale;
            low[i] = low[i].min(at);
            high[i] = high[i].max(at);
        }
    }
    std::array::from_fn(|i| 0.5 * (low[i] + high[i]))
}

/// A pinhole camera.
pub(super) struct Camera {
    pub(super) eye: Vec3,
    axes: Axes,
    /// Pixels per unit of tangent.
    focal: f32,
    centre: [f32; 2],
}

impl Camera {
    pub(super) fn new(view: &View, framing: &Framing) -> Self {
        let axes = Axes::of(view);
        let short = view.width.min(view.height).max(1) as f32;
        Self {
            eye: along(framing.target, axes.back, framing.distance),
            focal: 0.5 * short / HALF_ANGLE,
            centre: [0.5 * view.width as f32, 0.5 * view.height as f32],
            axes,
        }
    }

    pub(super) fn project(&self, position: Vec3) -> Projected {
        let p = sub(position, self.eye);
        // The framing keeps every vertex in front of the camera.
        let nearness = 1.0 / (-dot(p, self.axes.back)).max(f32::MIN_POSITIVE);
        Projected {
            x: self.centre[0] + self.focal * dot(p, self.axes.right) * nearness,
            y: self.centre[1] - self.focal * dot(p, self.axes.up) * nearness,
            nearness,
            inverse_w: nearness,
        }
    }

    /// The direction, not of unit length, in which the picture's point `x, y` (in pixels) is seen.
    pub(super) fn ray(&self, x: f32, y: f32) -> Vec3 {
        let across = (x - self.centre[0]) / self.focal;
        let up = (self.centre[1] - y) / self.focal;
        let forward = self.axes.back.map(|v| -v);
        along(along(forward, self.axes.right, across), self.axes.up, up)
    }

    /// A direction given to the right, up and towards the camera, in the model's space.
    pub(super) fn direction(&self, [right, up, back]: Vec3) -> Vec3 {
        let level_back = unit([self.axes.back[0], 0.0, self.axes.back[2]]);
        let level = along(self.axes.right.map(|v| v * right), level_back, back);
        unit(along(level, [0.0, 1.0, 0.0], up))
    }
}

/// A parallel projection from the front in which the bounding box fills the picture.
pub(super) fn front(positions: &[Vec3], width: u32, height: u32) -> Vec<Projected> {
    let bounds = Bounds::of(positions);
    let size = bounds.size().map(|v| v.max(f32::MIN_POSITIVE));
    positions
        .iter()
        .map(|p| Projected {
            x: (p[0] - bounds.min[0]) / size[0] * width as f32,
            y: (bounds.max[1] - p[1]) / size[1] * height as f32,
            nearness: 1.0 + (p[2] - bounds.min[2]) / size[2],
            inverse_w: 1.0,
        })
        .collect()
}

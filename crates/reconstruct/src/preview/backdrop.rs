//! What stands behind the model: a soft light wall that runs into the ground, and the shadow on it.

use super::{
    camera::Camera,
    shadow::Shadow,
    vector::{Vec3, smoothstep},
};

/// Linear light at the top, at the horizon's height and at the bottom of the picture.
const TOP: Vec3 = [0.74, 0.75, 0.77];
const MIDDLE: Vec3 = [0.90, 0.90, 0.90];
const BOTTOM: Vec3 = [0.80, 0.79, 0.78];
/// How much darker the corners are.
const VIGNETTE: f32 = 0.12;

pub(super) struct Backdrop<'a> {
    camera: &'a Camera,
    shadow: &'a Shadow,
    size: [f32; 2],
}

impl<'a> Backdrop<'a> {
    pub(super) fn new(camera: &'a Camera, shadow: &'a Shadow, width: usize, height: usize) -> Self {
        Self {
            camera,
            shadow,
            size: [width as f32, height as f32],
        }
    }

    /// Linear light of the pixel in column `x` and row `y`.
    pub(super) fn colour(&self, x: usize, y: usize) -> Vec3 {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        let (across, down) = (x / self.size[0], y / self.size[1]);
        let upper = smoothstep(0.0, 0.6, down);
        let lower = smoothstep(0.6, 1.0, down);
        let (dx, dy) = (across - 0.5, down - 0.5);
        let vignette = 1.0 - VIGNETTE * smoothstep(0.1, 0.6, dx * dx + dy * dy);
        let light = self.ground_light(x, y) * vignette;
        std::array::from_fn(|c| {
            let wall = TOP[c] + (MIDDLE[c] - TOP[c]) * upper;
            (wall + (BOTTOM[c] - wall) * lower) * light
        })
    }

    fn ground_light(&self, x: f32, y: f32) -> f32 {
        let ray = self.camera.ray(x, y);
        let eye = self.camera.eye;
        // From below the ground, or above the horizon, no ground is seen.
        if ray[1] >= 0.0 || eye[1] <= 0.0 {
            return 1.0;
        }
        let t = -eye[1] / ray[1];
        self.shadow.light(eye[0] + ray[0] * t, eye[2] + ray[2] * t)
    }
}

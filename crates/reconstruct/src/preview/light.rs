//! Three lamps and a bright room, arranged around the camera.

use super::{
    Surface,
    camera::Camera,
    vector::{Vec3, dot, smoothstep, sub, unit},
};

/// Lamps are given to the right, up and towards the camera.
const KEY: Vec3 = [-0.55, 1.0, 0.85];
const FILL: Vec3 = [0.9, 0.25, 0.6];
const RIM: Vec3 = [0.5, 0.7, -1.0];

/// Strengths are such that a surface facing the camera keeps about the brightness that the photo gave it.
const KEY_LIGHT: Vec3 = [0.78, 0.76, 0.72];
const FILL_LIGHT: Vec3 = [0.17, 0.18, 0.20];
const RIM_LIGHT: Vec3 = [0.30, 0.31, 0.34];
const SKY: Vec3 = [0.42, 0.43, 0.45];
const GROUND: Vec3 = [0.19, 0.18, 0.17];
/// Brightness of the key lamp's soft highlight.
const GLOSS: f32 = 0.05;

pub(super) struct Lights {
    key: Vec3,
    fill: Vec3,
    rim: Vec3,
    eye: Vec3,
}

impl Lights {
    pub(super) fn new(camera: &Camera) -> Self {
        Self {
            key: camera.direction(KEY),
            fill: camera.direction(FILL),
            rim: camera.direction(RIM),
            eye: camera.eye,
        }
    }

    /// Towards the lamp that casts the shadow.
    pub(super) fn key(&self) -> Vec3 {
        self.key
    }

    /// Light that leaves the surface towards the camera.
    pub(super) fn shade(&self, surface: &Surface) -> Vec3 {
        let normal = surface.normal;
        let to_eye = unit(sub(self.eye, surface.position));
        // Lamps as large as windows: their light reaches a little around the edge.
        let wrapped = |lamp: Vec3| ((dot(normal, lamp) + 0.15) / 1.15).max(0.0);
        let key = wrapped(self.key);
        let fill = wrapped(self.fill);
        let rim = wrapped(self.rim) * smoothstep(0.35, 0.9, 1.0 - dot(normal, to_eye).max(0.0));
        let sky = 0.5 + 0.5 * normal[1];
        let half = unit(std::array::from_fn(|i| self.key[i] + to_eye[i]));
        let gloss = GLOSS * dot(normal, half).max(0.0).powi(24);
        std::array::from_fn(|c| {
            let room = GROUND[c] + (SKY[c] - GROUND[c]) * sky;
            let light = room + KEY_LIGHT[c] * key + FILL_LIGHT[c] * fill + RIM_LIGHT[c] * rim;
            shoulder(surface.albedo[c] * light + gloss)
        })
    }
}

/// Leaves mid-tones alone and bends what is nearly too bright towards white.
fn shoulder(light: f32) -> f32 {
    const KNEE: f32 = 0.8;
    if light <= KNEE {
        return light;
    }
    let over = (light - KNEE) / (1.0 - KNEE);
    KNEE + (1.0 - KNEE) * over / (1.0 + over)
}

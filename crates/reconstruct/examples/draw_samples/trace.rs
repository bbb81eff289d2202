//! A small renderer of distance fields: a soft key light, a sky, mirror reflections with Fresnel's law,
//! ambient occlusion, a thin lens.

use image::{Rgba, RgbaImage};

use crate::{
    noise::hash,
    vector::{V3, v},
};

/// What a surface looks like at a point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surface {
    pub(crate) colour: V3,
    /// Share of light mirrored when looked at straight.
    pub(crate) mirror: f32,
    /// Sharpness of the key light's highlight.
    pub(crate) gloss: f32,
}

/// A thing above the ground plane, and the world around.
pub(crate) struct Scene {
    /// Distance from a point to the thing, and which of its materials is nearest.
    pub(crate) distance: fn(V3) -> (f32, u32),
    pub(crate) surface: fn(V3, u32) -> Surface,
    /// The plane y = 0, if there is one.
    pub(crate) ground: Option<fn(V3) -> Surface>,
    pub(crate) sky: fn(V3) -> V3,
    /// A ball around the thing: centre and radius.
    pub(crate) ball: (V3, f32),
    pub(crate) light: V3,
}

/// Where the picture is taken from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Camera {
    pub(crate) eye: V3,
    pub(crate) target: V3,
    /// Distance of the picture plane in half picture heights.
    pub(crate) zoom: f32,
    pub(crate) lens: f32,
}

/// Samples a side for each pixel.
const SAMPLES: u32 = 3;

/// Renders with alpha where nothing is hit and there is no ground.
pub(crate) fn render(scene: &Scene, camera: &Camera, width: u32, height: u32) -> RgbaImage {
    let forward = (camera.target - camera.eye).unit();
    let right = forward.cross(v(0.0, 1.0, 0.0)).unit();
    let up = right.cross(forward);
    let focus = (camera.target - camera.eye).len();
    RgbaImage::from_fn(width, height, |px, py| {
        let (mut sum, mut cover) = (V3::default(), 0.0);
        for i in 0..SAMPLES * SAMPLES {
            let at = |p: u32, s: u32| p as f32 + (s as f32 + 0.5) / SAMPLES as f32;
            let x = (2.0 * at(px, i % SAMPLES) - width as f32) / height as f32;
            let y = 1.0 - 2.0 * at(py, i / SAMPLES) / height as f32;
            let direction = forward * camera.zoom + right * x + up * y;
            let seed = (px + py * width) as i32;
            let angle = std::f32::consts::TAU * hash(seed, i as i32);
            let radius = camera.lens * hash(i as i32, seed).sqrt();
            let shift = right * (radius * angle.cos()) + up * (radius * angle.sin());
            let sharp = camera.eye + direction * (focus / camera.zoom);
            let eye = camera.eye + shift;
            if let Some(light) = seen(scene, eye, (sharp - eye).unit(), true) {
                sum = sum + developed(light);
                cover += 1.0;
            }
        }
        let mean = sum * (1.0 / f32::max(cover, 1.0));
        let byte = |c: f32| (c * 255.0 + 0.5).clamp(0.0, 255.0) as u8;
        let alpha = byte(cover / (SAMPLES * SAMPLES) as f32);
        Rgba([byte(mean.x), byte(mean.y), byte(mean.z), alpha])
    })
}

const EXPOSURE: f32 = 0.58;

/// A filmic curve, then gamma.
fn developed(light: V3) -> V3 {
    let curve = |x: f32| {
        let x = x * EXPOSURE;
        let mapped = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14);
        mapped.clamp(0.0, 1.0).powf(1.0 / 2.2)
    };
    v(curve(light.x), curve(light.y), curve(light.z))
}

/// Light that comes from `direction`; nothing where only sky would be seen and there is no ground.
fn seen(scene: &Scene, eye: V3, direction: V3, first: bool) -> Option<V3> {
    let floor = scene.ground.and_then(|ground| {
        let far = -eye.y / direction.y;
        (far > 0.0 && far < 200.0).then_some((far, ground))
    });
    let limit = floor.map_or(f32::MAX, |(far, _)| far);
    if let Some(far) = march(scene, eye, direction, limit) {
        let p = eye + direction * far;
        let surface = (scene.surface)(p, (scene.distance)(p).1);
        return Some(shaded(
            scene,
            p,
            normal(scene, p),
            direction,
            surface,
            first,
        ));
    }
    if let Some((far, ground)) = floor {
        let p = eye + direction * far;
        let haze = smooth_haze(far);
        let near = shaded(scene, p, v(0.0, 1.0, 0.0), direction, ground(p), first);
        return Some(near.mix((scene.sky)(direction), haze));
    }
    if first && scene.ground.is_none() {
        None
    } else {
        Some((scene.sky)(direction))
    }
}

fn smooth_haze(far: f32) -> f32 {
    (1.0 - (-(far / 60.0).powi(2)).exp()).clamp(0.0, 1.0)
}

/// Distance along the ray to the thing, if it is hit before `limit`.
fn march(scene: &Scene, eye: V3, direction: V3, limit: f32) -> Option<f32> {
    let (centre, radius) = scene.ball;
    let to = centre - eye;
    let along = to.dot(direction);
    let miss = to.dot(to) - along * along;
    let half = (radius * radius - miss).max(0.0).sqrt();
    if half == 0.0 || along + half < 0.0 {
        return None;
    }
    let mut far = (along - half).max(1e-3);
    let end = (along + half).min(limit);
    for _ in 0..160 {
        if far > end {
            return None;
        }
        let near = (scene.distance)(eye + direction * far).0;
        if near < 4e-4 * far {
            return Some(far);
        }
        far += near * 0.8;
    }
    None
}

fn normal(scene: &Scene, p: V3) -> V3 {
    let e = 1.5e-3;
    let along = |d: V3| (scene.distance)(p + d).0 - (scene.distance)(p - d).0;
    v(
        along(v(e, 0.0, 0.0)),
        along(v(0.0, e, 0.0)),
        along(v(0.0, 0.0, e)),
    )
    .unit()
}

fn shaded(scene: &Scene, p: V3, normal: V3, direction: V3, surface: Surface, first: bool) -> V3 {
    let light = scene.light.unit();
    let start = p + normal * 4e-3;
    let lit = normal.dot(light).max(0.0) * shadow(scene, start, light);
    let open = occlusion(scene, p, normal);
    let sky = (scene.sky)(normal.mix(v(0.0, 1.0, 0.0), 0.4).unit()) * 0.75;
    let bounce = v(0.16, 0.13, 0.1) * (0.5 - 0.5 * normal.y);
    let key = v(1.0, 0.94, 0.84) * (2.3 * lit);
    let body = surface.colour.times(key + (sky + bounce) * open);
    let half = (light - direction).unit();
    let spark = normal.dot(half).max(0.0).powf(surface.gloss) * lit * surface.gloss * 0.02;
    let grazing = (1.0 + direction.dot(normal)).clamp(0.0, 1.0).powi(5);
    let mirror =
        surface.mirror + (1.0 - surface.mirror) * grazing * surface.mirror.min(0.05) * 12.0;
    let mut out = body * (1.0 - mirror) + v(1.0, 0.97, 0.92) * (spark * surface.mirror * 6.0);
    if mirror > 0.01 && first {
        let reflected = direction.mirrored(normal);
        let seen = seen(scene, start, reflected, false).unwrap_or_default();
        out = out + seen * (mirror * (0.4 + 0.6 * open));
    }
    out
}

/// How much of the key light arrives: soft at the shadow's edge.
fn shadow(scene: &Scene, p: V3, light: V3) -> f32 {
    let mut open = 1.0_f32;
    let mut far = 0.02;
    for _ in 0..48 {
        let near = (scene.distance)(p + light * far).0;
        open = open.min(0.5 + 0.5 * near * 9.0 / far);
        if open < 0.0 || far > 8.0 {
            break;
        }
        far += near.clamp(0.02, 0.4);
    }
    let open = open.clamp(0.0, 1.0);
    open * open * (3.0 - 2.0 * open)
}

/// How open a point is to the sky, from a few distances along its normal.
fn occlusion(scene: &Scene, p: V3, normal: V3) -> f32 {
    let (mut hidden, mut weight) = (0.0, 1.0);
    for i in 1..6 {
        let far = 0.09 * i as f32;
        let near = (scene.distance)(p + normal * far).0;
        let ground = if scene.ground.is_some() {
            p.y + normal.y * far
        } else {
            f32::MAX
        };
        hidden += (far - near.min(ground)).max(0.0) * weight;
        weight *= 0.72;
    }
    (1.0 - 1.5 * hidden).clamp(0.1, 1.0)
}

/// A studio: a bright box overhead and a window to the left.
pub(crate) fn studio(direction: V3, wall: V3) -> V3 {
    let up = 0.5 + 0.5 * direction.y;
    let mut light = wall * (0.35 + 0.65 * up);
    if direction.y > 0.3 {
        let (x, z) = (direction.x / direction.y, direction.z / direction.y);
        if x.abs() < 1.0 && (z + 0.2).abs() < 0.8 {
            light = light + v(3.0, 2.9, 2.8);
        }
    }
    if direction.x < -0.3 {
        let (y, z) = (direction.y / -direction.x, direction.z / -direction.x);
        let pane = (y - 0.55).abs() < 0.42 && (z - 0.2).abs() < 0.5;
        let bar = (y - 0.55).abs() < 0.03 || (z - 0.2).abs() < 0.03;
        if pane && !bar {
            light = light + v(2.4, 2.7, 3.1);
        }
    }
    light
}

/// Distance to an ellipsoid, nearly.
pub(crate) fn ellipsoid(p: V3, r: V3) -> f32 {
    let a = v(p.x / r.x, p.y / r.y, p.z / r.z).len();
    let b = v(p.x / (r.x * r.x), p.y / (r.y * r.y), p.z / (r.z * r.z)).len();
    a * (a - 1.0) / b.max(1e-6)
}

/// Distance to a rod from `a` to `b` whose radius goes from `ra` to `rb`, nearly.
pub(crate) fn rod(p: V3, a: V3, b: V3, ra: f32, rb: f32) -> f32 {
    let (pa, ba) = (p - a, b - a);
    let t = (pa.dot(ba) / ba.dot(ba)).clamp(0.0, 1.0);
    (pa - ba * t).len() - (ra + (rb - ra) * t)
}

/// Distance to a torus about the z axis.
pub(crate) fn torus(p: V3, big: f32, small: f32) -> f32 {
    let q = (p.x * p.x + p.y * p.y).sqrt() - big;
    (q * q + p.z * p.z).sqrt() - small
}

/// The lesser of two distances, with the corner between them rounded by `k`.
pub(crate) fn blend(a: f32, b: f32, k: f32) -> f32 {
    let h = (0.5 + 0.5 * (b - a) / k).clamp(0.0, 1.0);
    b + (a - b) * h - k * h * (1.0 - h)
}

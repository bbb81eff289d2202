//! A software-rendered picture of a model: antialiased, three-point light, a soft shadow on the ground.
//!
//! For people to look at, and (unlit) for judging how faithful a model is. Deterministic: no threads, no
//! clock, no randomness. Knows nothing of how models are made.
//!
//! `camera` brings vertices onto the screen; `raster` finds which triangle each of a pixel's sixteen samples
//! sees, a band of rows at a time so that memory stays small; `light` colours what is seen; `shadow` and
//! `backdrop` are what stands behind. All light is computed linearly and encoded as sRGB at the very end.

mod backdrop;
mod camera;
mod light;
mod raster;
mod shadow;
#[cfg(test)]
mod tests;
mod vector;

use self::{
    backdrop::Backdrop,
    camera::{Camera, Framing},
    light::Lights,
    raster::{Fragment, Raster},
    shadow::Shadow,
};
use crate::{
    Error, Model, Observer, Step,
    sampler::{Sampler, SrgbTable},
};

/// What a preview shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    pub width: u32,
    pub height: u32,
    /// Degrees about the vertical axis; 0 looks at the front (from +z), 90 at the side that faces +x.
    pub yaw: f32,
    /// Degrees above the horizon.
    pub pitch: f32,
}

impl View {
    /// A square three-quarter view from slightly above, which shows front and depth.
    #[must_use]
    pub fn three_quarter(side: u32) -> Self {
        Self {
            width: side,
            height: side,
            yaw: 20.0,
            pitch: 16.0,
        }
    }
}

/// Renders one view as a PNG.
///
/// # Errors
/// [`Error::Model`] when the texture does not decode.
pub fn render(model: &Model, view: &View) -> Result<Vec<u8>, Error> {
    let scene = Scene::new(model)?;
    let framing = Framing::of(&model.positions, view);
    let pixels = scene.draw(view, &framing);
    png(&pixels, view.width, view.height, png::ColorType::Rgb)
}

/// Frames of a turntable.
pub const TURNTABLE_FRAMES: u32 = 24;

/// Renders a full turn as one PNG strip of [`TURNTABLE_FRAMES`] square frames of `side` pixels, left to right.
///
/// # Errors
/// As [`render`]; [`Error::Cancelled`].
pub fn turntable(model: &Model, side: u32, observer: &dyn Observer) -> Result<Vec<u8>, Error> {
    let scene = Scene::new(model)?;
    let views: Vec<View> = (0..TURNTABLE_FRAMES)
        .map(|frame| View {
            yaw: 360.0 * frame as f32 / TURNTABLE_FRAMES as f32,
            ..View::three_quarter(side)
        })
        .collect();
    let framing = Framing::of_all(&model.positions, &views);
    let row = 3 * side as usize;
    let mut strip = vec![0; row * side as usize * views.len()];
    for (frame, view) in views.iter().enumerate() {
        observer.checkpoint(Step::Preview)?;
        let pixels = scene.draw(view, &framing);
        for (y, line) in pixels.chunks_exact(row).enumerate() {
            strip[(y * views.len() + frame) * row..][..row].copy_from_slice(line);
        }
    }
    png(&strip, side * TURNTABLE_FRAMES, side, png::ColorType::Rgb)
}

/// An unlit orthographic front view as RGBA, exactly filled by the model's bounding box: for judging fidelity.
///
/// `4 * width * height` bytes, straight alpha: how much of each pixel the model covers.
///
/// # Errors
/// As [`render`].
pub fn unlit_front(model: &Model, width: u32, height: u32) -> Result<Vec<u8>, Error> {
    let scene = Scene::new(model)?;
    let screen = camera::front(&model.positions, width, height);
    let mut pixels = vec![0; 4 * width as usize * height as usize];
    let raster = Raster::new(&screen, &model.triangles, width, height);
    let lods = scene.lods(&raster);
    raster.each_pixel(|x, y, fragments| {
        let mut sum = [0.0; 3];
        let mut covered = 0.0;
        for fragment in fragments {
            let surface = scene.surface(&raster, &lods, fragment);
            covered += fragment.share;
            sum = vector::along(sum, surface.albedo, fragment.share);
        }
        if covered > 0.0 {
            let pixel = &mut pixels[4 * (y * width as usize + x)..][..4];
            pixel[..3].copy_from_slice(&sum.map(|c| crate::sampler::to_srgb(c / covered)));
            pixel[3] = (covered * 255.0).round() as u8;
        }
    });
    Ok(pixels)
}

/// A model ready to be drawn from any side.
struct Scene<'a> {
    model: &'a Model,
    sampler: Sampler,
    encode: SrgbTable,
}

/// What is seen at one place of the surface.
struct Surface {
    /// Linear light.
    albedo: [f32; 3],
    /// Unit length.
    normal: [f32; 3],
    position: [f32; 3],
}

impl<'a> Scene<'a> {
    fn new(model: &'a Model) -> Result<Self, Error> {
        Ok(Self {
            model,
            sampler: Sampler::decode(&model.texture)?,
            encode: SrgbTable::new(),
        })
    }

    /// The finished picture as RGB, `3 * width * height` bytes.
    fn draw(&self, view: &View, framing: &Framing) -> Vec<u8> {
        let (width, height) = (view.width as usize, view.height as usize);
        let camera = Camera::new(view, framing);
        let lights = Lights::new(&camera);
        let shadow = Shadow::cast(self.model, lights.key());
        let backdrop = Backdrop::new(&camera, &shadow, width, height);
        let screen: Vec<_> = (self.model.positions.iter())
            .map(|position| camera.project(*position))
            .collect();
        let raster = Raster::new(&screen, &self.model.triangles, view.width, view.height);
        let lods = self.lods(&raster);
        let mut pixels = vec![0; 3 * width * height];
        let mut bare = 0;
        let paint = |pixel: &mut [u8], colour: [f32; 3]| {
            pixel.copy_from_slice(&colour.map(|c| self.encode.get(c)));
        };
        let mut bare_until = |pixels: &mut [u8], end: usize| {
            for at in bare..end {
                paint(
                    &mut pixels[3 * at..][..3],
                    backdrop.colour(at % width, at / width),
                );
            }
            bare = end + 1;
        };
        raster.each_pixel(|x, y, fragments| {
            let at = y * width + x;
            bare_until(&mut pixels, at);
            let covered: f32 = fragments.iter().map(|f| f.share).sum();
            let mut sum = if covered < 1.0 {
                backdrop.colour(x, y).map(|c| c * (1.0 - covered))
            } else {
                [0.0; 3]
            };
            for fragment in fragments {
                let lit = lights.shade(&self.surface(&raster, &lods, fragment));
                sum = vector::along(sum, lit, fragment.share);
            }
            paint(&mut pixels[3 * at..][..3], sum);
        });
        bare_until(&mut pixels, width * height);
        pixels
    }

    fn surface(&self, raster: &Raster<'_>, lods: &[f32], fragment: &Fragment) -> Surface {
        let corners = self.model.triangles[fragment.triangle as usize].map(|i| i as usize);
        let weights = raster.weights(fragment);
        let uvs = corners.map(|i| self.model.uvs[i]);
        let uv = std::array::from_fn(|i| vector::mix(weights, uvs.map(|uv| uv[i])));
        let normals = corners.map(|i| self.model.normals[i]);
        let positions = corners.map(|i| self.model.positions[i]);
        let mut albedo = self.sampler.sample(uv, lods[fragment.triangle as usize]);
        if !self.model.colours.is_empty() {
            let colours = corners.map(|i| self.model.colours[i]);
            albedo =
                std::array::from_fn(|i| albedo[i] * vector::mix(weights, colours.map(|c| c[i])));
        }
        Surface {
            albedo,
            normal: vector::unit(std::array::from_fn(|i| {
                vector::mix(weights, normals.map(|n| n[i]))
            })),
            position: std::array::from_fn(|i| vector::mix(weights, positions.map(|p| p[i]))),
        }
    }

    /// Per triangle, how far the texture is to be blurred so that one texel falls into one pixel.
    fn lods(&self, raster: &Raster<'_>) -> Vec<f32> {
        let [width, height] = self.sampler.size();
        let mut lods = vec![0.0; self.model.triangles.len()];
        for (number, pixels) in raster.areas() {
            let uvs = self.model.triangles[number as usize].map(|i| self.model.uvs[i as usize]);
            let edge = |to: [f32; 2]| [(to[0] - uvs[0][0]) * width, (to[1] - uvs[0][1]) * height];
            let (a, b) = (edge(uvs[1]), edge(uvs[2]));
            let texels = (a[0] * b[1] - a[1] * b[0]).abs();
            // Half a level sharper than an isotropic filter would be, since most faces are seen aslant.
            lods[number as usize] = 0.5 * (texels / pixels).max(1e-6).log2() - 0.5;
        }
        lods
    }
}

fn png(pixels: &[u8], width: u32, height: u32, color: png::ColorType) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_compression(png::Compression::Fast);
    // Trying every filter on every row takes longer than drawing does, and gains a tenth.
    encoder.set_filter(png::Filter::Paeth);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels))
        .map_err(|e| Error::Model(format!("its preview cannot be encoded: {e}")))?;
    Ok(bytes)
}

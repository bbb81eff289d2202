//! How bright the picture is, as a field.

use super::field::Field;
use crate::{Error, Observer, Step, image::Picture, segment::Matte};

/// Brightness from 0 to 1 (Rec. 709 weights on sRGB values) averaged over cells. Only what the matte shows
/// counts, so that a background does not reach in over the outline.
pub(super) struct Light {
    /// Brightness times weight, and weight, of each cell.
    light: Field,
    weight: Field,
}

impl Light {
    /// In cells of `step` pixels.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn of(
        picture: &Picture,
        matte: &Matte,
        step: usize,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let (light, weight) = sums(picture, matte, step, observer)?;
        Ok(Self { light, weight })
    }

    /// The same in cells `times` as large.
    pub(super) fn shrunk(&self, times: usize) -> Self {
        Self {
            light: self.light.shrunk(times),
            weight: self.weight.shrunk(times),
        }
    }

    /// The brightness, smoothed by `sigma` cells; where nothing shows, the mean stands.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub(super) fn smoothed(self, sigma: f32, observer: &dyn Observer) -> Result<Field, Error> {
        let Self {
            mut light,
            mut weight,
        } = self;
        let whole: f32 = weight.values.iter().sum();
        let mean = light.values.iter().sum::<f32>() / whole.max(1e-3);
        light.blur(sigma, observer)?;
        weight.blur(sigma, observer)?;
        for (value, &weight) in light.values.iter_mut().zip(&weight.values) {
            *value = if weight > 1e-3 { *value / weight } else { mean };
        }
        light.clamped = true;
        Ok(light)
    }
}

/// Light times weight, and weight, of each cell.
fn sums(
    picture: &Picture,
    matte: &Matte,
    step: usize,
    observer: &dyn Observer,
) -> Result<(Field, Field), Error> {
    let width = picture.width as usize;
    let (columns, rows) = (
        width.div_ceil(step),
        (picture.height as usize).div_ceil(step),
    );
    let mut light = vec![0_u32; columns];
    let mut weight = vec![0_u32; columns];
    let mut lights = Vec::with_capacity(columns * rows);
    let mut weights = Vec::with_capacity(columns * rows);
    let share = 1.0 / (255.0 * (step * step) as f32);
    for (pixels, alphas) in picture
        .rgba
        .chunks(width * 4 * step)
        .zip(matte.alpha.chunks(width * step))
    {
        observer.checkpoint(Step::Shape)?;
        light.fill(0);
        weight.fill(0);
        for (line, alpha) in pixels
            .chunks_exact(width * 4)
            .zip(alphas.chunks_exact(width))
        {
            for (cell, (px, &alpha)) in line.as_chunks::<4>().0.iter().zip(alpha).enumerate() {
                let luma = 54 * u32::from(px[0]) + 183 * u32::from(px[1]) + 19 * u32::from(px[2]);
                light[cell / step] += (luma >> 8) * u32::from(alpha);
                weight[cell / step] += u32::from(alpha);
            }
        }
        lights.extend(light.iter().map(|&l| l as f32 * share / 255.0));
        weights.extend(weight.iter().map(|&w| w as f32 * share));
    }
    let field = |values| Field {
        columns,
        rows,
        cell: step as f32,
        origin: [0.0; 2],
        values,
        outside: 0.0,
        clamped: false,
    };
    Ok((field(lights), field(weights)))
}

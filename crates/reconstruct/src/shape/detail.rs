//! Fine relief from the photo's shading.

use super::{field::Field, luma::Light};
use crate::{Error, Observer, Options, image::Picture, segment::Matte};

/// Differences of brightness below this are taken for noise.
const NOISE: f32 = 0.012;
/// Differences of brightness well above this count little more.
const STRONG: f32 = 0.12;
/// Height of the relief for a strong difference, as a share of the object's size (the root of its area).
const RISE: f32 = 0.012;

/// Height in pixels over the smooth body: brightness less its own surroundings, without noise. `None` when no
/// detail is wanted.
///
/// # Errors
/// [`Error::Cancelled`].
pub(super) fn fine_relief(
    picture: &Picture,
    matte: &Matte,
    spacing: f32,
    size: f32,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Option<Field>, Error> {
    if options.detail <= 0.0 {
        return Ok(None);
    }
    let step = (spacing / 1.5).floor().max(1.0) as usize;
    let cell = step as f32;
    let near = 0.9 * spacing / cell;
    // Shading of this width is form, which the body has already; what is finer is detail.
    let wide = (size / 18.0 / cell).max(2.5 * near);
    // The surroundings are smooth, so a coarse raster holds them as well.
    let times = (wide / 2.0).floor().max(1.0) as usize;
    let light = Light::of(picture, matte, step, observer)?;
    let coarse = light
        .shrunk(times)
        .smoothed(wide / times as f32, observer)?;
    let mut fine = light.smoothed(near, observer)?;
    let rise = options.detail * RISE * size;
    let columns = fine.columns;
    for (at, value) in fine.values.iter_mut().enumerate() {
        let centre = |index: usize| (index as f32 + 0.5) * cell;
        let around = coarse.sample(centre(at % columns), centre(at / columns));
        let difference = *value - around;
        let kept = (difference.abs() - NOISE).max(0.0).copysign(difference);
        *value = rise * (kept / STRONG).tanh();
    }
    Ok(Some(fine))
}

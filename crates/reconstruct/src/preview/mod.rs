//! A software-rendered picture of a model: antialiased, three-point light, a soft shadow on the ground.

use crate::{Error, Model, Observer};

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

/// Renders one view as a PNG.
///
/// # Errors
/// [`Error::Model`] when the texture does not decode.
pub fn render(model: &Model, view: &View) -> Result<Vec<u8>, Error> {
    let _ = (model, view);
    todo!()
}

/// Frames of a turntable.
pub const TURNTABLE_FRAMES: u32 = 24;

/// Renders a full turn as one PNG strip of [`TURNTABLE_FRAMES`] square frames of `side` pixels, left to right.
///
/// # Errors
/// As [`render`]; [`Error::Cancelled`].
pub fn turntable(model: &Model, side: u32, observer: &dyn Observer) -> Result<Vec<u8>, Error> {
    let _ = (model, side, observer);
    todo!()
}

/// An unlit orthographic front view as RGBA, `width` wide, exactly filled by the model's bounding box: for judging fidelity.
///
/// # Errors
/// As [`render`].
pub fn unlit_front(model: &Model, width: u32, height: u32) -> Result<Vec<u8>, Error> {
    let _ = (model, width, height);
    todo!()
}

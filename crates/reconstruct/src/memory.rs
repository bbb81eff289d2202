//! How much memory a reconstruction needs, from its headers and options alone.
//!
//! Callers that work on several pictures at once share their memory out by it, so it errs on the side of too
//! much, but not by far. It follows the steps of `pipeline.rs`: each one's most is held beside what the steps
//! before it have left, and the largest counts. `tests/it/memory.rs` holds it to what is really held.

use crate::{
    Error, Limits, ModelKind, Options, image::Decoding, pipeline::working_side, shape::Fineness,
};

/// What finding the object holds, which is done at one small size.
const SEGMENT: u64 = 8 << 20;

/// For each face that a shape starts with: its triangulation, and the fields over the picture that it is made
/// from, where the object counts as a twentieth of the picture, which is the least.
const PER_STARTED_FACE: u64 = 490;

/// For each texel of the front: itself, the levels of its pyramid, its share of the atlas and of the file.
const PER_TEXEL: u64 = 16;

/// The same, where the back has half a front's texels of its own.
const PER_TEXEL_WITH_BACK: u64 = 18;

/// For each face of the finished surface, while the texture is painted.
const PER_FACE: u64 = 50;

/// For each face and each texel of a model while it is written in every format there is.
const PER_WRITTEN_FACE: u64 = 500;
const PER_WRITTEN_TEXEL: u64 = 8;

/// Most bytes that [`reconstruct`](crate::reconstruct()) with the same arguments holds at once, and then the
/// writing of its model in any formats. The encoded bytes are included. Reads headers only.
///
/// # Errors
/// As [`inspect`](crate::inspect()), and [`Error::Mask`] for what is wrong with the mask.
pub fn peak_bytes(
    image: &[u8],
    mask: Option<&[u8]>,
    options: &Options,
    limits: &Limits,
) -> Result<u64, Error> {
    let side = working_side(options);
    let picture = Decoding::of(image, limits, side)?;
    let pixels = picture.pixels();
    let mut peak = picture.peak;
    if let Some(mask) = mask {
        let mask = Decoding::of(mask, limits, side).map_err(Error::of_mask)?;
        peak = peak
            .max(4 * pixels + mask.peak)
            .max(5 * (pixels + mask.pixels()));
    }
    let texels = Texels::of(&picture, options);
    let faces = u64::from(options.effective_face_limit());
    let steps = SEGMENT
        .max(shape(&picture, options))
        .max(PER_FACE * faces + texels.painting);
    let writing = PER_WRITTEN_FACE * faces + PER_WRITTEN_TEXEL * texels.atlas;
    // The picture and its matte stay to the last step.
    let peak = peak.max(5 * pixels + steps).max(writing);
    Ok((image.len() + mask.map_or(0, <[u8]>::len)) as u64 + peak + (1 << 20))
}

/// What the surface's start is made with.
fn shape(picture: &Decoding, options: &Options) -> u64 {
    let [finest, ..] = Fineness::ladder(options.effective_face_limit());
    let surface = PER_STARTED_FACE * u64::from(finest.faces);
    if options.model != ModelKind::Extrude {
        return surface;
    }
    // An outline is as fine as the picture, however few its faces: a field, and a second while it is blurred.
    let [width, height] = picture.sides;
    let step = (width.max(height) / 1600).max(1);
    surface.max(8 * (width / step + 16) * (height / step + 16))
}

/// What the texture's size comes to.
struct Texels {
    /// Of front and back together.
    atlas: u64,
    /// Bytes held while they are painted and encoded.
    painting: u64,
}

impl Texels {
    /// For an object that fills the picture: no colour is invented, so there are no more texels than pixels.
    fn of(picture: &Decoding, options: &Options) -> Self {
        let size = u64::from(options.texture_size);
        let [width, height] = picture.sides;
        let front = width.min(size) * height.min(size);
        let mut texels = Self {
            atlas: front,
            painting: PER_TEXEL * front,
        };
        if options.model == ModelKind::Inflate {
            // The back lies beside or below, so that both take half as much again one way.
            let part = size * 2 / 3;
            let beside = width.min(part) * height.min(size);
            let below = width.min(size) * height.min(part);
            let front = beside.max(below);
            texels.atlas = texels.atlas.max(front + front / 2);
            texels.painting = texels.painting.max(PER_TEXEL_WITH_BACK * front);
        }
        texels
    }
}

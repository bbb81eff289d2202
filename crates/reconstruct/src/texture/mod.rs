//! What the surface wears: an atlas with the front in one part and the back in another.
//!
//! Colours are spread beyond the outline so that no background bleeds in at the rim. Knows the picture and
//! the matte, never the mesh: a triangle finds its colours by its [`Patch`] and its place in the picture.
//!
//! [`layout`] divides the atlas, [`sample`] brings the picture to its size with a trust in each colour,
//! [`pyramid`] fills what is not trusted from its surroundings, [`back`] continues the front where nobody
//! has looked, and [`encode`] writes JPEG or PNG by content.

mod back;
mod encode;
mod layout;
mod pyramid;
mod sample;

pub(crate) use self::encode::texture as encoded;
use self::{layout::Layout, pyramid::Pyramid};
use crate::{
    Error, ModelKind, Observer, Options, Step, Texture, image::Picture, mesh::Patch, segment::Matte,
};

/// The encoded atlas and how picture space maps into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Atlas {
    pub texture: Texture,
    pub front: Placement,
    pub back: Placement,
}

/// An affine map from picture positions to texture coordinates: `u = x * scale[0] + offset[0]`, likewise `v`.
///
/// Picture position `0, 0` is the top left corner of the first pixel, not its centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    pub scale: [f32; 2],
    pub offset: [f32; 2],
    /// Texture coordinates stay within these, from the part's first texel centre to its last.
    pub least: [f32; 2],
    pub most: [f32; 2],
}

impl Atlas {
    /// Texture coordinates (origin top left) of picture position `x, y` on `patch`.
    #[must_use]
    pub fn uv(&self, patch: Patch, x: f32, y: f32) -> [f32; 2] {
        let at = match patch {
            Patch::Front => self.front,
            Patch::Back => self.back,
        };
        let on_axis = |axis: usize, value: f32| {
            (value * at.scale[axis] + at.offset[axis]).clamp(at.least[axis], at.most[axis])
        };
        [on_axis(0, x), on_axis(1, y)]
    }
}

/// Paints and encodes the atlas. Its longest side is at most `options.texture_size`: no colour is
/// invented by enlarging the picture.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn paint(
    picture: &Picture,
    matte: &Matte,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Atlas, Error> {
    let flat = encode::is_flat(picture, matte);
    let kind = match options.model {
        ModelKind::Relief => layout::Back::Calm,
        ModelKind::Extrude => layout::Back::Same,
        ModelKind::Inflate if flat => layout::Back::Same,
        ModelKind::Inflate => layout::Back::Half,
    };
    let layout = Layout::of(picture, matte, options.texture_size, kind);
    let front = sample::front(picture, matte, &layout);
    observer.checkpoint(Step::Texture)?;
    let pyramid = Pyramid::fill(front);
    observer.checkpoint(Step::Texture)?;
    let mut rgb = vec![0; 3 * (layout.width * layout.height) as usize];
    layout
        .front
        .draw(&mut rgb, layout.width, |x, y| pyramid.texel(x, y));
    match kind {
        layout::Back::Same => {}
        layout::Back::Calm => {
            let calm = pyramid.mean();
            layout.back.draw(&mut rgb, layout.width, |_, _| calm);
        }
        layout::Back::Half => back::draw(&mut rgb, &layout, &pyramid, matte),
    }
    observer.checkpoint(Step::Texture)?;
    Ok(Atlas {
        texture: encode::texture(&rgb, layout.width, layout.height, flat)?,
        front: layout.placement(&layout.front),
        back: layout.placement(&layout.back),
    })
}

//! The ordered list of steps from bytes to a checked model.

use std::fmt;

use crate::{
    Error, Limits, Model, ModelKind, Options, Warning,
    image::{self, Picture},
    mesh::{self, Mesh},
    segment::{self, Matte},
    shape::{self, Fineness},
    texture,
};

/// A named step; progress and cancellation are told in these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Decode,
    Segment,
    Shape,
    Simplify,
    Texture,
    Finish,
    Write,
    Preview,
}

impl Step {
    /// In the order they run.
    pub const ALL: [Self; 8] = [
        Self::Decode,
        Self::Segment,
        Self::Shape,
        Self::Simplify,
        Self::Texture,
        Self::Finish,
        Self::Write,
        Self::Preview,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Segment => "segment",
            Self::Shape => "shape",
            Self::Simplify => "simplify",
            Self::Texture => "texture",
            Self::Finish => "finish",
            Self::Write => "write",
            Self::Preview => "preview",
        }
    }

    /// Share of the whole work, in percent, that is done when this step begins (from the benchmark's medians).
    #[must_use]
    pub fn percent_before(self) -> u8 {
        match self {
            Self::Decode => 0,
            Self::Segment => 5,
            Self::Shape => 38,
            Self::Simplify => 57,
            Self::Texture => 67,
            Self::Finish => 86,
            Self::Write => 90,
            Self::Preview => 91,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Hears of each step as it begins, and is asked between and inside steps whether to go on.
pub trait Observer: Send + Sync {
    fn begin(&self, step: Step);
    fn cancelled(&self) -> bool;

    /// [`Error::Cancelled`] when the caller no longer wants the result.
    ///
    /// # Errors
    /// Only that.
    fn checkpoint(&self, step: Step) -> Result<(), Error> {
        if self.cancelled() {
            Err(Error::Cancelled(step))
        } else {
            Ok(())
        }
    }
}

/// An observer that hears nothing and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn begin(&self, _: Step) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// Turns one encoded picture into a checked model. `mask` is an encoded picture of the person's own mask.
///
/// # Errors
/// Every [`Error`] but [`Error::Model`].
pub fn reconstruct(
    image: &[u8],
    mask: Option<&[u8]>,
    options: &Options,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Model, Error> {
    observer.begin(Step::Decode);
    let picture = image::decode(image, limits, working_side(options))?;
    let own_mask = mask
        .map(|bytes| image::decode(bytes, limits, working_side(options)))
        .transpose()
        .map_err(Error::of_mask)?;
    observer.checkpoint(Step::Decode)?;

    observer.begin(Step::Segment);
    let matte = if options.cut_out || own_mask.is_some() {
        segment::segment(&picture, own_mask.as_ref(), observer)?
    } else {
        segment::all(&picture)?
    };
    drop(own_mask);
    let (picture, matte) = close_up(picture, matte);

    let mesh = surface(&picture, &matte, options, observer)?;

    observer.begin(Step::Texture);
    let atlas = texture::paint(&picture, &matte, options, observer)?;

    observer.begin(Step::Finish);
    let mut model = mesh::finish(&mesh, atlas, options, observer)?;
    model.warnings = warnings(picture.warnings, matte, options);
    model.options = options.pairs();
    Ok(model)
}

/// Without most of what surrounds a small object: the steps that follow have no use for it, and it costs them
/// time and memory.
fn close_up(picture: Picture, matte: Matte) -> (Picture, Matte) {
    const MARGIN: u32 = 16;
    let Some([left, top, right, bottom]) = matte.bounds(1) else {
        return (picture, matte);
    };
    let frame = [
        left.saturating_sub(MARGIN),
        top.saturating_sub(MARGIN),
        (right + MARGIN).min(picture.width),
        (bottom + MARGIN).min(picture.height),
    ];
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    // For a moment both are held.
    if 2 * area(frame[2] - frame[0], frame[3] - frame[1]) > area(picture.width, picture.height) {
        return (picture, matte);
    }
    (picture.cropped(frame), matte.cropped(frame))
}

/// Longest side of the picture that is worked on: what the texture shows of it, and twice that for edges.
pub(crate) fn working_side(options: &Options) -> u32 {
    (2 * options.texture_size).max(2048)
}

/// A surface within the face limit that keeps every promise, from the finest start that gives one.
fn surface(
    picture: &Picture,
    matte: &Matte,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Mesh, Error> {
    let limit = options.effective_face_limit();
    let mut refused = Error::Mesh(mesh::Defect::Empty);
    for fineness in Fineness::ladder(limit) {
        observer.begin(Step::Shape);
        let start = shape::build(picture, matte, options, fineness, observer)?;
        observer.begin(Step::Simplify);
        match mesh::simplify(start, limit, observer).and_then(|mesh| ready(mesh, options)) {
            Ok(mesh) => return Ok(mesh),
            Err(Error::Mesh(defect)) => refused = defect.into(),
            Err(other) => return Err(other),
        }
    }
    Err(refused)
}

/// The mesh, if it still keeps its promises once its numbers are those of the file.
fn ready(mesh: Mesh, options: &Options) -> Result<Mesh, Error> {
    mesh::check(&mesh::place(&mesh, options), options.effective_face_limit())?;
    Ok(mesh)
}

/// What the person should know, each thing once.
fn warnings(picture: Vec<Warning>, matte: Matte, options: &Options) -> Vec<Warning> {
    let mut all = picture;
    if options.model == ModelKind::Relief && options.border_mm > 0.0 && !matte.is_whole() {
        all.push(Warning::BorderLeftOut);
    }
    all.extend(matte.warnings);
    if options.face_limit < options.effective_face_limit() {
        all.push(Warning::FaceLimitRaised {
            asked: options.face_limit,
        });
    }
    let mut told = Vec::with_capacity(all.len());
    for warning in all {
        if !told.contains(&warning) {
            told.push(warning);
        }
    }
    told
}

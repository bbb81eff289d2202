//! The ordered list of steps from bytes to a checked model.

use std::fmt;

use crate::{Error, Limits, Model, Options};

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
            Self::Segment => 15,
            Self::Shape => 40,
            Self::Simplify => 55,
            Self::Texture => 70,
            Self::Finish => 85,
            Self::Write => 90,
            Self::Preview => 93,
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
    let _ = (image, mask, options, limits, observer);
    todo!()
}

//! Who makes the model.
//!
//! A [`Provider`] turns one image, or a mesh that somebody else made, into files; it knows nothing of queues, leases or HTTP.

mod apart;
mod budget;
mod catalogue;
mod instant;
mod local;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::job::{Notice, transition::Failure};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use apart::frames;
pub use apart::{ApartProvider, ApartSettings, Bounds, serve_apart};
pub use budget::{Budget, OverBudget, Share, memory_limit};
pub use catalogue::{Making, ModelInfo, ModelRequest, RequestError};
pub use instant::InstantProvider;
pub use local::LocalProvider;

/// One produced file, not stored yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Produced {
    /// `glb`, `obj`, …, `preview`.
    pub format: &'static str,
    /// File extension.
    pub extension: &'static str,
    pub media_type: &'static str,
    pub bytes: Bytes,
}

impl Produced {
    pub(crate) const PREVIEW: &'static str = "preview";

    fn model(format: reconstruct::Format, bytes: Bytes) -> Self {
        Self {
            format: format.extension(),
            extension: format.extension(),
            media_type: format.media_type(),
            bytes,
        }
    }

    fn preview(bytes: Bytes) -> Self {
        Self {
            format: Self::PREVIEW,
            extension: "png",
            media_type: "image/png",
            bytes,
        }
    }
}

/// All that one attempt made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Generated {
    pub files: Vec<Produced>,
    pub warnings: Vec<Notice>,
}

/// Hears how far an attempt is: percent and step.
pub type OnProgress = std::sync::Arc<dyn Fn(u8, &'static str) + Send + Sync>;

/// Makes models.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Images that it can really work on at once: a pool begins no more, so that work which is said to have
    /// begun has, and an image that brings the process down takes few others with it.
    fn at_once(&self) -> usize {
        usize::MAX
    }

    /// Makes a model and the asked formats of one image, or of one mesh where that is asked for. GLB is always among them. `stem` names what stands
    /// inside archives.
    ///
    /// # Errors
    /// A [`Failure`] says whether another attempt can help.
    async fn generate(
        &self,
        source: Bytes,
        request: &ModelRequest,
        stem: &str,
        progress: OnProgress,
        cancel: CancellationToken,
    ) -> Result<Generated, Failure>;

    /// Writes a stored GLB in another format.
    ///
    /// # Errors
    /// As [`Provider::generate`].
    async fn convert(
        &self,
        glb: Bytes,
        format: reconstruct::Format,
        stem: &str,
    ) -> Result<Produced, Failure>;

    /// Ends what it keeps beside this process; it is not asked for anything afterwards.
    async fn close(&self) {}
}

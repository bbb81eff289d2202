use crate::Step;

/// Why no model came out. Every message names the thing, its value and the limit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are none of the formats that are read.
    #[error("not a JPEG, PNG or WebP picture (the content counts, not the name)")]
    UnknownFormat,
    /// The bytes end before the picture does.
    #[error("the {format} picture is truncated: {detail}")]
    Truncated {
        format: &'static str,
        detail: String,
    },
    /// The bytes claim to be a picture but do not decode.
    #[error("the {format} picture is damaged: {detail}")]
    Damaged {
        format: &'static str,
        detail: String,
    },
    /// A size limit is broken; refused before any memory is taken.
    #[error("{what} is {value}, over the limit of {limit}")]
    TooLarge {
        what: &'static str,
        value: u64,
        limit: u64,
    },
    /// A side under two pixels.
    #[error("the picture is {width}x{height} pixels; each side must be at least 2")]
    TooSmall { width: u32, height: u32 },
    /// All transparent, or one opaque colour.
    #[error("the picture has no content: {0}")]
    NoContent(&'static str),
    /// The person's own mask cannot be used.
    #[error("the mask cannot be used: {0}")]
    Mask(String),
    /// The bytes are none of the mesh formats that are read.
    #[error("not a GLB, OBJ, STL or PLY mesh (the content counts, not the name)")]
    UnknownMesh,
    /// The bytes claim to be a mesh but do not make sense.
    #[error("the {format} mesh cannot be read: {detail}")]
    MeshFile {
        format: &'static str,
        detail: String,
    },
    /// A mesh is made in a way that is not read.
    #[error("the {format} mesh needs {what}, which is not read")]
    Unsupported { format: &'static str, what: String },
    /// A mesh of points and lines, or of faces without area, or of nothing.
    #[error("the {0} mesh has no faces")]
    NoFaces(&'static str),
    /// A stored model cannot be read back.
    #[error("the stored model cannot be read: {0}")]
    Model(String),
    /// A finished mesh broke a promise; it is never handed out.
    #[error("the mesh failed its check: {0}")]
    Mesh(#[from] crate::mesh::Defect),
    /// The observer cancelled.
    #[error("cancelled during {0}")]
    Cancelled(Step),
}

impl Error {
    /// Stable machine-readable name of the error's kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownFormat => "unknown_format",
            Self::Truncated { .. } => "truncated",
            Self::Damaged { .. } => "damaged",
            Self::TooLarge { .. } => "too_large",
            Self::TooSmall { .. } => "too_small",
            Self::NoContent(_) => "no_content",
            Self::Mask(_) => "mask",
            Self::UnknownMesh => "unknown_format",
            Self::MeshFile { .. } => "damaged",
            Self::Unsupported { .. } => "unsupported",
            Self::NoFaces(_) => "no_faces",
            Self::Model(_) => "model",
            Self::Mesh(_) => "mesh",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// The same, said of the person's own mask instead of the picture.
    pub(crate) fn of_mask(self) -> Self {
        Self::Mask(self.to_string())
    }
}

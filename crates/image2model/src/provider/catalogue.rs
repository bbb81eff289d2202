//! The models that can be asked for, and the reading of what was asked.

use reconstruct::{Format, ModelKind, OptionError, Options, options::Spec};
use serde::Serialize;

/// One entry of `GET /models/available`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelInfo {
    pub name: &'static str,
    pub description: &'static str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub supported_formats: Vec<&'static str>,
    pub options: Vec<Spec>,
}

impl ModelInfo {
    /// Every model, the default first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        ModelKind::ALL
            .into_iter()
            .map(|model| Self {
                name: model.name(),
                description: model.description(),
                kind: "image_to_3d",
                supported_formats: Format::ALL
                    .iter()
                    .map(|format| format.extension())
                    .collect(),
                options: reconstruct::options::specs(model),
            })
            .collect()
    }
}

/// What is asked of a provider, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    pub options: Options,
    /// Besides GLB.
    pub formats: Vec<Format>,
}

/// A refused request: names field, value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("there is no model {0:?}; there are inflate, relief and extrude")]
    Model(String),
    #[error("{0}")]
    Option(#[from] OptionError),
    #[error("there is no format {0:?}; there are glb, obj, obj.zip, stl and ply")]
    Format(String),
}

impl ModelRequest {
    /// Reads a model's name, its options and formats as texts. `tripo3d`, the old clients' name, is the default model.
    ///
    /// # Errors
    /// The first of them that is not known or out of bounds.
    pub fn parse(
        model: Option<&str>,
        options: &[(String, String)],
        formats: &[String],
    ) -> Result<Self, RequestError> {
        let kind = match model {
            None | Some("tripo3d") => ModelKind::default(),
            Some(name) => {
                ModelKind::from_name(name).ok_or_else(|| RequestError::Model(name.to_owned()))?
            }
        };
        let options = Options::parse(
            kind,
            options
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )?;
        let mut wanted = Vec::new();
        for name in formats {
            let format =
                Format::from_extension(name).ok_or_else(|| RequestError::Format(name.clone()))?;
            if format != Format::Glb && !wanted.contains(&format) {
                wanted.push(format);
            }
        }
        Ok(Self {
            options,
            formats: wanted,
        })
    }

    /// As it is kept in a job: `model` first, then the options. [`ModelRequest::from_stored`] reads it back.
    #[must_use]
    pub fn to_stored(&self) -> Vec<(String, String)> {
        std::iter::once(("model".to_owned(), self.options.model.name().to_owned()))
            .chain(self.options.pairs())
            .collect()
    }

    /// # Errors
    /// When the job was written by a version that knew other options.
    pub fn from_stored(
        stored: &[(String, String)],
        formats: &[String],
    ) -> Result<Self, RequestError> {
        let model = stored
            .iter()
            .find(|(name, _)| name == "model")
            .map(|(_, value)| value.as_str());
        let options: Vec<_> = stored
            .iter()
            .filter(|(name, _)| name != "model")
            .cloned()
            .collect();
        Self::parse(model, &options, formats)
    }
}

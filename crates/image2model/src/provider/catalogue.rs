//! The models that can be asked for, and the reading of what was asked.

use reconstruct::{Format, ModelKind, OptionError, Options, import, options::Spec};
use schemars::JsonSchema;
use serde::Serialize;

/// One entry of `GET /models/available`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ModelInfo {
    /// What a request calls it.
    pub name: &'static str,
    pub description: &'static str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub supported_formats: Vec<&'static str>,
    /// Each with its name, type, bounds, default and what it is.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
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

/// How a model comes about, and with which options.
#[derive(Debug, Clone, PartialEq)]
pub enum Making {
    /// Out of a picture.
    Reconstruct(Options),
    /// From a mesh that somebody else made.
    Import(import::Request),
}

/// What is asked of a provider, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    pub making: Making,
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
        Ok(Self {
            making: Making::Reconstruct(options),
            formats: besides_glb(formats)?,
        })
    }

    /// Reads the options and formats of a mesh that is to be converted.
    ///
    /// # Errors
    /// As [`ModelRequest::parse`].
    pub fn parse_conversion(
        options: &[(String, String)],
        formats: &[String],
    ) -> Result<Self, RequestError> {
        let pairs = options.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        Ok(Self {
            making: Making::Import(import::Request::parse(pairs)?),
            formats: besides_glb(formats)?,
        })
    }

    /// As it is kept in a job: `model` first, then the options. [`ModelRequest::from_stored`] reads it back.
    #[must_use]
    pub fn to_stored(&self) -> Vec<(String, String)> {
        let (model, options) = match &self.making {
            Making::Reconstruct(options) => (options.model.name(), options.pairs()),
            Making::Import(request) => (import::NAME, request.pairs()),
        };
        std::iter::once(("model".to_owned(), model.to_owned()))
            .chain(options)
            .collect()
    }

    /// The names of its formats, as they are kept in a job.
    #[must_use]
    pub fn stored_formats(&self) -> Vec<String> {
        let names = self.formats.iter().map(|format| format.extension());
        names.map(str::to_owned).collect()
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
        if model == Some(import::NAME) {
            return Self::parse_conversion(&options, formats);
        }
        Self::parse(model, &options, formats)
    }
}

fn besides_glb(names: &[String]) -> Result<Vec<Format>, RequestError> {
    let mut wanted = Vec::new();
    for name in names {
        let format =
            Format::from_extension(name).ok_or_else(|| RequestError::Format(name.clone()))?;
        if format != Format::Glb && !wanted.contains(&format) {
            wanted.push(format);
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back_from_what_is_stored() {
        let few = [("face_limit".to_owned(), "500".to_owned())];
        let formats = ["stl".to_owned(), "glb".to_owned()];
        let picture = ModelRequest::parse(Some("relief"), &few, &formats).unwrap();
        let mesh = ModelRequest::parse_conversion(&few, &formats).unwrap();
        for request in [picture, mesh] {
            let (stored, kept) = (request.to_stored(), request.stored_formats());
            assert_eq!(ModelRequest::from_stored(&stored, &kept).unwrap(), request);
            assert_eq!(request.formats, [Format::Stl]);
        }
        // No upload of pictures asks for a conversion by its name.
        let error = ModelRequest::parse(Some("convert"), &[], &[]).unwrap_err();
        assert_eq!(error, RequestError::Model("convert".to_owned()));
    }
}

//! What can be asked of a model: one table of names, kinds, limits and defaults.
//!
//! The command line, the HTTP form, the catalogue and the documentation all read [`specs`], so an option
//! exists in one place. Nothing here looks at a picture.

mod spec;

use spec::Value;
pub use spec::{Kind, Spec, specs};

/// The shapes a picture can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ModelKind {
    /// A rounded, closed body: a half ball from a disc.
    #[default]
    Inflate,
    /// Height from brightness on a base plate; lithophanes.
    Relief,
    /// A silhouette or logo pushed straight back, with a bevel.
    Extrude,
}

impl ModelKind {
    pub const ALL: [Self; 3] = [Self::Inflate, Self::Relief, Self::Extrude];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inflate => "inflate",
            Self::Relief => "relief",
            Self::Extrude => "extrude",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// One sentence for catalogues.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Inflate => {
                "A rounded, closed body from the object in a photo, textured all round"
            }
            Self::Relief => {
                "A plate whose height follows the picture's brightness; also lithophanes"
            }
            Self::Extrude => "A logo or silhouette given a thickness, with sharp or bevelled edges",
        }
    }
}

/// A refused option: names the option, its value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    pub name: String,
    pub message: String,
}

/// Faces of a model when nothing is asked for.
pub const DEFAULT_FACE_LIMIT: u32 = 20_000;
/// Fewer faces than this are counted as this.
pub const MIN_FACE_LIMIT: u32 = 100;
/// More faces than this are refused.
pub const MAX_FACE_LIMIT: u32 = 500_000;

/// Everything that decides a model besides the picture. All lengths are in millimetres.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub model: ModelKind,
    /// As asked, 1 to 500,000; [`Options::effective_face_limit`] is what is kept.
    pub face_limit: u32,
    /// Longest side of the texture in pixels.
    pub texture_size: u32,
    /// Longest edge of the bounding box; `None` is 100 mm.
    pub size_mm: Option<f32>,
    /// Whether the foreground is cut out of its background (inflate, extrude; off by default for relief).
    pub cut_out: bool,
    /// Inflate: thickness relative to the natural one of a half ball.
    pub depth: f32,
    /// Inflate: strength of fine relief taken from the photo's shading.
    pub detail: f32,
    /// Inflate: depth of the back relative to the front.
    pub back: f32,
    /// Relief: whether dark is high.
    pub invert: bool,
    /// Relief: `linear` height or `lithophane` transmission.
    pub curve: Curve,
    /// Relief: height of the lowest point above the plate's underside, mm.
    pub base_mm: f32,
    /// Relief and extrude: height above the base (relief) or whole thickness (extrude), mm.
    pub thickness_mm: f32,
    /// Relief: width of a plain border at full height, mm.
    pub border_mm: f32,
    /// Extrude: width of the bevel, mm.
    pub bevel_mm: f32,
}

/// How brightness becomes height in a relief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    Linear,
    /// Thickness for which transmitted light follows the picture (Beer–Lambert).
    Lithophane,
}

impl Default for Options {
    fn default() -> Self {
        Self::of(ModelKind::default())
    }
}

impl Options {
    /// The defaults of one model, as its [`specs`] state them.
    #[must_use]
    pub fn of(model: ModelKind) -> Self {
        let mut options = Self {
            model,
            face_limit: DEFAULT_FACE_LIMIT,
            texture_size: 1024,
            size_mm: None,
            cut_out: true,
            depth: 1.0,
            detail: 1.0,
            back: 1.0,
            invert: false,
            curve: Curve::Linear,
            base_mm: 1.0,
            thickness_mm: 3.0,
            border_mm: 0.0,
            bevel_mm: 0.5,
        };
        for spec in specs(model) {
            options.assign(spec.name, &spec.kind.default_value());
        }
        options
    }

    /// Reads `name = value` texts against the model's [`specs`].
    ///
    /// # Errors
    /// The first unknown name (with the known ones), unreadable value, or value outside its bounds.
    pub fn parse<'a>(
        model: ModelKind,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, OptionError> {
        let known = specs(model);
        let mut options = Self::of(model);
        for (name, text) in pairs {
            let Some(spec) = known.iter().find(|spec| spec.name == name) else {
                let names: Vec<_> = known.iter().map(|spec| spec.name).collect();
                let message = format!(
                    "model {} has no option {name:?}; it knows {}",
                    model.name(),
                    names.join(", ")
                );
                return Err(OptionError {
                    name: name.to_owned(),
                    message,
                });
            };
            let value = spec.kind.read(name, text).map_err(|message| OptionError {
                name: name.to_owned(),
                message,
            })?;
            options.assign(name, &value);
        }
        Ok(options)
    }

    /// The model's options as `name, value` texts that [`Options::parse`] reads back; unset ones are left out.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        specs(self.model)
            .into_iter()
            .filter_map(|spec| Some((spec.name.to_owned(), self.text(spec.name)?)))
            .collect()
    }

    /// The face limit that is kept: what was asked for, at least 100.
    #[must_use]
    pub fn effective_face_limit(&self) -> u32 {
        self.face_limit.max(MIN_FACE_LIMIT)
    }

    /// Longest edge of the bounding box in millimetres.
    #[must_use]
    pub fn effective_size_mm(&self) -> f32 {
        self.size_mm.unwrap_or(100.0)
    }

    fn assign(&mut self, name: &str, value: &Value) {
        match (name, value) {
            ("face_limit", Value::Integer(v)) => self.face_limit = *v,
            ("texture_size", Value::Integer(v)) => self.texture_size = *v,
            ("size_mm", Value::Number(v)) => self.size_mm = *v,
            ("cut_out", Value::Boolean(v)) => self.cut_out = *v,
            ("depth", Value::Number(Some(v))) => self.depth = *v,
            ("detail", Value::Number(Some(v))) => self.detail = *v,
            ("back", Value::Number(Some(v))) => self.back = *v,
            ("invert", Value::Boolean(v)) => self.invert = *v,
            ("curve", Value::Choice(v)) => {
                self.curve = if v == "lithophane" {
                    Curve::Lithophane
                } else {
                    Curve::Linear
                }
            }
            ("base_mm", Value::Number(Some(v))) => self.base_mm = *v,
            ("thickness_mm", Value::Number(Some(v))) => self.thickness_mm = *v,
            ("border_mm", Value::Number(Some(v))) => self.border_mm = *v,
            ("bevel_mm", Value::Number(Some(v))) => self.bevel_mm = *v,
            _ => debug_assert!(
                false,
                "option {name} has no field of the kind its spec states"
            ),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(match name {
            "face_limit" => self.face_limit.to_string(),
            "texture_size" => self.texture_size.to_string(),
            "size_mm" => return self.size_mm.map(|v| v.to_string()),
            "cut_out" => self.cut_out.to_string(),
            "depth" => self.depth.to_string(),
            "detail" => self.detail.to_string(),
            "back" => self.back.to_string(),
            "invert" => self.invert.to_string(),
            "curve" => match self.curve {
                Curve::Linear => "linear".to_owned(),
                Curve::Lithophane => "lithophane".to_owned(),
            },
            "base_mm" => self.base_mm.to_string(),
            "thickness_mm" => self.thickness_mm.to_string(),
            "border_mm" => self.border_mm.to_string(),
            "bevel_mm" => self.bevel_mm.to_string(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_every_model_reads_back_what_it_writes() {
        for model in ModelKind::ALL {
            let options =
                Options::parse(model, [("size_mm", "42.5"), ("face_limit", "7")]).unwrap();
            let pairs = options.pairs();
            assert_eq!(pairs.len(), specs(model).len());
            let again =
                Options::parse(model, pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))).unwrap();
            assert_eq!(options, again);
        }
    }

    #[test]
    fn refusals_name_option_value_and_limit() {
        let refused = |pair| {
            Options::parse(ModelKind::Inflate, [pair])
                .unwrap_err()
                .message
        };
        assert_eq!(
            refused(("face_limit", "1000000000")),
            "face_limit is 1000000000; it must be from 1 to 500000"
        );
        assert_eq!(
            refused(("face_limit", "-5")),
            "face_limit is -5; it must be from 1 to 500000"
        );
        assert_eq!(
            refused(("size_mm", "NaN")),
            "size_mm is NaN; it must be from 1 to 10000 mm"
        );
        assert!(refused(("colour", "red")).contains("it knows face_limit, texture_size"));
    }
}

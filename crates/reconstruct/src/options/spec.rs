//! The table itself, and how one value's text is read.

use serde::Serialize;

use super::{DEFAULT_FACE_LIMIT, MAX_FACE_LIMIT, ModelKind};

/// How an option's text is read and bounded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    Integer {
        min: u32,
        max: u32,
        default: u32,
    },
    Number {
        min: f32,
        max: f32,
        default: Option<f32>,
        unit: &'static str,
    },
    Choice {
        values: &'static [&'static str],
        default: &'static str,
    },
    Boolean {
        default: bool,
    },
}

/// One option of a model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spec {
    pub name: &'static str,
    #[serde(flatten)]
    pub kind: Kind,
    pub help: &'static str,
}

const COMMON: [Spec; 3] = [
    Spec {
        name: "face_limit",
        kind: Kind::Integer {
            min: 1,
            max: MAX_FACE_LIMIT,
            default: DEFAULT_FACE_LIMIT,
        },
        help: "most triangles of the model; 1 to 99 count as 100",
    },
    Spec {
        name: "texture_size",
        kind: Kind::Integer {
            min: 64,
            max: 4096,
            default: 1024,
        },
        help: "longest side of the texture in pixels",
    },
    Spec {
        name: "size_mm",
        kind: Kind::Number {
            min: 1.0,
            max: 10_000.0,
            default: None,
            unit: "mm",
        },
        help: "longest edge of the model; 100 mm unless told",
    },
];

const INFLATE: [Spec; 4] = [
    Spec {
        name: "depth",
        kind: Kind::Number {
            min: 0.05,
            max: 3.0,
            default: Some(1.0),
            unit: "",
        },
        help: "thickness relative to a round body",
    },
    Spec {
        name: "detail",
        kind: Kind::Number {
            min: 0.0,
            max: 2.0,
            default: Some(1.0),
            unit: "",
        },
        help: "strength of the fine relief taken from the photo",
    },
    Spec {
        name: "back",
        kind: Kind::Number {
            min: 0.05,
            max: 1.0,
            default: Some(0.8),
            unit: "",
        },
        help: "depth of the back relative to the front",
    },
    Spec {
        name: "cut_out",
        kind: Kind::Boolean { default: true },
        help: "cut the object out of its background; a picture with transparency always is, along it",
    },
];

const RELIEF: [Spec; 6] = [
    Spec {
        name: "invert",
        kind: Kind::Boolean { default: false },
        help: "dark is high instead of bright",
    },
    Spec {
        name: "curve",
        kind: Kind::Choice {
            values: &["linear", "lithophane"],
            default: "linear",
        },
        help: "how brightness becomes height",
    },
    Spec {
        name: "base_mm",
        kind: Kind::Number {
            min: 0.2,
            max: 50.0,
            default: Some(1.0),
            unit: "mm",
        },
        help: "least thickness",
    },
    Spec {
        name: "thickness_mm",
        kind: Kind::Number {
            min: 0.2,
            max: 200.0,
            default: Some(3.0),
            unit: "mm",
        },
        help: "height of the relief above the base",
    },
    Spec {
        name: "border_mm",
        kind: Kind::Number {
            min: 0.0,
            max: 100.0,
            default: Some(0.0),
            unit: "mm",
        },
        help: "width of a flat border around a whole picture, in the colours of its edge, a third of the size at most; a cut-out \
               relief has none",
    },
    Spec {
        name: "cut_out",
        kind: Kind::Boolean { default: false },
        help: "keep only the object; a picture with transparency is always cut out, along it",
    },
];

const EXTRUDE: [Spec; 3] = [
    Spec {
        name: "thickness_mm",
        kind: Kind::Number {
            min: 0.2,
            max: 1000.0,
            default: Some(10.0),
            unit: "mm",
        },
        help: "thickness from front to back",
    },
    Spec {
        name: "bevel_mm",
        kind: Kind::Number {
            min: 0.0,
            max: 50.0,
            default: Some(0.5),
            unit: "mm",
        },
        help: "width of the bevelled edge; at most a third of the thickness is used",
    },
    Spec {
        name: "cut_out",
        kind: Kind::Boolean { default: true },
        help: "cut the object out of its background; a picture with transparency always is, along it",
    },
];

/// The options that `model` knows, common ones first.
#[must_use]
pub fn specs(model: ModelKind) -> Vec<Spec> {
    let own: &[Spec] = match model {
        ModelKind::Inflate => &INFLATE,
        ModelKind::Relief => &RELIEF,
        ModelKind::Extrude => &EXTRUDE,
    };
    COMMON.iter().chain(own).copied().collect()
}

/// An option's value, read and within its bounds.
pub(super) enum Value {
    Integer(u32),
    Number(Option<f32>),
    Choice(String),
    Boolean(bool),
}

impl Kind {
    pub(super) fn default_value(&self) -> Value {
        match *self {
            Self::Integer { default, .. } => Value::Integer(default),
            Self::Number { default, .. } => Value::Number(default),
            Self::Choice { default, .. } => Value::Choice(default.to_owned()),
            Self::Boolean { default } => Value::Boolean(default),
        }
    }

    pub(super) fn read(&self, name: &str, text: &str) -> Result<Value, String> {
        match *self {
            Self::Integer { min, max, .. } => {
                let value: i64 = text.trim().parse().map_err(|_| {
                    format!("{name} is {text:?}; it must be a whole number from {min} to {max}")
                })?;
                u32::try_from(value)
                    .ok()
                    .filter(|v| (min..=max).contains(v))
                    .map(Value::Integer)
                    .ok_or_else(|| format!("{name} is {value}; it must be from {min} to {max}"))
            }
            Self::Number { min, max, unit, .. } => {
                let bounds = format!("from {min} to {max} {unit}");
                let value: f32 = text.trim().parse().map_err(|_| {
                    format!(
                        "{name} is {text:?}; it must be a number {}",
                        bounds.trim_end()
                    )
                })?;
                if !(min..=max).contains(&value) {
                    return Err(format!(
                        "{name} is {value}; it must be {}",
                        bounds.trim_end()
                    ));
                }
                Ok(Value::Number(Some(value)))
            }
            Self::Choice { values, .. } => {
                if !values.contains(&text) {
                    return Err(format!(
                        "{name} is {text:?}; it must be one of {}",
                        values.join(", ")
                    ));
                }
                Ok(Value::Choice(text.to_owned()))
            }
            Self::Boolean { .. } => match text {
                "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
                "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
                _ => Err(format!("{name} is {text:?}; it must be true or false")),
            },
        }
    }
}

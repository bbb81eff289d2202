//! The fields of forms that take files in, besides files and a model's options: reading a form and describing it go by
//! this one table.

use crate::job::{MAX_LABEL, MAX_LABELS};

use super::form::Intake;

/// Bytes of a field's value, where nothing else is said of it.
pub(super) const LONGEST_VALUE: usize = 1024;
/// Bytes of the longest list of labels that can be right, each character escaped.
const LONGEST_LIST: usize = MAX_LABELS * (MAX_LABEL * 12 + 4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormField {
    Model,
    Format,
    Priority,
    /// One label.
    Label,
    /// A list of them, as JSON.
    Labels,
    Reference,
}

impl FormField {
    const ALL: [Self; 6] = [
        Self::Model,
        Self::Format,
        Self::Priority,
        Self::Label,
        Self::Labels,
        Self::Reference,
    ];

    /// Those of such a form.
    pub(super) fn of(intake: Intake) -> impl Iterator<Item = Self> {
        let is_in = move |field: &Self| match field {
            Self::Model => intake != Intake::Meshes,
            _ => true,
        };
        Self::ALL.into_iter().filter(is_in)
    }

    /// The field that has this name; other names are a model's options, or wrong.
    pub(super) fn named(intake: Intake, name: &str) -> Option<Self> {
        Self::of(intake).find(|field| field.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Format => "format",
            Self::Priority => "priority",
            Self::Label => "label",
            Self::Labels => "labels",
            Self::Reference => "reference",
        }
    }

    /// Bytes of its longest value.
    pub(super) fn longest(self) -> usize {
        match self {
            Self::Labels => LONGEST_LIST,
            _ => LONGEST_VALUE,
        }
    }
}

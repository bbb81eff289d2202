//! A client's own words about a job: labels and a reference, as requests carry them.

use crate::job::{About, AboutError, MAX_LABEL, MAX_LABELS};

use super::{caller::shortened, error::Problem};

/// Bytes of the longest list of labels that can be right, each character escaped.
const LONGEST_LIST: usize = MAX_LABELS * (MAX_LABEL * 12 + 4);

/// Bytes that a form's field may have, where it is one of these words.
pub(super) fn longest(field: &str) -> Option<usize> {
    (field == "labels").then_some(LONGEST_LIST)
}

/// The labels that a form's field carries: `label` is one of them, `labels` a list as JSON. `None` for other fields.
///
/// # Errors
/// 422 for a list that is none.
pub(super) fn labels(field: &str, value: &str) -> Result<Option<Vec<String>>, Problem> {
    match field {
        "label" => Ok(Some(vec![value.to_owned()])),
        "labels" => serde_json::from_str(value).map(Some).map_err(|_| {
            let message = format!(
                "labels is {:?}; it must be a list of texts as JSON, such as [\"shop\", \"sale\"]",
                shortened(value)
            );
            Problem::field("labels", message, "value_error")
        }),
        _ => Ok(None),
    }
}

/// # Errors
/// 422 for a word that is over its limit.
pub(super) fn about(labels: Vec<String>, reference: Option<String>) -> Result<About, Problem> {
    About::new(labels, reference).map_err(|error| {
        let field = match error {
            AboutError::Labels(_) | AboutError::Label(..) | AboutError::LabelControl(_) => "label",
            AboutError::Reference(_) | AboutError::ReferenceControl => "reference",
        };
        Problem::field(field, error.to_string(), "value_error")
    })
}

//! A client's own words about a job: labels and a reference, as requests carry them.

use crate::job::{About, AboutError};

use super::{caller::shortened, error::Problem};

/// A list of labels as a form's field has it, in JSON.
///
/// # Errors
/// 422 for what is none.
pub(super) fn labels(value: &str) -> Result<Vec<String>, Problem> {
    serde_json::from_str(value).map_err(|_| {
        let message = format!(
            "labels is {:?}; it must be a list of texts as JSON, such as [\"shop\", \"sale\"]",
            shortened(value)
        );
        Problem::field("labels", message, "value_error")
    })
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

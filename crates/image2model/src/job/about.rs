use serde::{Deserialize, Serialize};

use super::JobId;

/// Most labels of one job.
pub const MAX_LABELS: usize = 16;
/// Most characters of a label.
pub const MAX_LABEL: usize = 64;
/// Most characters of a client's reference.
pub const MAX_REFERENCE: usize = 200;

/// What is told about a job that changes nothing of what it makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The client's own words, to find jobs by; each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The client's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The job whose failed items these were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
}

/// What is wrong with a client's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AboutError {
    #[error("there are {0} labels; the limit is {MAX_LABELS}")]
    Labels(usize),
    #[error("the label {0:?} has {1} characters; it must have 1 to {MAX_LABEL}")]
    Label(String, usize),
    #[error("reference has {0} characters; it must have 1 to {MAX_REFERENCE}")]
    Reference(usize),
    #[error("the label {0:?} has control characters")]
    LabelControl(String),
    #[error("reference has control characters")]
    ReferenceControl,
}

impl About {
    /// A client's words, within their limits; a label that is given twice counts once.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn new(labels: Vec<String>, reference: Option<String>) -> Result<Self, AboutError> {
        let mut about = Self {
            reference,
            ..Self::default()
        };
        for label in labels {
            let length = label.chars().count();
            if !(1..=MAX_LABEL).contains(&length) {
                let start = label.chars().take(MAX_LABEL).collect();
                return Err(AboutError::Label(start, length));
            }
            if label.chars().any(char::is_control) {
                return Err(AboutError::LabelControl(label));
            }
            if !about.labels.contains(&label) {
                about.labels.push(label);
            }
        }
        if about.labels.len() > MAX_LABELS {
            return Err(AboutError::Labels(about.labels.len()));
        }
        if let Some(reference) = &about.reference {
            let length = reference.chars().count();
            if !(1..=MAX_REFERENCE).contains(&length) {
                return Err(AboutError::Reference(length));
            }
            if reference.chars().any(char::is_control) {
                return Err(AboutError::ReferenceControl);
            }
        }
        Ok(about)
    }

    /// Whether nothing is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_label_counts_once_and_by_characters() {
        let longest = "ä".repeat(MAX_LABEL);
        let about = About::new(labels(&["shop", &longest, "shop"]), None).unwrap();
        assert_eq!(about.labels, ["shop".to_owned(), longest]);
    }

    #[test]
    fn words_over_their_limits_are_refused() {
        let many: Vec<_> = (0..=MAX_LABELS).map(|n| n.to_string()).collect();
        assert_eq!(About::new(many, None), Err(AboutError::Labels(17)));
        let long = "x".repeat(MAX_LABEL + 1);
        let refused = About::new(vec![long], None);
        assert_eq!(refused, Err(AboutError::Label("x".repeat(64), 65)));
        let refused = About::new(labels(&[""]), None);
        assert_eq!(refused, Err(AboutError::Label(String::new(), 0)));
        let refused = About::new(labels(&["a\nb"]), None);
        assert_eq!(refused, Err(AboutError::LabelControl("a\nb".to_owned())));
        let refused = About::new(Vec::new(), Some("x".repeat(201)));
        assert_eq!(refused, Err(AboutError::Reference(201)));
        let refused = About::new(Vec::new(), Some("a\u{7}".to_owned()));
        assert_eq!(refused, Err(AboutError::ReferenceControl));
    }
}

//! `image2model config`: every effective value and where it came from.

use serde_json::{Map, Value, json};

use crate::config::Loaded;

/// One line per value, `key = value  # origin`; or one JSON object by dotted key.
#[must_use]
pub(super) fn render(loaded: &Loaded, as_json: bool) -> String {
    if as_json {
        let all: Map<String, Value> = loaded
            .values
            .iter()
            .map(|(key, (value, origin))| {
                (
                    key.clone(),
                    json!({ "value": value, "origin": origin.to_string() }),
                )
            })
            .collect();
        return format!("{:#}\n", Value::Object(all));
    }
    let lines: Vec<_> = loaded
        .values
        .iter()
        .map(|(key, (value, origin))| (format!("{key} = {value}"), origin))
        .collect();
    let width = lines
        .iter()
        .map(|(line, _)| line.len())
        .max()
        .unwrap_or_default();
    lines
        .iter()
        .map(|(line, origin)| format!("{line:width$}  # {origin}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn each_value_is_shown_with_its_origin() {
        let loaded = load(&Sources::default()).unwrap();
        let text = render(&loaded, false);
        assert!(
            text.lines().any(
                |line| line.starts_with("workers.model_generation.concurrency = 8 ")
                    && line.ends_with("# default")
            ),
            "{text}"
        );
        let json: Value = serde_json::from_str(&render(&loaded, true)).unwrap();
        assert_eq!(
            json["retry.max_attempts"],
            json!({ "value": 3, "origin": "default" })
        );
        assert_eq!(json.as_object().unwrap().len(), text.lines().count());
    }
}

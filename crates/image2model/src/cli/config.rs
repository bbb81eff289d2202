//! `image2model config`: every effective value and where it came from.

use serde_json::{Map, Value, json};

use crate::config::{Loaded, without_password};

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
                    json!({ "value": shown(key, value), "origin": origin.to_string() }),
                )
            })
            .collect();
        return format!("{:#}\n", Value::Object(all));
    }
    let lines: Vec<_> = loaded
        .values
        .iter()
        .map(|(key, (value, origin))| (format!("{key} = {}", shown(key, value)), origin))
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

/// A value without the password in it.
fn shown(key: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(url) if key.ends_with(".url") => json!(without_password(url)),
        Some(secret) if is_secret(key) && !secret.is_empty() => json!("***"),
        _ => value.clone(),
    }
}

fn is_secret(key: &str) -> bool {
    key.ends_with("password") || key.starts_with("keys.")
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
    #[test]
    fn a_password_is_not_shown() {
        let url = "redis://me:sec@ret@host:6379/0".to_owned();
        let environment = vec![("IMAGE2MODEL_STORE__URL".to_owned(), url)];
        let sources = Sources {
            environment,
            ..Sources::default()
        };
        let loaded = load(&sources).unwrap();
        for as_json in [false, true] {
            let text = render(&loaded, as_json);
            assert!(text.contains("redis://me:***@host:6379/0"), "{text}");
            assert!(!text.contains("ret@"), "{text}");
        }
    }
}

//! The API's description is whole, and the server's own: `tests/it/api_description.rs` has it judged from outside.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use image2model::http;
use serde_json::Value;

use super::Api;

const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let api = Api::new();
    let undescribed = http::undescribed(&api.service);
    assert!(
        undescribed.is_empty(),
        "say what these are in `docs()` of their resource, or take it away there: {undescribed:#?}"
    );
}

#[tokio::test]
async fn every_operation_and_every_member_of_an_answer_is_told_in_words() {
    let document = description(&Api::new()).await;
    let mut ids = BTreeSet::new();
    let mut silent = Vec::new();
    for (path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} is the name of two");
        if operation["summary"] == "" {
            silent.push(path.to_owned());
        }
        for parameter in operation["parameters"].as_array().unwrap() {
            if parameter["description"] == "" || parameter["schema"].get("type").is_none() {
                silent.push(format!("{path}: {}", parameter["name"]));
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        members(name, schema, &mut silent);
    }
    assert!(silent.is_empty(), "nothing is said of {silent:#?}");
    assert!(ids.len() >= 30, "{ids:?}");
}

/// Members need words where their name leaves a question open: numbers always do, for their unit.
fn members(name: &str, schema: &Value, silent: &mut Vec<String>) {
    for (member, told) in schema["properties"].as_object().into_iter().flatten() {
        let types = told["type"].to_string();
        let is_number = types.contains("integer") || types.contains("number");
        let has_unit = ["_percent", "_count", "_code"]
            .iter()
            .any(|end| member.ends_with(end));
        if is_number && !has_unit && told["description"].as_str().is_none() {
            silent.push(format!("{name}.{member}"));
        }
    }
    for variants in ["oneOf", "anyOf"] {
        for one in schema[variants].as_array().into_iter().flatten() {
            members(name, one, silent);
        }
    }
}

#[tokio::test]
async fn keys_are_asked_for_where_the_server_has_keys() {
    let open = description(&Api::new()).await;
    assert!(operations(&open).all(|(_, operation)| operation.get("security").is_none()));
    let keyed = Api::with(|config| config.keys.user = "a-key".to_owned(), super::ROOM);
    let keyed = description(&keyed).await;
    let of = |path: &str| keyed["paths"][path]["get"]["security"].clone();
    assert_eq!(of("/health"), serde_json::json!([]));
    assert_eq!(of("/api/v1/jobs"), serde_json::json!([{"key": []}]));
    let linked = of("/api/v1/status/tasks/{task_id}/stream");
    assert_eq!(linked, serde_json::json!([{"key": []}, {"link": []}]));
}

#[tokio::test]
async fn the_description_is_a_page_that_loads_nothing_from_elsewhere() {
    let api = Api::new();
    let page = api.get("/docs/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    let text = page.text();
    for told in ["/api/v1/jobs/{job_id}", "face_limit", "500000", "WholeJob"] {
        assert_eq!(text.contains(told), told != "WholeJob", "{told}");
    }
    assert!(!text.contains("<script") && !text.contains("://") && !text.contains("style="));
    let style = api.get("/docs/style.css").await;
    assert!(style.header("content-type").starts_with("text/css"));
    for (_, operation) in operations(&description(&api).await) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(text.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn the_page_about_errors_is_written_from_the_program() {
    let place = crate::support::root().join("docs/errors.md");
    let written = http::errors_page();
    if crate::support::environment("I2M_WRITE_DOCS").is_some() {
        std::fs::write(&place, &written).unwrap();
    }
    let kept = std::fs::read_to_string(place).unwrap_or_default();
    assert!(
        kept == written,
        "docs/errors.md is not what the program says; I2M_WRITE_DOCS=1 writes it anew"
    );
}

async fn description(api: &Api) -> Value {
    let answer = api.get("/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, of)| {
        METHODS
            .iter()
            .filter_map(|method| Some((path.as_str(), of.get(method)?)))
    })
}

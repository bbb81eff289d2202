//! The API's description is whole, and the server's own: `tests/it/api_description.rs` has it judged from outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use axum::http::{Request, StatusCode};
use image2model::http;
use serde_json::Value;

use super::{Api, Part, picture, text};
use crate::requirements::quoted;

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

#[tokio::test]
async fn every_route_has_its_line_in_the_page_for_people() {
    const PAGE: &str = include_str!("../../../../../docs/api.md");
    let table = http::table(&Api::new().service);
    let mut named: BTreeSet<_> = quoted(PAGE).into_iter().map(without_query).collect();
    let missing: Vec<_> = (table.iter())
        .map(|route| {
            let path = route.path.strip_prefix("/api/v1").unwrap_or(&route.path);
            format!("{} {path}", route.method)
        })
        .filter(|name| !named.contains(&**name))
        .collect();
    assert!(missing.is_empty(), "docs/api.md lacks {missing:#?}");
    named.retain(|name| {
        name.split_once(" /")
            .is_some_and(|(method, _)| is_method(method))
    });
    let gone: Vec<_> = (named.iter())
        .filter(|name| {
            let (method, path) = name.split_once(' ').unwrap();
            !table.iter().any(|route| {
                let api = format!("/api/v1{path}");
                route.method.as_str() == method && (route.path == path || route.path == api)
            })
        })
        .collect();
    assert!(
        gone.is_empty(),
        "docs/api.md has what is no route: {gone:#?}"
    );
}

fn is_method(text: &str) -> bool {
    METHODS.contains(&&*text.to_lowercase())
}

/// `GET /jobs?limit=` and `POST /upload/` as the table has them.
fn without_query(route: &str) -> &str {
    let route = route.split('?').next().unwrap();
    match route.strip_suffix('/') {
        Some(bare) if !bare.ends_with(' ') => bare,
        _ => route,
    }
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
async fn every_field_that_a_form_takes_is_described_and_no_other() {
    let unlimited = |config: &mut image2model::config::Config| config.limits.per_minute = 0;
    let api = Api::with(unlimited, super::ROOM);
    let document = description(&api).await;
    let described = |path: &str| -> BTreeMap<String, Value> {
        let body = &document["paths"][path]["post"]["requestBody"];
        let fields = &body["content"]["multipart/form-data"]["schema"]["properties"];
        serde_json::from_value(fields.clone()).unwrap()
    };
    let paths = ["/api/v1/upload", "/plain", "/api/v1/models/convert"];
    let all: BTreeMap<_, _> = paths.into_iter().flat_map(described).collect();
    assert!(all.len() > 20, "{all:?}");
    for path in paths {
        let taken = described(path);
        for (name, field) in &all {
            let mut answers = Vec::new();
            for model in ["inflate", "relief", "extrude"] {
                let parts = filled(path, &taken, model, name, field);
                let (mut head, body) = super::form_with(&parts, &[]).into_parts();
                head.uri = path.parse().unwrap();
                answers.push(api.send(Request::from_parts(head, body)).await);
            }
            let is_taken = answers.iter().any(|answer| answer.status == StatusCode::OK);
            let said: Vec<_> = answers.iter().map(super::Answer::text).collect();
            assert_eq!(
                is_taken,
                taken.contains_key(name),
                "{path} {name}: {said:#?}"
            );
        }
    }
}

/// A form for `path` that is right as far as its field `name` is.
fn filled(
    path: &str,
    taken: &BTreeMap<String, Value>,
    model: &str,
    name: &str,
    field: &Value,
) -> Vec<Part> {
    let mut parts = Vec::new();
    if taken.contains_key("key") {
        parts.push(text("key", ""));
    }
    if taken.contains_key("model") && name != "model" {
        parts.push(text("model", model));
    }
    let mut file = picture("a.png", b"bytes");
    let of_items = field["items"].get("enum").map(|known| known[0].clone());
    let value = [&field["default"], &field["enum"][0], &field["minimum"]];
    let value = value.into_iter().find(|value| !value.is_null()).cloned();
    match (name, value.or(of_items)) {
        ("file" | "files", _) => file.name = name.to_owned(),
        ("key", _) if taken.contains_key("key") => {}
        ("labels", _) => parts.push(text(name, r#"["shop"]"#)),
        (_, Some(Value::String(value))) => parts.push(text(name, &value)),
        (_, Some(value)) => parts.push(text(name, &value.to_string())),
        (_, None) if field["type"] == "boolean" => parts.push(text(name, "true")),
        (_, None) => parts.push(text(name, "shop")),
    }
    if name != "files" && path.ends_with("convert") {
        file.name = "file".to_owned();
    }
    parts.push(file);
    parts
}

/// What a client can send and get, one line of it each: a change of it is seen here before a client sees it.
#[tokio::test]
async fn what_is_asked_and_answered_changes_only_when_it_is_meant_to() {
    let document = description(&Api::new()).await;
    let mut told = String::new();
    for (path, of) in document["paths"].as_object().unwrap() {
        for (method, operation) in of.as_object().unwrap() {
            let _ = writeln!(
                told,
                "{} {path} {}",
                method.to_uppercase(),
                operation["operationId"]
            );
            for parameter in operation["parameters"].as_array().unwrap() {
                let (place, name) = (&parameter["in"], &parameter["name"]);
                let _ = writeln!(told, "  {place} {name}{}", needed(&parameter["required"]));
            }
            for (kind, body) in operation["requestBody"]["content"]
                .as_object()
                .into_iter()
                .flatten()
            {
                let needed = needed(&operation["requestBody"]["required"]);
                let _ = writeln!(
                    told,
                    "  body {kind}{needed} {}",
                    members_of(&body["schema"])
                );
            }
            let mut refusals = String::new();
            for (status, answer) in operation["responses"].as_object().unwrap() {
                if answer["content"].get("application/problem+json").is_some() {
                    let _ = write!(refusals, " {status}");
                    continue;
                }
                let kinds = answer["content"].as_object().into_iter().flatten();
                let kinds: Vec<_> = kinds
                    .map(|(kind, content)| format!(" {kind} {}", members_of(&content["schema"])))
                    .collect();
                let _ = writeln!(told, "  {status}{}", kinds.concat());
            }
            let _ = writeln!(told, "  refusals{refusals}");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let _ = writeln!(told, "{name} {}", members_of(schema));
    }
    insta::assert_snapshot!(told.replace('"', ""));
}

fn needed(required: &Value) -> &'static str {
    if required == true { "!" } else { "" }
}

/// The names of an object's members, those that are always there with a mark, or what else a schema is.
fn members_of(schema: &Value) -> String {
    if let Some(place) = schema["$ref"].as_str() {
        return place.rsplit('/').next().unwrap().to_owned();
    }
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let members = schema["properties"].as_object().into_iter().flatten();
    let mut parts: Vec<_> = members
        .map(|(name, _)| {
            let always = required.iter().any(|one| one == name);
            format!("{name}{}", if always { "!" } else { "" })
        })
        .collect();
    for several in ["anyOf", "oneOf"] {
        let variants = schema[several].as_array().into_iter().flatten();
        parts.extend(variants.map(|one| format!("| {}", members_of(one))));
    }
    if parts.is_empty() {
        return match schema["enum"].as_array() {
            Some(words) => serde_json::to_string(words).unwrap(),
            None => schema["type"].to_string(),
        };
    }
    format!("{{{}}}", parts.join(" "))
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

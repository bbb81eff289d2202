//! `/docs`: the document as one page for people, without scripts.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::super::plain::escaped;

const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

pub(super) fn html(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>The API of image2model</title><link rel=\"stylesheet\" href=\"/docs/style.css\"></head>\
         <body><main><h1>The API of image2model {}</h1><p>{}</p>\
         <p>For programs: <a href=\"/openapi.json\">openapi.json</a></p>",
        text(&document["info"]["version"]),
        words(&document["info"]["description"])
    );
    let operations = operations(document);
    let mut tags: Vec<_> = operations.iter().map(|one| &one.told["tags"][0]).collect();
    tags.sort_by_key(|tag| tag.as_str());
    tags.dedup();
    page.push_str("<nav><ul>");
    for tag in &tags {
        let _ = write!(page, "<li><a href=\"#{0}\">{0}</a>", text(tag));
    }
    page.push_str("<li><a href=\"#schemas\">schemas</a></ul></nav>");
    for tag in tags {
        let _ = write!(page, "<h2 id=\"{0}\">{0}</h2>", text(tag));
        for one in operations.iter().filter(|one| one.told["tags"][0] == *tag) {
            operation(&mut page, one);
        }
    }
    page.push_str("<h2 id=\"schemas\">schemas</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        let _ = write!(
            page,
            "<section id=\"schema-{0}\"><h3>{0}</h3><p>{1}</p>",
            escaped(name),
            words(&schema["description"])
        );
        fields(&mut page, schema);
        page.push_str("</section>");
    }
    page.push_str("</main></body></html>\n");
    page
}

struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    told: &'a Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    members(&document["paths"])
        .flat_map(|(path, methods)| {
            METHODS.iter().filter_map(move |method| {
                Some(Operation {
                    method,
                    path,
                    told: methods.get(method)?,
                })
            })
        })
        .collect()
}

fn operation(page: &mut String, one: &Operation<'_>) {
    let told = one.told;
    let _ = write!(
        page,
        "<details id=\"{}\"><summary><b>{}</b> <code>{}</code> {}</summary><p>{}</p>",
        text(&told["operationId"]),
        one.method.to_uppercase(),
        escaped(one.path),
        text(&told["summary"]),
        words(&told["description"])
    );
    let parameters = told["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        page.push_str("<h4>Parameters</h4><table><tr><th>name<th>in<th>type<th>meaning</tr>");
        for parameter in parameters {
            let _ = write!(
                page,
                "<tr><td><code>{}</code><td>{}<td>{}<td>{}</tr>",
                text(&parameter["name"]),
                text(&parameter["in"]),
                kind(&parameter["schema"]),
                words(&parameter["description"])
            );
        }
        page.push_str("</table>");
    }
    for (media_type, content) in members(&told["requestBody"]["content"]) {
        let _ = write!(page, "<h4>Body: {}</h4>", escaped(media_type));
        fields(page, &content["schema"]);
    }
    page.push_str("<h4>Answers</h4><table><tr><th>status<th>type<th>meaning</tr>");
    for (status, answer) in members(&told["responses"]) {
        let types: Vec<_> = members(&answer["content"])
            .map(|(media_type, content)| {
                format!("{}: {}", escaped(media_type), kind(&content["schema"]))
            })
            .collect();
        let _ = write!(
            page,
            "<tr><td>{status}<td>{}<td>{}</tr>",
            types.join("<br>"),
            words(&answer["description"])
        );
    }
    page.push_str("</table>");
    for (status, answer) in members(&told["responses"]).filter(|(s, _)| s.starts_with('2')) {
        let example = &answer["content"]["application/json"]["example"];
        if !example.is_null() {
            let shown = serde_json::to_string_pretty(example).unwrap_or_default();
            let shown = escaped(&shown);
            let _ = write!(page, "<h4>Example of {status}</h4><pre>{shown}</pre>");
        }
    }
    page.push_str("</details>");
}

/// An object's members, or the variants of which it is one.
fn fields(page: &mut String, schema: &Value) {
    for variant in ["oneOf", "anyOf"]
        .iter()
        .filter_map(|of| schema[of].as_array())
    {
        // What only says which members there must be has no members of its own.
        let shown = variant.iter().filter(|one| !kind(one).is_empty());
        for (at, one) in shown.enumerate() {
            let _ = write!(
                page,
                "<p>{}{}</p>",
                if at > 0 { "or " } else { "" },
                kind(one)
            );
            fields(page, one);
        }
    }
    let mut rows = members(&schema["properties"]).peekable();
    if rows.peek().is_none() {
        if schema.get("properties").is_none() && schema.get("anyOf").is_none() {
            let _ = write!(page, "<p>{}</p>", kind(schema));
        }
        return;
    }
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    page.push_str("<table><tr><th>name<th>type<th>meaning</tr>");
    for (name, field) in rows {
        let optional = match required.iter().any(|one| one == name) {
            true => "",
            false => " (optional)",
        };
        let _ = write!(
            page,
            "<tr><td><code>{}</code>{optional}<td>{}<td>{}</tr>",
            escaped(name),
            kind(field),
            words(&field["description"])
        );
    }
    page.push_str("</table>");
}

/// A type and its bounds in a few words.
fn kind(schema: &Value) -> String {
    if let Some(place) = schema["$ref"].as_str() {
        let name = escaped(place.rsplit('/').next().unwrap_or(place));
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    let mut told = match &schema["type"] {
        Value::Array(types) => {
            let types: Vec<_> = types.iter().map(text).collect();
            types.join(" or ")
        }
        other => text(other),
    };
    if schema["items"].is_object() {
        let _ = write!(told, " of {}", kind(&schema["items"]));
    }
    if schema["additionalProperties"].is_object() {
        let _ = write!(
            told,
            " of {} by name",
            kind(&schema["additionalProperties"])
        );
    }
    if let Some(variants) = schema["anyOf"].as_array() {
        told = variants.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(text).collect();
        let _ = write!(told, ": {}", values.join(", "));
    }
    for (bound, sign) in [
        ("const", " = "),
        ("minimum", " ≥ "),
        ("maximum", " ≤ "),
        ("minItems", ", at least "),
        ("maxItems", ", at most "),
        ("format", ", "),
        ("default", ", by default "),
    ] {
        if let Some(value) = schema.get(bound) {
            let _ = write!(told, "{sign}{}", text(value));
        }
    }
    told
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

/// Sentences, in which backticks mark code.
fn words(value: &Value) -> String {
    let mut shown = String::new();
    for (at, part) in value.as_str().unwrap_or_default().split('`').enumerate() {
        let part = escaped(part);
        let _ = match at % 2 {
            0 => write!(shown, "{part}"),
            _ => write!(shown, "<code>{part}</code>"),
        };
    }
    shown
}

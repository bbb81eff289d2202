//! Table, types and docs become one document.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::{
    SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

use crate::config::UploadSettings;

use super::{
    super::{
        Access, Route,
        error::{self, ProblemBody},
        health::VERSION,
    },
    doc::{Answer, Content, Doc, Parameter, Taken},
    words::{ID_PATTERN, Id},
};

const ABOUT: &str = "Turns pictures into closed, textured 3D models. An upload is a job of one to 25 images; every \
    image becomes a model of its own. `/x` and `/x/` are the same. What is refused is told as \
    `application/problem+json` (RFC 9457); docs/errors.md lists the codes.";

/// The whole description; routes without docs are left out.
pub(super) fn document(
    table: &[Route],
    docs: Vec<Doc>,
    upload: &UploadSettings,
    is_open: bool,
) -> Value {
    let mut writer = Writer {
        answers: generator(Contract::Serialize),
        bodies: generator(Contract::Deserialize),
        upload,
        is_open,
    };
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for doc in docs {
        for (at, path) in doc.paths.iter().enumerate() {
            let mut routes = table.iter();
            let Some(route) = routes.find(|r| r.path == *path && r.method == doc.method) else {
                continue;
            };
            let method = doc.method.as_str().to_ascii_lowercase();
            let operation = writer.operation(&doc, at, route.access);
            paths.entry(path).or_default().insert(method, operation);
        }
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "image2model",
            "version": VERSION,
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": writer.schemas()},
    });
    if !is_open {
        document["components"]["securitySchemes"] = json!({
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "A key of this server, as `Authorization: Bearer KEY`.",
            },
            "link": {
                "type": "apiKey",
                "in": "query",
                "name": "link",
                "description": "What the server has put into a link of its own; it holds for that path and ends.",
            },
        });
    }
    document
}

fn generator(contract: Contract) -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.contract = contract;
            settings.definitions_path = "/components/schemas".into();
        })
        .into_generator()
}

struct Writer<'a> {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
    upload: &'a UploadSettings,
    is_open: bool,
}

impl Writer<'_> {
    fn operation(&mut self, doc: &Doc, at: usize, access: Access) -> Value {
        let path = doc.paths[at];
        let id = match at {
            0 => doc.id.to_owned(),
            at => format!("{}_{}", doc.id, at + 1),
        };
        let mut about = doc.about.to_owned();
        if at > 0 {
            about = format!("The same as `{}`. {about}", doc.paths[0]);
        }
        let parameters: Vec<_> = path
            .split(['{', '}'])
            .skip(1)
            .step_by(2)
            .map(in_path)
            .chain(doc.parameters.iter().map(Parameter::shown))
            .collect();
        let mut operation = json!({
            "operationId": id,
            "tags": [doc.tag],
            "summary": doc.summary,
            "description": format!("{about} {}", asked(access)).trim(),
            "parameters": parameters,
            "responses": self.responses(doc, path, access),
        });
        if let Some(body) = &doc.body {
            operation["requestBody"] = self.body(body);
        }
        if !self.is_open {
            operation["security"] = match access {
                Access::Open | Access::Form => json!([]),
                Access::Linked => json!([{"key": []}, {"link": []}]),
                Access::Keyed | Access::Work | Access::Admin => json!([{"key": []}]),
            };
        }
        operation
    }

    fn body(&mut self, body: &Taken) -> Value {
        let content = match body {
            Taken::Json(schema, example) | Taken::MaybeJson(schema, example) => json!({
                "application/json": {"schema": schema(&mut self.bodies), "example": example},
            }),
            Taken::Form(fields) => json!({
                "multipart/form-data": fields(self.upload),
            }),
        };
        let required = !matches!(body, Taken::MaybeJson(..));
        json!({"required": required, "content": content})
    }

    fn responses(&mut self, doc: &Doc, path: &str, access: Access) -> Value {
        let mut responses = BTreeMap::new();
        for answer in &doc.answers {
            responses.insert(answer.status, self.response(answer, path));
        }
        for (status, about) in common(path, access, doc.body.is_some()) {
            responses.entry(status).or_insert_with(|| {
                self.response(
                    &Answer {
                        status,
                        about,
                        content: vec![Content::Problem],
                    },
                    path,
                )
            });
        }
        responses
            .into_iter()
            .map(|(status, response)| (status.to_string(), response))
            .collect::<Map<_, _>>()
            .into()
    }

    fn response(&mut self, answer: &Answer, path: &str) -> Value {
        let mut content = Map::new();
        for one in &answer.content {
            match one {
                Content::Json(schema, example) => {
                    let schema = schema(&mut self.answers);
                    let shown = json!({"schema": schema, "example": example});
                    content.insert("application/json".to_owned(), shown);
                }
                Content::Other(media_type) => {
                    let schema = json!({"schema": {"type": "string"}});
                    content.insert((*media_type).to_owned(), schema);
                }
                Content::Events(names) => {
                    let event = json!({"schema": event(names)});
                    content.insert("text/event-stream".to_owned(), event);
                }
                Content::Problem => {
                    let status = StatusCode::from_u16(answer.status).unwrap_or_default();
                    let shown = json!({
                        "schema": self.answers.subschema_for::<ProblemBody>(),
                        "example": error::example(status, answer.about, path),
                    });
                    content.insert("application/problem+json".to_owned(), shown);
                    // For a browser that asks for a page.
                    let page = json!({"schema": {"type": "string"}});
                    content.insert("text/html".to_owned(), page);
                }
            }
        }
        let mut shown = json!({"description": answer.about});
        if !content.is_empty() {
            shown["content"] = content.into();
        }
        shown
    }

    fn schemas(&mut self) -> Map<String, Value> {
        // Named even where every place of it has been written out.
        self.answers.subschema_for::<Id>();
        let mut schemas = self.bodies.take_definitions(true);
        schemas.extend(self.answers.take_definitions(true));
        schemas
    }
}

/// What any route of this kind may answer beside its own.
fn common(path: &str, access: Access, has_body: bool) -> Vec<(u16, &'static str)> {
    let mut answers = vec![
        (
            400,
            "The request cannot be understood: an id that is no UUID, a wrong Host, a broken body.",
        ),
        (
            403,
            "It comes from a page of another site, or the key does not give this right.",
        ),
        (500, "The server failed."),
        (
            503,
            "The server cannot reach its storage, is full or is stopping; Retry-After says when to try again.",
        ),
    ];
    if access != Access::Open {
        answers.push((
            401,
            "A key is needed and none, or none that is written right, was given.",
        ));
        answers.push((
            429,
            "Too many requests; Retry-After says when there is room again.",
        ));
    }
    if path.contains('{') {
        answers.push((
            404,
            "There is nothing of this name, or it is not the caller's.",
        ));
    }
    if has_body {
        answers.push((408, "The body stalled, came too slowly or did not end."));
        answers.push((413, "The body, or a file in it, is over its limit."));
        answers.push((415, "The Content-Type is not what is expected."));
        answers.push((
            422,
            "A field is missing, unknown or out of bounds; `details` names it.",
        ));
    }
    answers
}

fn asked(access: Access) -> &'static str {
    match access {
        Access::Open => "Open to all.",
        Access::Keyed => "Needs a key where the server has keys.",
        Access::Work => {
            "Needs a key where the server has keys, and counts as work for rate limits."
        }
        Access::Linked => {
            "Needs a key where the server has keys, or the link that the server gave for it."
        }
        Access::Form => "Needs a key in the form where the server has keys.",
        Access::Admin => "Needs an administrator's key.",
    }
}

/// One event of a stream: OpenAPI 3.1 has no word for a series of them.
fn event(names: &[&str]) -> Value {
    json!({
        "type": "object",
        "description": "One event of the stream.",
        "properties": {
            "event": {"type": "string", "enum": names},
            "id": {"type": "string"},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
        "required": ["event", "id", "data"],
    })
}

/// A parameter of the path, by its name.
fn in_path(name: &str) -> Value {
    let (about, schema) = match name {
        "filename" => (
            "A file's unique name, as the server gave it.",
            json!({
                "type": "string",
                "pattern": "^[0-9A-Za-z_-]{1,100}\\.(glb|obj|obj\\.zip|zip|stl|ply|png|jpg|webp)$",
            }),
        ),
        "id" => (
            "As the list has it.",
            json!({"type": "string", "minLength": 1}),
        ),
        "export_name" => (
            "As `download_url` has it.",
            json!({"type": "string", "enum": ["logs.json", "logs.csv", "logs.txt"]}),
        ),
        name if name.ends_with("_id") => (
            "A UUID, as the server gave it.",
            json!({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
        ),
        _ => ("", json!({"type": "string", "minLength": 1})),
    };
    json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema})
}

//! What a resource tells about one of its routes.

use axum::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::config::UploadSettings;

/// One route as the API's description has it: everything that its signature and its line in the route table do not
/// say. What every route may answer (401, 503 and so on) is added from there.
pub(in crate::http) struct Doc {
    pub(super) method: Method,
    /// As the route table has them; those after the first are other names of the same.
    pub(super) paths: Vec<&'static str>,
    pub(super) tag: &'static str,
    /// What generated clients call it.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Taken>,
    pub(super) answers: Vec<Answer>,
}

/// A parameter that is not part of the path.
pub(in crate::http) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: Value,
    pub(super) required: bool,
}

type OfType = fn(&mut SchemaGenerator) -> Schema;

/// What a request brings.
pub(super) enum Taken {
    Json(OfType, Value),
    /// The same, or nothing.
    MaybeJson(OfType, Value),
    /// Its fields follow from the configuration.
    Form(fn(&UploadSettings) -> Value),
}

/// What may come back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) content: Vec<Content>,
}

pub(super) enum Content {
    Json(OfType, Value),
    Other(&'static str),
    /// Events of these names, one after the other.
    Events(&'static [&'static str]),
    Problem,
}

impl Doc {
    /// Of a route that the table has under this path.
    pub(in crate::http) fn get(path: &'static str, tag: &'static str, id: &'static str) -> Self {
        Self::new(Method::GET, path, tag, id)
    }

    /// Of a route that the table has under this path.
    pub(in crate::http) fn post(path: &'static str, tag: &'static str, id: &'static str) -> Self {
        Self::new(Method::POST, path, tag, id)
    }

    /// Of a route that the table has under this method and path.
    pub(in crate::http) fn new(
        method: Method,
        path: &'static str,
        tag: &'static str,
        id: &'static str,
    ) -> Self {
        Self {
            method,
            paths: vec![path],
            tag,
            id,
            summary: "",
            about: "",
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
        }
    }

    /// Another path of the same.
    pub(in crate::http) fn also(mut self, path: &'static str) -> Self {
        self.paths.push(path);
        self
    }

    /// What it does, in a line and in sentences.
    pub(in crate::http) fn says(mut self, summary: &'static str, about: &'static str) -> Self {
        self.summary = summary;
        self.about = about;
        self
    }

    pub(in crate::http) fn asks(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// A JSON body, with an example.
    pub(in crate::http) fn takes<T: JsonSchema>(mut self, example: Value) -> Self {
        self.body = Some(Taken::Json(SchemaGenerator::subschema_for::<T>, example));
        self
    }

    /// A JSON body or none, with an example.
    pub(in crate::http) fn may_take<T: JsonSchema>(mut self, example: Value) -> Self {
        self.body = Some(Taken::MaybeJson(
            SchemaGenerator::subschema_for::<T>,
            example,
        ));
        self
    }

    /// A form of several parts.
    pub(in crate::http) fn takes_form(mut self, fields: fn(&UploadSettings) -> Value) -> Self {
        self.body = Some(Taken::Form(fields));
        self
    }

    /// JSON of this type, with an example.
    pub(in crate::http) fn answers<T: JsonSchema>(
        self,
        status: u16,
        about: &'static str,
        example: Value,
    ) -> Self {
        let content = Content::Json(SchemaGenerator::subschema_for::<T>, example);
        self.may(status, about, content)
    }

    /// Something else than JSON.
    pub(in crate::http) fn sends(
        self,
        status: u16,
        about: &'static str,
        media_type: &'static str,
    ) -> Self {
        self.may(status, about, Content::Other(media_type))
    }

    /// Server-sent events of these names.
    pub(in crate::http) fn streams(
        self,
        status: u16,
        about: &'static str,
        names: &'static [&'static str],
    ) -> Self {
        self.may(status, about, Content::Events(names))
    }

    /// An answer without a body.
    pub(in crate::http) fn ends(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer {
            status,
            about,
            content: Vec::new(),
        });
        self
    }

    /// A problem that not every route knows.
    pub(in crate::http) fn refuses(self, status: u16, about: &'static str) -> Self {
        self.may(status, about, Content::Problem)
    }

    fn may(mut self, status: u16, about: &'static str, content: Content) -> Self {
        let known = self.answers.iter_mut().find(|a| a.status == status);
        match known {
            Some(answer) => answer.content.push(content),
            None => self.answers.push(Answer {
                status,
                about,
                content: vec![content],
            }),
        }
        self
    }
}

impl Parameter {
    /// `schema` has type and bounds.
    pub(in crate::http) fn query(name: &'static str, about: &'static str, schema: Value) -> Self {
        Self {
            name,
            place: "query",
            about,
            schema,
            required: false,
        }
    }

    /// The request is refused without it.
    pub(in crate::http) fn needed(mut self) -> Self {
        self.required = true;
        self
    }

    /// `schema` has type and bounds.
    pub(in crate::http) fn header(name: &'static str, about: &'static str, schema: Value) -> Self {
        Self {
            place: "header",
            ..Self::query(name, about, schema)
        }
    }

    pub(super) fn shown(&self) -> Value {
        json!({
            "name": self.name,
            "in": self.place,
            "required": self.required,
            "description": self.about,
            "schema": self.schema,
        })
    }
}

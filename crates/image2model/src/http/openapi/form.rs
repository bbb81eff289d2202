//! The fields of the forms that take files in, read off the catalogue's options and the configured limits.

use std::collections::BTreeMap;

use reconstruct::{
    Format, ModelKind,
    options::{Kind, MAX_FACE_LIMIT, Spec, specs},
};
use serde_json::{Map, Value, json};

use crate::{
    config::UploadSettings,
    job::{MAX_LABEL, MAX_LABELS, MAX_REFERENCE},
};

use super::super::{
    form::{Intake, MOST_FIELDS},
    form_field::FormField,
    plain_upload::LONGEST_KEY,
};

/// Of `POST /upload`.
pub(in crate::http) fn pictures(settings: &UploadSettings) -> Value {
    let pictures = "JPEG, PNG or WebP, each with a file name of that ending and an `image/*` type";
    let files = files(pictures, settings.max_files, settings.max_file_bytes);
    form(
        Intake::Pictures,
        model_options(),
        &files,
        "image/png, image/jpeg, image/webp",
        "cat.png",
    )
}

/// Of `POST /upload/zip`.
pub(in crate::http) fn archive(settings: &UploadSettings) -> Value {
    let UploadSettings {
        max_files,
        max_file_bytes,
        max_archive_bytes,
        ..
    } = settings;
    let archive = json!({
        "type": "string",
        "format": "binary",
        "minLength": 1,
        "description": format!(
            "A ZIP archive of JPEG, PNG or WebP pictures, {max_files} at most, of {max_file_bytes} bytes each, stored or \
             deflated; {max_archive_bytes} bytes at most."
        ),
    });
    form(
        Intake::Archive,
        model_options(),
        &archive,
        "application/zip",
        "cats.zip",
    )
}

/// Of all models. A form's schema cannot say which options go with which model: each one's description does.
fn model_options() -> Map<String, Value> {
    let mut known: BTreeMap<&str, Vec<(Spec, Vec<&str>)>> = BTreeMap::new();
    for model in ModelKind::ALL {
        for spec in specs(model) {
            let alike = known.entry(spec.name).or_default();
            match alike.iter_mut().find(|(one, _)| *one == spec) {
                Some((_, models)) => models.push(model.name()),
                None => alike.push((spec, vec![model.name()])),
            }
        }
    }
    let fields = known.iter();
    let fields = fields.map(|(name, alike)| ((*name).to_owned(), merged(alike)));
    fields.collect()
}

/// Of `POST /plain`: as an upload, after the key.
pub(in crate::http) fn plain(settings: &UploadSettings) -> Value {
    let mut form = pictures(settings);
    form["schema"]["properties"]["key"] = json!({
        "type": "string",
        "maxLength": LONGEST_KEY,
        "description": "A key of this server, before any file; empty where nobody needs one.",
    });
    form["schema"]["required"] = json!(["key", "files"]);
    form
}

/// Of `POST /models/convert`.
pub(in crate::http) fn meshes(settings: &UploadSettings) -> Value {
    let mut fields = Map::new();
    for spec in specs(ModelKind::default()) {
        if ["face_limit", "size_mm"].contains(&spec.name) {
            fields.insert(spec.name.to_owned(), option(&spec));
        }
    }
    // A mesh is left as it is unless told otherwise.
    fields["face_limit"] = json!({
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_FACE_LIMIT,
        "description": "Most triangles of the model; all that it has unless told.",
    });
    let meshes =
        "GLB, OBJ, an archive of an OBJ with its parts, STL or PLY; the content tells which";
    let files = files(meshes, settings.max_files, settings.max_mesh_bytes);
    form(
        Intake::Meshes,
        fields,
        &files,
        "application/octet-stream",
        "cube.stl",
    )
}

/// A form of an option each in `fields`, of what every form of this kind has, and of `files` under each of their names.
fn form(
    intake: Intake,
    mut fields: Map<String, Value>,
    files: &Value,
    media_types: &str,
    name: &str,
) -> Value {
    for field in FormField::of(intake) {
        fields.insert(field.name().to_owned(), described(field));
    }
    let mut encoding = Map::new();
    for part in intake.parts() {
        let mut files = files.clone();
        // There need be none under one of two names.
        if intake.parts().len() > 1
            && let Some(files) = files.as_object_mut()
        {
            files.remove("minItems");
        }
        fields.insert((*part).to_owned(), files);
        let disposition = format!("form-data; name=\"{part}\"; filename=\"{name}\"");
        let told = json!({
            "contentType": media_types,
            "headers": {
                "Content-Disposition": {
                    "description": "A part of a file has the file's name.",
                    "schema": {"type": "string"},
                    "example": disposition,
                },
            },
        });
        encoding.insert((*part).to_owned(), told);
    }
    let mut schema = json!({
        "type": "object",
        "properties": fields,
        "additionalProperties": false,
    });
    match intake.parts() {
        [only] => schema["required"] = json!([only]),
        several => {
            let each = several.iter().map(|part| json!({"required": [part]}));
            schema["anyOf"] = each.collect();
        }
    }
    json!({"schema": schema, "encoding": encoding})
}

fn described(field: FormField) -> Value {
    match field {
        FormField::Model => {
            let names: Vec<_> = ModelKind::ALL
                .map(ModelKind::name)
                .into_iter()
                .chain(["tripo3d"])
                .collect();
            json!({
                "type": "string",
                "enum": names,
                "default": ModelKind::default().name(),
                "description": "How a picture becomes a model; `tripo3d`, the old clients' name, is the default one.",
            })
        }
        FormField::Format => json!({
            "type": "array",
            "items": {"type": "string", "enum": Format::ALL.map(Format::extension)},
            "maxItems": MOST_FIELDS,
            "description": "Formats besides GLB, a part each.",
        }),
        FormField::Priority => json!({
            "type": "string",
            "enum": ["normal", "high"],
            "default": "normal",
            "description": "`high` overtakes, and needs a key that may.",
        }),
        // A list of one is no other form than a text, and what is left empty does not count: a text it is.
        FormField::Label => json!({
            "type": "string",
            "maxLength": MAX_LABEL,
            "description": format!("A word to find the job by; a part for each of several, {MAX_LABELS} at most."),
        }),
        FormField::Labels => json!({
            "type": "string",
            "maxLength": field.longest(),
            "contentMediaType": "application/json",
            "description": "The same as one list of texts in JSON, such as `[\"shop\", \"sale\"]`.",
        }),
        FormField::Reference => json!({
            "type": "string",
            "maxLength": MAX_REFERENCE,
            "description": "The client's own name for the job.",
        }),
    }
}

/// The limit in bytes is told in words: a schema's `maxLength` counts characters of text.
fn files(what: &str, most: usize, bytes: u64) -> Value {
    json!({
        "type": "array",
        "items": {"type": "string", "format": "binary", "minLength": 1},
        "minItems": 1,
        "maxItems": most,
        "description": format!("{what}; {most} at most, of {bytes} bytes each."),
    })
}

/// An option of one or more models: what any of them allows is allowed, and each one's words are told. Where not all
/// models know it the default is told in words only: generated clients send what a schema calls a default.
fn merged(alike: &[(Spec, Vec<&str>)]) -> Value {
    let mut whole = Value::Null;
    let mut words = Vec::new();
    for (spec, models) in alike {
        let mut one = option(spec);
        let mut told = one["description"].as_str().unwrap_or_default().to_owned();
        if models.len() < ModelKind::ALL.len() {
            let default = one.as_object_mut().and_then(|one| one.remove("default"));
            if let Some(default) = default {
                let default = default.to_string();
                told = format!("{told} {} unless told.", default.trim_matches('"'));
            }
            told = format!("{told} Of {}.", models.join(" and "));
        }
        words.push(told);
        match whole.is_null() {
            true => whole = one,
            false => widen(&mut whole, &one),
        }
    }
    whole["description"] = words.join(" ").into();
    whole
}

/// Whether the first bound leaves room beyond the second.
type Wider = fn(&f64, &f64) -> bool;

fn widen(whole: &mut Value, other: &Value) {
    let wider: [(&str, Wider); 2] = [("minimum", f64::lt), ("maximum", f64::gt)];
    for (bound, is_wider) in wider {
        if let (Some(old), Some(new)) = (whole[bound].as_f64(), other[bound].as_f64())
            && is_wider(&new, &old)
        {
            whole[bound] = other[bound].clone();
        }
    }
}

fn option(spec: &Spec) -> Value {
    let mut described = match spec.kind {
        Kind::Integer { min, max, default } => {
            json!({"type": "integer", "minimum": min, "maximum": max, "default": default})
        }
        Kind::Number {
            min, max, default, ..
        } => {
            let mut number =
                json!({"type": "number", "minimum": as_written(min), "maximum": as_written(max)});
            if let Some(default) = default {
                number["default"] = json!(as_written(default));
            }
            number
        }
        Kind::Choice { values, default } => {
            json!({"type": "string", "enum": values, "default": default})
        }
        Kind::Boolean { default } => json!({"type": "boolean", "default": default}),
    };
    let unit = match spec.kind {
        Kind::Number { unit, .. } if !unit.is_empty() => format!(", in {unit}"),
        _ => String::new(),
    };
    described["description"] = format!("{}{unit}.", capitalised(spec.help)).into();
    described
}

/// As it is written, not as its neighbour among double floats.
fn as_written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

//! Types that stand in the description for what is a text on the wire.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The id of a job, or of one image of it.
pub(in crate::http) struct Id;

/// Ids are UUIDs; the last byte tells a job (0) from its images.
pub(in crate::http) const ID_PATTERN: &str =
    "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "uuid",
            "pattern": ID_PATTERN,
            "description": "A UUID in lower case; clients need not look into it.",
        })
    }
}

/// How one file stands, in the four words of the Python service; a cancelled one has failed.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it stands for the words of render::file_status")]
pub(in crate::http) enum FileStatus {
    Pending,
    Processing,
    Completed,
    Failed,
}

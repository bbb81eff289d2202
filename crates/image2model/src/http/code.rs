//! Why a request was refused, for programs; `docs/errors.md` is written from this list.

use std::fmt::Write as _;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    BadRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooLate,
    Conflict,
    TooLarge,
    BadArchive,
    UnsupportedMediaType,
    Invalid,
    KeyReused,
    Removed,
    RateLimited,
    OverQuota,
    Refused,
    Internal,
    Unavailable,
    Busy,
    NotYet,
    StorageFull,
    Failed,
}

impl Code {
    const ALL: [Self; 22] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLate,
        Self::Conflict,
        Self::TooLarge,
        Self::BadArchive,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::KeyReused,
        Self::Removed,
        Self::RateLimited,
        Self::OverQuota,
        Self::Refused,
        Self::Internal,
        Self::Unavailable,
        Self::Busy,
        Self::NotYet,
        Self::StorageFull,
        Self::Failed,
    ];

    /// What a status means where nothing finer is known.
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::BadRequest,
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::TooLate,
            409 => Self::Conflict,
            410 => Self::Removed,
            413 => Self::TooLarge,
            415 => Self::UnsupportedMediaType,
            422 => Self::Invalid,
            429 => Self::RateLimited,
            503 => Self::Unavailable,
            507 => Self::StorageFull,
            500.. => Self::Internal,
            _ => Self::Refused,
        }
    }

    /// Status, what it means, and what a client does about it.
    fn told(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::BadRequest => (
                "400",
                "The request cannot be understood, or breaks a rule that `message` names.",
                "Mend the request.",
            ),
            Self::Unauthenticated => (
                "401",
                "A key is needed, and none, or none that is written right, was given.",
                "Send `Authorization: Bearer KEY`.",
            ),
            Self::Forbidden => (
                "403",
                "The key is unknown or revoked, lacks the right, or the request comes from another site's page.",
                "Use another key; from another site's page or under another host name, name that in the server's settings.",
            ),
            Self::NotFound => (
                "404",
                "There is nothing of this name, it has been removed, or it belongs to another key.",
                "Do not try again.",
            ),
            Self::MethodNotAllowed => (
                "405",
                "The path does not answer to this method.",
                "Use one that `Allow` names.",
            ),
            Self::TooLate => (
                "408",
                "The request stalled, came too slowly or did not end.",
                "Send it again, with an `Idempotency-Key`.",
            ),
            Self::Conflict => (
                "409",
                "What is asked for does not fit how the thing stands.",
                "Look how it stands first.",
            ),
            Self::TooLarge => (
                "413",
                "The request or a file in it is over its limit, which `message` names.",
                "Send less.",
            ),
            Self::BadArchive => (
                "400",
                "An archive is none, is damaged, or has a member that breaks a rule; `details.reason` says which rule and `details.member` names it.",
                "Mend the archive, or send the files by themselves.",
            ),
            Self::UnsupportedMediaType => (
                "415",
                "The Content-Type is not what is expected.",
                "Send the one that the description names.",
            ),
            Self::Invalid => (
                "422",
                "A field is missing, unknown or out of bounds; `details.validation_errors` names it.",
                "Mend the fields.",
            ),
            Self::KeyReused => (
                "422",
                "The `Idempotency-Key` was used for a request with other content.",
                "Use a new key for each new request.",
            ),
            Self::Removed => (
                "410",
                "The job that this `Idempotency-Key` made has been removed.",
                "Use a new key to make it again.",
            ),
            Self::RateLimited => (
                "429",
                "There were too many requests.",
                "Wait for the seconds that `Retry-After` names.",
            ),
            Self::OverQuota => (
                "429",
                "The key's owner has or asks for more than its quota, which `message` names.",
                "Wait for the seconds that `Retry-After` names; without it no wait helps: ask for less at a time. `GET /api/v1/usage` tells how it stands.",
            ),
            Self::Refused => (
                "other 4xx",
                "The request cannot be taken.",
                "Mend the request.",
            ),
            Self::Internal => (
                "500",
                "The server failed; its log says why.",
                "Try again later, or tell the operator.",
            ),
            Self::Unavailable => (
                "503",
                "The server cannot reach its storage, has lost its keys or is not ready.",
                "Wait for the seconds that `Retry-After` names.",
            ),
            Self::Busy => (
                "503",
                "The server has too much to do, or is stopping.",
                "Ask again after the seconds that `Retry-After` names.",
            ),
            Self::NotYet => (
                "503",
                "A format is still being written.",
                "Ask again after the seconds that `Retry-After` names.",
            ),
            Self::StorageFull => (
                "507",
                "The disk is full, and nothing on it is old enough to be removed.",
                "Try again later, or tell the operator.",
            ),
            Self::Failed => (
                "500, 507",
                "A format could not be written; `details.code` says why.",
                "Take another format.",
            ),
        }
    }

    fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// What clients of the Python service read.
pub(super) fn error_code(status: StatusCode) -> String {
    match status {
        StatusCode::UNPROCESSABLE_ENTITY => "VALIDATION_ERROR".to_owned(),
        StatusCode::INTERNAL_SERVER_ERROR => "INTERNAL_SERVER_ERROR".to_owned(),
        status => format!("HTTP_{}", status.as_u16()),
    }
}

/// `docs/errors.md`.
#[must_use]
pub fn errors_page() -> String {
    let mut page = "# Errors\n\nWritten from the program; a test compares.\n\n\
        Every refusal is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail` and `instance`, \
        and beside them\n`code` from this table and the members that clients of the Python service read: `error`, \
        `error_code` (`HTTP_<status>`,\n`VALIDATION_ERROR` for 422, `INTERNAL_SERVER_ERROR` for 500), `message`, \
        `status_code` and `details`. A browser that asks\nfor a page gets one. What is refused before there is a request to answer (a head that is too long or no HTTP, 400 and 431) has no \
        body.\n\n\
        | `code` | status | means | what to do |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for code in Code::ALL {
        let (status, means, cure) = code.told();
        let _ = writeln!(page, "| `{}` | {status} | {means} | {cure} |", code.name());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_code_once() {
        let mut schema = schemars::schema_for!(Code);
        let known = schema.remove("enum").unwrap();
        let listed: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(known, serde_json::json!(listed));
    }

    #[test]
    fn every_status_that_a_route_may_answer_has_a_code_of_its_own() {
        for status in [
            400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 503, 507,
        ] {
            let code = Code::of(StatusCode::from_u16(status).unwrap());
            assert_eq!(code.told().0, status.to_string(), "{code:?}");
        }
        assert_eq!(Code::of(StatusCode::IM_A_TEAPOT), Code::Refused);
        assert_eq!(Code::of(StatusCode::BAD_GATEWAY), Code::Internal);
    }
}

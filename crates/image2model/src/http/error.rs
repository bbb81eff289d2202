//! The only map to status codes: every refusal leaves as `application/problem+json` (RFC 9457) with the members
//! that existing clients read, or as a small page for a browser that asked for one.

use std::panic::AssertUnwindSafe;

use axum::{
    Json,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::service::ServiceError;

use super::{
    code::{Code, error_code},
    limits,
    pace::Late,
    plain, render,
};

/// Why a request was refused: RFC 9457's members, and those that clients of the Python service read.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemBody {
    #[serde(rename = "type")]
    #[schemars(extend("const" = "about:blank"))]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong, in a sentence that names the thing, its value and the limit.
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// What is wrong, for programs.
    code: Code,
    #[schemars(extend("const" = true))]
    error: bool,
    /// `HTTP_<status>`, `VALIDATION_ERROR` for 422, `INTERNAL_SERVER_ERROR` for 500.
    error_code: String,
    /// The same as `detail`.
    message: String,
    /// The same as `status`.
    #[schemars(range(min = 400, max = 599))]
    status_code: u16,
    /// What else there is to say: `validation_errors`, `errors`, the report of an unhealthy server.
    #[schemars(with = "Map<String, Value>")]
    details: Value,
}

/// A refusal as it looks on the wire.
pub(super) fn example(status: StatusCode, message: &str, path: &str) -> Value {
    json!(Problem::new(status, message).body(path))
}

/// A refusal. Its text is for the client: it names the thing, its value and the limit, and nothing internal.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: Code,
    message: String,
    details: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: Code::of(status),
            message: message.into(),
            details: json!({}),
            headers: Vec::new(),
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// For what has been logged and is nobody's fault outside.
    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed.")
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is no such {what}."))
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// A field that cannot be accepted; `kind` is the error's machine-readable type.
    pub(super) fn field(field: &str, message: impl Into<String>, kind: &str) -> Self {
        let message = message.into();
        let entry = json!({"field": field, "message": message, "type": kind});
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
            .with_details(json!({"validation_errors": [entry]}))
    }

    #[must_use]
    pub(super) fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// Something finer than what the status means.
    #[must_use]
    pub(super) fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    #[must_use]
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn retry_after(self, seconds: u32) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    fn body(&self, instance: &str) -> ProblemBody {
        let status = self.status.as_u16();
        ProblemBody {
            kind: "about:blank",
            title: self.title(),
            status,
            detail: self.message.clone(),
            instance: instance.to_owned(),
            code: self.code,
            error: true,
            error_code: error_code(self.status),
            message: self.message.clone(),
            status_code: status,
            details: self.details.clone(),
        }
    }

    fn write(&self, instance: &str, as_page: bool) -> Response {
        let mut response = if as_page {
            plain::refused(self.title(), &self.message).into_response()
        } else {
            let kind = [(header::CONTENT_TYPE, "application/problem+json")];
            (kind, Json(self.body(instance))).into_response()
        };
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers.iter().cloned());
        response
    }

    /// What axum or a layer refused by a bare status.
    fn of_bare(status: StatusCode, method: &str, path: &str) -> Self {
        let message = match status {
            StatusCode::NOT_FOUND => format!("There is nothing at {path}."),
            StatusCode::METHOD_NOT_ALLOWED => format!("{path} does not answer to {method}."),
            StatusCode::PAYLOAD_TOO_LARGE => "The request is too large.".to_owned(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                "The request's Content-Type is not what is expected here.".to_owned()
            }
            status if status.is_server_error() => "The server failed.".to_owned(),
            StatusCode::BAD_REQUEST => {
                "The request could not be understood: its path must be UTF-8, and its query \
                                        must have each parameter once."
                    .to_owned()
            }
            _ => "The request could not be understood.".to_owned(),
        };
        Self::new(status, message)
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NotFound(what) => Self::not_found(what),
            ServiceError::KeyReused => Self::field(
                "Idempotency-Key",
                "This Idempotency-Key was used for a request with other content.",
                "key_reused",
            )
            .with_code(Code::KeyReused),
            ServiceError::Removed(job) => Self::new(
                StatusCode::GONE,
                format!(
                    "The job {job} that this Idempotency-Key made has been removed; another key makes a new one."
                ),
            )
            .with_details(json!({"job_id": job})),
            ServiceError::Conflict(why) => Self::new(StatusCode::CONFLICT, why),
            ServiceError::OverQuota { message, after } => {
                let problem =
                    Self::new(StatusCode::TOO_MANY_REQUESTS, message).with_code(Code::OverQuota);
                match after.map(limits::seconds) {
                    Some(wait) => problem.retry_after(u32::try_from(wait).unwrap_or(u32::MAX)),
                    None => problem,
                }
            }
            ServiceError::NotYet(why) => Self::new(StatusCode::SERVICE_UNAVAILABLE, why)
                .with_code(Code::NotYet)
                .retry_after(5),
            ServiceError::Busy(why) => Self::new(StatusCode::SERVICE_UNAVAILABLE, why)
                .with_code(Code::Busy)
                .retry_after(5),
            ServiceError::GivenUp { code, message } => {
                let status = match code.as_str() {
                    "disk_full" => StatusCode::INSUFFICIENT_STORAGE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                Self::new(status, message)
                    .with_code(Code::Failed)
                    .with_details(json!({"code": code}))
            }
            ServiceError::Full => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "The server's disk is full and nothing on it is old enough to be removed; try again later.",
            ),
            ServiceError::Damaged(internal) => {
                tracing::error!(error = %internal, "a request met a damaged record");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "What the server keeps of this is damaged; its operator's log says more.",
                )
            }
            ServiceError::Unavailable(internal) => {
                tracing::error!(error = %internal, "a request failed");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The server cannot reach its storage; try again shortly.",
                )
                .retry_after(2)
            }
        }
    }
}

impl From<Late> for Problem {
    fn from(late: Late) -> Self {
        let message = match late {
            Late::Idle(seconds) => {
                format!("Nothing more of the request came for {seconds} s; send it again.")
            }
            Late::Slow(least) => format!(
                "Under {least} bytes of the request came in a second, which is the limit; send it again over a faster line."
            ),
            Late::Whole(seconds) => format!(
                "The request had not ended after {seconds} s, which is the limit; send fewer or smaller images."
            ),
            Late::Stopping => {
                let message = "The server is stopping; send the request again.";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
                    .with_code(Code::Busy)
                    .retry_after(5);
            }
        };
        Self::new(StatusCode::REQUEST_TIMEOUT, message)
    }
}

/// Carries the problem to [`Asked::answered`], which knows the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What a refusal and the log say of the request.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    as_page: bool,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            as_page: render::prefers_page(request.headers()),
        }
    }

    /// Writes every refusal out, whoever made it, and keeps headers such as `Allow`. A panic is one as well; the panic
    /// hook has logged it.
    pub(super) async fn answered(&self, answer: impl Future<Output = Response>) -> Response {
        let answer = AssertUnwindSafe(answer).catch_unwind().await;
        let mut response = answer.unwrap_or_else(|_| Problem::internal().into_response());
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return response;
        }
        let path = self.uri.path();
        let problem = response
            .extensions_mut()
            .remove()
            .unwrap_or_else(|| Problem::of_bare(status, self.method.as_str(), path));
        let mut written = problem.write(path, self.as_page);
        for (name, value) in response.headers() {
            if !written.headers().contains_key(name) && name != header::CONTENT_LENGTH {
                written.headers_mut().insert(name, value.clone());
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::Body,
        middleware::{Next, from_fn},
        routing::get,
    };
    use tower::ServiceExt as _;

    use super::*;

    async fn broken() -> StatusCode {
        panic!("a secret of the inside");
    }

    async fn unreachable() -> Problem {
        ServiceError::Unavailable("a secret of the inside".to_owned()).into()
    }

    async fn damaged() -> Problem {
        ServiceError::Damaged("a secret of the inside".to_owned()).into()
    }

    async fn answered(path: &str) -> (StatusCode, String) {
        let router = Router::new()
            .route("/broken", get(broken))
            .route("/unreachable", get(unreachable))
            .route("/damaged", get(damaged))
            .layer(from_fn(async |request: Request, next: Next| {
                Asked::of(&request).answered(next.run(request)).await
            }));
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_and_a_broken_part_are_problems_without_internal_words() {
        for (path, expected, code) in [
            ("/broken", 500, "INTERNAL_SERVER_ERROR"),
            ("/unreachable", 503, "HTTP_503"),
            ("/damaged", 500, "INTERNAL_SERVER_ERROR"),
        ] {
            let (status, body) = answered(path).await;
            assert_eq!(status, expected);
            assert!(body.contains(code) && !body.contains("secret"), "{body}");
        }
    }
}

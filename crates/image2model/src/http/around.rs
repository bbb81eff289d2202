//! What is done for every request, from the outside in: it is counted, its answer hardened, its refusal written out, a
//! panic caught, other sites' pages are kept out, and its body has its pace.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::future::{Either, ready};
use tower::Layer;

use crate::{logs, service::Service};

use super::{error::Asked, guard, pace};

/// Most bytes of a path in the log: longer than any of ours.
const LOGGED_PATH: usize = 512;

/// Said with every answer that does not say otherwise.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// Puts it around a route.
#[derive(Clone)]
pub(super) struct AroundLayer(pub(super) Service);

impl<S> Layer<S> for AroundLayer {
    type Service = Around<S>;

    fn layer(&self, inner: S) -> Around<S> {
        let service = self.0.clone();
        Around { service, inner }
    }
}

#[derive(Clone)]
pub(super) struct Around<S> {
    service: Service,
    inner: S,
}

impl<S> tower::Service<Request> for Around<S>
where
    S: tower::Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let counted = Counted::begin(&self.service, &request);
        let answer = match guard::refused(&self.service.config.http, &request) {
            Some(problem) => Either::Left(ready(Ok(problem.into_response()))),
            None => Either::Right(self.inner.call(pace::keep(&self.service, request))),
        };
        Box::pin(async move {
            let answer = async {
                let Ok(response) = answer.await;
                response
            };
            let mut response = counted.asked.answered(answer).await;
            let headers = response.headers_mut();
            headers.reserve(ALWAYS.len());
            for (name, value) in ALWAYS {
                headers.entry(name).or_insert(value);
            }
            counted.end(&response);
            Ok(response)
        })
    }
}

/// A request that is counted when it is over.
struct Counted {
    service: Service,
    asked: Asked,
    route: Option<MatchedPath>,
    began: Instant,
    status: StatusCode,
}

impl Counted {
    fn begin(service: &Service, request: &Request) -> Self {
        Self {
            service: service.clone(),
            asked: Asked::of(request),
            route: request.extensions().get().cloned(),
            began: Instant::now(),
            status: client_left(),
        }
    }

    fn end(mut self, answer: &Response) {
        self.status = answer.status();
    }
}

/// 499, as nginx has it: the status of what nobody was there to be answered to.
fn client_left() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

impl Drop for Counted {
    /// Under its route's pattern, so that a stranger's paths make no new series.
    fn drop(&mut self) {
        let endpoint = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let (method, status) = (&self.asked.method, self.status.as_u16());
        let label = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        let took = self.began.elapsed();
        self.service
            .requests
            .answered(label, endpoint, status, took);
        let path = self.asked.uri.path();
        let path = &path[..path.floor_char_boundary(LOGGED_PATH)];
        self.service.logs.request(logs::Request {
            method: method.as_str(),
            endpoint,
            path,
            status,
            took,
        });
        let took_ms = took.as_secs_f64() * 1000.0;
        tracing::info!(target: "access", %method, endpoint, path, status, took_ms, "request");
    }
}

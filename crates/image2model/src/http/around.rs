//! What is done for every request, from the outside in: it is counted, its answer hardened, its refusal written out, a
//! panic caught, other sites' pages are kept out, and its body has its pace.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures::future::{Either, ready};
use tower::Layer;

use crate::service::Service;

use super::{error::Asked, guard, health::Counted, pace};

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
        let asked = Asked::of(&request);
        let answer = match guard::refused(&self.service.config.http, &request) {
            Some(problem) => Either::Left(ready(Ok(problem.into_response()))),
            None => Either::Right(self.inner.call(pace::keep(&self.service, request))),
        };
        Box::pin(async move {
            let answer = async {
                let Ok(response) = answer.await;
                response
            };
            let mut response = asked.answered(answer).await;
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

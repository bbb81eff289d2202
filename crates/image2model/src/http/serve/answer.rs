use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{Request, Response},
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    service::Service,
};
use tower::Service as _;

use super::pulse::Pulse;
use crate::http::Answering;

/// Answers the requests of one connection.
pub(super) struct Answers {
    pub(super) router: Answering,
    pub(super) peer: SocketAddr,
    pub(super) pulse: Arc<Pulse>,
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Answer>;
    type Error = Infallible;
    /// In a box of its own: a connection keeps room for a future of this size for as long as it lives.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let running = Running::new(self.pulse.clone());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answering = self.router.clone().call(request);
        Box::pin(async move {
            let response = answering.await?;
            Ok(response.map(|body| Answer {
                body,
                _running: running,
            }))
        })
    }
}

/// A request, from its head to the end of its answer.
struct Running(Arc<Pulse>);

impl Running {
    fn new(pulse: Arc<Pulse>) -> Self {
        pulse.request_begins();
        Self(pulse)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

/// A body with which its request ends.
pub(super) struct Answer {
    body: Body,
    _running: Running,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

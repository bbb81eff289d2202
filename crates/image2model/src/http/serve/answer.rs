use std::{
    convert::Infallible,
    mem,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
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

use super::{pulse::Pulse, taking::Taking};
use crate::http::Answering;

/// Most bytes that are handed out at once where it is watched whether they are taken.
const PIECE: usize = 16 * 1024;

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
            let taking = Taking::of_this_stream();
            if let Some(taking) = &taking {
                taking.handed_out();
            }
            Ok(response.map(|body| Answer {
                body,
                taking,
                rest: Bytes::new(),
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
    taking: Option<Arc<Taking>>,
    /// Of what the body has given, not handed out yet.
    rest: Bytes,
    _running: Running,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(taking) = self.taking.clone() else {
            return Pin::new(&mut self.body).poll_frame(context);
        };
        taking.asked_for_more();
        let given = match self.rest.is_empty() {
            true => ready!(Pin::new(&mut self.body).poll_frame(context)),
            false => Some(Ok(Frame::data(mem::take(&mut self.rest)))),
        };
        taking.handed_out();
        Poll::Ready(given.map(|frame| {
            frame.map(|frame| match frame.into_data() {
                Ok(mut bytes) => {
                    self.rest = bytes.split_off(bytes.len().min(PIECE));
                    Frame::data(bytes)
                }
                Err(trailers) => trailers,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

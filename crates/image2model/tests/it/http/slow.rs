//! Uploads whose bodies come bit by bit.

use axum::{body::Body, http::Request};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::raw_form;

/// A body that is sent bit by bit; it has not ended until the test says so.
pub(crate) struct SlowBody(mpsc::Sender<std::io::Result<Vec<u8>>>);

impl SlowBody {
    /// Returns when the one before has been taken.
    pub(crate) async fn send(&self, bytes: Vec<u8>) {
        self.0.send(Ok(bytes)).await.unwrap();
    }

    pub(crate) fn end(self) {}

    /// Fails as it does when the connection breaks.
    pub(crate) async fn breaks(self) {
        let broken = std::io::ErrorKind::ConnectionReset.into();
        self.0.send(Err(broken)).await.unwrap();
    }
}

/// A form whose body the test sends bit by bit.
pub(crate) fn slow_form() -> (Request<Body>, SlowBody) {
    let (sender, receiver) = mpsc::channel(1);
    let body = Body::from_stream(ReceiverStream::new(receiver));
    (raw_form(body, &[]), SlowBody(sender))
}

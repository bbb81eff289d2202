//! A form's parts as they come in, of which the server never holds more than a little.
//!
//! The reader beneath keeps whatever has come until it finds a part's head in it, and looks through all of it again
//! with each piece. So the body is given to it in small steps, the next one only when it can make nothing of those
//! before; and when it has had [`MOST`] bytes without giving anything out, the form is [`Crowded`].

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use axum::{
    BoxError,
    body::{Body, BodyDataStream, Bytes},
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError, MultipartRejection},
    },
};
use futures::{Stream, StreamExt as _};

use super::{
    error::Problem,
    limits,
    pace::{Late, cause},
};

/// Bytes that may come without a part, or bytes of one, among them.
const MOST: u64 = 64 * 1024;
/// Bytes that are given on before they are looked through.
const STEP: usize = 16 * 1024;

/// A form as it is read.
pub(super) struct Parts {
    multipart: Multipart,
    progress: Arc<Progress>,
}

/// One part of it.
pub(super) struct Part<'a> {
    field: Field<'a>,
    progress: &'a Progress,
}

/// Too much came in which there was no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much came without a part")]
struct Crowded;

/// What the reader of a form tells the body under it.
#[derive(Debug, Default)]
struct Progress {
    /// Bytes that were given on since something came out.
    given: AtomicU64,
    /// What was given on has not been looked through since.
    is_new: AtomicBool,
    /// Nobody wants the rest.
    is_over: AtomicBool,
}

impl<S: Send + Sync> FromRequest<S> for Parts {
    type Rejection = MultipartRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (head, body) = request.into_parts();
        // Tried without the body first, which a refused client is still sending.
        let without = Request::from_parts(head.clone(), Body::empty());
        if let Err(refused) = Multipart::from_request(without, state).await {
            limits::hear_out(&head.headers, body).await;
            return Err(refused);
        }
        let progress = Arc::<Progress>::default();
        let body = Body::from_stream(Steps {
            body: body.into_data_stream(),
            held: Bytes::new(),
            room: STEP,
            progress: progress.clone(),
        });
        let multipart = Multipart::from_request(Request::from_parts(head, body), state).await?;
        Ok(Self {
            multipart,
            progress,
        })
    }
}

impl Parts {
    /// The next part. What is left of the one before must have been [drained](Part::drain).
    ///
    /// # Errors
    /// The body broke, came too late, is no form or too long: [`fault`] tells some of them apart.
    pub(super) async fn next(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        let progress = &*self.progress;
        let field = self.multipart.next_field().await?;
        progress.made();
        Ok(field.map(|field| Part { field, progress }))
    }

    /// Reads to the body's end and keeps nothing.
    pub(super) async fn pass_over(&mut self) {
        self.progress.is_over.store(true, Relaxed);
        while let Ok(Some(_)) = self.multipart.next_field().await {}
    }
}

impl Part<'_> {
    pub(super) fn name(&self) -> Option<&str> {
        self.field.name()
    }

    pub(super) fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.field.content_type()
    }

    /// # Errors
    /// As of [`Parts::next`].
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        let chunk = self.field.chunk().await?;
        self.progress.made();
        Ok(chunk)
    }

    /// Reads what is left of it and keeps nothing.
    ///
    /// # Errors
    /// As of [`Parts::next`].
    pub(super) async fn drain(&mut self) -> Result<(), MultipartError> {
        while self.chunk().await?.is_some() {}
        Ok(())
    }
}

/// What the body itself is refused for; `None` where the error is another.
pub(super) fn fault(error: &MultipartError) -> Option<Problem> {
    if let Some(late) = cause::<Late>(error) {
        return Some(late.into());
    }
    cause::<Crowded>(error).map(|Crowded| {
        Problem::bad_request(format!(
            "Over {MOST} bytes of the multipart form came without a part in them, which is the limit."
        ))
    })
}

impl Progress {
    fn made(&self) {
        self.given.store(0, Relaxed);
        self.is_new.store(true, Relaxed);
    }
}

/// The body in steps.
struct Steps {
    body: BodyDataStream,
    /// What came and was more than a step.
    held: Bytes,
    /// Bytes until the reader has to look at them.
    room: usize,
    progress: Arc<Progress>,
}

impl Steps {
    /// Lets the reader look at what it has, and has it ask again when that was not enough.
    fn rest<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        self.room = STEP;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<(), BoxError>>> {
        while self.held.is_empty() {
            match ready!(self.body.poll_next_unpin(context)) {
                Some(Ok(chunk)) => self.held = chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(())))
    }
}

impl Stream for Steps {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BoxError>>> {
        let this = &mut *self;
        if this.progress.is_new.swap(false, Relaxed) || this.room == 0 {
            return this.rest(context);
        }
        if this.progress.given.load(Relaxed) > MOST {
            return Poll::Ready(Some(Err(Crowded.into())));
        }
        match ready!(this.poll_held(context)) {
            Some(Ok(())) => {}
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        }
        if this.progress.is_over.load(Relaxed) {
            this.held.clear();
            return this.rest(context);
        }
        let count = this.held.len().min(this.room);
        this.room -= count;
        this.progress.given.fetch_add(count as u64, Relaxed);
        Poll::Ready(Some(Ok(this.held.split_to(count))))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use futures::stream;

    use super::*;

    const PIECE: usize = 16 * 1024;

    /// A form of this content that comes in pieces, and how much of it was taken.
    async fn form(content: Vec<u8>) -> (Parts, Arc<AtomicU64>) {
        let taken = Arc::<AtomicU64>::default();
        let counted = taken.clone();
        let pieces: Vec<_> = content.chunks(PIECE).map(Bytes::copy_from_slice).collect();
        let body = stream::iter(pieces).map(move |piece| {
            counted.fetch_add(piece.len() as u64, Relaxed);
            Ok::<_, std::io::Error>(piece)
        });
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
            .body(Body::from_stream(body))
            .unwrap();
        let parts = Parts::from_request(request, &()).await.unwrap();
        (parts, taken)
    }

    fn part(content: &str) -> Vec<u8> {
        let head = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n";
        format!("{head}{content}\r\n").into_bytes()
    }

    #[tokio::test]
    async fn no_more_comes_than_what_is_needed_for_the_next_part() {
        let one = part("x");
        let count = (1 << 20) / one.len();
        let (mut parts, taken) = form(one.repeat(count)).await;
        for number in 1..count {
            let mut part = parts.next().await.unwrap().expect("a part");
            assert_eq!(part.chunk().await.unwrap().as_deref(), Some(&b"x"[..]));
            part.drain().await.unwrap();
            let ahead = taken.load(Relaxed) - (number * one.len()) as u64;
            assert!(ahead <= (STEP + 2 * PIECE) as u64, "{number}: {ahead}");
        }
    }

    #[tokio::test]
    async fn a_part_of_any_length_comes_whole_or_is_passed_over() {
        // All of it within what axum lets pass where no limit is set.
        let long = "y".repeat(1 << 19);
        let content = [part(&long), part("x"), part(&long), b"--b--".to_vec()].concat();
        let (mut parts, _) = form(content.clone()).await;
        let mut first = parts.next().await.unwrap().expect("a part");
        let mut came = Vec::new();
        while let Some(chunk) = first.chunk().await.unwrap() {
            assert!(chunk.len() <= 2 * STEP, "{}", chunk.len());
            came.extend(chunk);
        }
        drop(first);
        assert!(came == long.as_bytes());
        for _ in 0..2 {
            let mut part = parts.next().await.unwrap().expect("a part");
            part.drain().await.unwrap();
        }
        assert!(parts.next().await.unwrap().is_none());

        let (mut parts, taken) = form(content.clone()).await;
        parts.next().await.unwrap().expect("a part");
        parts.pass_over().await;
        assert_eq!(taken.load(Relaxed), content.len() as u64);
    }
}

//! How long a request's body may take: a client that stalls, or never comes to an end, gives its place up.
//!
//! No record names an upload's files before it has ended, so for maintenance they are leftovers once
//! `artifacts.grace` is over; `upload.timeout`, which is at most half of that, has the request refused long before.
//!
//! It wraps each request's body, below whoever reads it: time counts while the reader waits for bytes, and a late
//! body fails with [`Late`], which the reader finds as a [`cause`] of its own error.

use std::{error::Error, time::Duration};

use axum::{
    BoxError,
    body::{Body, BodyDataStream, Bytes, HttpBody as _},
    extract::Request,
};
use futures::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::service::Service;

/// Over which the least rate is an average: of the time that the reader waits, so that a busy server blames nobody.
const WINDOW: Duration = Duration::from_secs(10);
/// Time without a byte after which an upload is given up when the server is to stop.
const IDLE_AT_STOP: Duration = Duration::from_secs(2);

/// Why a body was given up; times are in seconds, rates in bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Late {
    #[error("no byte came for {0} s")]
    Idle(u64),
    #[error("under {0} bytes a second came")]
    Slow(u64),
    #[error("it had not ended after {0} s")]
    Whole(u64),
    #[error("no byte came, and the server is stopping")]
    Stopping,
}

/// What stands anywhere in an error's chain of causes.
pub(super) fn cause<E: Error + Copy + 'static>(error: &(dyn Error + 'static)) -> Option<E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(*found);
        }
        cause = error.source();
    }
    None
}

/// What one body must keep to.
struct Pace {
    /// Seconds, as configured.
    idle: u64,
    whole: u64,
    /// Bytes a second.
    least: u64,
    until: Instant,
    stop: CancellationToken,
    /// What is left of the window, and how many bytes came in it.
    window: Duration,
    came: u64,
}

/// Gives the request's body, where it has one, its pace.
pub(super) fn keep(service: &Service, request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let settings = &service.config.upload;
    let pace = Pace::from_now(
        settings.idle_timeout,
        settings.timeout,
        settings.min_rate,
        service.shutdown.clone(),
    );
    request.map(|body| Body::from_stream(pace.over(body.into_data_stream())))
}

impl Pace {
    fn from_now(idle: u64, whole: u64, least: u64, stop: CancellationToken) -> Self {
        Self {
            idle,
            whole,
            least,
            window: WINDOW,
            came: 0,
            until: Instant::now() + Duration::from_secs(whole),
            stop,
        }
    }

    /// The body until its end or its lateness.
    fn over(self, body: BodyDataStream) -> impl Stream<Item = Result<Bytes, BoxError>> {
        stream::try_unfold((self, body), async |(mut pace, mut body)| {
            let chunk = pace.next(&mut body).await?;
            Ok(chunk.map(|chunk| (chunk, (pace, body))))
        })
    }

    async fn next(&mut self, body: &mut BodyDataStream) -> Result<Option<Bytes>, BoxError> {
        let began = Instant::now();
        let idle = Duration::from_secs(self.idle);
        // In this order: a body that drips without a pause comes to its end of time too.
        let chunk = tokio::select! {
            biased;
            () = sleep_until(self.until) => return Err(Late::Whole(self.whole).into()),
            chunk = body.next() => chunk.transpose()?,
            () = sleep(idle) => return Err(Late::Idle(self.idle).into()),
            () = self.stopped() => return Err(Late::Stopping.into()),
        };
        if let Some(chunk) = &chunk {
            self.count(began.elapsed(), chunk.len())?;
        }
        Ok(chunk)
    }

    /// One pause, which the idle limit bounds, is no slowness yet: it fills half of the window at most.
    fn count(&mut self, waited: Duration, bytes: usize) -> Result<(), Late> {
        self.came += bytes as u64;
        self.window = self.window.saturating_sub(waited.min(WINDOW / 2));
        if self.window.is_zero() {
            if self.came < self.least.saturating_mul(WINDOW.as_secs()) {
                return Err(Late::Slow(self.least));
            }
            (self.window, self.came) = (WINDOW, 0);
        }
        Ok(())
    }

    async fn stopped(&self) {
        self.stop.cancelled().await;
        sleep(IDLE_AT_STOP).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Reads a body of bytes that come `every` so often, or of one and then nothing: what it came to and when.
    async fn read(
        every: Option<Duration>,
        least: u64,
        stop: CancellationToken,
    ) -> (Option<Late>, Duration) {
        let chunks = stream::unfold(0, move |sent| async move {
            match every {
                Some(every) => sleep(every).await,
                None if sent > 0 => std::future::pending().await,
                None => {}
            }
            let chunk = Ok::<_, Infallible>(Bytes::from_static(b"x"));
            (sent < 100).then_some((chunk, sent + 1))
        });
        let body = Body::from_stream(chunks).into_data_stream();
        let began = Instant::now();
        let mut read = std::pin::pin!(Pace::from_now(30, 600, least, stop).over(body));
        let mut end = None;
        while let Some(chunk) = read.next().await {
            end = chunk.err().or(end);
        }
        let late = end.map(|error| cause::<Late>(&*error).unwrap());
        (late, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_given_up_when_it_stalls_or_never_ends() {
        let seconds = Duration::from_secs;
        for (every, late, took) in [
            (Some(seconds(5)), None, 505),
            (Some(seconds(29)), Some(Late::Whole(600)), 600),
            (Some(seconds(31)), Some(Late::Idle(30)), 30),
            (None, Some(Late::Idle(30)), 30),
        ] {
            let (end, after) = read(every, 0, CancellationToken::new()).await;
            assert_eq!((end, after.as_secs()), (late, took), "{every:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_given_up_when_less_comes_than_must() {
        let millis = Duration::from_millis;
        for (every, least, late, took) in [
            (millis(500), 2, None, 50),
            (millis(600), 2, Some(Late::Slow(2)), 10),
            (millis(29_000), 1, Some(Late::Slow(1)), 58),
            (millis(5000), 0, None, 505),
        ] {
            let (end, after) = read(Some(every), least, CancellationToken::new()).await;
            assert_eq!((end, after.as_secs()), (late, took), "{every:?} {least}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_hastens_only_a_body_that_stalls() {
        for (every, late, took) in [
            (Some(Duration::from_secs(1)), None, 101),
            (None, Some(Late::Stopping), 12),
        ] {
            let stop = CancellationToken::new();
            let (asked, later) = (stop.clone(), sleep(MINUTE / 6));
            tokio::spawn(async move {
                later.await;
                asked.cancel();
            });
            let (end, after) = read(every, 0, stop).await;
            assert_eq!((end, after.as_secs()), (late, took), "{every:?}");
        }
    }
}

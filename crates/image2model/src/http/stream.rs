//! A job's event stream: pushed, numbered, resumable.
//!
//! A reader subscribes to the job's news first and reads its facts then, so nothing falls between. Facts have their
//! own number as id; everything else carries `<last fact>.<n>`, so a reader that returns names the last fact it has.
//! Whatever may have been missed (a gap in the numbers, a reader too slow) ends in the same catch-up.

use std::{
    collections::VecDeque,
    convert::Infallible,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    pin::Pin,
    time::Duration,
};

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{self, Sse},
    },
};
use futures::{Stream, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, Interval, Sleep};

use crate::{
    capacity,
    job::{Fact, Job},
    service::{Caller, REVIEW, Service, ServiceError, StreamPlace, Subscription},
    store::{News, Progress},
};

use super::{
    caller::{job_id, shortened},
    error::Problem,
    events::{Event, View},
    openapi::{Doc, Parameter},
};

/// Seconds; the longest stream that may be asked for.
const LONGEST: u64 = 86_400;
/// All that an event can be called.
const NAMES: [&str; 10] = [
    "task_queued",
    "file_update",
    "task_progress",
    "task_retry",
    "task_completed",
    "task_failed",
    "task_cancelled",
    "heartbeat",
    "connection_timeout",
    "stream_error",
];
#[derive(Deserialize)]
pub(super) struct Asked {
    timeout: Option<String>,
    /// For readers that cannot set the header.
    last_event_id: Option<String>,
}

/// `GET /status/tasks/{task_id}/stream`
pub(super) async fn open(
    State(service): State<Service>,
    caller: Caller,
    Path(task_id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = job_id(&task_id)?;
    let timeout = timeout(asked.timeout.as_deref(), service.config.stream.timeout)?;
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let known = last_fact(header.or(asked.last_event_id.as_deref()));

    let news = service.feed.subscribe(id);
    let progress = service.progress(id).await?;
    let job = service.job(&caller, id).await?;
    if job.ended.is_some() && known >= job.last_fact() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = service.stream_place(&caller)?;
    let mut reader = Reader::new(service, caller, news, &job, known, timeout, place);
    reader.catch_up_on(&job, &progress).await?;
    let unbuffered = [("x-accel-buffering", "no")];
    Ok((unbuffered, Sse::new(reader.into_stream())).into_response())
}

pub(super) fn docs() -> Vec<Doc> {
    vec![
        Doc::get("/api/v1/status/tasks/{task_id}/stream", "status", "task_events")
            .says(
                "A job's events as they come",
                "Server-sent events, each with a name, a number as `id` and JSON data: `task_queued`, `file_update`, \
                 `task_retry`, `task_completed`, `task_failed` and `task_cancelled` are facts and are told again after \
                 a reconnect; `task_progress`, `heartbeat`, `connection_timeout` and `stream_error` stand between \
                 them. The stream ends with the job, and within 30 seconds when the reader's key is revoked or expires.",
            )
            .asks(Parameter::query(
                "timeout",
                "Seconds after which the stream ends.",
                json!({"type": "integer", "minimum": 1, "maximum": LONGEST}),
            ))
            .asks(Parameter::query(
                "last_event_id",
                "The same as the header, for readers that cannot set it.",
                json!({"type": "string"}),
            ))
            .asks(Parameter::header(
                "Last-Event-ID",
                "The last event that the reader has; what came after it is told, and everything after an id that is none of ours.",
                json!({"type": "string"}),
            ))
            .streams(200, "The events.", &NAMES)
            .ends(204, "The reader has all, and no more will come."),
    ]
}

fn timeout(text: Option<&str>, default: u64) -> Result<Duration, Problem> {
    let Some(text) = text else {
        return Ok(Duration::from_secs(default));
    };
    text.parse()
        .ok()
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            Problem::bad_request(format!(
                "timeout is {:?}; it must be from 1 to {LONGEST} seconds",
                shortened(text)
            ))
        })
}

/// The whole part of an event's id; an id that is not ours means that nothing is known.
fn last_fact(id: Option<&str>) -> u32 {
    let whole = id.and_then(|id| id.split('.').next());
    whole.and_then(|id| id.parse().ok()).unwrap_or(0)
}

/// Tells series of facts apart.
fn digest(before: u64, fact: &Fact) -> u64 {
    let mut hasher = DefaultHasher::new();
    before.hash(&mut hasher);
    fact.hash(&mut hasher);
    hasher.finish()
}

/// Ticks from one `period` on; a tick that comes late puts off those after it.
fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// One open stream.
struct Reader {
    service: Service,
    caller: Caller,
    news: Subscription,
    view: View,
    /// Facts up to here are in `view`.
    last: u32,
    /// Their digest.
    told: u64,
    /// Facts up to here are not told: the reader has them.
    known: u32,
    /// Events since the last fact that are not facts.
    minor: u32,
    pending: VecDeque<sse::Event>,
    heartbeat: Interval,
    /// When it is looked whether the reader's key is still good.
    review: Interval,
    deadline: Pin<Box<Sleep>>,
    done: bool,
    _counted: Counted,
    _place: StreamPlace,
}

/// Counts an open stream for as long as it is.
struct Counted;

impl Counted {
    fn new() -> Self {
        capacity::metrics::open_streams(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        capacity::metrics::open_streams(-1.0);
    }
}

impl Reader {
    fn new(
        service: Service,
        caller: Caller,
        news: Subscription,
        job: &Job,
        known: u32,
        timeout: Duration,
        place: StreamPlace,
    ) -> Self {
        let period = Duration::from_secs(service.config.stream.heartbeat.max(1));
        Self {
            service,
            caller,
            news,
            view: View::new(job),
            last: 0,
            told: 0,
            known: known.min(job.last_fact()),
            minor: 0,
            pending: VecDeque::new(),
            heartbeat: every(period),
            review: every(REVIEW),
            deadline: Box::pin(tokio::time::sleep(timeout)),
            done: false,
            _counted: Counted::new(),
            _place: place,
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        stream::unfold(self, |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        })
    }

    /// The next event; `None` when the stream is over.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.done {
                return None;
            }
            let shutdown = self.service.shutdown.clone();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return None,
                // Before the news, which may never leave a moment between them.
                _ = self.review.tick() => self.look_at_the_key(),
                news = self.news.next() => self.hear(news).await,
                () = &mut self.deadline => {
                    self.done = true;
                    self.tell_standing("connection_timeout", "The stream's time is over; connect again for more.");
                }
                _ = self.heartbeat.tick() => self.tell_standing("heartbeat", ""),
            }
        }
    }

    /// Ends the stream of a reader who could not open it any more.
    fn look_at_the_key(&mut self) {
        if !self.service.keyring.still_opens(&self.caller) {
            self.done = true;
            self.tell_standing(
                "stream_error",
                "The key of this stream opens nothing any more.",
            );
        }
    }

    async fn hear(&mut self, news: Option<News>) {
        let heard = match news {
            Some(News::Facts { first, facts, .. }) if first <= self.last + 1 => {
                let new = (self.last + 1 - first) as usize;
                let taken = self.take_in(facts.get(new..).unwrap_or_default()).await;
                self.tell_overall();
                taken
            }
            Some(News::Progress(progress)) => {
                self.tell_progress(&progress);
                self.tell_overall();
                Ok(())
            }
            Some(News::Beyond { .. }) => Ok(()),
            // Who fell behind may have missed that, too.
            Some(News::Missed) | None => self.look_again().await,
            Some(News::Facts { .. }) => self.catch_up().await,
        };
        if heard.is_err() {
            self.done = true;
            self.tell_standing("stream_error", "The stream was interrupted; connect again.");
        }
    }

    /// After what the store may have lost: where other facts have the numbers of those that were told, all are told
    /// anew. While that cannot be read, what is told has the number from which a reader that comes back gets all.
    async fn look_again(&mut self) -> Result<(), ServiceError> {
        let looked = self.service.job(&self.caller, self.view.job()).await;
        let job = looked.inspect_err(|_| self.last = 0)?;
        let told = job.facts.get(..self.last as usize);
        if told.is_none_or(|told| told.iter().fold(0, digest) != self.told) {
            self.view = View::new(&job);
            (self.last, self.known, self.told) = (0, 0, 0);
        }
        self.catch_up().await
    }

    /// Starts over from the job's record.
    async fn catch_up(&mut self) -> Result<(), ServiceError> {
        let id = self.view.job();
        self.news = self.service.feed.subscribe(id);
        let progress = self.service.progress(id).await?;
        let job = self.service.job(&self.caller, id).await?;
        self.catch_up_on(&job, &progress).await
    }

    /// All facts that are missing, then newest progress of each running item.
    async fn catch_up_on(&mut self, job: &Job, progress: &[Progress]) -> Result<(), ServiceError> {
        self.view.learn_errors(job);
        let missing = job.facts.get(self.last as usize..).unwrap_or_default();
        self.take_in(missing).await?;
        for newest in progress {
            self.tell_progress(newest);
        }
        self.tell_overall();
        Ok(())
    }

    /// Takes in the facts that follow the last, and tells those that the reader does not have.
    async fn take_in(&mut self, facts: &[Fact]) -> Result<(), ServiceError> {
        for fact in facts {
            if self.view.lacks_words_for(fact) {
                let job = self.service.job(&self.caller, self.view.job()).await?;
                self.view.learn_errors(&job);
            }
            let event = self.view.apply(fact);
            self.last += 1;
            self.told = digest(self.told, fact);
            self.minor = 0;
            if self.last > self.known {
                self.pending
                    .push_back(event.numbered(&self.last.to_string()));
            }
        }
        self.done |= self.view.has_ended();
        Ok(())
    }

    fn tell_progress(&mut self, progress: &Progress) {
        if let Some(event) = self.view.progress(progress, self.service.now()) {
            self.tell(&event);
        }
    }

    fn tell_overall(&mut self) {
        if let Some(event) = self.view.overall_progress(self.service.now()) {
            self.tell(&event);
        }
    }

    fn tell_standing(&mut self, name: &'static str, message: &str) {
        let event = self.view.standing(name, message, self.service.now());
        self.tell(&event);
    }

    fn tell(&mut self, event: &Event) {
        self.minor += 1;
        let id = format!("{}.{}", self.last, self.minor);
        self.pending.push_back(event.numbered(&id));
    }
}

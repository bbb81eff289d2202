//! Holds callers to their rates, after they are known and before anything of the body is read, and tells them how they
//! stand: in `RateLimit` (draft-ietf-httpapi-ratelimit-headers) and in the fields of the service that this one replaces.

use std::{fmt::Write as _, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;

use crate::{
    access::rate::{Admission, Standing},
    job::Timestamp,
    service::{Caller, Service},
};

use super::{access::Access, error::Problem};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");
const OLD_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const OLD_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const OLD_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// What pages of other origins may read.
pub(super) const FIELDS: [HeaderName; 5] = [POLICY, STANDING, OLD_LIMIT, OLD_REMAINING, OLD_RESET];
/// What is taken off a refused client who is still sending, so that it reads the answer instead of a broken connection:
/// a small upload, and no more.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;
/// Bytes that a field about two windows has room in.
const FIELD: usize = 64;

/// Lets through whoever is within the limits of a route that asks for `access`. A form counts as a read of its address
/// until its key is known; then its handler has its work counted by [`admit_form`].
pub(super) async fn hold(
    service: &Service,
    access: Access,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let admission = match access {
        Access::Work => match service.admit_work(&caller).await {
            Ok(admission) => admission,
            Err(error) => {
                let (head, body) = request.into_parts();
                return turn_away(error.into(), &head.headers, body).await;
            }
        },
        _ => service.admit_read(&caller),
    };
    let mut response = if admission.admitted {
        next.run(request).await
    } else {
        let (head, body) = request.into_parts();
        turn_away(refusal(access, &admission), &head.headers, body).await
    };
    // A form's handler has told how its key's owner stands.
    if !response.headers().contains_key(STANDING) {
        tell(response.headers_mut(), &admission, service.now());
    }
    response
}

/// Counts the work of a form, whose caller is known only once its key is read.
///
/// # Errors
/// The refusal, which tells how the caller stands where that is why.
pub(super) async fn admit_form(
    service: &Service,
    caller: &Caller,
) -> Result<Admission, Box<Response>> {
    match service.admit_work(caller).await {
        Ok(admission) if admission.admitted => Ok(admission),
        Ok(admission) => {
            let refusal = refusal(Access::Work, &admission);
            Err(Box::new(told(refusal, &admission, service.now())))
        }
        Err(error) => Err(Box::new(Problem::from(error).into_response())),
    }
}

/// An answer that tells how its caller stands.
pub(super) fn told(answer: impl IntoResponse, admission: &Admission, now: Timestamp) -> Response {
    let mut response = answer.into_response();
    tell(response.headers_mut(), admission, now);
    response
}

fn refusal(access: Access, admission: &Admission) -> Problem {
    let what = match access {
        Access::Work => "requests that make work",
        _ => "requests",
    };
    let slowest = admission.standings.iter().max_by_key(|one| one.next_in);
    let limit = slowest.map_or_else(String::new, |standing| {
        let window = standing.window;
        format!(" of {} {what} a {}", window.limit, name(standing))
    });
    let wait = seconds(admission.next_in()).max(1);
    let message = format!("The limit{limit} is reached; the next is let through in {wait} s.");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, message)
        .retry_after(u32::try_from(wait).unwrap_or(u32::MAX))
}

/// Refuses a request of whose body nothing was read.
pub(super) async fn turn_away(problem: Problem, headers: &HeaderMap, body: Body) -> Response {
    hear_out(headers, body).await;
    problem.into_response()
}

/// Whether the client sends a body only once it is asked for it: nothing of it is on its way.
pub(super) fn waits_to_be_asked(headers: &HeaderMap) -> bool {
    headers.contains_key(header::EXPECT)
}

/// Takes a little off a refused client of whose body nothing was read.
pub(super) async fn hear_out(headers: &HeaderMap, body: Body) {
    if waits_to_be_asked(headers) {
        return;
    }
    let mut chunks = body.into_data_stream();
    let rest = async {
        let mut taken = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            taken += chunk.len();
            if taken > LINGER_BYTES {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, rest).await;
}

/// How the caller stands, in the fields of an answer.
fn tell(headers: &mut HeaderMap, admission: &Admission, now: Timestamp) {
    let Some(tightest) = admission.tightest() else {
        return;
    };
    let (mut policy, mut standing) = (String::with_capacity(FIELD), String::with_capacity(FIELD));
    for one in &admission.standings {
        let (name, window, wait) = (name(one), one.window, seconds(one.whole_in));
        for text in [&mut policy, &mut standing] {
            if !text.is_empty() {
                text.push_str(", ");
            }
        }
        // Writing to text does not fail.
        let _ = write!(
            policy,
            "\"{name}\";q={};w={}",
            window.limit,
            window.period.as_secs()
        );
        let _ = write!(standing, "\"{name}\";r={};t={wait}", one.remaining);
    }
    let reset = now.0.div_euclid(1000) + i64::try_from(seconds(tightest.whole_in)).unwrap_or(0);
    let fields = [
        (POLICY, HeaderValue::try_from(policy).ok()),
        (STANDING, HeaderValue::try_from(standing).ok()),
        (OLD_LIMIT, Some(tightest.window.limit.into())),
        (OLD_REMAINING, Some(tightest.remaining.into())),
        (OLD_RESET, Some(reset.into())),
    ];
    headers.reserve(fields.len());
    for (name, value) in fields {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

/// A window's name, which is its period's.
pub(super) fn name(standing: &Standing) -> &'static str {
    match standing.window.period.as_secs() {
        60 => "minute",
        3600 => "hour",
        _ => "day",
    }
}

/// Rounded up: who waits so long need not wait again.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Tally, rate::Window};

    #[test]
    fn the_fields_say_how_each_window_stands() {
        let windows = [Window::per_minute(2), Window::per_hour(1000)];
        let mut tally = Tally::default();
        let now = Timestamp(1_000_000_000);
        let admission = tally.admit("a", &windows, 1, now.0 * 1000);
        let mut headers = HeaderMap::new();
        tell(&mut headers, &admission, now);
        for (name, value) in [
            (
                "ratelimit-policy",
                "\"minute\";q=2;w=60, \"hour\";q=1000;w=3600",
            ),
            ("ratelimit", "\"minute\";r=1;t=30, \"hour\";r=999;t=4"),
            ("x-ratelimit-limit", "2"),
            ("x-ratelimit-remaining", "1"),
            ("x-ratelimit-reset", "1000030"),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
    }

    #[test]
    fn without_limits_there_is_nothing_to_tell() {
        let mut headers = HeaderMap::new();
        tell(
            &mut headers,
            &Admission::read(&[], true, &[], 0),
            Timestamp(0),
        );
        assert!(headers.is_empty());
    }
}

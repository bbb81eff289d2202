//! Who may call a route: a key in `Authorization`, or a signed link where a browser opens it without a header.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use serde_json::json;

use crate::{
    access::Token,
    service::{Caller, Service},
};

use super::{caller, error::Problem, limits};

/// Seconds until a register that has its keys again may be known: the time between two looks at it.
const KEYS_BACK: u32 = 10;

/// What a route asks of the one who calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: who calls is not even looked at.
    Open,
    /// A key.
    Keyed,
    /// A key; it makes work, which is limited.
    Work,
    /// A key, or a link that was signed for this very path.
    Linked,
    /// A key in the form that is sent, where a browser without scripts can set no header: its handler asks for it.
    Form,
    /// An administrator's key.
    Admin,
}

/// Lets through who may call; handlers then know them as [`Caller`]. An open route has no such check: a monitor is
/// answered whatever key it shows, and even while nobody can look one up.
pub(super) async fn check(
    State((service, access)): State<(Service, Access)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match find(&service, access, &parts).await {
        Ok(caller) => caller,
        Err(problem) => return limits::turn_away(problem, &parts.headers, body).await,
    };
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let acts = access == Access::Admin && !reads;
    let act = acts.then(|| Act::begin(&caller, &parts));
    parts.extensions.insert(caller.clone());
    // Only who has passed so far is counted.
    let response = limits::hold(
        &service,
        access,
        caller,
        Request::from_parts(parts, body),
        next,
    );
    let response = response.await;
    if let Some(act) = act {
        act.end(response.status());
    }
    response
}

/// An administrator's act, told when it begins and when it is over: one whose client leaves is broken off wherever it is,
/// and may have been done by then.
struct Act {
    key: String,
    method: Method,
    path: String,
    is_over: bool,
}

impl Act {
    fn begin(caller: &Caller, parts: &Parts) -> Self {
        let key = caller.key.as_ref().map_or("none", |key| key.as_str());
        let (method, path) = (&parts.method, parts.uri.path());
        tracing::info!(target: "audit", key, %method, path, "an administrator's act begins");
        Self {
            key: key.to_owned(),
            method: method.clone(),
            path: path.to_owned(),
            is_over: false,
        }
    }

    fn end(mut self, status: StatusCode) {
        self.is_over = true;
        let Self {
            key, method, path, ..
        } = &self;
        let status = status.as_u16();
        tracing::info!(target: "audit", key, %method, path, status, "an administrator's act");
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let Self {
            key, method, path, ..
        } = self;
        tracing::warn!(target: "audit", key, %method, path, "an administrator's act was broken off");
    }
}

async fn find(service: &Service, access: Access, parts: &Parts) -> Result<Caller, Problem> {
    if access == Access::Form {
        return Ok(caller::anyone(service, parts));
    }
    let keyring = &service.keyring;
    let shown = match token(&parts.headers) {
        // What a proxy asks for itself is passed on to here, too.
        Err(_) if keyring.is_open().await? => None,
        shown => shown?,
    };
    let caller = match shown {
        Some(token) => holder(service, &token).await?,
        None => match link(parts).filter(|_| access == Access::Linked) {
            Some(link) => keyring.by_link(parts.uri.path(), link).await?,
            None => None,
        },
    };
    let caller = match caller {
        Some(caller) => caller,
        None if keyring.is_open().await? => caller::anyone(service, parts),
        None => return Err(closed(service, unknown(access))),
    };
    if access == Access::Admin && !caller.is_admin {
        return Err(Problem::forbidden(match caller.is_anyone {
            true => {
                "This needs an administrator's key, and this server has none: set keys.admin, or make one with \
                 `image2model keys create --scope admin`."
            }
            false => "This needs an administrator's key.",
        }));
    }
    Ok(caller)
}

/// Who shows `token`; `None` where nobody needs a key, and so a wrong one is no reason to refuse.
///
/// # Errors
/// 403 for a key that opens nothing, 503 where that cannot be known.
pub(super) async fn holder(service: &Service, token: &Token) -> Result<Option<Caller>, Problem> {
    match service.keyring.find(token).await? {
        Ok(key) => Ok(Some(Caller::with(&key))),
        Err(_) if service.keyring.is_open().await? => Ok(None),
        Err(why) => {
            let problem = Problem::forbidden(format!("Access is denied: {why}."));
            let problem = problem.with_details(json!({"code": "key_refused"}));
            Err(closed(service, problem))
        }
    }
}

/// Whether names of the inside are for this caller: an administrator, and anybody where there are no keys.
pub(super) async fn sees_inside(service: &Service, headers: &HeaderMap) -> bool {
    match token(headers) {
        Ok(Some(token)) => match holder(service, &token).await {
            Ok(caller) => caller.is_none_or(|caller| caller.is_admin),
            Err(_) => false,
        },
        _ => service.keyring.is_open().await.unwrap_or(false),
    }
}

/// Why somebody is refused: `problem`, except where no key at all can be right.
pub(super) fn closed(service: &Service, problem: Problem) -> Problem {
    if !service.keyring.has_lost_its_keys() {
        return problem;
    }
    let message =
        "The server has lost its keys, so it lets nobody in; its operator's log says more.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(KEYS_BACK)
}

fn unknown(access: Access) -> Problem {
    let message = match access {
        Access::Linked => {
            "This needs a key, as Authorization: Bearer KEY, or a link from the server that is not over."
        }
        _ => "This needs a key, as Authorization: Bearer KEY.",
    };
    Problem::new(StatusCode::UNAUTHORIZED, message)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// `Bearer KEY`, or `Key KEY` as fal's clients send it.
fn token(headers: &HeaderMap) -> Result<Option<Token>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let parts = value.to_str().ok().and_then(|text| text.split_once(' '));
    match parts {
        Some((scheme, key))
            if ["bearer", "key"].contains(&scheme.to_ascii_lowercase().as_str()) =>
        {
            Ok(Some(Token::given(key.trim())))
        }
        _ => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "The Authorization header must be Bearer KEY.",
        )
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
    }
}

fn link(parts: &Parts) -> Option<&str> {
    let query = parts.uri.query()?;
    query.split('&').find_map(|pair| pair.strip_prefix("link="))
}

impl FromRequestParts<Service> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, StatusCode> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| {
            tracing::error!(path = parts.uri.path(), "a route has no access check");
            StatusCode::INTERNAL_SERVER_ERROR
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use axum::{Router, body::Body};
    use tokio_util::{sync::CancellationToken, task::TaskTracker};
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        artifacts::Artifacts,
        capacity::{disk::Space, metrics::unrecorded},
        clock::SystemClock,
        config::{Config, KeySettings, LogSettings},
        http::routes::Routes,
        job::RetryPolicy,
        service::Parts,
        store::embedded,
    };

    /// What is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Routes of an administrator on a service with a key of each kind.
    fn admins_routes(home: &std::path::Path) -> Router {
        let clock = Arc::new(SystemClock);
        let keys = KeySettings {
            user: "users".to_owned(),
            admin: "admins".to_owned(),
        };
        let config = Config {
            data_dir: home.to_owned(),
            keys,
            ..Config::default()
        };
        let parts = Parts {
            store: embedded::open(home, clock.clone(), RetryPolicy::default()).unwrap(),
            artifacts: Artifacts::local(&home.join("artifacts")).unwrap(),
            config: Arc::new(config),
            clock: clock.clone(),
            metrics: unrecorded(),
            space: Arc::new(Space::of),
            logs: crate::logs::Logs::nowhere(&LogSettings::default(), clock.clone()),
        };
        let service = Service::start(parts, TaskTracker::new(), CancellationToken::new());
        let routes = Routes::new(&service)
            .get("/look", Access::Admin, async || StatusCode::OK)
            .post("/act", Access::Admin, async || StatusCode::ACCEPTED)
            .post("/long", Access::Admin, std::future::pending::<StatusCode>);
        routes.into_parts().0.with_state(service)
    }

    fn asking(method: &Method, path: &str, key: &str) -> Request {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"));
        request.body(Body::empty()).unwrap()
    }

    impl Log {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        fn subscriber(&self) -> impl tracing::Subscriber + use<> {
            let writer = self.clone();
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .finish()
        }
    }

    #[tokio::test]
    async fn an_act_whose_client_leaves_is_logged_as_begun_and_broken_off() {
        let home = tempfile::tempdir().unwrap();
        let router = admins_routes(home.path());
        let log = Log::default();
        let _logged = tracing::subscriber::set_default(log.subscriber());
        let mut answer = Box::pin(router.oneshot(asking(&Method::POST, "/long", "admins")));
        while !log.text().contains("begins") {
            assert!(futures::poll!(&mut answer).is_pending());
            tokio::task::yield_now().await;
        }
        assert!(!log.text().contains("broken off"));
        drop(answer);
        let log = log.text();
        let acts: Vec<_> = log.lines().filter(|line| line.contains("audit")).collect();
        let [_, end] = acts.as_slice() else {
            panic!("not a begin and an end: {log}")
        };
        let id = Token::given("admins").id();
        for told in [id.as_str(), "POST", "/long", "broken off"] {
            assert!(end.contains(told), "{told}: {end}");
        }
    }

    #[tokio::test]
    async fn an_administrators_act_is_logged_with_its_key_and_a_look_is_not() {
        let home = tempfile::tempdir().unwrap();
        let router = admins_routes(home.path());
        let log = Log::default();
        let _logged = tracing::subscriber::set_default(log.subscriber());
        for (method, path, key, status) in [
            (Method::GET, "/look", "admins", 200),
            (Method::POST, "/act", "users", 403),
            (Method::POST, "/act", "wrong", 403),
            (Method::POST, "/act", "admins", 202),
        ] {
            let request = asking(&method, path, key);
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), status, "{method} {path} {key}");
        }
        let log = log.text();
        let acts: Vec<_> = log.lines().filter(|line| line.contains("audit")).collect();
        let [begin, end] = acts.as_slice() else {
            panic!("not one act: {log}")
        };
        let id = Token::given("admins").id();
        for told in [id.as_str(), "POST", "/act"] {
            assert!(begin.contains(told) && end.contains(told), "{told}: {log}");
        }
        let status = "status=202";
        assert!(!begin.contains(status) && end.contains(status), "{log}");
        assert!(!log.contains("admins"), "{log}");
    }
}

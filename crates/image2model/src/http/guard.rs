//! Keeps other sites' pages out: without keys, anything a browser can be talked into sending counts as a request
//! of the person before it (cross-site requests, DNS rebinding).

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
};

use axum::{
    extract::Request,
    http::{HeaderValue, Method, header},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::HttpSettings;

use super::{caller::shortened, error::Problem, limits};

/// Why a request is refused: its `Host` is neither an IP address, `localhost` nor configured, or its `Origin` is neither
/// this server's own nor configured.
pub(super) fn refused(settings: &HttpSettings, request: &Request) -> Option<Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().map(text);
    if hosts.next().is_some() {
        return Some(Problem::bad_request(
            "The request names more than one Host.",
        ));
    }
    let authority = request.uri().authority();
    let host = authority.map_or(host, |authority| Some(authority.as_str().into()));
    let origin = request.headers().get(header::ORIGIN).map(text);
    refusal(settings, host.as_deref(), origin.as_deref())
}

/// Lets the configured origins' pages read answers; nobody else's. Without any there is nothing to say.
pub(super) fn cors(settings: &HttpSettings) -> Option<CorsLayer> {
    if settings.origins.is_empty() {
        return None;
    }
    let origins = settings
        .origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::HeaderName::from_static("idempotency-key"),
            header::HeaderName::from_static("last-event-id"),
        ])
        .expose_headers(
            [header::CONTENT_DISPOSITION, header::RETRY_AFTER]
                .into_iter()
                .chain(limits::FIELDS)
                .collect::<Vec<_>>(),
        );
    Some(layer)
}

/// Unreadable header values come out as text that is nobody's host or origin.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

fn refusal(settings: &HttpSettings, host: Option<&str>, origin: Option<&str>) -> Option<Problem> {
    // Only a client of HTTP/1.0 sends no host, and no browser is one.
    let host = host?;
    let name = host_name(host);
    if !is_address(name)
        && !name.eq_ignore_ascii_case("localhost")
        && !settings
            .hosts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    {
        return Some(Problem::forbidden(format!(
            "The host {:?} is not this server's; it answers to IP addresses, localhost and http.hosts of its configuration.",
            shortened(name)
        )));
    }
    let origin = origin?;
    let own = ["http://", "https://"].iter().any(|scheme| {
        origin.strip_prefix(scheme).is_some_and(|authority| {
            without_default_port(authority, scheme)
                .eq_ignore_ascii_case(without_default_port(host, scheme))
        })
    });
    let known = || {
        settings
            .origins
            .iter()
            .any(|known| known.eq_ignore_ascii_case(origin))
    };
    (!own && !known()).then(|| {
        Problem::forbidden(format!(
            "Pages of the origin {:?} may not call this server; http.origins of its configuration names those that may.",
            shortened(origin)
        ))
    })
}

/// The authority without its port.
fn host_name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn is_address(name: &str) -> bool {
    let bracketed = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bracketed.map_or_else(
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
        |inner| inner.parse::<Ipv6Addr>().is_ok(),
    )
}

fn without_default_port<'a>(authority: &'a str, scheme: &str) -> &'a str {
    let port = if scheme == "https://" { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_hosts_and_origins_pass() {
        let settings = HttpSettings {
            hosts: vec!["models.example".to_owned()],
            origins: vec!["https://shop.example".to_owned()],
            ..HttpSettings::default()
        };
        for (host, origin, passes) in [
            ("127.0.0.1:8080", None, true),
            ("[::1]:8080", None, true),
            ("10.0.0.7", None, true),
            ("localhost:8080", Some("http://localhost:8080"), true),
            ("LocalHost", Some("http://localhost:80"), true),
            ("models.example", Some("https://models.example"), true),
            ("models.example:443", Some("https://models.example"), true),
            ("127.0.0.1:8080", Some("https://shop.example"), true),
            ("evil.example", None, false),
            ("127.0.0.1.evil.example", None, false),
            ("localhost.evil.example:8080", None, false),
            ("::1", None, false),
            ("", None, false),
            ("127.0.0.1:8080", Some("http://evil.example"), false),
            ("127.0.0.1:8080", Some("http://127.0.0.1:9090"), false),
            ("127.0.0.1:8080", Some("null"), false),
            ("127.0.0.1:8080", Some("file://"), false),
        ] {
            let refused = refusal(&settings, Some(host), origin);
            assert_eq!(refused.is_none(), passes, "{host} {origin:?}");
        }
    }
}

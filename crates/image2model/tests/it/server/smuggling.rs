//! Requests that two servers in a row could read differently.

use super::{House, house, rest, sent};
use crate::support::{Client, Nginx, free_port};

/// What an attacker wants to be taken for a request of its own.
const HIDDEN: &str = "GET /plain HTTP/1.1\r\nhost: localhost\r\n\r\n";
const NO_JOB: &str = "POST /api/v1/jobs/none/cancel HTTP/1.1\r\nhost: localhost\r\n";

/// Heads and bodies, and the status that the server itself answers.
fn attempts() -> Vec<(String, u16)> {
    let form = "POST /api/v1/upload/ HTTP/1.1\r\nhost: localhost\r\n\
        content-type: multipart/form-data; boundary=b\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    // Exactly what follows, so that who believes it waits for nothing.
    let hidden = HIDDEN.len();
    let attempt = |head: &str, fields: &str, body: &str| format!("{head}{fields}\r\n{body}");
    vec![
        // With both, the chunks count and the connection ends.
        (
            attempt(
                NO_JOB,
                &format!("content-length: 4\r\n{chunked}"),
                "0\r\n\r\n",
            ),
            400,
        ),
        (
            attempt(
                NO_JOB,
                &format!("{chunked}content-length: 4\r\n"),
                "0\r\n\r\n",
            ),
            400,
        ),
        (
            attempt(
                NO_JOB,
                &format!("content-length: 0\r\ncontent-length: {hidden}\r\n"),
                "",
            ),
            400,
        ),
        (
            attempt(NO_JOB, &format!("content-length: 0, {hidden}\r\n"), ""),
            400,
        ),
        (attempt(NO_JOB, "content-length: +0\r\n", ""), 400),
        (
            attempt(NO_JOB, "transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
            400,
        ),
        (
            attempt(
                NO_JOB,
                "transfer-encoding: chunked, identity\r\n",
                "0\r\n\r\n",
            ),
            400,
        ),
        (
            attempt(
                NO_JOB,
                &format!("x: a\r\n content-length: {hidden}\r\n"),
                "",
            ),
            400,
        ),
        (
            attempt(NO_JOB, &format!("content-length : {hidden}\r\n"), ""),
            400,
        ),
        (
            attempt(NO_JOB, "host: 127.0.0.1\r\nconnection: close\r\n", ""),
            400,
        ),
        (attempt(form, chunked, "zz\r\n--b"), 400),
        (attempt(form, chunked, "fffffffffffffffff\r\n--b"), 400),
        (attempt(form, chunked, "3;\n\r\n--b--\r\n0\r\n\r\n"), 400),
    ]
}

/// How often a page without scripts was asked for, by the server's own count.
async fn hidden_were_answered(port: u16) -> bool {
    let (_, metrics) = Client::new(port).bytes("/health/metrics").await;
    String::from_utf8(metrics)
        .unwrap()
        .contains("endpoint=\"/plain\"")
}

#[tokio::test]
async fn nothing_hides_in_a_request() {
    let House { server, _dir } = house(&[]);
    for (request, status) in attempts() {
        let mut stream = sent(server.port, &format!("{request}{HIDDEN}")).await;
        let said = rest(&mut stream).await;
        let answered = format!("HTTP/1.1 {status}");
        assert!(said.starts_with(&answered), "{request}\n{said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{request}\n{said}");
    }
    assert!(!hidden_were_answered(server.port).await);
}

#[tokio::test]
async fn nothing_hides_in_a_request_behind_nginx() {
    let House { server, _dir } = house(&[]);
    let nginx = Nginx::start([server.port, free_port()]);
    for (request, _) in attempts() {
        // Whatever nginx takes for the next request is one that it would be right to pass on.
        let last = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        let mut stream = sent(nginx.port, &format!("{last}{HIDDEN}")).await;
        let said = rest(&mut stream).await;
        assert!(said.matches("HTTP/1.1 ").count() <= 1, "{request}\n{said}");
    }
    assert!(!hidden_were_answered(server.port).await);
}

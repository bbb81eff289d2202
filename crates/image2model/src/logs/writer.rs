//! From `tracing` into the files; requests, of which there are the most, without that way round.

use std::{io, time::Duration};

use serde::Serialize;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, LevelFilter, ParseError, filter_fn},
    fmt::MakeWriter,
    registry::LookupSpan,
};

use super::{LogType, Logs};

/// Bytes that most lines of requests have room in.
const LINE: usize = 320;

/// Takes one event's line to the files that it belongs in.
pub struct LineWriter<'a> {
    logs: &'a Logs,
    kind: LogType,
    is_error: bool,
}

impl Logs {
    /// Writes what `log.level` lets through, and administrators' acts always; [`Logs::request`] writes requests.
    ///
    /// # Errors
    /// `log.level` is no filter.
    pub fn layer<S>(&self) -> Result<impl Layer<S> + Send + Sync + use<S>, ParseError>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let level = &self.shared.settings.level;
        let filter = filter_with(level, &["audit=info"])?;
        let no_requests = filter_fn(|event| event.target() != LogType::Access.name());
        let filter = filter.and(no_requests);
        let lines = tracing_subscriber::fmt::layer().json();
        Ok(lines.with_writer(self.clone()).with_filter(filter))
    }
}

/// A filter, with those of `more` about whose target it says nothing.
///
/// # Errors
/// It is none.
pub(crate) fn filter_with(level: &str, more: &[&str]) -> Result<EnvFilter, ParseError> {
    let mut whole = level.to_owned();
    for directive in more {
        let target = directive.split('=').next().unwrap_or_default();
        if said_of(level, target).is_none() {
            whole = format!("{whole},{directive}");
        }
    }
    EnvFilter::try_new(whole)
}

/// What a filter says of a target, after its name.
fn said_of<'a>(filter: &'a str, target: &str) -> Option<&'a str> {
    let directives = filter.split(',').map(str::trim);
    let mut said = directives.filter_map(|directive| directive.strip_prefix(target));
    said.rfind(|rest| rest.is_empty() || rest.starts_with(['=', '[']))
}

/// Whether a line is kept for each request, which it is unless `filter` says otherwise.
pub(super) fn keeps_requests(filter: &str) -> bool {
    let said = said_of(filter, "access").and_then(|said| said.strip_prefix('='));
    said.and_then(|level| level.parse().ok())
        .is_none_or(|level: LevelFilter| level >= LevelFilter::INFO)
}

/// One answered request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The pattern of its route.
    pub endpoint: &'a str,
    pub path: &'a str,
    pub status: u16,
    pub took: Duration,
}

/// A line as `tracing` writes it.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    fields: Fields<'a>,
    target: &'static str,
}

#[derive(Serialize)]
struct Fields<'a> {
    message: &'static str,
    method: &'a str,
    endpoint: &'a str,
    path: &'a str,
    status: u16,
    took_ms: f64,
}

impl Logs {
    /// Writes a request's line, where there are files that it belongs in.
    pub fn request(&self, request: Request<'_>) {
        if !self.shared.keeps_requests || !self.has_files() {
            return;
        }
        let line = Line {
            timestamp: self.shared.clock.now().to_string(),
            level: "INFO",
            fields: Fields {
                message: "request",
                method: request.method,
                endpoint: request.endpoint,
                path: request.path,
                status: request.status,
                took_ms: request.took.as_secs_f64() * 1000.0,
            },
            target: LogType::Access.name(),
        };
        let mut bytes = Vec::with_capacity(LINE);
        if serde_json::to_writer(&mut bytes, &line).is_ok() {
            bytes.push(b'\n');
            self.write(LogType::Access, &bytes);
        }
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter {
            logs: self,
            kind: LogType::Application,
            is_error: false,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> LineWriter<'a> {
        LineWriter {
            logs: self,
            kind: LogType::of_target(event.target()),
            is_error: *event.level() == Level::ERROR,
        }
    }
}

impl io::Write for LineWriter<'_> {
    /// `tracing` writes each event at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.logs.write(self.kind, line);
        if self.is_error {
            self.logs.write(LogType::Errors, line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{clock::SystemClock, config::LogSettings, logs::Range};

    #[test]
    fn what_a_filter_says_of_a_target_is_kept() {
        for (level, whole) in [
            ("info", "access=off,info"),
            ("info,access=info", "access=info,info"),
            ("access", "access=trace"),
            ("accessories=warn", "access=off,accessories=warn"),
        ] {
            let filter = filter_with(level, &["access=off"]).unwrap().to_string();
            let mut parts: Vec<_> = filter.split(',').collect();
            parts.sort_unstable();
            assert_eq!(parts.join(","), whole, "{level}");
        }
    }

    #[test]
    fn requests_are_kept_unless_the_filter_says_otherwise() {
        for (filter, kept) in [
            ("warn", true),
            ("off", true),
            ("info,access=off", false),
            ("access=warn", false),
            ("access=debug,info", true),
            ("access", true),
            ("access=off,access=info", true),
        ] {
            assert_eq!(keeps_requests(filter), kept, "{filter}");
        }
    }

    #[test]
    fn a_requests_line_reads_back_whatever_its_path_holds() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::new(&LogSettings::default(), Arc::new(SystemClock));
        logs.open(dir.path()).unwrap();
        let path = "/a\"b\\c";
        logs.request(Request {
            method: "GET",
            endpoint: "/{name}",
            path,
            status: 404,
            took: Duration::from_micros(1500),
        });
        let mut read = Vec::new();
        let whole = Range {
            from: 0,
            until: i64::MAX,
        };
        let kinds = [LogType::Access];
        logs.read(&kinds, whole, |entry| {
            read.push(entry);
            Ok(())
        })
        .unwrap();
        let [entry] = read.as_slice() else {
            panic!("not one line: {read:?}")
        };
        assert_eq!(
            (entry.message.as_str(), entry.level.as_str()),
            ("request", "INFO")
        );
        assert_eq!(
            (entry.text("method"), entry.text("path")),
            (Some("GET"), Some(path))
        );
        assert_eq!(
            (entry.number("status"), entry.number("took_ms")),
            (Some(404.0), Some(1.5))
        );
    }
}

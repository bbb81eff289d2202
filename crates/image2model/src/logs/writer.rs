//! From `tracing` into the files.

use std::io;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, filter::ParseError, fmt::MakeWriter, registry::LookupSpan,
};

use super::{LogType, Logs};

/// Takes one event's line to the files that it belongs in.
pub struct LineWriter<'a> {
    logs: &'a Logs,
    kind: LogType,
    is_error: bool,
}

impl Logs {
    /// Writes what `log.level` lets through, requests and administrators' acts always.
    ///
    /// # Errors
    /// `log.level` is no filter.
    pub fn layer<S>(&self) -> Result<impl Layer<S> + Send + Sync + use<S>, ParseError>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let level = &self.shared.settings.level;
        let filter = filter_with(level, &["access=info", "audit=info"])?;
        let lines = tracing_subscriber::fmt::layer().json();
        Ok(lines.with_writer(self.clone()).with_filter(filter))
    }
}

/// A filter, with those of `more` about whose target it says nothing.
///
/// # Errors
/// It is none.
pub(crate) fn filter_with(level: &str, more: &[&str]) -> Result<EnvFilter, ParseError> {
    let is_named = |target: &str| {
        let directives = level.split(',').map(str::trim);
        directives
            .filter_map(|directive| directive.strip_prefix(target))
            .any(|rest| rest.is_empty() || rest.starts_with(['=', '[']))
    };
    let mut whole = level.to_owned();
    for directive in more {
        let target = directive.split('=').next().unwrap_or_default();
        if !is_named(target) {
            whole = format!("{whole},{directive}");
        }
    }
    EnvFilter::try_new(whole)
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
    use super::*;

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
}

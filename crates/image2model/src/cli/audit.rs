//! The acts of whoever has the command line, told on the standard error as the servers' log tells those of administrators.

use std::io;

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{Layer as _, filter::Targets, layer::SubscriberExt as _};

use crate::config::LogSettings;

/// Runs a command on this thread, with what it tells of its acts written out.
pub(super) fn heard<T>(settings: &LogSettings, command: impl FnOnce() -> T) -> T {
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(io::stderr);
    let lines = match settings.format.as_str() {
        "json" => lines.json().boxed(),
        _ => lines.boxed(),
    };
    let acts = Targets::new()
        .with_default(LevelFilter::OFF)
        .with_target("audit", Level::INFO);
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(acts));
    tracing::subscriber::with_default(subscriber, command)
}

/// Tells of an act when it begins, and once it is over, whatever became of it.
///
/// # Errors
/// The act's own.
pub(super) async fn act<T, E>(
    command: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tracing::info!(target: "audit", key = "none", command, "an act on the command line begins");
    let done = work.await;
    let outcome = if done.is_ok() { "done" } else { "failed" };
    tracing::info!(target: "audit", key = "none", command, outcome, "an act on the command line");
    done
}

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, anyhow};
use tracing_subscriber::EnvFilter;

use crate::config::LogSettings;

/// # Errors
/// The filter is none.
pub(super) fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.level)
        .with_context(|| format!("log.level {:?} is no filter", settings.level))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let started = match settings.format.as_str() {
        "json" => log.json().try_init(),
        _ => log.try_init(),
    };
    started.map_err(|error| anyhow!("the log cannot be started: {error}"))
}

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    app::Role,
    clock::SystemClock,
    config::LogSettings,
    logs::{self, Logs},
};

/// Starts the log. That of `serve` lies in files as well, once it has a folder for them; of a fleet's processes, who runs
/// them collects the standard error.
///
/// # Errors
/// The filter is none.
pub(super) fn start(settings: &LogSettings, role: Role) -> anyhow::Result<Logs> {
    let no_filter = || format!("log.level {:?} is no filter", settings.level);
    // A line for each request is for files, unless it is asked for; what administrators do is told however little else is.
    let filter = logs::filter_with(&settings.level, &["access=off", "audit=info"])
        .with_context(no_filter)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let lines = match settings.format.as_str() {
        "json" => lines.json().boxed(),
        _ => lines.boxed(),
    };
    let has_files = role == Role::Serve && settings.files;
    let logs = if has_files {
        Logs::new(settings, Arc::new(SystemClock))
    } else {
        Logs::nowhere(settings, Arc::new(SystemClock))
    };
    let files = has_files.then(|| logs.layer()).transpose();
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(files.with_context(no_filter)?)
        .try_init()
        .map_err(|error| anyhow!("the log cannot be started: {error}"))?;
    Ok(logs)
}

//! `image2model dead`: see work that was given up, and take it up again.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};

use super::{audit, output, places::Places};
use crate::{
    app,
    clock::SystemClock,
    config::Config,
    job::TaskState,
    service::{DeadLetters, dead_name, dead_named},
};

/// Tasks read at once.
const CHUNK: usize = 100;

/// Beside running servers or without any.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) places: Places,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show all of it, the newest first
    List,
    /// Make a new job of a given-up file, or queue other work anew
    Requeue {
        /// As `dead list` shows it
        id: String,
    },
}

/// # Errors
/// Wrong usage, or a store that cannot be opened.
pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("no threads can be started")?;
    let work = async {
        let dead = app::open_dead_letters(config, Arc::new(SystemClock)).await?;
        match command {
            Command::List => list(&dead).await?,
            Command::Requeue { id } => requeue(&dead, &id).await?,
        }
        Ok(ExitCode::SUCCESS)
    };
    audit::heard(&config.log, || runtime.block_on(work))
}

async fn list(dead: &DeadLetters) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = dead.list(after.as_ref(), CHUNK).await?;
        let mut lines = String::new();
        for task in page.tasks {
            let TaskState::Dead { at, code, message } = &task.state else {
                continue;
            };
            let id = dead_name(&task.id);
            lines.push_str(&format!("{id}  {at}  {code}: {message}\n"));
        }
        output::text(&lines);
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn requeue(dead: &DeadLetters, id: &str) -> anyhow::Result<()> {
    let Some(task) = dead_named(id) else {
        bail!("{id:?} names no work; `image2model dead list` shows all");
    };
    let command = format!("dead requeue {}", dead_name(&task));
    let requeued = audit::act(&command, dead.requeue(&task)).await;
    let job = requeued.with_context(|| format!("{id} stays as it is"))?;
    output::text(&format!("{id} is work of job {} now\n", job.id));
    Ok(())
}

//! `image2model serve`: API, page and workers in one process.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    app,
    config::{Flag, Loaded},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of API and page [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// Where jobs, uploads and models are kept [default: image2model-data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
}

impl Args {
    /// What was given, as settings.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let flag = |key, name, value: &Option<String>| {
            let value = value.clone()?;
            Some(Flag { key, value, name })
        };
        [
            flag("listen", "--listen", &self.listen),
            flag("data_dir", "--data-dir", &self.data_dir),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Serves until it is told to end.
pub(super) fn run(loaded: Loaded) -> anyhow::Result<ExitCode> {
    let config = Arc::new(loaded.config);
    let runtime = tokio::runtime::Runtime::new().context("no threads can be started")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(&config.listen).await.with_context(|| {
            let listen = &config.listen;
            format!("cannot listen on {listen}; choose another address with --listen")
        })?;
        let shutdown = CancellationToken::new();
        let signals = shutdown.clone();
        tokio::select! {
            done = app::run(config.clone(), listener, shutdown) => done,
            () = async {
                let _ = tokio::signal::ctrl_c().await;
                signals.cancel();
                std::future::pending::<()>().await;
            } => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

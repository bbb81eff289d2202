//! `image2model serve`, `api`, `worker` and `scheduler`: one process that runs the parts of its role until it is asked
//! to end.

mod listening;
mod log;
mod program;
mod signals;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    output,
    places::{Places, given},
};
use crate::{
    app::{App, End, Role},
    capacity::metrics,
    config::{Flag, Loaded},
    logs::Logs,
};

use self::{program::Program, signals::Signals};

/// Of a role with API and page.
#[derive(Debug, clap::Args)]
pub(super) struct Serving {
    /// Address of API and page [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// Serve everyone who reaches a public address, without any key
    #[arg(long)]
    insecure_open: bool,

    /// Certificate to serve over TLS with, in PEM, with those that lead to its authority
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<String>,

    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<String>,

    /// Proxies that are believed whom they ask for, such as 127.0.0.1,10.0.0.0/8
    #[arg(long, value_name = "NETWORKS")]
    trusted_proxies: Option<String>,

    #[command(flatten)]
    places: Places,
}

/// Of a role that only its operator asks anything.
#[derive(Debug, clap::Args)]
pub(super) struct Unseen {
    /// Address of /health, /health/live, /health/ready and /metrics [default: no port is opened]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    #[command(flatten)]
    places: Places,
}

#[derive(Debug, clap::Args)]
pub(super) struct Working {
    /// Queues to take tasks from, separated by commas [default: all, which are batch_processing, model_generation,
    /// maintenance and priority]
    #[arg(long, value_name = "QUEUES")]
    queues: Option<String>,

    #[command(flatten)]
    unseen: Unseen,
}

impl Serving {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let open = self.insecure_open.then(|| "true".to_owned());
        let own = given([
            ("listen", "--listen", &self.listen),
            ("http.insecure_open", "--insecure-open", &open),
            ("http.tls_cert", "--tls-cert", &self.tls_cert),
            ("http.tls_key", "--tls-key", &self.tls_key),
            (
                "http.trusted_proxies",
                "--trusted-proxies",
                &self.trusted_proxies,
            ),
        ]);
        [own, self.places.flags()].concat()
    }
}

impl Unseen {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let own = given([("listen", "--listen", &self.listen)]);
        [own, self.places.flags()].concat()
    }
}

impl Working {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let own = given([("worker.queues", "--queues", &self.queues)]);
        [own, self.unseen.flags()].concat()
    }
}

pub(super) const REPLACEMENT: &str = "\
Models are made in child processes, which are replaced after workers.<queue>.max_tasks_per_child tasks. With \
worker.isolation: off, the process itself finishes what it runs after so many of a queue (100 of model_generation) \
and starts anew under its process id.";

/// Time for threads that compute to see that nobody waits for them any more.
const LAST_THREADS: Duration = Duration::from_millis(200);

/// Runs until SIGTERM or Ctrl-C and drains; a second one ends at once. A worn-out worker starts anew in its place.
///
/// # Errors
/// A start that cannot succeed, in one sentence.
pub(super) fn run(role: Role, loaded: Loaded) -> anyhow::Result<ExitCode> {
    if role.needs_others() && loaded.config.store.url.is_empty() {
        bail!(
            "image2model {} shares its jobs with other processes: pass --store-url redis://HOST:6379/0, or run \
             image2model serve, which does everything by itself",
            role.name()
        );
    }
    let logs = log::start(&loaded.config.log, role)?;
    for name in &loaded.unused {
        tracing::info!(
            name,
            "this service has no use for a setting of the one that it replaces"
        );
    }
    listening::allow_many_connections();
    let program = Program::of_process().context("this program's own file is not known")?;
    let runtime = tokio::runtime::Runtime::new().context("no threads can be started")?;
    let ended = runtime.block_on(run_here(role, loaded, &program, logs));
    // A thread that still computes has lost its lease to the drain; nothing of it is waited for.
    runtime.shutdown_timeout(LAST_THREADS);
    match ended? {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(broken) => {
            output::error(&format!("{broken:#}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// # Errors
/// Outside, a start that cannot succeed; within, an end that is none.
async fn run_here(
    role: Role,
    loaded: Loaded,
    program: &Program,
    logs: Logs,
) -> anyhow::Result<anyhow::Result<()>> {
    let mut signals = Signals::hear().context("signals cannot be heard")?;
    let listens = role.has_api() || loaded.is_given("listen");
    let config = Arc::new(loaded.config);
    let listener = if listens {
        Some(listening::bind(&config.listen).await?)
    } else {
        None
    };
    let is_secured = role.has_api() && !config.http.tls_cert.as_os_str().is_empty();
    let place = place(listener.as_ref(), is_secured)?;
    let app = App::open(
        role,
        config.clone(),
        listener.as_ref(),
        metrics::install()?,
        logs,
    )
    .await?;
    let shutdown = CancellationToken::new();
    let mut running = Box::pin(app.run(listener, shutdown.clone()));
    output::text(&format!("{} is ready{place}\n", title(role)));
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = signals.asked_to_end() => {
            tracing::info!(
                grace = config.worker.grace,
                "draining; a second signal ends at once"
            );
            shutdown.cancel();
            tokio::select! {
                ended = &mut running => ended,
                () = signals.asked_to_end() => Err(anyhow!("ended before everything was finished")),
            }
        }
    };
    let is_asked = shutdown.is_cancelled() || signals.asked_to_end().now_or_never().is_some();
    Ok(match ended {
        Ok(End::WornOut) if !is_asked => {
            tracing::info!("this worker has done its share of tasks and starts anew");
            Err(anyhow!("cannot start anew: {}", program.start_anew()))
        }
        ended => ended.map(|_| ()),
    })
}

/// What a process is called when it tells that it is ready.
fn title(role: Role) -> String {
    match role {
        Role::Serve => "image2model".to_owned(),
        other => format!("image2model {}", other.name()),
    }
}

/// Where it can be opened, if anywhere.
fn place(listener: Option<&TcpListener>, is_secured: bool) -> anyhow::Result<String> {
    let Some(listener) = listener else {
        return Ok(String::new());
    };
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let scheme = if is_secured { "https" } else { "http" };
    let others = match address.ip().is_unspecified() {
        true => ", and at every other address of this machine",
        false => "",
    };
    let reachable = listening::reachable(address);
    Ok(format!(": {scheme}://{reachable}{others}"))
}

//! `image2model serve`: API, page and workers in one process.

use std::{
    io::{self, IsTerminal as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use tokio::{net::TcpListener, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::output;
use crate::{
    app::App,
    capacity::metrics,
    config::{Flag, Loaded, LogSettings},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of API and page [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// Where jobs, uploads and models are kept [default: image2model-data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,

    /// Redis to keep jobs in instead of the data folder, such as redis://127.0.0.1:6379/0
    #[arg(long, value_name = "URL")]
    store_url: Option<String>,
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
            flag("store.url", "--store-url", &self.store_url),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Time for threads that compute to see that nobody waits for them any more.
const LAST_THREADS: Duration = Duration::from_millis(200);

/// Serves until SIGTERM or Ctrl-C and drains; a second one ends at once.
///
/// # Errors
/// A start that cannot succeed, in one sentence.
pub(super) fn run(loaded: Loaded) -> anyhow::Result<ExitCode> {
    let config = Arc::new(loaded.config);
    start_log(&config.log)?;
    allow_many_connections();
    let runtime = tokio::runtime::Runtime::new().context("no threads can be started")?;
    let ended = runtime.block_on(async {
        let listener = bind(&config.listen).await?;
        let app = App::open(config.clone(), metrics::install()?).await?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "everyone who reaches this address can use the service");
        }
        let shutdown = CancellationToken::new();
        let mut running = Box::pin(app.run(listener, shutdown.clone()));
        output::text(&format!(
            "image2model is ready: http://{}\n",
            reachable(address)
        ));
        tokio::select! {
            ended = &mut running => return Ok(ended),
            () = asked_to_end() => {}
        }
        tracing::info!(
            grace = config.worker.grace,
            "draining; a second signal ends at once"
        );
        shutdown.cancel();
        Ok::<_, anyhow::Error>(tokio::select! {
            ended = running => ended,
            () = asked_to_end() => Err(anyhow!("ended before everything was finished")),
        })
    });
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

async fn bind(listen: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        let port = listen.rsplit(':').next().unwrap_or_default();
        let other = format!("--listen 127.0.0.1:{}", another_port(port));
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                anyhow!("port {port} is taken; stop the other program or pass {other}")
            }
            io::ErrorKind::PermissionDenied => {
                anyhow!("this user may not listen on port {port}; pass {other}")
            }
            _ => anyhow!("cannot listen on {listen} ({error}); pass an address such as {other}"),
        }
    })
}

/// The next port that anybody may use.
fn another_port(port: &str) -> u16 {
    match port.parse::<u16>().map(|port| port.checked_add(1)) {
        Ok(Some(next)) if next > 1024 => next,
        _ => 8081,
    }
}

/// The address that a browser on this machine opens.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// Returns at SIGTERM or Ctrl-C.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                () = interrupted() => {}
            }
            return;
        }
    }
    interrupted().await;
}

async fn interrupted() {
    if let Err(error) = signal::ctrl_c().await {
        tracing::error!(%error, "Ctrl-C cannot be heard");
        std::future::pending::<()>().await;
    }
}

fn start_log(settings: &LogSettings) -> anyhow::Result<()> {
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

/// Each open event stream is a descriptor, and systems allow 1,024 of them unless asked for more.
fn allow_many_connections() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit on open files stays as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_with_the_way_out() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let port = taken.local_addr().unwrap().port();
        let refused = bind(&address).await.unwrap_err().to_string();
        let next = another_port(&port.to_string());
        assert_eq!(
            refused,
            format!(
                "port {port} is taken; stop the other program or pass --listen 127.0.0.1:{next}"
            )
        );
        let nonsense = bind("nonsense").await.unwrap_err().to_string();
        assert!(
            nonsense.starts_with("cannot listen on nonsense"),
            "{nonsense}"
        );
    }

    #[test]
    fn the_address_told_can_be_opened() {
        for (listening, told) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.7:80", "192.0.2.7:80"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()).to_string(), told);
        }
    }
}

//! `image2model keys`: make, list and revoke keys, and change what links are signed with.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{audit, output, places::StorePlace};
use crate::{
    access::{Key, KeyId, Scope, Token, link::Secret},
    app,
    clock::{Clock as _, SystemClock},
    config::Config,
    job::{Owner, Timestamp},
    service::random,
    store::{Keys, StoreError},
};

/// Beside running servers or without any.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) place: StorePlace,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key, which is shown this once
    Create(Create),
    /// Show all keys: what they open, when they were last used
    List {
        /// As one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Refuse a key from now on; within 30 seconds every server does
    Revoke {
        /// As `keys list` shows it
        id: String,
    },
    /// Sign links with a new secret; those that are out stay good until the next time
    RotateLinks,
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// What it opens: its owner's jobs, or also what administers the service
    #[arg(long, value_enum, default_value = "user")]
    scope: ScopeName,

    /// It may ask for priority: high
    #[arg(long)]
    priority: bool,

    /// It is held to no rate
    #[arg(long)]
    unlimited: bool,

    /// Days until it expires [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
    expires: Option<u32>,

    /// Whose it is, for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,

    /// Whose jobs it opens: another key's owner, or `open` for those made without keys [default: its own]
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ScopeName {
    User,
    Admin,
}

/// # Errors
/// Wrong usage, or a store that cannot be opened.
pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("no threads can be started")?;
    let work = async {
        let clock = Arc::new(SystemClock);
        let now = clock.now();
        let is_new = app::has_no_store(config);
        if is_new && !matches!(command, Command::Create(_)) {
            bail!(
                "there is no store in {}: pass the --data-dir or the --store-url that the server has",
                config.data_dir.display()
            );
        }
        let keys = app::open_beside_servers(config, clock).await?.keys;
        match command {
            Command::Create(asked) => {
                create(keys.as_ref(), &asked, now).await?;
                if is_new {
                    let folder = config.data_dir.display();
                    output::note(&format!(
                        "it is the first in {folder}, which a server takes by --data-dir"
                    ));
                }
            }
            Command::List { json } => list(keys.as_ref(), json, now).await?,
            Command::Revoke { id } => {
                let id = KeyId::given(&id);
                let revoked = keys.revoke_key(&id, now);
                match audit::act(&format!("keys revoke {id}"), revoked).await {
                    Err(StoreError::NotFound) => {
                        bail!(
                            "there is no key {:?}; `image2model keys list` shows all",
                            id.as_str()
                        )
                    }
                    done => done?,
                }
                output::text(&format!("{id} is revoked\n"));
            }
            Command::RotateLinks => {
                let secret = Secret::from_bytes(&random()?);
                audit::act("keys rotate-links", keys.add_secret(secret, now)).await?;
                output::text(
                    "links are signed with a new secret; those of the one before stay good, older ones end within 10 s\n",
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    };
    audit::heard(&config.log, || runtime.block_on(work))
}

async fn create(keys: &dyn Keys, asked: &Create, now: Timestamp) -> anyhow::Result<()> {
    let token = Token::from_bytes(&random()?);
    let scope = match asked.scope {
        ScopeName::User => Scope::User,
        ScopeName::Admin => Scope::Admin,
    };
    let mut key = Key::of(&token, scope, now);
    if let Some(owner) = &asked.owner {
        let is_owner = |key: &Key| key.owner.0 == *owner;
        if owner != "open" && !keys.register().await?.keys.iter().any(is_owner) {
            bail!("no key has the owner {owner:?}; `image2model keys list` shows all");
        }
        key.owner = Owner(owner.clone());
    }
    key.label.clone_from(&asked.label);
    key.priority = asked.priority;
    key.unlimited = asked.unlimited;
    key.expires = asked
        .expires
        .map(|days| now.after(Duration::from_secs(86_400 * u64::from(days))));
    let command = format!("keys create {} --scope {}", key.id, key.scope.name());
    audit::act(&command, keys.add_key(key)).await?;
    output::text(&format!("{}\n", token.reveal()));
    Ok(())
}

async fn list(keys: &dyn Keys, as_json: bool, now: Timestamp) -> anyhow::Result<()> {
    let register = keys.register().await?;
    let mut lines = String::new();
    for key in register.keys {
        let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let state = key
            .check(now)
            .map_or_else(|closed| closed.to_string(), |()| "good".to_owned());
        if as_json {
            let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
            let line = json!({
                "id": key.id, "owner": key.owner, "label": key.label, "scope": key.scope,
                "priority": key.priority, "unlimited": key.unlimited, "created": key.created.to_string(),
                "expires": text(key.expires), "revoked": text(key.revoked),
                "last_used": text(key.used), "state": state,
            });
            lines.push_str(&format!("{line}\n"));
            continue;
        }
        let rights: Vec<_> = [
            Some(key.scope.name()),
            key.priority.then_some("priority"),
            key.unlimited.then_some("unlimited"),
        ]
        .into_iter()
        .flatten()
        .collect();
        lines.push_str(&format!(
            "{}  {}  made {}  expires {}  last used {}  {state}  {}\n",
            key.id,
            rights.join("+"),
            key.created,
            time(key.expires),
            time(key.used),
            key.label
        ));
    }
    output::text(&lines);
    Ok(())
}

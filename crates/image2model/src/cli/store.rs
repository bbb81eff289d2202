//! `image2model store copy`: everything of one store into another.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use clap::{builder::NonEmptyStringValueParser, value_parser};

use super::output;
use crate::{
    app,
    clock::SystemClock,
    config::{Config, without_password},
    store::{
        Store,
        copying::{Copied, CopyError, Stand, copy},
        embedded,
    },
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Copy all jobs and keys into another store, with every server of both ended
    #[command(after_help = EXAMPLES)]
    Copy(Args),
}

const EXAMPLES: &str = "\
A store is the address of a Redis, as in store.url, or the path of a data directory.
A copy that broke off is gone on with by the same command. Uploads and models are not copied.

Examples:
  image2model store copy --from ./image2model-data --to redis://127.0.0.1:6379/0
  image2model store copy --from redis://127.0.0.1:6379/0 --to redis://10.0.0.7:6379/0
  image2model store copy --from redis://127.0.0.1:6379/0 --to redis://127.0.0.1:6379/1 --to-shards 64";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Store to read
    #[arg(long, value_name = "STORE", value_parser = NonEmptyStringValueParser::new())]
    from: String,

    /// Store to write: an empty one, or an earlier copy of the same
    #[arg(long, value_name = "STORE", value_parser = NonEmptyStringValueParser::new())]
    to: String,

    /// Shards of the Redis to read, where they are not store.shards of the configuration
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u16).range(1..=1024))]
    from_shards: Option<u16>,

    /// Shards of the Redis to write, where they are not store.shards of the configuration
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u16).range(1..=1024))]
    to_shards: Option<u16>,
}

/// # Errors
/// Wrong usage, or stores that cannot be copied now; nothing was written.
pub(super) fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    let Command::Copy(args) = command;
    let (from, to) = (Place::new(&args.from), Place::new(&args.to));
    let source = from.config(config, args.from_shards).context("--from")?;
    let target = to.config(config, args.to_shards).context("--to")?;
    if let (Place::Folder(from), Place::Folder(to)) = (&from, &to)
        && is_same(from, to)
    {
        bail!("--from and --to are the same store");
    }
    if let Place::Folder(from) = &from
        && !embedded::lies_in(from)
    {
        bail!("--from: there is no store in {}", from.display());
    }
    let runtime = tokio::runtime::Runtime::new().context("no threads can be started")?;
    runtime.block_on(async {
        let source = open(&source).await.context("--from")?;
        let target = open(&target).await.context("--to")?;
        copy_all((&from, &source), (&to, &target)).await
    })
}

async fn open(config: &Config) -> anyhow::Result<Store> {
    app::open_store(config, Arc::new(SystemClock)).await
}

async fn copy_all(
    (from, source): (&Place, &Store),
    (to, target): (&Place, &Store),
) -> anyhow::Result<ExitCode> {
    let outcome = {
        let count = output::Count::new();
        let mut told = |at: Stand| count.stand(at.done, at.of, at.step);
        copy(source, target, &mut told).await
    };
    let copied = match outcome {
        Ok(copied) => copied,
        Err(refusal @ (CopyError::SameStore | CopyError::AtWork { .. })) => bail!(refusal),
        Err(CopyError::Empty) => bail!("--from: {}: {}", from.shown(), CopyError::Empty),
        Err(broken) => {
            output::error(&format!("{broken}{}", way_on(&broken, to)));
            return Ok(ExitCode::FAILURE);
        }
    };
    output::text(&summary(&copied, from, to));
    if copied.source == copied.target {
        if let Place::Folder(from) = from {
            embedded::note_moved(from)
                .with_context(|| format!("cannot write to {}", from.display()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    output::error(
        "the stores differ: something wrote to one of them while it was copied; end every server of both and repeat \
         the command",
    );
    Ok(ExitCode::FAILURE)
}

/// Where a store is.
enum Place {
    /// A data directory.
    Folder(PathBuf),
    /// What `store.url` may hold.
    Address(String),
}

impl Place {
    fn new(name: &str) -> Self {
        let scheme = name.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        // One letter and a colon is a drive. What is meant as an address and misspelt must not become a folder.
        if scheme.len() > 1 && scheme.chars().all(is_scheme) {
            Self::Address(name.to_owned())
        } else {
            Self::Folder(PathBuf::from(name))
        }
    }

    /// That of a server with these settings on this place.
    ///
    /// # Errors
    /// `shards` are given where there are none.
    fn config(&self, config: &Config, shards: Option<u16>) -> anyhow::Result<Config> {
        let mut config = config.clone();
        config.store.url.clear();
        match self {
            Self::Folder(folder) if shards.is_some() => {
                bail!("the store in {} has no shards", folder.display())
            }
            Self::Folder(folder) => config.data_dir.clone_from(folder),
            Self::Address(url) => config.store.url.clone_from(url),
        }
        let store = &mut config.store;
        store.shards = shards.unwrap_or(store.shards);
        // One for calls, one for the news of each shard, one for confirmed writes.
        let least = usize::from(store.shards) + 2;
        store.max_connections_per_node = store.max_connections_per_node.max(least);
        Ok(config)
    }

    fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Address(url) => without_password(url),
        }
    }
}

/// Of two folders, of which the second may not be there yet.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn summary(copied: &Copied, from: &Place, to: &Place) -> String {
    let Copied {
        jobs,
        tasks,
        present,
        source,
        target,
    } = copied;
    format!(
        "{jobs} jobs with {tasks} tasks copied, {present} jobs were there already\n\
         from {}: {source}\nto {}: {target}\n{}\n{}",
        from.shown(),
        to.shown(),
        about_files(from, to),
        about_time(to),
    )
}

/// How long what was copied stays, which a store may change.
fn about_time(to: &Place) -> &'static str {
    match to {
        Place::Folder(_) => "",
        Place::Address(_) => {
            "over a Redis, results are kept for 24 hours after their job has ended unless results.keep says otherwise: set it \
             before the first start if older ones are to stay\n"
        }
    }
}

/// Where uploads and models lie, and how the server over the copy finds them.
fn about_files(from: &Place, to: &Place) -> String {
    let way = match (from, to) {
        (Place::Folder(from), Place::Folder(to)) => format!(
            "they lie in {}; move that folder to {} before the server is started on the copy",
            from.join("artifacts").display(),
            to.join("artifacts").display()
        ),
        (Place::Folder(from), Place::Address(_)) => format!(
            "they lie in {}; start the servers on the copy with --data-dir {}",
            from.join("artifacts").display(),
            from.display()
        ),
        (Place::Address(_), Place::Folder(to)) => format!(
            "they lie in the data directory that the servers had; its folder artifacts must be {}",
            to.join("artifacts").display()
        ),
        (Place::Address(_), Place::Address(_)) => {
            "start the servers on the copy with the --data-dir that they had".to_owned()
        }
    };
    format!("uploads and models were not copied: {way}")
}

/// What to do about a target that holds something else.
fn way_on(broken: &CopyError, to: &Place) -> String {
    match (broken, to) {
        (CopyError::Foreign(_) | CopyError::Differs(_), Place::Folder(to)) => format!(
            "; move {}* away, or name another folder",
            to.join("store.sqlite3").display()
        ),
        (CopyError::Foreign(_) | CopyError::Differs(_), Place::Address(_)) => {
            "; empty the target, or name another database".to_owned()
        }
        (CopyError::Broken { .. } | CopyError::Taken(_), _) => {
            "; the same command goes on from here".to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_folder() {
        for (name, is_address) in [
            ("redis://127.0.0.1:6379/0", true),
            ("redis+unix:///run/redis.sock", true),
            ("redis:/127.0.0.1", true),
            ("./image2model-data", false),
            ("/srv/a:b/data", false),
            ("C:\\data", false),
        ] {
            let found = matches!(Place::new(name), Place::Address(_));
            assert_eq!(found, is_address, "{name}");
        }
    }
}

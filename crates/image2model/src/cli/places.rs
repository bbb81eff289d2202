//! Where a command finds jobs and files, told on the command line.

use crate::config::Flag;

/// Where jobs and keys are kept: of every command that has a store.
#[derive(Debug, clap::Args)]
pub(super) struct StorePlace {
    /// Where jobs, uploads and models are kept [default: image2model-data]
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,

    /// Redis to keep jobs in instead of the data folder, such as redis://127.0.0.1:6379/0
    #[arg(long, global = true, value_name = "URL")]
    store_url: Option<String>,
}

/// Where everything is kept: of every command that has files, too.
#[derive(Debug, clap::Args)]
pub(super) struct Places {
    #[command(flatten)]
    store: StorePlace,

    /// Where uploads and models are kept instead, such as file:///shared/dir or s3://bucket/prefix
    #[arg(long, global = true, value_name = "URL")]
    artifacts_url: Option<String>,
}

impl StorePlace {
    /// What was given, as settings.
    pub(super) fn flags(&self) -> Vec<Flag> {
        given([
            ("data_dir", "--data-dir", &self.data_dir),
            ("store.url", "--store-url", &self.store_url),
        ])
    }
}

impl Places {
    /// What was given, as settings.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let files = ("artifacts.url", "--artifacts-url", &self.artifacts_url);
        [self.store.flags(), given([files])].concat()
    }
}

/// Setting, flag and value, of those flags that have one.
pub(super) fn given<const N: usize>(
    flags: [(&'static str, &'static str, &Option<String>); N],
) -> Vec<Flag> {
    let given = flags.into_iter().filter_map(|(key, name, value)| {
        let value = value.clone()?;
        Some(Flag { key, value, name })
    });
    given.collect()
}

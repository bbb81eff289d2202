//! How many files there are, of what size and age.

use std::{collections::BTreeMap, io, path::Path};

use schemars::JsonSchema;
use serde::Serialize;

use super::files::{self, LogFile, MB};

/// The files of one type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct TypeStatistics {
    /// Files of this type.
    pub files: usize,
    /// What they take, in 10⁶ bytes.
    pub size_mb: f64,
}

/// All files: how many, how large, how old.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Statistics {
    /// Files of the log.
    pub total_files: usize,
    /// What they take, in 10⁶ bytes.
    pub total_size_mb: f64,
    /// By the time of the last line.
    pub oldest_file: Option<String>,
    pub newest_file: Option<String>,
    pub by_type: BTreeMap<String, TypeStatistics>,
}

impl Statistics {
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let files = files::list(folder)?;
        let mut all = Self {
            total_files: files.len(),
            ..Self::default()
        };
        for file in &files {
            let size = file.size as f64 / MB;
            all.total_size_mb += size;
            let of_type = all.by_type.entry(file.kind.name().to_owned());
            let of_type = of_type.or_default();
            of_type.files += 1;
            of_type.size_mb += size;
        }
        let named = |file: &LogFile| file.name.clone();
        all.oldest_file = files.iter().min_by_key(|file| file.modified).map(named);
        all.newest_file = files.iter().max_by_key(|file| file.modified).map(named);
        Ok(all)
    }
}

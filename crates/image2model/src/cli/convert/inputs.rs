//! What was named on the command line, as single pictures.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
}

/// Files that are taken out of a folder; a file that is named itself is judged by its content alone.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// A named thing that gave no picture, and why.
pub(super) type Missing = (String, String);

/// Every picture once, in the order named; folders and globs in the order of their names.
pub(super) fn find(named: &[PathBuf]) -> (Vec<Source>, Vec<Missing>) {
    let mut sources = Vec::new();
    let mut missing = Vec::new();
    let mut seen = HashSet::new();
    for path in named {
        match expand(path) {
            Ok(found) => {
                let new = |source: &Source| match source {
                    Source::Stdin => seen.insert(PathBuf::from("-")),
                    Source::File(path) => {
                        seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
                    }
                };
                sources.extend(found.into_iter().filter(new));
            }
            Err(why) => missing.push((path.display().to_string(), why)),
        }
    }
    (sources, missing)
}

fn expand(path: &Path) -> Result<Vec<Source>, String> {
    if path == Path::new("-") {
        return Ok(vec![Source::Stdin]);
    }
    // A file may well have brackets in its name, so a pattern is only what does not exist.
    if path.is_dir() {
        return in_folder(path);
    }
    if path.exists() {
        return Ok(vec![Source::File(path.to_path_buf())]);
    }
    match path.to_str().filter(|text| text.contains(['*', '?', '['])) {
        Some(pattern) => matching(pattern),
        None => Err("there is no such file or folder".to_owned()),
    }
}

fn in_folder(folder: &Path) -> Result<Vec<Source>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("the folder cannot be read: {e}"))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_picture(path) && path.is_file())
        .collect();
    files.sort();
    if files.is_empty() {
        return Err("the folder holds no .jpg, .jpeg, .png or .webp file".to_owned());
    }
    Ok(files.into_iter().map(Source::File).collect())
}

fn matching(pattern: &str) -> Result<Vec<Source>, String> {
    let paths = glob::glob(pattern).map_err(|e| format!("the pattern is not well formed: {e}"))?;
    let files: Vec<Source> = paths
        .filter_map(Result::ok)
        .filter(|path| path.is_file())
        .map(Source::File)
        .collect();
    if files.is_empty() {
        return Err("nothing matches the pattern".to_owned());
    }
    Ok(files)
}

/// Whether a file of this name is taken out of a folder. What this program drew itself is not.
fn is_picture(path: &Path) -> bool {
    let stem = path
        .file_stem()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default();
    let own = [".preview", ".turntable", "_texture"];
    path.extension()
        .is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
        && !stem.starts_with('.')
        && !own.iter().any(|end| stem.ends_with(end))
}

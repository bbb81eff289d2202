//! What killed writes leave on a file system: `<key>#<n>` beside the key, and folders without files.
//!
//! `object_store` hides files that are named so from its listing, so they are cleared here.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

/// Removes staging files and empty folders below `root` that were last touched at least `grace` ago.
pub(super) fn tidy(root: &Path, grace: Duration) -> io::Result<usize> {
    let Some(before) = SystemTime::now().checked_sub(grace) else {
        return Ok(0);
    };
    let mut removed = 0;
    tidy_folder(root, before, &mut removed)?;
    Ok(removed)
}

/// Tidies below `folder`; a file or folder that vanishes meanwhile was somebody else's to remove.
fn tidy_folder(folder: &Path, before: SystemTime, removed: &mut usize) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let Ok(meta) = entry.metadata() else { continue };
        // Taken before the visit, which itself touches a folder that it removes something from.
        let old = meta.modified().is_ok_and(|modified| modified <= before);
        if meta.is_dir() {
            let removed_before = *removed;
            tidy_folder(&path, before, removed)?;
            // A folder that is not empty stays: `remove_dir` refuses it.
            if (old || *removed > removed_before) && fs::remove_dir(&path).is_ok() {
                *removed += 1;
            }
        } else if old && is_staging(&path) && fs::remove_file(&path).is_ok() {
            *removed += 1;
        }
    }
    Ok(())
}

fn is_staging(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.rsplit_once('#'))
        .is_some_and(|(_, number)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

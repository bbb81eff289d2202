//! Files on their way into a folder.
//!
//! A file is written beside its key and synced, then linked to the key, and then the folders with a new entry are synced:
//! each sync is a wait for the disk, so there is none that this does not need. All of it blocks.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Times that a file is begun anew when a neighbour's deletion has pruned the folder that was made for it.
const TRIES: usize = 3;

/// A file that lies beside its key; what was written goes when it is dropped unfinished.
#[derive(Debug)]
pub(super) struct Staged {
    /// `None` once it is finished.
    file: Option<File>,
    /// `<key>#<n>`, which nothing that lists files shows.
    beside: PathBuf,
    path: PathBuf,
    /// The folders with a new entry, the file's own first.
    touched: Vec<PathBuf>,
}

impl Staged {
    /// Makes the folders that are missing below `root` and a file in the last of them.
    ///
    /// # Errors
    /// There is a file at `path`, or the file system refuses.
    pub(super) fn begin(root: &Path, path: &Path) -> io::Result<Self> {
        if path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut tries = 1;
        loop {
            match Self::try_begin(root, path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {
                    tries += 1;
                }
                begun => return begun,
            }
        }
    }

    fn try_begin(root: &Path, path: &Path) -> io::Result<Self> {
        let touched = with_folders(root, path)?;
        let mut number = 1;
        loop {
            let mut beside = path.as_os_str().to_owned();
            beside.push(format!("#{number}"));
            match File::create_new(&beside) {
                Ok(file) => {
                    return Ok(Self {
                        file: Some(file),
                        beside: beside.into(),
                        path: path.to_owned(),
                        touched,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// # Errors
    /// The file system refuses, or the file is finished.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        file.write_all(bytes)
    }

    /// Makes it visible and durable.
    ///
    /// # Errors
    /// There is a file at its key, or the file system refuses.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        file.sync_all()?;
        fs::hard_link(&self.beside, &self.path)?;
        let settled = self.settle();
        if settled.is_err() {
            // It is not known to be durable, so it is not there.
            let _ = fs::remove_file(&self.path);
        }
        settled
    }

    /// Ends the first name, and has the second outlast a cut of power.
    fn settle(&mut self) -> io::Result<()> {
        fs::remove_file(&self.beside)?;
        self.file = None;
        self.touched
            .iter()
            .try_for_each(|folder| sync_folder(folder))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What cannot be removed now is old one day, and tidied then.
        if self.file.is_some() {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Makes the folders of `path` below `root`: those that have a new entry then, the file's own first.
fn with_folders(root: &Path, path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut touched = Vec::new();
    for folder in path.ancestors().skip(1) {
        touched.push(folder.to_owned());
        if folder == root || folder.try_exists()? {
            break;
        }
    }
    // The last one is there, unless a neighbour has just pruned it.
    if let Some(own) = touched.first() {
        fs::create_dir_all(own)?;
    }
    Ok(touched)
}

/// Removes the folders of `path` up to `root` that are empty.
pub(super) fn prune(root: &Path, path: &Path) {
    let is_pruned = |folder: &&Path| *folder != root && fs::remove_dir(folder).is_ok();
    for _ in path.ancestors().skip(1).take_while(is_pruned) {}
}

/// Elsewhere a folder cannot be opened to be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_with_a_new_entry_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let (root, own) = (dir.path(), dir.path().join("uploads/job"));
        let first = Staged::begin(root, &own.join("1")).unwrap();
        let new = [own.clone(), dir.path().join("uploads"), root.to_owned()];
        assert_eq!(first.touched, new);
        let second = Staged::begin(root, &own.join("2")).unwrap();
        assert_eq!(second.touched, [own]);
    }

    #[test]
    fn only_a_finished_file_stays_and_the_first_that_finishes_has_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("uploads/1");
        let [mut first, mut second, third] =
            [(); 3].map(|()| Staged::begin(dir.path(), &path).unwrap());
        first.write(b"first").unwrap();
        second.write(b"second").unwrap();
        drop(third);
        assert!(!path.exists(), "it is seen before it is finished");
        second.finish().unwrap();
        let late = first.finish().unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let again = Staged::begin(dir.path(), &path).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}

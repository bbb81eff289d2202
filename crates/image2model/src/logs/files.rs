//! The files themselves: `<type>.log` is being written, `<type>-<time>.log` was put aside at that time.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{config::LogSettings, job::Timestamp};

use super::LogType;

pub(super) const MB: f64 = 1e6;
const DAY_MS: i64 = 86_400_000;
/// Most bytes of a file that are gathered before they are written.
const GATHERED: usize = 64 * 1024;

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogFile {
    pub(super) kind: LogType,
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    /// Milliseconds since 1970.
    pub(super) modified: i64,
    pub(super) is_aside: bool,
}

/// All files of a log, those of one type in the order of writing.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn list(folder: &Path) -> io::Result<Vec<LogFile>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // One that vanishes meanwhile was somebody else's to remove.
        if let (Some((kind, is_aside)), Ok(meta)) = (parsed(&name), entry.metadata()) {
            found.push(LogFile {
                kind,
                path: entry.path(),
                size: meta.len(),
                modified: meta.modified().map_or(0, millis),
                is_aside,
                name,
            });
        }
    }
    found.sort_by(|a, b| {
        let key = |file: &LogFile| (file.kind, !file.is_aside);
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(found)
}

/// The type of a file of ours, and whether it was put aside.
fn parsed(name: &str) -> Option<(LogType, bool)> {
    let stem = name.strip_suffix(".log")?;
    match stem.split_once('-') {
        Some((kind, _)) => Some((LogType::from_name(kind)?, true)),
        None => Some((LogType::from_name(stem)?, false)),
    }
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The folder that is being written to.
pub(super) struct Folder {
    path: PathBuf,
    settings: LogSettings,
    current: BTreeMap<LogType, Current>,
    /// Why the last line of a type was lost.
    trouble: BTreeMap<LogType, String>,
    gathers: bool,
}

struct Current {
    file: File,
    /// Lines that are not in the file yet.
    gathered: Vec<u8>,
    /// Of the file with them.
    size: u64,
    /// Days since 1970 of its first line.
    day: i64,
}

impl Folder {
    pub(super) fn new(path: PathBuf, settings: LogSettings) -> Self {
        Self {
            path,
            settings,
            current: BTreeMap::new(),
            trouble: BTreeMap::new(),
            gathers: false,
        }
    }

    /// Whether lines of requests wait for [`Folder::write_gathered`]; all others are written at once.
    pub(super) fn gathers(&mut self, gathers: bool) {
        self.gathers = gathers;
        if !gathers {
            self.write_gathered();
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Of each type of which the last line was lost.
    pub(super) fn trouble(&self) -> Vec<String> {
        let told = self.trouble.iter();
        told.map(|(kind, why)| format!("{}.log: {why}", kind.name()))
            .collect()
    }

    /// Appends a line; whether it is the first that waits to be written. One that cannot be written is lost, which
    /// [`Folder::trouble`] tells: a service does not stand still for its log.
    pub(super) fn append(&mut self, kind: LogType, line: &[u8], now: Timestamp) -> bool {
        let appended = self.try_append(kind, line, now);
        appended.unwrap_or_else(|error| {
            self.lost(kind, &error);
            false
        })
    }

    fn try_append(&mut self, kind: LogType, line: &[u8], now: Timestamp) -> io::Result<bool> {
        let (today, length) = (now.0.div_euclid(DAY_MS), line.len() as u64);
        let limit = self.settings.max_file_bytes;
        if self.opened(kind, today)?.is_due(today, length, limit) {
            self.put_aside(kind, now)?;
            self.prune(now);
        }
        let may_wait = self.gathers && kind == LogType::Access;
        let current = self.opened(kind, today)?;
        let is_first = current.gathered.is_empty();
        current.gathered.extend_from_slice(line);
        current.size += length;
        if may_wait && current.gathered.len() < GATHERED {
            return Ok(is_first);
        }
        current.write()?;
        self.trouble.remove(&kind);
        Ok(false)
    }

    /// Writes what was gathered.
    pub(super) fn write_gathered(&mut self) {
        for kind in LogType::ALL {
            if let Some(current) = self.current.get_mut(&kind)
                && !current.gathered.is_empty()
            {
                match current.write() {
                    Ok(()) => drop(self.trouble.remove(&kind)),
                    Err(error) => self.lost(kind, &error),
                }
            }
        }
    }

    fn lost(&mut self, kind: LogType, error: &io::Error) {
        self.current.remove(&kind);
        self.trouble.insert(kind, error.to_string());
    }

    fn opened(&mut self, kind: LogType, today: i64) -> io::Result<&mut Current> {
        use std::collections::btree_map::Entry::{Occupied, Vacant};
        Ok(match self.current.entry(kind) {
            Occupied(known) => known.into_mut(),
            Vacant(place) => place.insert(Current::open(&path_of(&self.path, kind), today)?),
        })
    }

    /// Puts a type's file aside under a name that is still free.
    fn put_aside(&mut self, kind: LogType, now: Timestamp) -> io::Result<()> {
        if let Some(mut current) = self.current.remove(&kind) {
            current.write()?;
        }
        let mut at = now;
        loop {
            let aside = self.path.join(format!("{}-{}.log", kind.name(), stamp(at)));
            if !aside.exists() {
                return fs::rename(path_of(&self.path, kind), aside);
            }
            at.0 += 1;
        }
    }

    /// Puts every file with lines aside.
    pub(super) fn rotate_all(&mut self, now: Timestamp) -> Rotation {
        self.write_gathered();
        let mut rotation = Rotation::default();
        for kind in LogType::ALL {
            let name = format!("{}.log", kind.name());
            let size = fs::metadata(path_of(&self.path, kind)).map_or(0, |meta| meta.len());
            if size == 0 {
                rotation.skipped_files.push(name);
                continue;
            }
            match self.put_aside(kind, now) {
                Ok(()) => rotation.rotated_files.push(name),
                Err(error) => rotation.errors.push(format!("{name}: {error}")),
            }
        }
        self.prune(now);
        rotation
    }

    /// Removes what was put aside and is too old, or of which there are too many.
    pub(super) fn prune(&self, now: Timestamp) {
        let Ok(files) = list(&self.path) else {
            return;
        };
        let oldest = now.before(days(self.settings.keep_days)).0;
        for kind in LogType::ALL {
            let aside = files
                .iter()
                .filter(|file| file.kind == kind && file.is_aside);
            for (newer, file) in aside.rev().enumerate() {
                if newer >= self.settings.keep_files || file.modified < oldest {
                    // What cannot be removed now is removed at the next rotation.
                    let _ = fs::remove_file(&file.path);
                }
            }
        }
    }
}

impl Current {
    /// What another process wrote there is of the day of its last line.
    fn open(path: &Path, today: i64) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        let meta = file.metadata()?;
        let written = meta.modified().map_or(today * DAY_MS, millis);
        let day = match meta.len() {
            0 => today,
            _ => written.div_euclid(DAY_MS),
        };
        Ok(Self {
            file,
            gathered: Vec::new(),
            size: meta.len(),
            day,
        })
    }

    fn write(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.gathered);
        self.gathered.clear();
        written
    }

    fn is_due(&self, today: i64, length: u64, limit: u64) -> bool {
        self.size > 0 && (self.size + length > limit || self.day != today)
    }
}

fn path_of(folder: &Path, kind: LogType) -> PathBuf {
    folder.join(format!("{}.log", kind.name()))
}

/// A time as it stands in names, which sort by it.
fn stamp(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| at.0.to_string(),
        |time| time.strftime("%Y%m%dT%H%M%S%3fZ").to_string(),
    )
}

fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 86_400)
}

/// What putting files aside came to, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rotation {
    pub rotated_files: Vec<String>,
    /// Those without a line.
    pub skipped_files: Vec<String>,
    pub errors: Vec<String>,
}

/// What a clean-up removed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct CleanedUp {
    pub removed_files: Vec<String>,
    /// What the removed files took, in 10⁶ bytes.
    pub total_size_removed_mb: f64,
    pub errors: Vec<String>,
}

/// Removes what was put aside and last written over `older` days ago.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn clean_up(folder: &Path, older: u32, now: Timestamp) -> io::Result<CleanedUp> {
    let oldest = now.before(days(older)).0;
    let mut done = CleanedUp::default();
    for file in list(folder)? {
        if !file.is_aside || file.modified >= oldest {
            continue;
        }
        match fs::remove_file(&file.path) {
            Ok(()) => {
                done.total_size_removed_mb += file.size as f64 / MB;
                done.removed_files.push(file.name);
            }
            Err(error) => done.errors.push(format!("{}: {error}", file.name)),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_700_000_000_000);

    fn names(folder: &Path) -> Vec<String> {
        let files = list(folder).unwrap().into_iter();
        files.map(|file| file.name).collect()
    }

    fn folder(limit: u64, keep_files: usize) -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let settings = LogSettings {
            max_file_bytes: limit,
            keep_files,
            ..LogSettings::default()
        };
        let folder = Folder::new(dir.path().to_owned(), settings);
        (dir, folder)
    }

    #[test]
    fn a_file_is_put_aside_when_it_is_full_or_of_another_day() {
        let (dir, mut folder) = folder(10, 20);
        for (line, later) in [("12345\n", 0), ("678\n", 1), ("9\n", 2), ("0\n", DAY_MS)] {
            folder.append(LogType::Access, line.as_bytes(), Timestamp(NOON.0 + later));
        }
        assert!(folder.trouble().is_empty());
        let expected = [
            "access-20231114T221320002Z.log",
            "access-20231115T221320000Z.log",
            "access.log",
        ];
        assert_eq!(names(dir.path()), expected);
        let first = fs::read_to_string(dir.path().join(expected[0])).unwrap();
        assert_eq!(first, "12345\n678\n");
    }

    #[test]
    fn what_was_put_aside_goes_by_number() {
        let (dir, mut folder) = folder(1, 2);
        for line in 0..5 {
            let now = Timestamp(NOON.0 + line);
            folder.append(LogType::Audit, format!("{line}\n").as_bytes(), now);
        }
        let kept = names(dir.path());
        assert_eq!(kept.len(), 3, "{kept:?}");
        let newest = fs::read_to_string(dir.path().join("audit.log")).unwrap();
        assert_eq!(newest, "4\n");
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_told() {
        let (dir, mut folder) = folder(100, 2);
        let place = dir.path().join("audit.log");
        fs::create_dir(&place).unwrap();
        folder.append(LogType::Audit, b"lost\n", NOON);
        let told = folder.trouble();
        assert!(told[0].starts_with("audit.log: "), "{told:?}");
        folder.append(LogType::Application, b"another\n", NOON);
        assert_eq!(folder.trouble(), told);
        fs::remove_dir(&place).unwrap();
        folder.append(LogType::Audit, b"kept\n", NOON);
        assert!(folder.trouble().is_empty());
        assert_eq!(fs::read_to_string(&place).unwrap(), "kept\n");
    }

    #[test]
    fn lines_of_requests_are_gathered_and_all_others_written_at_once() {
        let (dir, mut folder) = folder(1 << 20, 2);
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        folder.gathers(true);
        assert!(folder.append(LogType::Access, b"one\n", NOON));
        assert!(!folder.append(LogType::Access, b"two\n", NOON));
        assert!(!folder.append(LogType::Audit, b"act\n", NOON));
        assert_eq!(
            (read("access.log"), read("audit.log")),
            ("".into(), "act\n".into())
        );
        folder.write_gathered();
        assert_eq!(read("access.log"), "one\ntwo\n");
        assert!(folder.append(LogType::Access, b"three\n", NOON));
        let rotation = folder.rotate_all(NOON);
        assert_eq!(rotation.rotated_files, ["access.log", "audit.log"]);
        let aside = &names(dir.path())[0];
        assert_eq!(read(aside), "one\ntwo\nthree\n");
        folder.append(LogType::Access, b"four\n", NOON);
        folder.gathers(false);
        assert_eq!(read("access.log"), "four\n");
        let long = vec![b'-'; GATHERED];
        folder.gathers(true);
        assert!(!folder.append(LogType::Access, &long, NOON));
        assert_eq!(read("access.log").len(), 5 + GATHERED);
    }

    #[test]
    fn trouble_with_gathered_lines_is_told_until_some_are_written() {
        let (dir, mut folder) = folder(1 << 20, 2);
        let place = dir.path().join("access.log");
        fs::create_dir(&place).unwrap();
        folder.gathers(true);
        folder.append(LogType::Access, b"lost\n", NOON);
        assert_eq!(folder.trouble().len(), 1);
        fs::remove_dir(&place).unwrap();
        folder.append(LogType::Access, b"waits\n", NOON);
        assert_eq!(folder.trouble().len(), 1, "nothing is written yet");
        folder.write_gathered();
        assert!(folder.trouble().is_empty());
    }

    #[test]
    fn a_rotation_by_hand_skips_what_has_no_lines() {
        let (dir, mut folder) = folder(100, 2);
        folder.append(LogType::Errors, b"line\n", NOON);
        let rotation = folder.rotate_all(NOON);
        assert_eq!(rotation.rotated_files, ["errors.log"]);
        assert_eq!(rotation.skipped_files.len(), 3);
        folder.append(LogType::Errors, b"line\n", NOON);
        assert_eq!(names(dir.path()).len(), 2);
        let all = super::super::Statistics::of(dir.path()).unwrap();
        assert_eq!((all.total_files, all.by_type["errors"].files), (2, 2));
    }
}

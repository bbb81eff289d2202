//! Lock, file format, and the state that a dead process left.

use std::{
    fmt::Display,
    fs::{self, File, TryLockError},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};

use super::{
    Embedded,
    keys::KeyFile,
    live::Live,
    readers::Readers,
    transitions,
    writer::{Effects, Tx, Writer},
};
use crate::{
    clock::Clock,
    job::RetryPolicy,
    store::{Store, StoreError},
};

/// Version of the tables and records; kept in SQLite's `user_version`.
const FORMAT: i64 = 4;
pub(super) const FILE: &str = "store.sqlite3";
/// Beside it while its jobs are in another store, too.
const MOVED: &str = "store.moved";
const LOCK: &str = "store.lock";
/// The tables that version 2 brought.
const KEYS: &str = include_str!("keys.sql");
/// What version 3 brought.
const FAIR_USE: &str = include_str!("fair_use.sql");
/// What version 4 brought.
const NAME: &str = include_str!("name.sql");
/// Half a second in all.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(25);

/// Why the store cannot be opened; one sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// Opens (or makes) the store under `data_dir` and locks it until the last clone is dropped.
///
/// # Errors
/// The directory is not writable, in use by another process, or of a newer version.
pub fn open(
    data_dir: &Path,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
) -> Result<Store, OpenError> {
    embedded(data_dir, clock, retry).map(Store::from)
}

/// The store under `data_dir` beside the process that has it open. Nothing is taken back, for its holders live; what
/// it keeps in memory (rates, workers, news, progress) is not seen from here. That process tells jobs as it wrote them
/// last, so from here jobs are made and dead tasks buried, and no job that it may know is changed.
///
/// # Errors
/// The store is of another version, or cannot be read.
pub fn beside(
    data_dir: &Path,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
) -> Result<Store, OpenError> {
    let file = data_dir.join(FILE);
    let connection = connect(&file).map_err(|error| unusable(data_dir, error))?;
    let found = version(&connection, data_dir)?;
    if found != FORMAT {
        return Err(of_another_version(data_dir, found));
    }
    built(connection, &file, clock, retry, Arc::default(), None).map(Store::from)
}

/// Whether the jobs of such a store under `data_dir` are nowhere else: it is there, and was not copied away since it was
/// last opened.
#[must_use]
pub fn is_home(data_dir: &Path) -> bool {
    lies_in(data_dir) && !data_dir.join(MOVED).exists()
}

/// Notes that all jobs of the store under `data_dir` are in another store now, too.
///
/// # Errors
/// The directory is not writable.
pub fn note_moved(data_dir: &Path) -> std::io::Result<()> {
    fs::write(data_dir.join(MOVED), "")
}

/// Whether there is such a store under `data_dir`, open or not.
#[must_use]
pub fn lies_in(data_dir: &Path) -> bool {
    data_dir.join(FILE).is_file()
}

/// Whether a process has the store under `data_dir` open.
#[must_use]
pub fn is_served(data_dir: &Path) -> bool {
    let lock = File::options().write(true).open(data_dir.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

pub(super) fn embedded(
    data_dir: &Path,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
) -> Result<Embedded, OpenError> {
    let lock = lock(data_dir)?;
    let file = data_dir.join(FILE);
    let mut connection = connect(&file).map_err(|error| unusable(data_dir, error))?;
    migrate(&mut connection, data_dir)?;
    // Whoever opens it may change it.
    if let Err(error) = fs::remove_file(data_dir.join(MOVED))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(OpenError(format!(
            "cannot write to {}: {error}",
            data_dir.display()
        )));
    }
    let live = Arc::new(Live::default());
    take_back_leases(&mut connection, clock.as_ref(), &retry, &live)
        .map_err(|error| unusable(data_dir, error))?;
    built(connection, &file, clock, retry, live, Some(lock))
}

fn built(
    connection: Connection,
    file: &Path,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
    live: Arc<Live>,
    lock: Option<File>,
) -> Result<Embedded, OpenError> {
    let writer = Writer::start(connection, clock.clone(), retry, live.clone())
        .map_err(|error| OpenError(format!("cannot start the store's writer: {error}")))?;
    Ok(Embedded {
        writer,
        readers: Readers::new(file),
        keys: KeyFile::new(file),
        rates: Mutex::default(),
        live,
        clock,
        _lock: lock,
    })
}

fn unusable(data_dir: &Path, error: impl Display) -> OpenError {
    OpenError(format!(
        "cannot use the store in {}: {error}",
        data_dir.display()
    ))
}

fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let shown = data_dir.display();
    let unwritable = |error| {
        OpenError(format!(
            "cannot write to the data directory {shown}: {error}"
        ))
    };
    fs::create_dir_all(data_dir).map_err(unwritable)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data_dir.join(LOCK))
        .map_err(unwritable)?;
    match try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError(format!(
            "the data directory {shown} is in use by another process: stop that one, or pass another --data-dir"
        ))),
        Err(TryLockError::Error(error)) => Err(OpenError(format!(
            "cannot lock the data directory {shown}: {error}"
        ))),
    }
}

/// Waits a moment for a holder that is just ending: a process has its files closed a little after its end is seen,
/// and a program that it was starting has a copy of them until it runs.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
            answer => return answer,
        }
    }
    file.try_lock()
}

pub(super) fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(connection: &mut Connection, data_dir: &Path) -> Result<(), OpenError> {
    let made = match version(connection, data_dir)? {
        FORMAT => Ok(()),
        0 => make_tables(
            connection,
            &[include_str!("schema.sql"), KEYS, FAIR_USE, NAME],
        ),
        1 => make_tables(connection, &[KEYS, FAIR_USE, NAME]),
        2 => make_tables(connection, &[FAIR_USE, NAME]),
        3 => make_tables(connection, &[NAME]),
        newer => return Err(of_another_version(data_dir, newer)),
    };
    made.map_err(|error| unusable(data_dir, error))
}

fn version(connection: &Connection, data_dir: &Path) -> Result<i64, OpenError> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| unusable(data_dir, error))
}

fn of_another_version(data_dir: &Path, found: i64) -> OpenError {
    let cure = match found > FORMAT {
        true => "use the newer program that wrote it",
        false => "the server that has it open is older than this program; restart it first",
    };
    OpenError(format!(
        "the store in {} has format version {found}, and this program knows versions up to {FORMAT}: {cure}",
        data_dir.display()
    ))
}

fn make_tables(connection: &mut Connection, tables: &[&str]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for made in tables {
        transaction.execute_batch(made)?;
    }
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Every lease's holder died with the process that had the lock. Nobody watches yet.
fn take_back_leases(
    connection: &mut Connection,
    clock: &dyn Clock,
    retry: &RetryPolicy,
    live: &Live,
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut tx = Tx {
        connection: &transaction,
        now: clock.now(),
        retry,
        live,
        effects: Effects::default(),
    };
    transitions::take_back_all(&mut tx)?;
    transaction.commit()?;
    Ok(())
}

//! The keeper in one file beside the gateway (redb, a copy-on-write B-tree), for one process.
//!
//! Many callers, one sync: callers make their commits ready and hand them to one writer, which gathers what
//! is waiting, looks at each, refuses those that are stale or known alone, and makes the rest durable
//! together before anybody is answered. An error of the disk refuses the whole group as away; the database
//! is opened again before the next try, and what was acknowledged is there.
//!
//! In the folder: `postern.redb`, `blobs/` (large bytes), `ballast` (a reserve for a full disk), `lock`.

mod ask;
mod backup;
mod blobs;
mod check;
#[cfg(test)]
mod faults;
mod keys;
mod prepare;
mod read;
mod rows;
mod space;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{Commit, Counts, Health, Receipt, Result, Sequence, StoreError};
use crate::crew;
use crate::model::Digest;
use blobs::Folder;
use prepare::Prepared;
use space::Ballast;
use write::{Job, Writer};

const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
const INDEX: TableDefinition<&[u8], ()> = TableDefinition::new("index");
const RAWS: TableDefinition<u64, &[u8]> = TableDefinition::new("raws");
const BLOBS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("blobs");

/// Commits made ready together, on all threads that are free.
const READY_AT_ONCE: usize = 32;

const FILE: &str = "postern.redb";
/// A database that is being made; it gets its name when it is whole.
const UNFINISHED: &str = "postern.redb.new";

/// What can be set; the defaults serve a gateway of any size.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for pages of the database. More makes reading large stores faster; what is not in it is mostly in the
    /// system's own cache of the file, so that a small one serves.
    pub cache_bytes: usize,
    /// The reserve on disk; 0 = none.
    pub ballast_bytes: u64,
    /// Mails and blobs up to so many bytes (compressed) lie in the database, larger ones in files.
    pub inline_bytes_max: usize,
    /// So many commits share one sync at most.
    pub group_commits_max: usize,
    /// No further commit joins a group that has reached so many bytes.
    pub group_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: 3 << 20,
            ballast_bytes: 16 << 20,
            inline_bytes_max: 256 << 10,
            group_commits_max: 256,
            group_bytes_max: 4 << 20,
        }
    }
}

/// A store in a folder. Dropping it waits for the commits under way and closes the database.
pub struct Redb {
    shared: Arc<Shared>,
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// Opens the database at this path.
type Opener = Box<dyn Fn(&Path, Open) -> std::result::Result<Database, DatabaseError> + Send + Sync>;

#[derive(Clone, Copy, PartialEq)]
enum Open {
    New,
    Existing,
}

struct Shared {
    path: PathBuf,
    options: Options,
    opener: Opener,
    /// The last look, with the count of commits it was taken at: most questions are asked between two commits. Before
    /// the database, so that it is dropped first.
    current: Mutex<Option<(u64, Arc<read::Look>)>>,
    /// Counts commits and openings.
    moves: AtomicU64,
    /// `None` after an error of the disk, until it can be opened again.
    database: RwLock<Option<Database>>,
    /// An error of the disk was seen: the database must be opened again.
    broken: AtomicBool,
    trouble: Mutex<Option<String>>,
    folder: Folder,
    ballast: Arc<Ballast>,
    /// The next number of each sequence.
    next: [AtomicU64; 5],
    /// Copies being made: files must stay until they are whole.
    backups: AtomicUsize,
    /// Held as long as the store is open.
    _lock: Lock,
}

/// What the keeper itself remembers, written with every group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// Counts commits.
    sequence: u64,
    /// The highest id used, by sequence.
    #[serde(default)]
    used: BTreeMap<String, u64>,
    audit_count: u64,
    audit_chain: Option<Digest>,
    counts: Counts,
    /// What the files of large bytes take.
    #[serde(default)]
    file_bytes: u64,
}

impl Redb {
    /// Opens the store in this folder, or makes one. Takes milliseconds, after a crash too.
    ///
    /// `Away` when another process has it open or the disk refuses, `Damaged` when it is no store.
    pub fn open(path: &Path, options: Options) -> Result<Redb> {
        let cache = options.cache_bytes;
        let opener = move |path: &Path, open| {
            let mut builder = Database::builder();
            builder.set_cache_size(cache);
            if open == Open::New { builder.create(path) } else { builder.open(path) }
        };
        Redb::open_by(path, options, Box::new(opener))
    }

    fn open_by(path: &Path, options: Options, opener: Opener) -> Result<Redb> {
        let unusable = |e: io::Error| away_io(path, &e);
        fs::create_dir_all(path).map_err(unusable)?;
        let lock = lock(path)?;
        let file = path.join(FILE);
        if !file.try_exists().map_err(unusable)? {
            make(path, &opener)?;
        }
        let database = opener(&file, Open::Existing).map_err(|e| told(e.into()))?;
        let ballast = Arc::new(Ballast::open(path, options.ballast_bytes));
        let folder = Folder::open(path.join("blobs"), options.inline_bytes_max, ballast.clone())?;
        let shared = Shared {
            path: path.to_path_buf(),
            ballast,
            current: Mutex::new(None),
            moves: AtomicU64::new(0),
            database: RwLock::new(Some(database)),
            broken: AtomicBool::new(false),
            trouble: Mutex::new(None),
            next: [1, 1, 1, 1, 1].map(AtomicU64::new),
            backups: AtomicUsize::new(0),
            options,
            opener,
            folder,
            _lock: lock,
        };
        shared.begin()?;
        let shared = Arc::new(shared);
        let (jobs, waiting) = channel();
        let writer = Writer::new(shared.clone(), waiting);
        let writer = std::thread::Builder::new().name("store".into()).spawn(move || writer.run());
        Ok(Redb { shared, jobs: Some(jobs), writer: Some(writer.map_err(unusable)?) })
    }

    /// Hands a job to the writer and waits for what it says.
    fn ask<T>(&self, job: impl FnOnce(Sender<T>) -> Job) -> Result<T> {
        let (answer, answered) = channel();
        let stopped = || StoreError::Away("its writer has stopped".into());
        self.jobs.as_ref().ok_or_else(stopped)?.send(job(answer)).map_err(|_| stopped())?;
        answered.recv().map_err(|_| stopped())
    }

    fn commit_prepared(&self, commits: Vec<Prepared>) -> Vec<Result<Receipt>> {
        let count = commits.len();
        let patience = Duration::ZERO;
        self.ask(|answer| Job::Commit { commits, patience, answer }).unwrap_or_else(|error| {
            let words = error.to_string();
            (0..count).map(|_| Err(StoreError::Away(words.clone()))).collect()
        })
    }

    fn commit_one(&self, commit: Commit) -> Result<Receipt> {
        let prepared = Prepared::new(commit, &self.shared.folder).inspect_err(|e| self.shared.note_trouble(e))?;
        self.commit_prepared(vec![prepared]).pop().unwrap_or_else(|| Err(StoreError::Away("no answer".into())))
    }

    /// The commits made ready on several threads, some at a time: no more of them than the next groups need.
    fn ready(&self, commits: Vec<Commit>) -> impl Iterator<Item = Result<Prepared>> {
        let shared = Arc::clone(&self.shared);
        let mut commits = commits.into_iter();
        let lots = std::iter::from_fn(move || {
            let lot: Vec<Commit> = commits.by_ref().take(READY_AT_ONCE).collect();
            (!lot.is_empty()).then_some(lot)
        });
        lots.flat_map(move |lot| {
            let shared = Arc::clone(&shared);
            crew::each(lot, move |commit| Prepared::new(commit, &shared.folder))
        })
        .map(|made| made.unwrap_or_else(|| Err(StoreError::Away("making a commit ready ended badly".into()))))
    }

    /// Makes the next commits ready while the writer writes the ones before.
    fn commit_all(&self, commits: Vec<Commit>, patience: Duration) -> Vec<Result<Receipt>> {
        let mut results: Vec<Result<Receipt>> = Vec::with_capacity(commits.len());
        let mut under_way: Option<UnderWay> = None;
        let mut ready = self.ready(commits).peekable();
        while ready.peek().is_some() {
            let (mut group, mut refused, mut weight) = (Vec::new(), Vec::new(), 0);
            while refused.len() < self.shared.options.group_commits_max && weight < self.shared.options.group_bytes_max
            {
                match ready.next() {
                    Some(Ok(prepared)) => {
                        weight += prepared.weight;
                        group.push(prepared);
                        refused.push(None);
                    }
                    Some(Err(error)) => {
                        self.shared.note_trouble(&error);
                        refused.push(Some(error));
                    }
                    None => break,
                }
            }
            let (answer, answered) = channel();
            if let Some(jobs) = &self.jobs {
                // A writer that has stopped drops the other end of `answer`, which says so below.
                let _ = jobs.send(Job::Commit { commits: group, patience, answer });
            }
            if let Some(before) = under_way.replace((refused, answered)) {
                collect(before, &mut results);
            }
        }
        if let Some(last) = under_way {
            collect(last, &mut results);
        }
        results
    }

    /// The first of `count` new numbers.
    fn reserve_numbers(&self, sequence: Sequence, count: u64) -> u64 {
        self.shared.counter(sequence).fetch_add(count, Ordering::Relaxed)
    }
}

type UnderWay = (Vec<Option<StoreError>>, Receiver<Vec<Result<Receipt>>>);

/// Puts the writer's answers between the commits that were refused before they got there.
fn collect((refused, answered): UnderWay, results: &mut Vec<Result<Receipt>>) {
    let mut answers = answered.recv().unwrap_or_default().into_iter();
    results.extend(refused.into_iter().map(|refused| match refused {
        Some(error) => Err(error),
        None => answers.next().unwrap_or_else(|| Err(StoreError::Away("its writer has stopped".into()))),
    }));
}

impl Drop for Redb {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Shared {
    /// Sweeps what a crash left behind and finds out which numbers are free.
    fn begin(&self) -> Result<()> {
        let look = self.look()?;
        self.used(&look.state()?);
        let spoken_of = || -> Result<BTreeSet<String>> {
            let mut names = BTreeSet::new();
            look.walk_index(b"bf", |key| {
                let (kind, digest) = blobs::file_of(key).ok_or_else(|| damaged_key(key))?;
                names.insert(Folder::name(kind, &digest));
                Ok(true)
            })?;
            Ok(names)
        };
        self.folder.sweep(spoken_of)
    }

    fn counter(&self, sequence: Sequence) -> &AtomicU64 {
        let [mail, response, transmission, alarm, sale] = &self.next;
        match sequence {
            Sequence::Mail => mail,
            Sequence::Response => response,
            Sequence::Transmission => transmission,
            Sequence::Alarm => alarm,
            Sequence::Sale => sale,
        }
    }

    /// What stands now, unmoved by later commits.
    fn look(&self) -> Result<Arc<read::Look>> {
        // Counted before the look is taken: a commit that lands meanwhile makes it an old one.
        let moves = self.moves.load(Ordering::Acquire);
        if !self.broken.load(Ordering::Acquire)
            && let Some((at, look)) = &*self.current.lock().unwrap_or_else(PoisonError::into_inner)
            && *at == moves
        {
            return Ok(look.clone());
        }
        let transaction = self.with_database(|database| Ok(database.begin_read()?))?;
        let look = Arc::new(self.seen(read::Look::new(transaction))?);
        let old = self.current.lock().unwrap_or_else(PoisonError::into_inner).replace((moves, look.clone()));
        drop(old);
        Ok(look)
    }

    /// Whoever looks from now on sees something else. A look that is kept would hold its pages back.
    fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Release);
        let old = self.current.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(old);
    }

    /// Remembers that the database must be opened again when this is an error of the disk.
    fn seen<T>(&self, result: std::result::Result<T, redb::Error>) -> Result<T> {
        result.map_err(|error| {
            if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed) {
                self.broken.store(true, Ordering::Release);
            }
            told(error)
        })
    }

    fn with_database<T>(&self, ask: impl FnOnce(&Database) -> std::result::Result<T, redb::Error>) -> Result<T> {
        if self.broken.load(Ordering::Acquire) {
            self.open_again()?;
        }
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.as_ref() else { return Err(StoreError::Away("it is closed".into())) };
        self.seen(ask(database))
    }

    /// After an error of the disk redb answers no more until it is opened again.
    fn open_again(&self) -> Result<()> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if self.broken.load(Ordering::Acquire) {
            self.moved();
            drop(database.take());
            *database = Some((self.opener)(&self.path.join(FILE), Open::Existing).map_err(|e| told(e.into()))?);
            self.broken.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// `health` tells the last trouble until a commit lands.
    fn note_trouble(&self, error: &StoreError) {
        if let StoreError::Away(words) | StoreError::Damaged(words) = error {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.clone());
        }
    }

    fn health(&self) -> Health {
        let database = fs::metadata(self.path.join(FILE)).map_or(0, |metadata| metadata.len());
        let files = self.look().and_then(|look| look.state()).map_or(0, |state| state.file_bytes);
        Health {
            free_bytes: space::free_bytes(&self.path),
            used_bytes: database + files,
            ballast_bytes: self.ballast.bytes(),
            ballast_wanted: self.ballast.wanted,
            trouble: self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Numbers that came from elsewhere are not given again.
    fn used(&self, state: &State) {
        for sequence in SEQUENCES {
            if let Some(used) = state.used.get(name_of(sequence)) {
                self.counter(sequence).fetch_max(used.saturating_add(1), Ordering::Relaxed);
            }
        }
    }

    fn no_trouble(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

const SEQUENCES: [Sequence; 5] =
    [Sequence::Mail, Sequence::Response, Sequence::Transmission, Sequence::Alarm, Sequence::Sale];

fn name_of(sequence: Sequence) -> &'static str {
    match sequence {
        Sequence::Mail => "mail",
        Sequence::Response => "response",
        Sequence::Transmission => "transmission",
        Sequence::Alarm => "alarm",
        Sequence::Sale => "sale",
    }
}

/// A locked file, released when dropped. Said in words and not only by closing the file: a reader process that
/// is being started shares the open file until its program begins, and would hold the lock as long.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that cannot be unlocked is unlocked by closing it.
        let _ = self.0.unlock();
    }
}

/// One process at a time; the file says which, for the one who finds it locked.
fn lock(path: &Path) -> Result<Lock> {
    let name = path.join("lock");
    let unusable = |e: io::Error| away_io(&name, &e);
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&name).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {
            let words = format!("{}\n", std::process::id());
            // The number only serves the message below.
            let _ = file.set_len(0).and_then(|()| file.write_all(words.as_bytes()));
            Ok(Lock(file))
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(20).read_to_string(&mut holder);
            let holder = holder.trim();
            let who = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
            Err(StoreError::Away(format!("{} is in use by another process{who}", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Makes an empty database. It gets its name when it is whole, as redb's first creation does not survive a crash.
fn make(path: &Path, opener: &Opener) -> Result<()> {
    let unfinished = path.join(UNFINISHED);
    let away = |e: io::Error| away_io(&unfinished, &e);
    if unfinished.try_exists().map_err(away)? {
        fs::remove_file(&unfinished).map_err(away)?;
    }
    let database = opener(&unfinished, Open::New).map_err(|e| told(e.into()))?;
    rows::make_tables(&database).map_err(told)?;
    database.close().map_err(|e| told(e.into()))?;
    finish(&unfinished, &path.join(FILE)).map_err(away)
}

/// Gives a whole file its name, for sure.
fn finish(unfinished: &Path, name: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    fs::rename(unfinished, name)?;
    match name.parent() {
        Some(here) if here.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// redb's errors, by what the caller does with them.
fn told(error: redb::Error) -> StoreError {
    use redb::Error as E;
    match error {
        E::DatabaseAlreadyOpen => StoreError::Away("the database is in use by another process".into()),
        E::Corrupted(_)
        | E::UpgradeRequired(_)
        | E::RepairAborted
        | E::TableTypeMismatch { .. }
        | E::TableIsMultimap(_)
        | E::TableIsNotMultimap(_)
        | E::TypeDefinitionChanged { .. }
        | E::TableDoesNotExist(_) => StoreError::Damaged(error.to_string()),
        E::Io(ref io) if io.kind() == io::ErrorKind::InvalidData => StoreError::Damaged(error.to_string()),
        other => StoreError::Away(other.to_string()),
    }
}

fn away_io(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Away(format!("{}: {error}", path.display()))
}

fn damaged_key(key: &[u8]) -> StoreError {
    StoreError::Damaged(format!("the index has a row `{}` that nobody wrote", key.escape_ascii()))
}

#[cfg(test)]
mod tests {
    /// A gateway that starts again while one of its readers is just being started would be told that the store is
    /// in use.
    #[test]
    fn the_lock_ends_with_the_store_though_a_child_shares_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let lock = super::lock(folder.path()).unwrap();
        let child = lock.0.try_clone().unwrap();
        assert!(super::lock(folder.path()).is_err());
        drop(lock);
        super::lock(folder.path()).unwrap();
        drop(child);
    }
}

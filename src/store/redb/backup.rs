//! A consistent copy while work goes on: one look at the store is written row by row into a new database,
//! with the files it speaks of. To restore it, open it. (Copying the live file would give a broken one.)

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use redb::{Database, Key, ReadOnlyTable, TableDefinition, Value};

use super::read::Look;
use super::rows::{durable, make_tables};
use super::{BLOBS, FILE, INDEX, RAWS, RECORDS, Shared, away_io, blobs, damaged_key, finish, told};
use crate::store::{Result, StoreError};

/// The bytes written in one transaction of the copy.
const BYTES: usize = 4 << 20;
/// Rows written in order need little memory.
const CACHE: usize = 8 << 20;

impl Shared {
    pub(super) fn backup(&self, to: &Path) -> Result<()> {
        let away = |e: io::Error| away_io(to, &e);
        if to.try_exists().map_err(away)? {
            return Err(StoreError::Invalid(format!("{} exists already", to.display())));
        }
        let unfinished = with_ending(to, ".new");
        if unfinished.try_exists().map_err(away)? {
            fs::remove_dir_all(&unfinished).map_err(away)?;
        }
        fs::create_dir_all(unfinished.join("blobs")).map_err(away)?;
        let copied = self.copy(&unfinished).and_then(|()| finish(&unfinished, to).map_err(away));
        if copied.is_err() {
            // The error that is told matters more than what is left behind.
            let _ = fs::remove_dir_all(&unfinished);
        }
        copied
    }

    fn copy(&self, to: &Path) -> Result<()> {
        // Before the look: files that it speaks of must not be removed meanwhile.
        let _files_stay = Counted::new(&self.backups);
        let look = self.look()?;
        let unfinished = to.join("postern.redb.new");
        let database = Database::builder().set_cache_size(CACHE).create(&unfinished).map_err(|e| told(e.into()))?;
        make_tables(&database).map_err(told)?;
        copy_rows(&look.records, &database, RECORDS, |value| value.len())?;
        copy_rows(&look.index, &database, INDEX, |()| 0)?;
        copy_rows(&look.raws, &database, RAWS, |value| value.len())?;
        copy_rows(&look.blobs, &database, BLOBS, |value| value.len())?;
        database.close().map_err(|e| told(e.into()))?;
        self.copy_files(&look, to)?;
        finish(&unfinished, &to.join(FILE)).map_err(|e| away_io(to, &e))
    }

    fn copy_files(&self, look: &Look, to: &Path) -> Result<()> {
        look.walk_index(b"bf", |row| {
            let (kind, digest) = blobs::file_of(row).ok_or_else(|| damaged_key(row))?;
            let from = self.folder.file(kind, &digest);
            let copy = to.join("blobs").join(blobs::Folder::name(kind, &digest));
            let copied = fs::copy(&from, &copy).and_then(|_| File::open(&copy)?.sync_all());
            copied.map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => StoreError::Damaged(format!("{} is missing", from.display())),
                _ => away_io(&copy, &e),
            })?;
            Ok(true)
        })?;
        let blobs = to.join("blobs");
        File::open(&blobs).and_then(|folder| folder.sync_all()).map_err(|e| away_io(&blobs, &e))
    }
}

/// Copies a table in its order, a few megabytes a transaction.
fn copy_rows<K: Key + 'static, V: Value + 'static>(
    from: &ReadOnlyTable<K, V>,
    to: &Database,
    definition: TableDefinition<K, V>,
    weigh: impl Fn(V::SelfType<'_>) -> usize,
) -> Result<()> {
    let mut rows = from.range::<K::SelfType<'_>>(..).map_err(|e| told(e.into()))?.peekable();
    while rows.peek().is_some() {
        let transaction = durable(to.begin_write().map_err(|e| told(e.into()))?);
        {
            let mut table = transaction.open_table(definition).map_err(|e| told(e.into()))?;
            let mut bytes = 0;
            while bytes < BYTES {
                let Some(row) = rows.next() else { break };
                let (key, value) = row.map_err(|e| told(e.into()))?;
                bytes += 64 + weigh(value.value());
                table.insert(key.value(), value.value()).map_err(|e| told(e.into()))?;
            }
        }
        transaction.commit().map_err(|e| told(e.into()))?;
    }
    Ok(())
}

/// Counts something as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl Counted<'_> {
    fn new(count: &AtomicUsize) -> Counted<'_> {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    PathBuf::from(name)
}

//! Raw bytes: small ones lie packed in the database, large ones in files named by their digest, because a
//! large value would hold up everybody's commit. A file is whole before it gets its name, and has its name
//! before a commit speaks of it; what no commit speaks of is swept away when the store is opened.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::away_io;
use super::keys::{Key, key};
use super::space::Ballast;
use super::write::is_full;
use crate::model::Digest;
use crate::store::{Result, StoreError, written};

/// Says in the first byte of a row that the packed bytes lie in a file; the rest of the row is their number.
const FILE: u8 = 3;
/// Bytes of mails and other bytes get names of their own: a mail's can be forgotten.
pub(super) const RAW: char = 'm';
pub(super) const BLOB: char = 'b';
/// Ends the name of a file that is not whole yet.
const UNFINISHED: &str = ".new";

pub(super) struct Folder {
    path: PathBuf,
    /// Up to so many packed bytes lie in the database.
    inline_max: usize,
    unfinished: AtomicU64,
    ballast: Arc<Ballast>,
}

pub(super) fn is_file(row: &[u8]) -> bool {
    row.first() == Some(&FILE)
}

impl Folder {
    pub fn open(path: PathBuf, inline_max: usize, ballast: Arc<Ballast>) -> Result<Folder> {
        fs::create_dir_all(&path).map_err(|e| away_io(&path, &e))?;
        Ok(Folder { path, inline_max, unfinished: AtomicU64::new(0), ballast })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn name(kind: char, digest: &Digest) -> String {
        format!("{kind}-{digest}")
    }

    pub fn file(&self, kind: char, digest: &Digest) -> PathBuf {
        self.path.join(Folder::name(kind, digest))
    }

    /// The row to be kept; large bytes are in their file when this returns, its name not yet for sure.
    pub fn pack(&self, kind: char, digest: &Digest, bytes: &[u8]) -> Result<Vec<u8>> {
        let packed = written::pack(bytes);
        if packed.len() <= self.inline_max {
            return Ok(packed);
        }
        let path = self.file(kind, digest);
        let written = match self.write_file(&path, &packed) {
            Err(error) if is_full(&error) && self.ballast.release() => self.write_file(&path, &packed),
            other => other,
        };
        written.map_err(|e| away_io(&path, &e))?;
        let mut row = vec![FILE];
        row.extend_from_slice(&(packed.len() as u64).to_be_bytes());
        Ok(row)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.path.join(format!("{number}{UNFINISHED}"));
        let written = File::create(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let named = written.and_then(|()| fs::rename(&unfinished, path));
        if named.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        named
    }

    /// Returns when the names of all files are on disk.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// The bytes of a row; their digest is checked.
    pub fn unpack(&self, kind: char, digest: &Digest, row: &[u8]) -> Result<Vec<u8>> {
        let damaged = |e: String| StoreError::Damaged(format!("bytes {digest}: {e}"));
        let bytes = if is_file(row) {
            let path = self.file(kind, digest);
            let packed = fs::read(&path).map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => damaged(format!("{} is missing", path.display())),
                _ => away_io(&path, &e),
            })?;
            written::unpack(&packed)
        } else {
            written::unpack(row)
        };
        let bytes = bytes.map_err(damaged)?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(damaged(format!("what was read has digest {found}"))),
        }
    }

    pub fn remove(&self, kind: char, digest: &Digest) {
        // What stays behind is swept away at the next opening.
        let _ = fs::remove_file(self.file(kind, digest));
    }

    /// Removes files that are not whole and those that no row speaks of.
    pub fn sweep(&self, spoken_of: impl FnOnce() -> Result<BTreeSet<String>>) -> Result<()> {
        let away = |e: io::Error| away_io(&self.path, &e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(away)? {
            names.extend(entry.map_err(away)?.file_name().into_string().ok());
        }
        if names.is_empty() {
            return Ok(());
        }
        let spoken_of = spoken_of()?;
        for name in names {
            let ours = name.ends_with(UNFINISHED) || name.starts_with([RAW, BLOB]) && name.get(1..2) == Some("-");
            if ours && !spoken_of.contains(&name) {
                fs::remove_file(self.path.join(name)).map_err(away)?;
            }
        }
        Ok(())
    }
}

/// The bytes that a row's file takes; `None` when they lie in the row.
pub(super) fn file_bytes(row: &[u8]) -> Option<u64> {
    match row {
        [FILE, bytes @ ..] => Some(u64::from_be_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}

/// The row of the index by which a file is known to be spoken of.
pub(super) fn index_file(kind: char, digest: &Digest) -> Key {
    key("bf").bytes(&[kind as u8]).bytes(&digest.0).done()
}

/// The file that such a row speaks of.
pub(super) fn file_of(key: &[u8]) -> Option<(char, Digest)> {
    let (kind, digest) = key.get(2..)?.split_first()?;
    Some((char::from(*kind), Digest(digest.try_into().ok()?)))
}

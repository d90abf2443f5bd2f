//! Tests: a disk that errs at any operation, that is full, that loses power. Whatever it does, what was
//! acknowledged is there, what was not is there whole or not at all, and the keeper goes on when it can.

#[path = "../../../tests/store/make.rs"]
#[expect(dead_code, reason = "shared with the contract's tests, which use all of it")]
mod make;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use redb::{Database, StorageBackend};

use super::{Open, Opener, Options, Redb};
use crate::model::*;
use crate::store::{Commit, DossierChange, Store, StoreError};
use make::*;

/// A disk in memory, with everything that can go wrong.
#[derive(Debug, Default)]
struct Disk {
    files: Mutex<BTreeMap<std::path::PathBuf, File>>,
    /// Counts writes, changes of length and syncs.
    operations: AtomicU64,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default, Clone)]
struct Plan {
    /// This operation fails, once.
    fail_at: Option<u64>,
    /// It is written in part before it fails.
    torn: bool,
    /// All files together may be so long.
    room: Option<u64>,
    /// More room as long as this file is gone.
    ballast: Option<(std::path::PathBuf, u64)>,
    /// Power goes with this operation: a picture of the disk is taken.
    power: Option<u64>,
    picture: Option<BTreeMap<std::path::PathBuf, File>>,
}

#[derive(Debug, Default, Clone)]
struct File {
    bytes: Vec<u8>,
    /// What is on disk for sure.
    synced: Vec<u8>,
    /// What was written since, in any order or not at all after a loss of power.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Length(u64),
    Write(u64, Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Length(length) => bytes.resize(*length as usize, 0),
            Change::Write(offset, data) => {
                let end = *offset as usize + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset as usize..end].copy_from_slice(data);
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Handle {
    disk: Arc<Disk>,
    name: std::path::PathBuf,
}

impl Handle {
    fn with<T>(&self, work: impl FnOnce(&mut File) -> T) -> T {
        work(self.disk.files.lock().unwrap().entry(self.name.clone()).or_default())
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let operation = self.disk.operations.fetch_add(1, Ordering::SeqCst);
        let mut plan = self.disk.plan.lock().unwrap();
        if plan.power == Some(operation) {
            self.with(|file| file.unsynced.push(change.clone()));
            plan.picture = Some(self.disk.files.lock().unwrap().clone());
            self.with(|file| file.unsynced.pop());
        }
        if plan.fail_at == Some(operation) {
            plan.fail_at = None;
            if let Change::Write(offset, data) = &change
                && plan.torn
            {
                self.make(Change::Write(*offset, data[..data.len() / 2].to_vec()));
            }
            return Err(io::Error::other("the disk erred"));
        }
        if let Some(room) = plan.room {
            let more = plan.ballast.as_ref().filter(|(path, _)| !path.exists()).map_or(0, |(_, bytes)| *bytes);
            let length = match &change {
                Change::Length(length) => *length,
                Change::Write(offset, data) => offset + data.len() as u64,
            };
            if length > room + more && length > self.with(|file| file.bytes.len()) as u64 {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        self.make(change);
        Ok(())
    }

    fn make(&self, change: Change) {
        self.with(|file| {
            change.apply(&mut file.bytes);
            file.unsynced.push(change);
        });
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|file| file.bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|file| {
            let found = file.bytes.get(offset as usize..offset as usize + out.len());
            out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Length(len))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, data.to_vec()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let operation = self.disk.operations.fetch_add(1, Ordering::SeqCst);
        let mut plan = self.disk.plan.lock().unwrap();
        if plan.power == Some(operation) {
            plan.picture = Some(self.disk.files.lock().unwrap().clone());
        }
        if plan.fail_at == Some(operation) {
            plan.fail_at = None;
            return Err(io::Error::other("the disk erred"));
        }
        self.with(|file| {
            let changes = std::mem::take(&mut file.unsynced);
            changes.iter().for_each(|change| change.apply(&mut file.synced));
        });
        Ok(())
    }
}

impl Disk {
    fn opener(self: &Arc<Disk>) -> Opener {
        let disk = self.clone();
        Box::new(move |path: &Path, open| {
            let name = if path.ends_with(super::UNFINISHED) { path.with_file_name(super::FILE) } else { path.into() };
            if open == Open::New {
                // The file on the real disk only stands for the one in memory.
                std::fs::write(path, "")?;
                disk.files.lock().unwrap().remove(&name);
            }
            let handle = Handle { disk: disk.clone(), name };
            Database::builder().set_cache_size(1 << 20).create_with_backend(handle)
        })
    }

    fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.plan.lock().unwrap());
    }

    fn operations(&self) -> u64 {
        self.operations.load(Ordering::SeqCst)
    }
}

fn options() -> Options {
    Options { ballast_bytes: 0, ..Options::default() }
}

fn open(folder: &Path, disk: &Arc<Disk>) -> Redb {
    Redb::open_by(folder, options(), disk.opener()).unwrap()
}

/// The `n`th commit of a small run; it needs nothing of those before.
fn work(n: u64) -> Commit {
    let name = format!("order {n}");
    let mut change = registered(&name, "nordwind");
    change.dossier.responses.insert(ResponseId(n), response(n, &name, "nordwind", Status::Checked));
    change.touched.insert(ResponseId(n));
    Commit {
        mails: vec![mail(n, &format!("words {n}").repeat(100), "response")],
        dossiers: vec![change],
        transmissions: vec![transmission(n, TransmissionStatus::DoPush)],
        audit: vec![entry(&name)],
        ..Commit::default()
    }
}

/// Whether it is there; it must not be there in part.
fn is_there(store: &Redb, n: u64) -> bool {
    let found = [
        store.mail(MailId(n)).unwrap().is_some(),
        store.dossier(&number(&format!("order {n}"))).unwrap().is_some(),
        store.response(ResponseId(n)).unwrap().is_some(),
        store.transmission(TransmissionId(n)).unwrap().is_some(),
    ];
    assert!(found.iter().all(|one| *one == found[0]), "commit {n} is there in part: {found:?}");
    found[0]
}

/// A disk that errs once must cost nothing but the commit that it erred on.
#[test]
fn an_error_at_any_operation_costs_nothing_acknowledged() {
    let mut last = u64::MAX;
    let mut operation = 0;
    let step = if std::env::var_os("POSTERN_LONG").is_some() { 1 } else { 2 };
    while operation < last {
        for torn in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let disk = Arc::new(Disk::default());
            let store = open(folder.path(), &disk);
            let begin = disk.operations();
            disk.plan(|plan| (plan.fail_at, plan.torn) = (Some(begin + operation), torn));
            let mut acknowledged = Vec::new();
            let mut away = 0;
            for n in 1..=6 {
                match store.commit(work(n)) {
                    Ok(_) => acknowledged.push(n),
                    Err(StoreError::Away(_)) => {
                        away += 1;
                        assert!(store.health().trouble.is_some());
                        // The same again lands, or has landed after all.
                        match store.commit(work(n)) {
                            Ok(_) | Err(StoreError::Known(_)) => acknowledged.push(n),
                            other => panic!("operation {operation}: {other:?}"),
                        }
                    }
                    other => panic!("operation {operation}: {other:?}"),
                }
            }
            last = disk.operations() - begin;
            assert!(away <= 1, "operation {operation}: {away} away");
            for store in [store, open_again(folder.path(), &disk)] {
                assert!(acknowledged.iter().all(|n| is_there(&store, *n)), "operation {operation}, torn {torn}");
                assert_eq!(store.audit_verify().unwrap(), 6, "operation {operation}: a commit landed twice");
                store.verify().unwrap_or_else(|e| panic!("operation {operation}, torn {torn}: {e}"));
                drop(store);
            }
        }
        operation += step;
    }
    println!("{last} operations");
}

/// The lock of the folder is free again when its store was dropped, which the caller does first.
fn open_again(folder: &Path, disk: &Arc<Disk>) -> Redb {
    let copy = folder.join("again");
    std::fs::create_dir_all(&copy).unwrap();
    std::fs::write(copy.join(super::FILE), "").unwrap();
    let files = &mut *disk.files.lock().unwrap();
    let bytes = files[&folder.join(super::FILE)].bytes.clone();
    let image = Arc::new(Disk::default());
    let file = File { synced: bytes.clone(), bytes, unsynced: Vec::new() };
    image.files.lock().unwrap().insert(copy.join(super::FILE), file);
    open(&copy, &image)
}

/// After a power failure the disk may have kept any of what it was not told to sync, and half of a page.
#[test]
fn a_loss_of_power_at_any_operation_loses_nothing_acknowledged() {
    let pictures = if std::env::var_os("POSTERN_LONG").is_some() { 200 } else { 4 };
    let mut random = Rng::with_seed(5);
    let mut operation = 0;
    let mut images = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::default());
        let store = open(folder.path(), &disk);
        let begin = disk.operations();
        disk.plan(|plan| plan.power = Some(begin + operation));
        let mut acknowledged = Vec::new();
        for n in 1..=5 {
            store.commit(work(n)).unwrap();
            let is_out = disk.plan.lock().unwrap().picture.is_some();
            if is_out {
                break;
            }
            acknowledged.push(n);
        }
        let picture = disk.plan.lock().unwrap().picture.take();
        drop(store);
        // The run ended before the power did.
        let Some(picture) = picture else { break };
        for _ in 0..pictures {
            let left = File::default();
            let file = picture.values().next().unwrap_or(&left);
            let image = after_power_loss(file, &mut random);
            let copy = tempfile::tempdir().unwrap();
            std::fs::write(copy.path().join(super::FILE), "").unwrap();
            let disk = Arc::new(Disk::default());
            let file = File { synced: image.clone(), bytes: image, unsynced: Vec::new() };
            disk.files.lock().unwrap().insert(copy.path().join(super::FILE), file);
            let store = open(copy.path(), &disk);
            for n in &acknowledged {
                assert!(is_there(&store, *n), "operation {operation}: commit {n} is lost");
            }
            (1..=5).for_each(|n| _ = is_there(&store, n));
            store.verify().unwrap_or_else(|e| panic!("operation {operation}: {e}"));
            store.commit(work(9)).unwrap();
            images += 1;
        }
        operation += 1;
    }
    println!("{images} images of {operation} operations");
    assert!(images > 100);
}

fn after_power_loss(file: &File, random: &mut Rng) -> Vec<u8> {
    let mut image = file.synced.clone();
    let all = random.u8(..4);
    for change in &file.unsynced {
        let kept = match all {
            0 => true,
            1 => false,
            _ => random.bool(),
        };
        match change {
            // Lengths are metadata and come first or not; pages beyond must be readable.
            Change::Length(_) => change.apply(&mut image),
            Change::Write(offset, data) if kept => {
                let torn = if random.u8(..4) == 0 { random.usize(..=data.len()) / 512 * 512 } else { data.len() };
                Change::Write(*offset, data[..torn].to_vec()).apply(&mut image);
            }
            Change::Write(..) => {}
        }
    }
    image.resize(image.len().max(file.bytes.len()), 0);
    image
}

/// A full disk must be told and waited out; nothing is lost and nobody has to restart anything.
#[test]
fn a_full_disk_is_told_and_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let ballast = 1 << 20;
    let options = Options { ballast_bytes: ballast, ..options() };
    let store = Redb::open_by(folder.path(), options, disk.opener()).unwrap();
    assert_eq!(store.health().ballast_bytes, ballast);
    let now = disk.files.lock().unwrap().values().map(|file| file.bytes.len() as u64).sum::<u64>();
    disk.plan(|plan| {
        plan.room = Some(now + (1 << 20));
        plan.ballast = Some((folder.path().join("ballast"), 64 << 20));
    });
    let mut random = Rng::with_seed(1);
    let mut large = |n: u64| {
        let mut commit = work(n);
        commit.blobs.push(std::iter::repeat_with(|| random.u8(..)).take(100_000).collect::<Vec<u8>>().into());
        commit
    };
    // The reserve is spent and work goes on with what it gave.
    let mut n = 0;
    while store.health().ballast_bytes > 0 {
        n += 1;
        store.commit(large(n)).unwrap();
        assert!(n < 1000, "it is never full");
    }
    assert!(store.health().is_short_of_space());
    assert_eq!(store.health().trouble, None);
    // Then that is full too.
    disk.plan(|plan| plan.ballast = None);
    let refused = loop {
        n += 1;
        match store.commit(large(n)) {
            Ok(_) => assert!(n < 2000, "it is never full"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Away(_)), "{refused}");
    assert!(store.health().trouble.is_some());
    assert!((1..n).all(|n| is_there(&store, n)));
    assert!(!is_there(&store, n));
    // Still full: still told, and reading works.
    assert!(matches!(store.commit(large(n)), Err(StoreError::Away(_))));
    assert!(is_there(&store, 1));
    // Somebody made room.
    disk.plan(|plan| plan.room = None);
    store.commit(large(n)).unwrap();
    assert_eq!(store.health().trouble, None);
    assert!((1..=n).all(|n| is_there(&store, n)));
    store.verify().unwrap();
}

/// When several wait for one sync and the disk errs, each of them must be told.
#[test]
fn everybody_in_a_group_is_told_of_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let store = open(folder.path(), &disk);
    disk.plan(|plan| plan.fail_at = Some(disk.operations()));
    let results = store.commit_many((1..=20).map(work).collect());
    assert_eq!(results.len(), 20);
    assert!(results.iter().all(|result| matches!(result, Err(StoreError::Away(_)))));
    let results = store.commit_many((1..=20).map(work).collect());
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(StoreError::Known(_)))));
    assert_eq!(store.audit_verify().unwrap(), 20);
}

/// An error while reading is a state of the disk, not an answer; the next question is answered.
#[test]
fn questions_are_answered_again_after_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let store = open(folder.path(), &disk);
    store.commit(work(1)).unwrap();
    store.shared.broken.store(true, Ordering::SeqCst);
    assert!(is_there(&store, 1));
    let mut change = DossierChange { dossier: store.dossier(&number("order 1")).unwrap().unwrap(), touched: [].into() };
    change.dossier.next_due = Some(at(1));
    store.commit(Commit { dossiers: vec![change], ..Commit::default() }).unwrap();
}

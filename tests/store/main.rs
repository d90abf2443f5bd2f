//! What every keeper promises (contract, one for all), redb against the reference on random work, and what
//! redb alone promises: crashes, a second opener, backups, tampering found, the written form.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod backup;
mod contract;
mod crash;
mod differential;
mod golden;
mod make;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use postern::store::memory::Memory;
use postern::store::redb::{Options, Redb};
use postern::store::{Commit, Store};

/// No reserve on disk: tests open many stores.
fn options() -> Options {
    Options { ballast_bytes: 0, ..Options::default() }
}

/// The demo and the tests of other rooms would rest on a store that keeps other promises than the real one.
#[test]
fn memory_keeps_the_contract() {
    contract::contract(|| Box::new(Memory::new()));
}

/// The gateway's promises to its users rest on these.
#[test]
fn redb_keeps_the_contract() {
    let folders = RefCell::new(Vec::new());
    contract::contract(|| {
        let folder = tempfile::tempdir().unwrap();
        // Small limits, so that the contract passes by files and by groups that are cut.
        let options = Options { inline_bytes_max: 2048, group_commits_max: 3, ..options() };
        let store: Box<dyn Store> = Box::new(Redb::open(folder.path(), options).unwrap());
        folders.borrow_mut().push(folder);
        store
    });
}

/// Answers of a relay would wait for their whole patience with every mail that is taken in, and sending with them.
#[test]
fn patience_ends_when_another_commit_comes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Redb::open(folder.path(), options()).unwrap();
    let note = |name: &str| Commit { notes: vec![(name.to_string(), "words".to_string())], ..Commit::default() };
    let hours = Duration::from_secs(3 * 3600);
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| store.commit_with_others(vec![note("patient")], hours));
        let began = Instant::now();
        while !patient.is_finished() {
            assert!(began.elapsed() < Duration::from_secs(60), "it is still waiting");
            store.commit(note("other")).unwrap();
        }
        assert!(patient.join().unwrap().iter().all(Result::is_ok));
    });
    assert_eq!(store.note("patient").unwrap().as_deref(), Some("words"));
}

/// Two gateways on one store would do everything twice.
#[test]
fn a_second_opener_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let first = Redb::open(folder.path(), options()).unwrap();
    let error = Redb::open(folder.path(), options()).err().unwrap();
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    Redb::open(folder.path(), options()).unwrap();
}

/// A wrong path in the configuration must not be taken for an empty store, nor a foreign file be overwritten.
#[test]
fn what_is_no_store_is_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("postern.redb"), "a shopping list".repeat(1000)).unwrap();
    let error = Redb::open(folder.path(), options()).err().unwrap();
    assert!(matches!(error, postern::store::StoreError::Damaged(_)), "{error}");
}

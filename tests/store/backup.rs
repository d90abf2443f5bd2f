//! Copies made while work goes on, and what tells that a copy or a store was tampered with.

use std::sync::atomic::{AtomicBool, Ordering};

use postern::model::*;
use postern::store::redb::Redb;
use postern::store::{Commit, Content, DossierChange, MailFilter, Store, StoreError};
use redb::ReadableTable;

use crate::make::*;
use crate::options;

/// A backup that cannot be restored is found out on the day it is needed.
#[test]
fn a_backup_taken_under_load_opens_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let options = postern::store::redb::Options { inline_bytes_max: 4000, ..options() };
    let store = Redb::open(&folder.path().join("store"), options.clone()).unwrap();
    let done = AtomicBool::new(false);
    let copies: Vec<_> = (0..3).map(|n| folder.path().join(format!("copy {n}"))).collect();
    let mut acknowledged = Vec::new();
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut id = 0;
            while !done.load(Ordering::Relaxed) {
                let batch = (0..20).map(|_| {
                    id += 1;
                    work(id)
                });
                store.commit_many(batch.collect()).into_iter().for_each(|result| {
                    result.unwrap();
                });
                // Bytes are forgotten while they are copied.
                store.forget_raw("bounce", at(id as i64 - 30), 20).unwrap();
            }
        });
        for copy in &copies {
            while store.counts().unwrap().orders < 100 * (1 + acknowledged.len() as u64) {
                std::thread::yield_now();
            }
            acknowledged.push(store.counts().unwrap());
            store.backup(copy).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        load.join().unwrap();
    });
    for (copy, before) in copies.iter().zip(acknowledged) {
        let restored = Redb::open(copy, options.clone()).unwrap();
        restored.verify().unwrap();
        let counts = restored.counts().unwrap();
        assert!(counts.orders >= before.orders, "{counts:?} {before:?}");
        assert_eq!(counts.orders, counts.mails.values().sum::<u64>(), "half a commit was copied");
        assert_eq!(restored.audit_verify().unwrap(), counts.orders);
        // It goes on where it was.
        restored.commit(work(1_000_000)).unwrap();
    }
    assert!(matches!(store.backup(&copies[0]), Err(StoreError::Invalid(_))), "an older copy is not overwritten");
}

fn work(id: u64) -> Commit {
    let words =
        format!("{id} {}", fastrand::Rng::with_seed(id).u128(..)).repeat(if id.is_multiple_of(7) { 4000 } else { 10 });
    let name = format!("48{id:06}");
    Commit {
        mails: vec![mail(id, &words, if id.is_multiple_of(2) { "response" } else { "bounce" })],
        dossiers: vec![registered(&name, "nordwind")],
        transmissions: vec![transmission(id, TransmissionStatus::DoPush)],
        audit: vec![entry("registered")],
        ..Commit::default()
    }
}

/// An operator changes the log to hide what he did, or a disk changes a mail.
#[test]
fn tampering_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        Redb::open(folder.path(), postern::store::redb::Options { inline_bytes_max: 4000, ..options() }).unwrap();
    let taken = mail(7, "bytes in the database", "response");
    let mut random = fastrand::Rng::with_seed(1);
    let noise: String = std::iter::repeat_with(|| random.alphanumeric()).take(9000).collect();
    let large = mail(8, &noise, "response");
    let commit = Commit {
        mails: vec![taken.clone(), large.clone()],
        dossiers: vec![DossierChange { ..registered("4711", "nordwind") }],
        audit: ["one", "two", "three"].map(entry).to_vec(),
        ..Commit::default()
    };
    store.commit(commit).unwrap();
    store.verify().unwrap();
    drop(store);
    let records: redb::TableDefinition<&[u8], &[u8]> = redb::TableDefinition::new("records");
    let raws: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("raws");
    let change = |change: &dyn Fn(&redb::WriteTransaction)| {
        let database = redb::Database::open(folder.path().join("postern.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        change(&transaction);
        transaction.commit().unwrap();
        drop(database);
        Redb::open(folder.path(), options()).unwrap()
    };
    let entry = |number: u64| [b"a".as_slice(), &number.to_be_bytes()].concat();
    // The last entry is cut off; the chain of the others holds.
    let mut kept = Vec::new();
    let store = change(&|transaction| {
        let mut table = transaction.open_table(records).unwrap();
        drop(table.remove(entry(3).as_slice()).unwrap());
    });
    assert!(store.audit_verify().unwrap_err().to_string().contains("audit entry 3 is missing"));
    drop(store);
    // A word is changed.
    let store = change(&|transaction| {
        let mut table = transaction.open_table(records).unwrap();
        let row = table.get(entry(2).as_slice()).unwrap().unwrap().value().to_vec();
        let changed = String::from_utf8(row).unwrap().replace("anna@", "otto@");
        table.insert(entry(2).as_slice(), changed.as_bytes()).unwrap();
    });
    assert!(store.audit_verify().unwrap_err().to_string().contains("audit entry 2 "));
    drop(store);
    // A bit of a mail is changed.
    let store = change(&|transaction| {
        let mut table = transaction.open_table(raws).unwrap();
        let mut row = table.get(7).unwrap().unwrap().value().to_vec();
        *row.last_mut().unwrap() ^= 1;
        table.insert(7, row.as_slice()).unwrap();
    });
    assert!(matches!(store.blob(&taken.record.digest), Err(StoreError::Damaged(_))));
    assert!(matches!(store.verify(), Err(StoreError::Damaged(_))));
    // The others can still be read.
    assert_eq!(store.mails(&MailFilter { limit: 9, ..Default::default() }).unwrap().len(), 2);
    assert_eq!(store.blob(&large.record.digest).unwrap().map(Content::of), large.raw);
    for file in std::fs::read_dir(folder.path().join("blobs")).unwrap() {
        kept.push(file.unwrap().path());
    }
    assert_eq!(kept.len(), 1, "the large one lies in a file");
    std::fs::remove_file(&kept[0]).unwrap();
    match store.blob(&large.record.digest) {
        Err(StoreError::Damaged(words)) => assert!(words.contains("is missing"), "{words}"),
        other => panic!("{other:?}"),
    }
}

/// A row that nobody finds any more would be a response that nobody answers.
#[test]
fn rows_that_do_not_fit_together_are_found() {
    let records: redb::TableDefinition<&[u8], &[u8]> = redb::TableDefinition::new("records");
    type Index = redb::TableDefinition<'static, &'static [u8], ()>;
    type Damage = fn(&redb::WriteTransaction, Index);
    let index: Index = redb::TableDefinition::new("index");
    let damages: [(&str, Damage); 2] = [
        ("the index lacks the row `do4711`", |transaction, index| {
            drop(transaction.open_table(index).unwrap().remove(b"do4711".as_slice()).unwrap());
        }),
        ("the index has 10 rows instead of 9", |transaction, index| {
            drop(transaction.open_table(index).unwrap().insert(b"do4712".as_slice(), ()).unwrap());
        }),
    ];
    for (words, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let store = Redb::open(folder.path(), options()).unwrap();
        store.commit(work_on("4711")).unwrap();
        store.verify().unwrap();
        drop(store);
        let database = redb::Database::open(folder.path().join("postern.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        damage(&transaction, index);
        transaction.commit().unwrap();
        drop(database);
        let store = Redb::open(folder.path(), options()).unwrap();
        let error = store.verify().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // A response whose dossier knows nothing of it.
    let folder = tempfile::tempdir().unwrap();
    drop(Redb::open(folder.path(), options()).unwrap());
    let database = redb::Database::open(folder.path().join("postern.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let row =
        [b"\x01".as_slice(), &serde_json::to_vec(&response(3, "4711", "nordwind", Status::Closed)).unwrap()].concat();
    let key = [b"r".as_slice(), &3u64.to_be_bytes()].concat();
    drop(transaction.open_table(records).unwrap().insert(key.as_slice(), row.as_slice()).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let error = Redb::open(folder.path(), options()).unwrap().verify().unwrap_err().to_string();
    assert!(error.contains("dossier 4711 knows nothing"), "{error}");
}

fn work_on(name: &str) -> Commit {
    Commit { dossiers: vec![registered(name, "nordwind")], ..work(1) }
}

//! The written form, as text: every row of a small store with one record of each kind. Databases written by
//! the first version must be readable for ever, so `tests/golden/store/version-1.txt` is never changed after
//! its release (before it, `POSTERN_BLESS=1` writes it anew).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use postern::model::*;
use postern::store::redb::Redb;
use postern::store::{Commit, MailFilter, MailTaken, ResponseFilter, Store, TransmissionFilter};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::Value as Json;

use crate::make::*;
use crate::options;

const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
const INDEX: TableDefinition<&[u8], ()> = TableDefinition::new("index");
const RAWS: TableDefinition<u64, &[u8]> = TableDefinition::new("raws");
const BLOBS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("blobs");

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/store/version-1.txt")
}

/// One record of each kind, all of them found by every index.
fn fill(store: &dyn Store) {
    let mut taken = mail(7, "Auftrag", "response");
    taken.record.order = Some(number("4711"));
    taken.record.responses = vec![ResponseId(12)];
    let mut change = registered("4711", "nordwind");
    change.dossier.order.as_mut().unwrap().supplier_order_number = Some("NW-1".into());
    change.dossier.next_due = Some(at(9));
    change.dossier.responses.insert(ResponseId(12), response(12, "4711", "nordwind", Status::Closed));
    change.touched.insert(ResponseId(12));
    let mut sent = transmission(3, TransmissionStatus::DoPush);
    (sent.order, sent.response) = (Some(number("4711")), Some(ResponseId(12)));
    sent.attempts.push(Attempt { at: at(2), answer: "451 later".into(), ok: false });
    let commit = Commit {
        mails: vec![taken],
        dossiers: vec![change],
        sales: Vec::new(),
        transmissions: vec![sent],
        blobs: vec![b"mime".to_vec().into()],
        tokens: vec![token("one", 3)],
        alarms: vec![alarm(2, false)],
        audit: vec![entry("forced")],
        notes: vec![("cursor".into(), "17".into())],
    };
    store.commit(commit).unwrap();
}

/// A field renamed, a key laid out differently: today's store could not find what yesterday's wrote.
#[test]
fn what_is_written_still_says_what_version_1_said() {
    let folder = tempfile::tempdir().unwrap();
    let store = Redb::open(folder.path(), options()).unwrap();
    fill(&store);
    drop(store);
    let today = rows(folder.path());
    if std::env::var_os("POSTERN_BLESS").is_some() {
        std::fs::create_dir_all(golden().parent().unwrap()).unwrap();
        let lines: Vec<String> = today.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect();
        std::fs::write(golden(), lines.concat()).unwrap();
    }
    let first = read_golden();
    let [keys, first_keys] = [&today, &first].map(|rows| rows.keys().collect::<Vec<_>>());
    assert_eq!(keys, first_keys, "the layout of keys changed");
    for (key, value) in first {
        assert!(says(&today[&key], &value), "{key}\nwas      {value}\nis today {}", today[&key]);
    }
}

/// An upgrade must not lose the store.
#[test]
fn a_database_of_version_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let today = folder.path().join("today");
    let old = folder.path().join("old");
    let store = Redb::open(&today, options()).unwrap();
    fill(&store);
    drop(Redb::open(&old, options()).unwrap());
    write_rows(&old, &read_golden());
    let old = Redb::open(&old, options()).unwrap();
    old.verify().unwrap();
    let [one, two] = [&store as &dyn Store, &old].map(|store| {
        let found = (
            store.dossier(&number("4711")).unwrap(),
            store
                .responses(&ResponseFilter { partner: Some(partner("nordwind")), limit: 9, ..Default::default() })
                .unwrap(),
            store.mails(&MailFilter { order: Some(number("4711")), limit: 9, ..Default::default() }).unwrap(),
            store
                .transmissions(&TransmissionFilter { order: Some(number("4711")), limit: 9, ..Default::default() })
                .unwrap(),
            store.tokens_of(TransmissionId(3)).unwrap(),
            store.alarms(true, 9).unwrap(),
            store.audit(0, 9).unwrap(),
        );
        let also = (
            store.order_by_supplier_number(&partner("nordwind"), "NW-1").unwrap(),
            store.due(at(9), 9).unwrap(),
            store.orders(None, 9).unwrap(),
            store.note("cursor").unwrap(),
            store.counts().unwrap(),
            store.blob(&Digest::of(b"mime")).unwrap(),
            store
                .mail_by_message_id("Auftrag@nordwind.example")
                .unwrap()
                .into_iter()
                .map(|mail| store.blob(&mail.digest).unwrap())
                .collect::<Vec<_>>(),
        );
        (found, also)
    });
    assert_eq!(one, two);
    // And goes on.
    old.commit(Commit {
        mails: vec![MailTaken { ..mail(8, "next", "response") }],
        audit: vec![entry("next")],
        ..Default::default()
    })
    .unwrap();
    assert_eq!(old.audit_verify().unwrap(), 2);
    old.verify().unwrap();
}

/// Whether `today` still says all that `before` said; it may say more.
fn says(today: &Json, before: &Json) -> bool {
    match (today, before) {
        (Json::Object(today), Json::Object(before)) => {
            before.iter().all(|(name, value)| today.get(name).is_some_and(|today| says(today, value)))
        }
        (Json::Array(today), Json::Array(before)) => {
            today.len() == before.len() && today.iter().zip(before).all(|(today, before)| says(today, before))
        }
        _ => today == before,
    }
}

/// Every letter had a row by its Message-ID once, also where the Message-ID names the letter itself.
#[test]
fn letters_with_a_row_of_before_are_found_and_sound() {
    use sha2::Digest as _;
    let folder = tempfile::tempdir().unwrap();
    drop(Redb::open(folder.path(), options()).unwrap());
    let named = "T3.k7.postern@shop.example";
    let mut rows = read_golden();
    rows.retain(|row, _| !row.starts_with("index tm"));
    let sent = rows.iter_mut().find(|(row, _)| row.starts_with("records t")).unwrap().1;
    sent["message_id"] = named.into();
    let length = (named.len() as u64).to_be_bytes();
    let hash = sha2::Sha256::new().chain_update(length).chain_update(named).finalize();
    let key = [b"tm", &hash[..16], &3_u64.to_be_bytes()].concat();
    rows.insert(format!("index {}", key.escape_ascii()), Json::Null);
    write_rows(folder.path(), &rows);
    let store = Redb::open(folder.path(), options()).unwrap();
    store.verify().unwrap();
    let mut found = store.transmission_by_message_id(named).unwrap().unwrap();
    assert_eq!(found.id, TransmissionId(3));
    found.status = TransmissionStatus::Transmissioned;
    store.commit(Commit { transmissions: vec![found], ..Commit::default() }).unwrap();
    store.verify().unwrap();
}

fn read_golden() -> BTreeMap<String, Json> {
    let text = std::fs::read_to_string(golden()).unwrap();
    let row = |line: &str| {
        let (key, value) = line.split_once('\t').unwrap();
        (key.to_string(), serde_json::from_str(value).unwrap())
    };
    text.lines().map(row).collect()
}

/// Every row as `table key` in ASCII, with its JSON; bytes as a string, nothing as null.
fn rows(folder: &Path) -> BTreeMap<String, Json> {
    let database = Database::open(folder.join("postern.redb")).unwrap();
    let look = database.begin_read().unwrap();
    let mut rows = BTreeMap::new();
    let json = |kept: &[u8]| serde_json::from_slice::<Json>(&plain(kept)).unwrap();
    for row in look.open_table(RECORDS).unwrap().iter().unwrap() {
        let (key, kept) = row.unwrap();
        rows.insert(format!("records {}", key.value().escape_ascii()), json(kept.value()));
    }
    for row in look.open_table(INDEX).unwrap().iter().unwrap() {
        rows.insert(format!("index {}", row.unwrap().0.value().escape_ascii()), Json::Null);
    }
    let text = |kept: &[u8]| Json::String(String::from_utf8(plain(kept)).unwrap());
    for row in look.open_table(RAWS).unwrap().iter().unwrap() {
        let (id, kept) = row.unwrap();
        rows.insert(format!("raws {}", id.value()), text(kept.value()));
    }
    for row in look.open_table(BLOBS).unwrap().iter().unwrap() {
        let (digest, kept) = row.unwrap();
        rows.insert(format!("blobs {}", Digest(*digest.value())), text(kept.value()));
    }
    rows
}

/// 1 = the bytes themselves, 2 = their number and a zstd frame.
fn plain(kept: &[u8]) -> Vec<u8> {
    match kept {
        [1, bytes @ ..] => bytes.to_vec(),
        [2, a, b, c, d, frame @ ..] => {
            zstd::bulk::decompress(frame, u32::from_be_bytes([*a, *b, *c, *d]) as usize).unwrap()
        }
        _ => panic!("an unknown form"),
    }
}

fn write_rows(folder: &Path, rows: &BTreeMap<String, Json>) {
    let database = Database::open(folder.join("postern.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    for (row, value) in rows {
        let (table, key) = row.split_once(' ').unwrap();
        let bytes = match value {
            Json::String(text) if table == "raws" || table == "blobs" => text.clone().into_bytes(),
            value => serde_json::to_vec(value).unwrap(),
        };
        let kept = [&[1], bytes.as_slice()].concat();
        let key_bytes = unescape(key);
        match table {
            "records" => {
                drop(transaction.open_table(RECORDS).unwrap().insert(key_bytes.as_slice(), kept.as_slice()).unwrap())
            }
            "index" => drop(transaction.open_table(INDEX).unwrap().insert(key_bytes.as_slice(), ()).unwrap()),
            "raws" => drop(
                transaction.open_table(RAWS).unwrap().insert(key.parse::<u64>().unwrap(), kept.as_slice()).unwrap(),
            ),
            "blobs" => {
                let digest: Digest = key.parse().unwrap();
                drop(transaction.open_table(BLOBS).unwrap().insert(&digest.0, kept.as_slice()).unwrap());
            }
            other => panic!("{other}"),
        }
    }
    transaction.commit().unwrap();
}

/// Undoes `escape_ascii`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                b't' => b'\t',
                b'n' => b'\n',
                b'r' => b'\r',
                other => other,
            },
            other => other,
        });
    }
    bytes
}

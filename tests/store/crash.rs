//! A process that writes and tells what was acknowledged, killed at any moment: all of that is there, whole.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postern::model::*;
use postern::store::redb::{Options, Redb};
use postern::store::{Commit, Content, DossierChange, Sequence, Store, StoreError};

use crate::make::*;

const CHILD: &str = "POSTERN_CRASH_CHILD";

fn options() -> Options {
    Options { inline_bytes_max: 4000, group_commits_max: 8, ..crate::options() }
}

/// Mails that were moved on the server because the store had them would be lost.
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let kills = if std::env::var_os("POSTERN_LONG").is_some() { 500 } else { 50 };
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(9);
    let (mut acknowledged, mut last) = (0, Vec::new());
    let mut slowest = Duration::ZERO;
    for kill in 0..kills {
        let told = run_and_kill(folder.path(), Duration::from_millis(random.u64(1..120)));
        acknowledged += told.len();
        let started = Instant::now();
        let store = Redb::open(folder.path(), options()).unwrap();
        slowest = slowest.max(started.elapsed());
        // What stood before the last kill stands after this one.
        last.iter().chain(&told).for_each(|line| check(&store, line));
        if kill % 10 == 9 {
            store.verify().unwrap_or_else(|e| panic!("after kill {kill}: {e}"));
        }
        last = told;
    }
    println!("{kills} kills, {acknowledged} acknowledged, opened in {slowest:?} at most");
    assert!(acknowledged > kills, "{acknowledged} acknowledged");
}

/// Starts this test program as the child and kills it some time after its first acknowledgement.
fn run_and_kill(folder: &Path, after: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let (told, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let whole = lines.split(b'\n').map_while(std::result::Result::ok);
        let whole = whole.filter_map(|line| String::from_utf8(line).ok()).filter(|line| line.starts_with("ack "));
        // A line that was cut has no end mark.
        whole.filter(|line| line.ends_with(" .")).try_for_each(|line| told.send(line)).unwrap();
    });
    let first = heard.recv_timeout(Duration::from_secs(60)).expect("the child acknowledges something");
    let mut all = vec![first];
    let until = Instant::now() + after;
    while let Ok(line) = heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
        all.push(line);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    all.extend(heard.iter());
    reader.join().unwrap();
    all
}

/// The process that is killed; does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let store = Redb::open(Path::new(&folder), options()).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4u64 {
            let store = &store;
            scope.spawn(move || {
                let mut random = fastrand::Rng::new();
                loop {
                    match worker {
                        0 => walk_a_dossier(store, &mut random),
                        1 => take_many(store),
                        2 => take_large(store),
                        _ => forget(store),
                    }
                }
            });
        }
    });
}

fn acknowledge(words: std::fmt::Arguments) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ack {words} .\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Response after response to one of a few orders, with a note of how many there are.
fn walk_a_dossier(store: &Redb, random: &mut fastrand::Rng) {
    let name = format!("order {}", random.u8(..5));
    let id = store.reserve(Sequence::Response, 1).unwrap();
    let stored = store.dossier(&number(&name)).unwrap();
    let mut change = DossierChange {
        dossier: stored.unwrap_or_else(|| Dossier::new(number(&name))),
        touched: [ResponseId(id)].into(),
    };
    change.dossier.responses.insert(ResponseId(id), response(id, &name, "nordwind", Status::DoCheck));
    let count = change.dossier.responses.len();
    let commit = Commit {
        dossiers: vec![change],
        audit: vec![entry(&format!("R{id}"))],
        notes: vec![(name.clone(), count.to_string())],
        ..Commit::default()
    };
    store.commit(commit).unwrap();
    acknowledge(format_args!("dossier {id} {count}"));
}

fn take_many(store: &Redb) {
    let first = store.reserve(Sequence::Mail, 10).unwrap();
    let commits = (first..first + 10).map(|id| Commit {
        mails: vec![mail(id, &format!("words {id}"), "response")],
        transmissions: vec![transmission(id, TransmissionStatus::DoPush)],
        blobs: vec![format!("mime {id}").into_bytes().into()],
        ..Commit::default()
    });
    for (id, result) in (first..).zip(store.commit_many(commits.collect())) {
        result.unwrap();
        acknowledge(format_args!("mail {id}"));
    }
}

fn large(id: u64) -> String {
    let mut random = fastrand::Rng::with_seed(id);
    std::iter::repeat_with(|| random.alphanumeric()).take(20_000).collect()
}

fn take_large(store: &Redb) {
    let id = store.reserve(Sequence::Mail, 1).unwrap();
    store.commit(Commit { mails: vec![mail(id, &large(id), "bounce")], ..Commit::default() }).unwrap();
    acknowledge(format_args!("large {id}"));
}

fn forget(store: &Redb) {
    let newest = store.reserve(Sequence::Mail, 1).unwrap() as i64;
    store.forget_raw("bounce", at(newest - 40), 3).unwrap();
}

/// What the line tells is there.
fn check(store: &Redb, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let id: u64 = words[2].parse().unwrap();
    match words[1] {
        "dossier" => {
            let response = store.response(ResponseId(id)).unwrap().unwrap_or_else(|| panic!("{line}: lost"));
            let count: usize = words[3].parse().unwrap();
            let dossier = store.dossier(&response.order).unwrap().unwrap();
            assert!(dossier.responses.len() >= count && dossier.responses.contains_key(&response.id), "{line}");
            let noted: usize = store.note(response.order.as_str()).unwrap().unwrap().parse().unwrap();
            assert_eq!(noted, dossier.responses.len(), "{line}: half a commit");
        }
        "mail" => {
            let taken = mail(id, &format!("words {id}"), "response");
            assert_eq!(store.mail(MailId(id)).unwrap(), Some(taken.record), "{line}");
            assert!(store.transmission(TransmissionId(id)).unwrap().is_some(), "{line}");
            assert!(store.blob(&Digest::of(format!("mime {id}").as_bytes())).unwrap().is_some(), "{line}");
        }
        "large" => {
            let taken = mail(id, &large(id), "bounce");
            assert_eq!(store.mail(MailId(id)).unwrap().as_ref(), Some(&taken.record), "{line}");
            // Forgotten, or whole.
            let found = store.blob(&taken.record.digest).unwrap().map(Content::of);
            assert!(found.is_none() || found == taken.raw, "{line}");
            assert!(matches!(
                store.commit(Commit { mails: vec![taken], ..Commit::default() }),
                Err(StoreError::Known(_))
            ));
        }
        other => panic!("{other}"),
    }
}

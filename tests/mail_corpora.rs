//! Real mails of other projects, read with us: facts that several parsers agree on, and the replies that people meant.
//!
//! The material is shared between checkouts and not part of this repository; without it these tests say that they
//! are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use postern::mail::{Mail, decision, digest, fill_in, reply, sort, token};
use serde_json::Value;

fn corpora() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");
    let shared = std::env::var_os("POSTERN_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let found = Some(shared.join("corpora")).filter(|path| path.is_dir());
    if found.is_none() {
        println!("skipped: no shared test material");
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => waiting.push(path),
                path => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One mail of the wild would stop the gateway.
#[test]
fn every_mail_and_every_piece_of_one_is_survived() {
    let Some(corpora) = corpora() else { return };
    let mut random = fastrand::Rng::with_seed(5);
    let tagging = token::Tagging::Plus { address: "gateway@shop.example".into() };
    let (mut count, mut largest) = (0, 0);
    for folder in ["mime", "replies", "html"] {
        for path in files(&corpora.join(folder)) {
            let raw = std::fs::read(&path).unwrap();
            let cut = random.usize(..=raw.len());
            for raw in [&raw[..], &raw[..cut]] {
                let started = std::time::Instant::now();
                let mail = Mail::parse(raw);
                let _ = (sort::sort(&mail), token::find(&mail, &tagging), fill_in::read(&mail.readable()));
                let _ = decision::decide(&reply::of_bytes(raw).visible, "de");
                assert!(started.elapsed().as_secs() < 30, "{}: {:?}", path.display(), started.elapsed());
                count += 1;
                largest = largest.max(raw.len());
            }
        }
    }
    println!("{count} mails survived, the largest {largest} bytes");
    assert!(count > 100);
}

/// A subject, a sender, a text or an attachment would be read otherwise than all others read it.
#[test]
fn facts_that_parsers_agree_on() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("mime");
    let facts: Value = serde_json::from_slice(&std::fs::read(folder.join("facts.json")).unwrap()).unwrap();
    let facts = facts.as_object().unwrap();
    let mut wrong = Vec::new();
    let mut known = 0;
    for (path, fact) in facts {
        let Ok(raw) = std::fs::read(folder.join(path)) else { continue };
        known += 1;
        let mail = Mail::parse(&raw);
        let want = |key: &str| fact.get(key).and_then(Value::as_str);
        let mut differs = Vec::new();
        if want("subject").is_some_and(|want| folded(&mail.subject) != want) {
            differs.push("subject");
        }
        if want("message_id").is_some_and(|want| mail.message_id.as_deref() != Some(want)) {
            differs.push("message id");
        }
        if want("from").is_some_and(|want| mail.from_address().map(str::to_lowercase).as_deref() != Some(want)) {
            differs.push("from");
        }
        if want("text_sha256_ws_free").is_some_and(|want| digest(squeezed(&mail.readable()).as_bytes()) != want) {
            differs.push("text");
        }
        let attached: BTreeSet<&str> = mail.attachments.iter().map(|attachment| attachment.sha256.as_str()).collect();
        let attachments = fact.get("attachments").and_then(Value::as_array).into_iter().flatten();
        if attachments
            .filter_map(|attachment| attachment.get("sha256")?.as_str())
            .any(|sha256| !attached.contains(sha256))
        {
            differs.push("attachments");
        }
        if !differs.is_empty() {
            wrong.push(format!("{path}: {}", differs.join(", ")));
        }
    }
    println!("whole mails right: {} of {known}\n{}", known - wrong.len(), wrong.join("\n"));
    assert!(known > 100);
    // The best parser that was measured has 92 of 100.
    assert!(wrong.len() * 100 <= known * 5);
}

/// The author's words would be lost, or quoted ones be taken for them.
#[test]
fn replies_as_people_meant_them() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("replies");
    let (mut count, mut passed, mut unsafe_ones) = (0, 0, Vec::new());
    for path in files(&folder).into_iter().filter(|path| path.to_string_lossy().ends_with(".meta.json")) {
        let meta: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let base = path.to_string_lossy().trim_end_matches(".meta.json").to_string();
        let expected: Vec<String> = files(&folder)
            .into_iter()
            .filter(|file| file.to_string_lossy().starts_with(&format!("{base}.expected")))
            .map(|file| std::fs::read_to_string(file).unwrap())
            .collect();
        if meta["family"] != "reply" || expected.is_empty() {
            continue;
        }
        let visible = squeezed(&reply::of_bytes(&std::fs::read(format!("{base}.in")).unwrap()).visible);
        count += 1;
        if expected.iter().any(|expected| squeezed(expected) == visible) {
            passed += 1;
            continue;
        }
        let shortest = expected.iter().min_by_key(|expected| expected.len()).unwrap();
        let lost =
            shortest.lines().find(|line| !line.trim_start().starts_with('>') && !visible.contains(&squeezed(line)));
        let allowed: String = expected.iter().map(|expected| squeezed(expected)).collect();
        let forbidden = meta["forbidden"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let leaked =
            forbidden.into_iter().find(|line| line.len() >= 8 && visible.contains(line) && !allowed.contains(line));
        if lost.is_some() || leaked.is_some() {
            unsafe_ones.push(format!("{base}: lost {lost:?}, leaked {leaked:?}"));
        }
    }
    println!("replies right: {passed} of {count}; safe: {}\n{}", count - unsafe_ones.len(), unsafe_ones.join("\n"));
    assert!(count > 50);
    assert!(passed * 100 >= count * 90, "{passed} of {count}");
    assert!(unsafe_ones.len() * 100 <= count * 5);
}

/// A person's mail would lie in the drawer of robots, unread.
#[test]
fn no_ordinary_mail_is_taken_for_a_robot() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("mime");
    let index = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
    let (mut count, mut taken) = (0, Vec::new());
    for row in index.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (path, role, features) = (columns[0], columns[1], columns.get(4).copied().unwrap_or_default());
        let machine = ["dsn", "report", "mdn", "auto:"].iter().any(|mark| features.contains(mark));
        let bounce = path.contains("sisimai") || path.contains("bounce") || path.contains("ndn");
        if role != "mail" || machine || bounce {
            continue;
        }
        let nature = sort::sort(&Mail::parse(&std::fs::read(folder.join(path)).unwrap()));
        count += 1;
        if matches!(nature, sort::Nature::Bounce(_) | sort::Nature::AutoReply(_) | sort::Nature::Receipt(_)) {
            taken.push(format!("{path}: {nature:?}"));
        }
    }
    for path in files(&corpora.join("html")).into_iter().chain(files(&corpora.join("replies"))) {
        let raw = std::fs::read(&path).unwrap();
        if !raw.starts_with(b"{")
            && path.extension().is_some_and(|ending| ending == "in" || ending == "eml" || ending == "html")
        {
            let wrapped =
                [b"From: anna@shop.example\r\nSubject: Re: order\r\nContent-Type: text/html\r\n\r\n", raw.as_slice()]
                    .concat();
            count += 1;
            if sort::sort(&Mail::parse(&wrapped)).is_automatic() {
                taken.push(path.display().to_string());
            }
        }
    }
    println!("{count} ordinary mails, {} taken for robots\n{}", taken.len(), taken.join("\n"));
    assert!(count > 100);
    assert!(taken.is_empty());
}

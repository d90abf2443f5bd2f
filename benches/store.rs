//! How much the keeper on disk does: commits as the gateway makes them (one mail of 6 KB, a dossier with
//! order and response of 5 KB JSON, one transmission with its MIME), alone, by 64 producers, in batches of
//! 200; then two years of synthetic work. Prints commits per second, CPU time and bytes per commit, memory.
//!
//! `cargo bench --bench store [-- COMMITS [RESPONSES] [alone|batches|producers|years]]`, by default 10,000 and
//! 20,000 (two years: 200,000) and all parts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench that cannot go on stops")]

use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use postern::model::*;
use postern::store::redb::{Options, Redb};
use postern::store::{Commit, DossierChange, MailRecord, MailTaken, Store};

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let commits = numbers.first().copied().unwrap_or(10_000);
    let responses = numbers.get(1).copied().unwrap_or(20_000);
    println!("{:44} {:>10} {:>9} {:>9} {:>10}", "", "commits/s", "CPU ms", "KB disk", "peak MiB");
    let wanted = |name: &str| {
        let mut names =
            std::env::args().skip(1).filter(|name| ["alone", "producers", "batches", "years"].contains(&name.as_str()));
        names.next().is_none_or(|wanted| wanted == name)
    };
    type Part = (&'static str, fn(u64), u64);
    let parts: [Part; 4] = [
        ("alone", alone, commits / 20),
        ("batches", batches, commits),
        ("producers", producers, commits),
        ("years", years, responses),
    ];
    parts.into_iter().filter(|(name, ..)| wanted(name)).for_each(|(_, part, count)| part(count));
}

/// Made before the clock runs, so many at a time.
const MADE: u64 = 400;

fn alone(count: u64) {
    let mut bench = Bench::new();
    for ids in batches_of(MADE, count) {
        let made: Vec<Commit> = ids.map(taken).collect();
        bench.measure(|store| {
            made.into_iter().for_each(|commit| {
                store.commit(commit).unwrap();
            })
        });
    }
    bench.told("alone", count);
}

fn producers(count: u64) {
    let mut bench = Bench::new();
    for ids in batches_of(MADE, count) {
        let made: Mutex<Vec<Commit>> = Mutex::new(ids.map(taken).collect());
        let take = || made.lock().unwrap().pop();
        bench.measure(|store| {
            let work = || {
                while let Some(commit) = take() {
                    store.commit(commit).unwrap();
                }
            };
            std::thread::scope(|scope| (0..64).for_each(|_| drop(scope.spawn(work))));
        });
    }
    bench.told("64 producers", count);
}

fn batches(count: u64) {
    let mut bench = Bench::new();
    for ids in batches_of(MADE, count) {
        let made: Vec<Vec<Commit>> = batches_from(200, ids).map(|ids| ids.map(taken).collect()).collect();
        bench.measure(|store| made.into_iter().for_each(|batch| all(store, batch)));
    }
    bench.told("batches of 200", count);
    for ids in batches_of(MADE, count) {
        let sent = |id| {
            let mut transmission = bench.store.transmission(TransmissionId(id)).unwrap().unwrap();
            transmission.status = TransmissionStatus::Transmissioned;
            transmission.attempts.push(Attempt { at: at(id), answer: "250 2.0.0 ok".into(), ok: true });
            Commit { transmissions: vec![transmission], ..Commit::default() }
        };
        let made: Vec<Vec<Commit>> = batches_from(200, ids).map(|ids| ids.map(sent).collect()).collect();
        bench.measure(|store| made.into_iter().for_each(|batch| all(store, batch)));
    }
    bench.told("batches of 200, TRANSMISSIONED", count);
    bench.measure(|store| (1..=count).for_each(|id| drop(store.dossier(&number(id)).unwrap().unwrap())));
    bench.told("look a dossier up", count);
    let digests: Vec<Digest> = (1..=count).map(|id| Digest::of(&raw(id))).collect();
    bench.measure(|store| digests.iter().for_each(|digest| drop(store.mail_by_digest(digest).unwrap().unwrap())));
    bench.told("look a mail up by its digest", count);
}

fn all(store: &Redb, commits: Vec<Commit>) {
    store.commit_many(commits).into_iter().for_each(|result| {
        result.unwrap();
    });
}

/// Four responses to each order, every one a decision on the dossier as it stands.
fn years(count: u64) {
    let mut bench = Bench::new();
    let part = count / 8;
    for first in (0..8).map(|n| n * part) {
        for ids in batches_of(MADE, part).map(|ids| first + ids.start()..=first + ids.end()) {
            for nth in 0..4 {
                let of_nth = |ids: RangeInclusive<u64>| ids.filter(move |id| id % 4 == nth);
                for ids in batches_from(800, ids.clone()) {
                    let made = of_nth(ids).map(|id| answered(&bench.store, number(id / 4), id)).collect();
                    bench.measure(|store| all(store, made));
                }
            }
        }
        bench.told(&format!("responses {} to {}", first + 1, first + part), part);
    }
    let started = Instant::now();
    drop(bench.store.counts().unwrap());
    println!("{:44} {:>10.1?}", "counts", started.elapsed());
    let started = Instant::now();
    let Bench { store, folder, .. } = bench;
    drop(store);
    let store = Redb::open(folder.path(), Options::default()).unwrap();
    println!("{:44} {:>10.1?}", "close and open", started.elapsed());
    let started = Instant::now();
    store.backup(&folder.path().join("copy")).unwrap();
    println!("{:44} {:>10.1?}", "backup", started.elapsed());
}

struct Bench {
    store: Redb,
    folder: tempfile::TempDir,
    wall: Duration,
    cpu: Duration,
    disk: u64,
}

impl Bench {
    fn new() -> Bench {
        // Beside the build, on a real disk.
        let folder = tempfile::tempdir_in(option_env!("CARGO_TARGET_TMPDIR").unwrap_or(".")).unwrap();
        let store = Redb::open(folder.path(), Options::default()).unwrap();
        Bench { store, folder, wall: Duration::ZERO, cpu: Duration::ZERO, disk: 0 }
    }

    fn measure(&mut self, work: impl FnOnce(&Redb)) {
        let (started, cpu) = (Instant::now(), cpu());
        work(&self.store);
        self.wall += started.elapsed();
        self.cpu += self::cpu() - cpu;
    }

    fn told(&mut self, what: &str, count: u64) {
        let disk = self.store.health().used_bytes;
        println!(
            "{what:44} {:>10.0} {:>9.3} {:>9.1} {:>10.1}",
            count as f64 / self.wall.as_secs_f64(),
            self.cpu.as_secs_f64() * 1e3 / count as f64,
            (disk - self.disk) as f64 / 1024.0 / count as f64,
            peak() as f64 / 1024.0,
        );
        (self.wall, self.cpu, self.disk) = (Duration::ZERO, Duration::ZERO, disk);
    }
}

fn batches_of(size: u64, count: u64) -> impl Iterator<Item = RangeInclusive<u64>> {
    batches_from(size, 1..=count)
}

fn batches_from(size: u64, ids: RangeInclusive<u64>) -> impl Iterator<Item = RangeInclusive<u64>> {
    let end = *ids.end();
    ids.step_by(size as usize).map(move |first| first..=(first + size - 1).min(end))
}

/// CPU time of all threads, from the kernel's ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or("").split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The most memory that was ever used, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second as i64).unwrap()
}

fn number(id: u64) -> OrderNumber {
    OrderNumber::new(format!("48{:08}", id * 7919 % 100_000_000))
}

/// 6 KB that compress like a mail with an HTML part in base64.
fn raw(id: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(id);
    let mut raw =
        format!("Message-ID: <{id}@nordwind.example>\r\nSubject: Auftragsbestätigung {id}\r\n\r\n").into_bytes();
    while raw.len() < 3000 {
        raw.extend_from_slice(b"Pos. 10  Sechskantschraube verzinkt  Menge ");
        raw.extend_from_slice(random.u32(..).to_string().as_bytes());
        raw.extend_from_slice(b" St.  Liefertermin 01.12.2026\r\n");
    }
    while raw.len() < 6000 {
        raw.push(random.alphanumeric() as u8);
    }
    raw
}

fn order(number: &OrderNumber) -> Order {
    let position = |n: u32| {
        format!(
            r#"{{"position":{n}0,"partner":"nordwind","supplier_sku":"NW-{n:05}","shop_sku":"S-{n}","gtin":"400638133393{n}","name":"Sechskantschraube DIN 933 M{n} verzinkt","quantity":"{n}","unit":"PCE","price_net":"12.5{n}","requested_date":"2026-12-01"}}"#
        )
    };
    let positions: Vec<String> = (1..=4).map(position).collect();
    let text = format!(
        r#"{{"order_number":"{number}","channel":"shop","currency":"EUR","positions":[{}]}}"#,
        positions.join(",")
    );
    Order::read(&text, at(0)).unwrap().remove(0)
}

fn response(id: u64, number: &OrderNumber) -> Response {
    let mut message = Message::new(MessageKind::Response);
    let said = |value: Value, line| {
        let raw = value.to_string();
        Said::new(value, raw, "fields.order_number label \"Ihre Bestellung\"", Place::text("text", line, 5, 19))
    };
    message.fields.insert(Field::OrderNumber, said(Value::Text(number.0.clone()), 3));
    for line in 0..4 {
        let fields = [
            (Field::Position, Value::Number(Decimal::from(line * 10 + 10))),
            (Field::SupplierSku, Value::Text(format!("NW-{line:05}"))),
            (Field::QuantityConfirmed, Value::Number(Decimal::from(line + 1))),
            (Field::PriceNet, Value::Number(Decimal::new(1250 + line, 2))),
        ];
        message.lines.push(fields.into_iter().map(|(field, value)| (field, said(value, 10 + line as usize))).collect());
    }
    let line = |n: u32| Line {
        position: Some(n * 10),
        said_in: vec![n as usize],
        supplier_sku: Some(format!("NW-{n:05}")),
        quantity_confirmed: Decimal::from(n),
        price_net: Some(Decimal::new(1250, 2)),
        ..Line::default()
    };
    let step = |step: &str, to: Status| Step {
        step: step.into(),
        from: Some(Status::Initial),
        answer: "Yes".into(),
        to,
        at: at(id),
        by: format!("mail M{id}"),
        note: None,
    };
    let lines: Vec<Line> = (1..=4).map(line).collect();
    let history =
        [("C1", Status::DoCheck), ("C12", Status::Checked), ("N1", Status::Announced), ("F7", Status::Closed)];
    let history: Vec<Step> = history.into_iter().map(|(name, status)| step(name, status)).collect();
    let written = serde_json::json!({
        "id": format!("R{id}"), "order": number, "partner": "nordwind", "type": "INITIAL", "status": "CLOSED",
        "mail": format!("M{id}"), "message": message, "arrived_at": at(id), "lines": lines, "faults": [],
        "deviations": [], "history": history,
    });
    serde_json::from_value(written).unwrap()
}

/// What the gateway commits for a mail that opens the first response to an order.
fn taken(id: u64) -> Commit {
    let mut dossier = Dossier::new(number(id));
    dossier.order = Some(order(&dossier.number));
    around(id, dossier)
}

/// What the gateway commits for a further response.
fn answered(store: &Redb, number: OrderNumber, id: u64) -> Commit {
    let dossier = store.dossier(&number).unwrap().unwrap_or_else(|| {
        let mut dossier = Dossier::new(number.clone());
        dossier.order = Some(order(&number));
        dossier
    });
    around(id, dossier)
}

fn around(id: u64, mut dossier: Dossier) -> Commit {
    let raw = raw(id);
    let number = dossier.number.clone();
    dossier.responses.insert(ResponseId(id), response(id, &number));
    dossier.next_due = Some(at(id + 100_000));
    let record = MailRecord {
        id: MailId(id),
        digest: Digest::of(&raw),
        message_id: Some(format!("{id}@nordwind.example")),
        mailbox: "orders".into(),
        from: "orders@nordwind.example".into(),
        subject: format!("Auftragsbestätigung {id}"),
        date: Some(at(id)),
        received_at: at(id),
        size: raw.len() as u64,
        drawer: "response".into(),
        reason: String::new(),
        review: false,
        partner: Some("nordwind".into()),
        order: Some(number.clone()),
        responses: vec![ResponseId(id)],
        mapping: Some("nordwind/auftrag".into()),
        linked: Vec::new(),
    };
    let mime =
        format!("Message-ID: <t{id}@postern.example>\r\n\r\n{}", "The partner confirmed your order.\r\n".repeat(90));
    let transmission = Transmission {
        id: TransmissionId(id),
        kind: TransmissionKind::SendResponseInitial,
        status: TransmissionStatus::DoPush,
        recipient: Recipient::Channel("shop".into()),
        to: vec!["orders@shop.example".into()],
        subject: format!("Response to order {number}"),
        message_id: format!("t{id}@postern.example"),
        content: Digest::of(mime.as_bytes()),
        order: Some(number),
        response: Some(ResponseId(id)),
        created_at: at(id),
        next_retry: None,
        retry_count: 0,
        attempts: Vec::new(),
        error: None,
        revision: 0,
    };
    Commit {
        mails: vec![MailTaken { record, raw: Some(raw.into()) }],
        dossiers: vec![DossierChange { dossier, touched: [ResponseId(id)].into() }],
        transmissions: vec![transmission],
        blobs: vec![mime.into_bytes().into()],
        ..Commit::default()
    }
}

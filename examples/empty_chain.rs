//! Measures the empty chain against real servers: `scripts/maillab start --sink`, then
//! `POSTERN_MAILLAB=/tmp/postern-maillab/env cargo run --example empty_chain -- sink|postfix|drain [MAILS] [BATCH] [CONNECTIONS]`.
//!
//! Fills the gateway's Maildir with MAILS mails (60 % of 2 KB, 25 % of 6 KB, 15 % of 22 KB), drains it by IMAP over TLS,
//! writes each batch in one redb commit, sends one mail of 0.8 KB for each and files it; `drain` only fetches.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a measurement ends where it fails")]

#[path = "../tests/common/maillab.rs"]
mod maillab;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maillab::Lab;
use postern::wire::imap::ImapMailbox;
use postern::wire::net::{Security, Trust};
use postern::wire::smtp::{RelayServer, SmtpRelay, SmtpSettings};
use postern::wire::{Batch, Body, Drawer, Envelope, Fetched, MailKey, Mailbox, Relay};
use tokio::task::JoinSet;

const MAILS: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("mails");

fn main() {
    tokio::runtime::Runtime::new().unwrap().block_on(run());
}

async fn run() {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize, otherwise: usize| args.get(at).map_or(otherwise, |text| text.parse().unwrap());
    let kind = args.get(1).map_or("sink", String::as_str);
    let (count, batch, connections) = (number(2, 10_000), number(3, 200), number(4, 8));
    let Some(lab) = Lab::find("empty_chain") else { return };
    let batch = Batch { count_max: batch, ..Batch::default() };
    let mut mailbox = ImapMailbox::new(lab.imap("gateway"));
    mailbox.probe().await.unwrap();
    if std::env::var_os("ONLY_SEND").is_none() {
        fill(Path::new(&format!("{}/mail/gateway/Maildir/new", lab.get("DIR"))), count);
    }
    if kind == "drain" {
        for _ in 0..3 {
            drain(&mut mailbox, batch).await;
        }
        return;
    }
    let server = match kind {
        "postfix" => lab.smtp(),
        "sink" => RelayServer { server: lab.server("SINK", Security::Plain), trust: Trust::default(), login: None },
        other => panic!("{other}: sink, postfix or drain"),
    };
    let mut settings = SmtpSettings::new(vec![server]);
    settings.connections = connections;
    let relay = Arc::new(SmtpRelay::new(settings));
    if let Ok(only) = std::env::var("ONLY_SEND") {
        return send_only(relay, &lab, only.parse().unwrap(), connections).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = redb::Builder::new().set_cache_size(16 << 20).create(folder.path().join("mails.redb")).unwrap();
    let envelope = Envelope { from: lab.address("gateway"), to: vec![lab.address("partner")] };
    let reply = format!("Subject: reply\r\nMessage-ID: <x@lab.test>\r\n\r\n{}", "A line of a reply.\r\n".repeat(38));
    let before = usage();
    let measured = empty_chain(&mut mailbox, relay, batch, envelope, reply.into_bytes(), |mails| {
        write(&database, mails).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    let (seconds, peak) = usage();
    let thousands = f64::from(u32::try_from(measured.mails).unwrap()) / 1000.0;
    println!(
        "{kind}: {} mails, {:.1} MB in {:.2} s = {:.0} mails/s; {:.3} CPU s per 1,000; peak {} MiB; batch {}, {connections} connections",
        measured.mails,
        f64::from(u32::try_from(measured.bytes / 1000).unwrap()) / 1000.0,
        measured.took.as_secs_f64(),
        measured.mails_per_second(),
        (seconds - before.0) / thousands,
        peak / 1024,
        batch.count_max,
    );
}

/// What the chain came to.
#[derive(Clone, Copy, Debug)]
struct Measured {
    mails: usize,
    bytes: u64,
    took: Duration,
}

impl Measured {
    fn mails_per_second(&self) -> f64 {
        f64::from(u32::try_from(self.mails).unwrap_or(u32::MAX)) / self.took.as_secs_f64().max(1e-9)
    }
}

/// Drains the mailbox until a fetch brings nothing. `write` makes a batch durable; `reply` is sent once for each mail. The
/// next batch is fetched while the replies to the last go out.
async fn empty_chain(
    mailbox: &mut dyn Mailbox,
    relay: Arc<dyn Relay>,
    batch: Batch,
    envelope: Envelope,
    reply: Vec<u8>,
    mut write: impl FnMut(&[Fetched]) -> Result<(), String>,
) -> Result<Measured, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let (envelope, reply) = (Arc::new(envelope), Arc::new(reply));
    let mut measured = Measured { mails: 0, bytes: 0, took: Duration::ZERO };
    let mut mails = mailbox.fetch(batch).await?;
    while !mails.is_empty() {
        measured.mails += mails.len();
        measured.bytes += mails.iter().map(size).sum::<u64>();
        write(&mails)?;
        let mut replies = JoinSet::new();
        for _ in &mails {
            let (relay, envelope, reply) = (relay.clone(), envelope.clone(), reply.clone());
            replies.spawn(async move { relay.send(&envelope, &reply).await });
        }
        let filings: Vec<(MailKey, Drawer)> = mails.into_iter().map(|mail| (mail.key, Drawer::Processed)).collect();
        mailbox.file(&filings).await?;
        mails = mailbox.fetch(batch).await?;
        while let Some(sent) = replies.join_next().await {
            sent??;
        }
    }
    measured.took = begun.elapsed();
    Ok(measured)
}

fn size(mail: &Fetched) -> u64 {
    match &mail.body {
        Body::Whole(raw) => u64::try_from(raw.len()).unwrap_or(0),
        Body::TooLarge { .. } | Body::Unfetchable { .. } => 0,
    }
}

fn write(database: &redb::Database, mails: &[Fetched]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(MAILS)?;
        for mail in mails {
            let (MailKey::Imap { uid, .. }, Body::Whole(raw)) = (&mail.key, &mail.body) else { continue };
            table.insert(u64::from(*uid), raw.as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The relay alone: as many mails as `ONLY_SEND` says.
async fn send_only(relay: Arc<SmtpRelay>, lab: &Lab, count: usize, connections: usize) {
    let (begun, before) = (Instant::now(), usage());
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(count));
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let (relay, left) = (relay.clone(), left.clone());
        let envelope = Envelope { from: lab.address("gateway"), to: vec![lab.address("partner")] };
        senders.spawn(async move {
            let reply = format!("Subject: reply\r\n\r\n{}", "A line of a reply.\r\n".repeat(38));
            use std::sync::atomic::Ordering;
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                relay.send(&envelope, reply.as_bytes()).await.unwrap();
            }
        });
    }
    senders.join_all().await;
    let took = begun.elapsed().as_secs_f64();
    let thousands = count as f64 / 1000.0;
    println!(
        "send: {count} mails over {connections} connections in {took:.2} s = {:.0} mails/s; {:.3} CPU s per 1,000",
        count as f64 / took,
        (usage().0 - before.0) / thousands
    );
}

/// Fetches everything, files nothing.
async fn drain(mailbox: &mut ImapMailbox, batch: Batch) {
    mailbox.close().await;
    let begun = Instant::now();
    let mut all = 0;
    loop {
        let mails = mailbox.fetch(batch).await.unwrap();
        if mails.is_empty() {
            break;
        }
        all += mails.len();
    }
    println!(
        "drain: {all} mails in {:.2} s = {:.0} mails/s",
        begun.elapsed().as_secs_f64(),
        all as f64 / begun.elapsed().as_secs_f64()
    );
}

/// Mails straight into the Maildir: delivering them would take longer than the measurement.
fn fill(folder: &Path, count: usize) {
    for n in 0..count {
        let length = match n % 20 {
            0..12 => 2_000,
            12..17 => 6_000,
            _ => 22_000,
        };
        let line = format!("line of order {n}: B63905-BL accepted 20 pieces at 176.80 EUR on 2026-12-21\r\n");
        let head = format!(
            "From: partner@lab.test\r\nTo: gateway@lab.test\r\nSubject: order {n}\r\nMessage-ID: <{n}@lab.test>\r\n\r\n"
        );
        let text = format!("{head}{}", line.repeat(length / line.len()));
        std::fs::write(folder.join(format!("1700000000.{n:06}.lab")), text).unwrap();
    }
}

/// CPU seconds (user and system) of this process and its peak memory in KiB.
fn usage() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    (ticks / 100.0, peak.unwrap_or(0))
}

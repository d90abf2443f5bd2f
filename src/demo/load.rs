//! `postern load`: a mailbox full of mixed mails (60 % text, 25 % HTML, 15 % PDF), taken in by the
//! gateway and answered through the relay, measured from the first fetch to the last mail out; beside
//! the same chain without any work in between, in the same run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::partners::{Answer, AnswerLine, Writing};
use super::sandbox::Sandbox;
use crate::gateway::Gateway;
use crate::gateway::desk::Request;
use crate::model::Transmission;
use crate::store::{Commit, MailRecord, MailTaken, Store, TransmissionFilter};
use crate::wire::{Batch, Body, Drawer, Envelope, Mailbox, Relay};

/// Orders registered in one request.
const ORDERS_AT_ONCE: usize = 1_000;
/// Nothing happened for so long: the run has failed.
const STILL_MAX: Duration = Duration::from_secs(60);

/// Mails that tell how large the gateway's letters are.
const PROBE: usize = 60;

/// Where the mails are put before a run.
pub enum Fill {
    /// The `new` folder of a Maildir that an IMAP server serves.
    Maildir(PathBuf),
    Sandbox(Arc<Sandbox>, String),
}

/// One measured run.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub mails: usize,
    pub seconds: f64,
    pub mails_per_second: f64,
    /// To the moment when the relay had delivered all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_per_second: Option<f64>,
    /// Of this process and its readers; the mail servers' own work is not in it (but for a sandbox).
    pub cpu_seconds_per_1000: f64,
    pub peak_mib: f64,
}

impl Measured {
    /// The relay had delivered everything so much later.
    pub fn delivered(&mut self, later: Duration) {
        self.delivered_per_second = Some((self.mails as f64 / (self.seconds + later.as_secs_f64())).round());
    }
}

/// The mail of order `number`; what is in it depends on the number alone.
pub fn mail(number: usize) -> anyhow::Result<(Writing, Vec<u8>)> {
    let writing = writing(number);
    let order = order_number(number);
    let lines: Vec<AnswerLine> = LINES.iter().copied().take(1 + number % LINES.len()).collect();
    let raw = writing.mail(&Answer {
        order: &order,
        number: &format!("{number}"),
        date: "2026-11-22",
        lines: &lines,
        in_reply_to: None,
    })?;
    Ok((writing, raw))
}

const fn line(position: u32, sku: &'static str, quantity: &'static str, price: &'static str) -> AnswerLine {
    AnswerLine { position, sku, quantity, price, date: "2026-12-21", canceled: false }
}

const LINES: [AnswerLine; 6] = [
    line(10, "NW-1001", "8", "176.80"),
    line(20, "NW-2040", "25", "3.45"),
    line(30, "NW-2041", "5", "13.45"),
    line(40, "NW-3000", "1", "1250.00"),
    line(50, "NW-3001", "12", "7.10"),
    line(60, "NW-4444", "100", "0.89"),
];

/// 60 % text, 25 % HTML, 15 % PDF.
fn writing(number: usize) -> Writing {
    match number % 20 {
        0..12 => Writing::Text,
        12..17 => Writing::Html,
        _ => Writing::Pdf,
    }
}

pub fn order_number(number: usize) -> String {
    format!("L{number:08}")
}

/// The order that mail `number` answers, as JSON.
pub fn order(number: usize) -> String {
    let writing = writing(number);
    let positions: Vec<String> = LINES
        .iter()
        .take(1 + number % LINES.len())
        .map(|l| {
            format!(
                r#"{{"position":{},"supplier_sku":"{}","quantity":"{}","price_net":"{}","requested_date":"{}"}}"#,
                l.position, l.sku, l.quantity, l.price, l.date
            )
        })
        .collect();
    format!(
        r#"{{"order_number":"{}","channel":"shop","currency":"{}","partner":"{}","positions":[{}]}}"#,
        order_number(number),
        writing.currency(),
        writing.partner(),
        positions.join(",")
    )
}

/// Registers the orders that the mails `from..to` answer.
pub fn register(gateway: &Gateway, from: usize, to: usize) -> anyhow::Result<()> {
    let mut at = from;
    while at < to {
        let end = (at + ORDERS_AT_ONCE).min(to);
        let text: Vec<String> = (at..end).map(order).collect();
        let reply = gateway.handle(Request::OrderAdd { text: text.join("\n"), file: "load".into() });
        if !reply.ok {
            return Err(anyhow!("{}", reply.message));
        }
        at = end;
    }
    Ok(())
}

/// The configuration of a run against the sandbox.
pub fn configuration(sandbox: &Sandbox) -> String {
    format!(
        r#"[gateway]
address = "{gateway}"
[[mailbox]]
name = "orders"
url = "imap://gateway@{imap}/INBOX"
password_file = "password"
[relay]
urls = ["smtp://{smtp}"]
[defaults]
response_trust = "off"
{PARTNERS}
[channels.shop]
addresses = ["{channel}"]
approvers = ["{channel}"]
"#,
        gateway = sandbox.address("gateway"),
        imap = sandbox.imap_addr,
        smtp = sandbox.smtp_addr,
        channel = sandbox.address("channel"),
    )
}

/// The partners of the demo as the load needs them.
pub const PARTNERS: &str = r#"
[partners.nordwind]
addresses = ["auftrag@nordwind.example"]
[partners.suedtrade]
addresses = ["sales@suedtrade.example"]
[partners.ostwerk]
addresses = ["ab@ostwerk.example"]
"#;

impl Fill {
    /// Writes the mails `from..to`, with a progress bar on a terminal.
    pub fn fill(&self, from: usize, to: usize) -> anyhow::Result<()> {
        let bar = indicatif::ProgressBar::new((to - from) as u64).with_message("writing mails");
        for number in bar.wrap_iter(from..to) {
            let (_, raw) = mail(number)?;
            match self {
                Fill::Maildir(folder) => put(folder, number, &raw)?,
                Fill::Sandbox(sandbox, account) => {
                    sandbox.deliver(account, &raw).context("the sandbox has no such account")?;
                }
            }
        }
        Ok(())
    }
}

fn put(folder: &Path, number: usize, raw: &[u8]) -> anyhow::Result<()> {
    // A unique name without a flag, as a delivery agent writes it; new to whoever looks.
    let name = format!("{}.{number}_load.localhost", jiff::Timestamp::now().as_second());
    std::fs::write(folder.join("new").join(&name), raw)
        .with_context(|| format!("writing into {}", folder.display()))?;
    Ok(())
}

/// Takes in `count` mails with the gateway and sends out what they cause.
pub async fn run_gateway(
    gateway: &Gateway,
    mut mailbox: Box<dyn Mailbox>,
    relay: Arc<dyn Relay>,
    connections: usize,
    count: usize,
) -> anyhow::Result<Measured> {
    let before = gateway.store().counts()?;
    let sent = |counts: &crate::store::Counts| -> u64 {
        counts.transmissions.values().filter_map(|s| s.get("TRANSMISSIONED")).sum()
    };
    let (began, cpu) = started();
    let stop = CancellationToken::new();
    let sender = {
        let (gateway, stop) = (gateway.clone(), stop.clone());
        tokio::spawn(async move { gateway.send_out(relay, connections, stop).await })
    };
    let mut taken = 0;
    while taken < count {
        let came = gateway.empty(&mut mailbox).await?;
        if came == 0 {
            return Err(anyhow!("the mailbox is empty after {taken} of {count} mails"));
        }
        taken += came;
    }
    let mut last = (Instant::now(), 0);
    loop {
        let done = sent(&gateway.store().counts()?) - sent(&before);
        if done >= count as u64 {
            break;
        }
        if done > last.1 {
            last = (Instant::now(), done);
        } else if last.0.elapsed() > STILL_MAX {
            return Err(anyhow!("only {done} of {count} mails were answered"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let measured = measured(count, began, cpu);
    stop.cancel();
    sender.await?;
    mailbox.close().await;
    Ok(measured)
}

/// How the chain without work sends.
pub struct Sending {
    pub relay: Arc<dyn Relay>,
    pub connections: usize,
    pub to: String,
    /// What is sent, one after the other and then again from the first.
    pub letters: Arc<[Vec<u8>]>,
}

/// Some of the letters that the gateway wrote: the chain without work sends the same, since servers are not busy with
/// bytes alone (lines, headers and parts cost them, too).
pub fn letters(gateway: &Gateway) -> anyhow::Result<Arc<[Vec<u8>]>> {
    let written = gateway.store().transmissions(&TransmissionFilter { limit: PROBE, ..Default::default() })?;
    let letter = |transmission: &Transmission| gateway.store().blob(&transmission.content);
    let letters = written.iter().filter_map(|transmission| letter(transmission).transpose());
    Ok(letters.collect::<Result<Vec<Vec<u8>>, _>>()?.into())
}

/// A letter of so many bytes that says nothing.
pub fn bare_letter(to: &str, bytes: usize) -> Vec<u8> {
    let head = format!("From: <{to}>\r\nTo: <{to}>\r\nSubject: empty\r\n\r\n");
    let line = format!("{}\r\n", "x".repeat(74));
    let lines = bytes.saturating_sub(head.len()).div_ceil(line.len()).max(1);
    (head + &line.repeat(lines)).into_bytes()
}

/// The chain without any work: fetch, one durable write, send one mail, move.
pub async fn run_empty(
    store: Arc<dyn Store>,
    mut mailbox: Box<dyn Mailbox>,
    sending: Sending,
    count: usize,
) -> anyhow::Result<Measured> {
    use futures_util::StreamExt as _;
    let Sending { relay, connections, to, letters } = sending;
    let (began, cpu) = started();
    let mut taken = 0;
    let envelope = Envelope { from: to.clone(), to: vec![to.clone()] };
    let mut sending = tokio::task::JoinSet::new();
    while taken < count {
        let batch = mailbox.fetch(Batch::default()).await?;
        if batch.is_empty() {
            return Err(anyhow!("the mailbox is empty after {taken} of {count} mails"));
        }
        taken += batch.len();
        let filings: Vec<_> = batch.iter().map(|mail| (mail.key.clone(), Drawer::Processed)).collect();
        let (keeper, sized) = (Arc::clone(&store), batch.len());
        tokio::task::spawn_blocking(move || {
            let mails = batch.into_iter().enumerate().filter_map(|(index, mail)| match mail.body {
                Body::Whole(raw) => Some(bare(taken + index, raw)),
                _ => None,
            });
            keeper.commit(Commit { mails: mails.collect(), ..Commit::default() })
        })
        .await??;
        let (relay, envelope, letters) = (Arc::clone(&relay), envelope.clone(), letters.clone());
        let first = taken - sized;
        sending.spawn(async move {
            let letter = |number: usize| letters.get(number % letters.len().max(1)).map_or(&[][..], |letter| letter);
            futures_util::stream::iter(first..first + sized)
                .map(|number| relay.send(&envelope, letter(number)))
                .buffer_unordered(connections * 2)
                .filter(|result| std::future::ready(result.is_err()))
                .count()
                .await
        });
        mailbox.file(&filings).await?;
    }
    while let Some(refused) = sending.join_next().await {
        if refused? > 0 {
            return Err(anyhow!("the relay refused mails"));
        }
    }
    let measured = measured(count, began, cpu);
    mailbox.close().await;
    Ok(measured)
}

fn bare(number: usize, raw: Vec<u8>) -> MailTaken {
    let raw = crate::store::Content::of(raw);
    let record = MailRecord {
        id: crate::model::MailId(1_000_000_000 + number as u64),
        digest: raw.digest(),
        message_id: None,
        mailbox: "load".into(),
        from: String::new(),
        subject: String::new(),
        date: None,
        received_at: jiff::Timestamp::now(),
        size: raw.bytes().len() as u64,
        drawer: "load".into(),
        reason: String::new(),
        review: false,
        partner: None,
        order: None,
        responses: Vec::new(),
        mapping: None,
        linked: Vec::new(),
    };
    MailTaken { record, raw: Some(raw) }
}

fn measured(mails: usize, began: Instant, cpu: f64) -> Measured {
    let seconds = began.elapsed().as_secs_f64();
    let per = |value: f64| (value * 1_000.0).round() / 1_000.0;
    Measured {
        mails,
        seconds: per(seconds),
        mails_per_second: (mails as f64 / seconds).round(),
        delivered_per_second: None,
        cpu_seconds_per_1000: per((cpu_seconds() - cpu) * 1_000.0 / mails as f64),
        peak_mib: per(peak_mib()),
    }
}

/// The clock, the CPU time so far; the peak of memory begins anew.
fn started() -> (Instant, f64) {
    // "5" resets the high-water mark (proc(5), clear_refs); where that is not allowed the peak is the process's.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    (Instant::now(), cpu_seconds())
}

/// User and system time of this process and the children that it waited for, and of living readers.
fn cpu_seconds() -> f64 {
    let ticks = |pid: &str| -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name in parentheses: utime, stime, cutime, cstime are fields 14 to 17 (proc(5)).
        let fields: Vec<f64> = stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|f| f.parse().ok())
            .collect();
        fields.iter().sum()
    };
    let mut total = ticks("self");
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        total += children.split_whitespace().map(ticks).sum::<f64>();
    }
    total / 100.0
}

/// The most memory this process held since [`started`], in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("");
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

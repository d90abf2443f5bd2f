//! The wire against the in-process sandbox: every fault that real servers never show on demand.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers end the test")]

mod cuts;
mod imap;
mod imap_faults;
mod secrets;
mod smtp;
mod starttls;

use std::collections::BTreeMap;
use std::time::Duration;

use postern::demo::sandbox::{Sandbox, SandboxSettings, StoredMail};
use postern::wire::imap::{ImapMailbox, ImapSettings};
use postern::wire::login::{Login, Secret};
use postern::wire::net::{Security, Server, Timeouts};
use postern::wire::{Batch, Body, Drawer, Mailbox};

/// Long enough for a loaded machine to answer, short enough to wait for in a test.
pub const PATIENCE: Duration = Duration::from_millis(400);
/// The longest that anything may take.
pub const AT_MOST: Duration = Duration::from_secs(20);

pub fn plain(addr: std::net::SocketAddr) -> Server {
    Server { host: addr.ip().to_string(), port: addr.port(), security: Security::Plain }
}

pub fn login(sandbox: &Sandbox, account: &str) -> Login {
    Login::Password { user: sandbox.address(account), password: Secret::new(sandbox.password()) }
}

pub fn timeouts() -> Timeouts {
    Timeouts { connect: AT_MOST, read: PATIENCE, write: PATIENCE, command: AT_MOST }
}

/// The gateway's mailbox over the address given (the sandbox's own, or a proxy's).
pub fn mailbox_at(sandbox: &Sandbox, addr: std::net::SocketAddr) -> ImapMailbox {
    let mut settings = ImapSettings::new("orders", plain(addr), login(sandbox, "gateway"));
    settings.timeouts = timeouts();
    settings.poll = Duration::from_millis(20);
    ImapMailbox::new(settings)
}

pub fn mailbox(sandbox: &Sandbox) -> ImapMailbox {
    mailbox_at(sandbox, sandbox.imap_addr)
}

/// A sandbox whose gateway account holds `count` mails, the n-th one of `sizes[n]` bytes or so.
pub async fn filled(settings: SandboxSettings, count: usize) -> Sandbox {
    let sandbox = Sandbox::start_with(settings).await.unwrap();
    for n in 1..=count {
        sandbox.deliver("gateway", &sample(n)).unwrap();
    }
    sandbox
}

/// Mails of different lengths, about 200 bytes to 12 KB; the second is a long one.
pub fn sample(n: usize) -> Vec<u8> {
    let lines = if n == 2 { 300 } else { n * 3 };
    let body = format!("line of mail {n}: 20 pieces, 176.80 EUR (a) \"b\"\r\n").repeat(lines);
    format!("From: partner@sandbox.test\r\nTo: gateway@sandbox.test\r\nSubject: mail {n}\r\nMessage-ID: <{n}@sandbox.test>\r\n\r\n{body}").into_bytes()
}

pub fn number(raw: &[u8]) -> usize {
    let text = String::from_utf8_lossy(raw);
    let after = text.split("Subject: mail ").nth(1).unwrap_or_default();
    after.split("\r\n").next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What the gateway's order of work came to.
#[derive(Debug, Default)]
pub struct Walked {
    /// For each mail what was handed out of it, in words.
    pub handed: BTreeMap<usize, Vec<String>>,
    pub unfetchable: Vec<String>,
    pub too_large: usize,
    pub errors: Vec<String>,
    /// Fetches that said "no mails" while some lay there.
    pub lies: usize,
}

fn waiting(sandbox: &Sandbox) -> Vec<StoredMail> {
    let inbox = sandbox.mails("gateway", "INBOX");
    inbox.into_iter().filter(|mail| !mail.flags.contains("\\Deleted")).collect()
}

/// Fetches, files, and begins anew after each error, until nothing is left: what the gateway does.
pub async fn walk(mailbox: &mut ImapMailbox, sandbox: &Sandbox, batch: Batch) -> Walked {
    let mut walked = Walked::default();
    for _ in 0..400 {
        match mailbox.fetch(batch).await {
            Ok(mails) if mails.is_empty() => match waiting(sandbox).len() {
                0 => break,
                _ => walked.lies += 1,
            },
            Ok(mails) => {
                let mut filings = Vec::new();
                for mail in mails {
                    let drawer = match &mail.body {
                        Body::Whole(raw) => {
                            let n = number(raw);
                            let as_sent = *raw == sample(n);
                            walked
                                .handed
                                .entry(n)
                                .or_default()
                                .push(if as_sent { "whole" } else { "spoilt" }.to_string());
                            Drawer::Processed
                        }
                        Body::TooLarge { .. } => {
                            walked.too_large += 1;
                            Drawer::Review
                        }
                        Body::Unfetchable { reason } => {
                            walked.unfetchable.push(reason.clone());
                            Drawer::Review
                        }
                    };
                    filings.push((mail.key, drawer));
                }
                if let Err(error) = mailbox.file(&filings).await {
                    walked.errors.push(format!("file: {error}"));
                }
            }
            Err(error) => {
                let wait = error.to_string().contains("asked to be left alone");
                walked.errors.push(error.to_string());
                if wait {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    walked
}

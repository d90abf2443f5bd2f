//! Postern as a program of its own on the lab's servers, and what tests do with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postern::demo::partners::{Answer, AnswerLine, Writing, unpack_mappings};
use postern::mail::Mail;
use postern::wire::imap::ImapMailbox;
use postern::wire::smtp::{SmtpRelay, SmtpSettings};
use postern::wire::{Batch, Body, Drawer, Envelope, Mailbox, Relay};
use serde_json::Value as Json;

use crate::maillab::Lab;

/// The lab's mailboxes are shared: one test at a time.
pub static LAB: Mutex<()> = Mutex::new(());

/// Longer than any answer takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Site {
    pub lab: Lab,
    pub folder: tempfile::TempDir,
    running: Option<Child>,
    pub runtime: tokio::runtime::Runtime,
    relay: Arc<dyn Relay>,
}

impl Site {
    /// Postern at the account `gateway`, with channel, approver and partners in the lab; the mailboxes are empty.
    pub fn new(lab: Lab) -> Site {
        Site::at(lab, "gateway", "partner", "approver")
    }

    /// Postern at an account, whose partners and approvers are others.
    pub fn at(lab: Lab, gateway: &str, partner: &str, approver: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let address = |name: &str| lab.address(name);
        let config = format!(
            r#"operators = ["{sales}"]
[gateway]
address = "{gateway}"
[[mailbox]]
name = "orders"
url = "imaps://{user}@localhost:{imaps}/INBOX"
password_file = "password"
ca_file = "{ca}"
poll = "2s"
[relay]
urls = ["smtp://127.0.0.1:{smtp}"]
[defaults]
decision_trust = "off"
response_trust = "off"
[defaults.waits]
recall_hold = "0"
[channels.shop]
addresses = ["{channel}"]
approvers = ["{approver}"]
[partners.nordwind]
addresses = ["@nordwind.example", "{partner}"]
send_to = ["{partner}"]
[partners.suedtrade]
addresses = ["@suedtrade.example"]
send_to = ["{partner}"]
[partners.ostwerk]
addresses = ["@ostwerk.example"]
send_to = ["{partner}"]
"#,
            gateway = address(gateway),
            user = address(gateway).replace('@', "%40"),
            imaps = lab.get("IMAPS_PORT"),
            ca = lab.get("CA"),
            smtp = lab.get("SMTP_PORT"),
            channel = address("channel"),
            approver = address(approver),
            partner = address(partner),
            sales = address("sales"),
        );
        std::fs::write(folder.path().join("postern.toml"), config).unwrap();
        std::fs::write(folder.path().join("password"), lab.get("PASSWORD")).unwrap();
        unpack_mappings(&folder.path().join("mappings")).unwrap();
        let relay: Arc<dyn Relay> = Arc::new(SmtpRelay::new(SmtpSettings::new(vec![lab.smtp()])));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let site = Site { lab, folder, running: None, runtime, relay };
        for account in [gateway, partner, approver, "channel", "sales"] {
            site.drain(account);
        }
        site
    }

    /// Changes the configuration; each of the texts must stand in it.
    pub fn configure(&self, changes: &[(&str, &str)]) {
        let file = self.folder.path().join("postern.toml");
        let mut text = std::fs::read_to_string(&file).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} in {text}");
            text = text.replace(from, to);
        }
        std::fs::write(&file, text).unwrap();
    }

    /// Waits until something holds; what it says last is told when it never does.
    pub fn until<T: std::fmt::Debug>(&self, what: &str, look: impl Fn() -> (bool, T)) -> T {
        let began = Instant::now();
        loop {
            let (holds, seen) = look();
            if holds {
                return seen;
            }
            assert!(
                began.elapsed() < PATIENCE * 3,
                "{what}: {seen:?}\n{}",
                std::fs::read_to_string(self.log()).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until `count` mails of [`load`] have gone their whole way; then every mail was processed once, and the
    /// channel got every answer, twice only in the same bytes. How many it got twice.
    pub fn all_came_once(&mut self, count: usize) -> usize {
        let counts = self.until("not all is done", || {
            let counts = self.ask(&["status"]);
            let sent = counts["transmissions"]["SEND_RESPONSE_INITIAL"]["TRANSMISSIONED"].as_u64().unwrap_or(0);
            (sent == count as u64, counts)
        });
        assert_eq!(counts["responses"]["CLOSED"], count, "{counts:#}");
        assert_eq!(counts["mails"]["response"], count, "{counts:#}");
        assert!(self.ask(&["audit", "verify"])["ok"] == true);
        // Filing may come after the rest, where a connection broke.
        self.until("the inbox is not empty", || {
            let mut mailbox = ImapMailbox::new(self.lab.imap("gateway"));
            let left = self.runtime.block_on(mailbox.fetch(Batch::default())).unwrap().len();
            (left == 0, left)
        });
        self.kill();
        let mut seen: BTreeMap<String, Vec<Mail>> = BTreeMap::new();
        let began = Instant::now();
        while seen.len() < count && began.elapsed() < PATIENCE {
            for raw in self.drain("channel") {
                let mail = Mail::parse(&raw);
                seen.entry(mail.message_id.clone().unwrap()).or_default().push(mail);
            }
        }
        assert_eq!(seen.len(), count, "each order's answer reached the channel");
        let subjects: std::collections::BTreeSet<&str> = seen.values().map(|mails| mails[0].subject.as_str()).collect();
        assert_eq!(subjects.len(), count, "and each only once");
        let twice = seen.values().filter(|mails| mails.len() > 1);
        for mails in twice.clone() {
            assert!(
                mails
                    .iter()
                    .all(|mail| mail.text == mails[0].text && mail.html == mails[0].html && mail.date == mails[0].date),
                "a repetition is the same"
            );
        }
        twice.map(|mails| mails.len() - 1).sum()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.arg("--config").arg(self.folder.path().join("postern.toml"));
        command
    }

    pub fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        self.running = Some(self.command().arg("run").stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// As an operator stops it: what is under way is finished.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
            assert!(child.wait().unwrap().success());
        }
    }

    /// As a power cut.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn ask(&self, arguments: &[&str]) -> Json {
        let out = self.command().args(arguments).arg("--json").output().unwrap();
        serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&out.stderr)))
    }

    pub fn register(&self, orders: &[String]) {
        let file = self.folder.path().join("orders.jsonl");
        std::fs::write(&file, orders.join("\n")).unwrap();
        let told = self.ask(&["order", "add", file.to_str().unwrap()]);
        assert_eq!(told["orders"].as_array().unwrap().len(), orders.len(), "{told}");
    }

    pub fn send(&self, from: &str, to: &str, raw: &[u8]) {
        let envelope = Envelope { from: from.to_string(), to: vec![to.to_string()] };
        self.runtime.block_on(self.relay.send(&envelope, raw)).unwrap();
    }

    /// All mails of an account, moved out of its inbox.
    pub fn drain(&self, account: &str) -> Vec<Vec<u8>> {
        let mut mailbox = ImapMailbox::new(self.lab.imap(account));
        self.runtime.block_on(async {
            let mut all = Vec::new();
            loop {
                let mails = mailbox.fetch(Batch::default()).await.unwrap();
                if mails.is_empty() {
                    break;
                }
                let filings: Vec<_> = mails.iter().map(|mail| (mail.key.clone(), Drawer::Processed)).collect();
                all.extend(mails.into_iter().filter_map(|mail| match mail.body {
                    Body::Whole(raw) => Some(raw),
                    _ => None,
                }));
                mailbox.file(&filings).await.unwrap();
            }
            mailbox.close().await;
            all
        })
    }

    /// The next mail to an account whose subject has these words; the server says when one arrives.
    pub fn await_mail(&self, account: &str, words: &str) -> Mail {
        Mail::parse(&self.await_raw(account, words))
    }

    /// Its bytes.
    pub fn await_raw(&self, account: &str, words: &str) -> Vec<u8> {
        let mut mailbox = ImapMailbox::new(self.lab.imap(account));
        let began = Instant::now();
        let found = self.runtime.block_on(async {
            while began.elapsed() < PATIENCE {
                for mail in mailbox.fetch(Batch::default()).await.unwrap() {
                    let Body::Whole(raw) = &mail.body else { continue };
                    if Mail::parse(raw).subject.contains(words) {
                        mailbox.file(&[(mail.key.clone(), Drawer::Processed)]).await.unwrap();
                        return Some(raw.clone());
                    }
                }
                mailbox.wait(Duration::from_secs(2)).await.unwrap();
            }
            None
        });
        found.unwrap_or_else(|| {
            panic!(
                "no mail with `{words}` came to {account}\n{}",
                std::fs::read_to_string(self.log()).unwrap_or_default()
            )
        })
    }

    pub fn statuses(&self, order: &str) -> Vec<String> {
        let told = self.ask(&["response", "list", "--order", order]);
        let mut list: Vec<(String, String)> = told["responses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (r["id"].as_str().unwrap().to_string(), r["status"].as_str().unwrap().to_string()))
            .collect();
        list.sort_by_key(|(id, _)| id[1..].parse::<u64>().unwrap());
        list.into_iter().map(|(_, status)| status).collect()
    }

    pub fn await_statuses(&self, order: &str, wanted: &[&str]) {
        let began = Instant::now();
        let mut last = Vec::new();
        while began.elapsed() < PATIENCE {
            last = self.statuses(order);
            if last == wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!(
            "order {order} stands in {last:?}, not {wanted:?}\n{}",
            std::fs::read_to_string(self.log()).unwrap_or_default()
        );
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn order(number: &str, writing: Writing) -> String {
    format!(
        r#"{{"order_number":"{number}","channel":"shop","currency":"{}","partner":"{}","positions":[{{"position":10,"supplier_sku":"NW-1001","quantity":"8","price_net":"176.80","requested_date":"2026-12-21"}},{{"position":20,"supplier_sku":"NW-2040","quantity":"25","price_net":"3.45","requested_date":"2026-12-21"}}]}}"#,
        writing.currency(),
        writing.partner()
    )
}

pub const fn line(position: u32, sku: &'static str, quantity: &'static str, price: &'static str) -> AnswerLine {
    AnswerLine { position, sku, quantity, price, date: "2026-12-21", canceled: false }
}

pub const CLEAN: &[AnswerLine] = &[line(10, "NW-1001", "8", "176.80"), line(20, "NW-2040", "25", "3.45")];
pub const DEAR: &[AnswerLine] = &[line(10, "NW-1001", "8", "199.00"), line(20, "NW-2040", "25", "3.45")];
pub const WRONG: &[AnswerLine] = &[line(10, "NW-1001", "80", "176.80"), line(20, "NW-2040", "25", "3.45")];

/// A partner's answer to an order as a mail.
pub fn answer(
    order: &str,
    version: &str,
    writing: Writing,
    lines: &[AnswerLine],
    in_reply_to: Option<&str>,
) -> Vec<u8> {
    let number = format!("{}{version}", order.trim_start_matches(|c: char| c.is_alphabetic()));
    let answer = Answer { order, number: &number, date: "2026-11-22", lines, in_reply_to };
    writing.mail(&answer).unwrap()
}

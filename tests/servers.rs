//! The whole gateway, as a program of its own, on real mail servers: Dovecot keeps the mailboxes, Postfix
//! carries the mails. What fails here fails at a customer's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/maillab.rs"]
mod maillab;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use maillab::Lab;
use postern::demo::partners::{Answer, AnswerLine, Writing, unpack_mappings};
use postern::demo::{load, story};
use postern::mail::Mail;
use postern::wire::imap::ImapMailbox;
use postern::wire::smtp::{SmtpRelay, SmtpSettings};
use postern::wire::{Batch, Body, Drawer, Envelope, Mailbox, Relay};
use serde_json::Value as Json;

/// The lab's mailboxes are shared: one test at a time.
static LAB: Mutex<()> = Mutex::new(());

/// Longer than any answer takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

struct Site {
    lab: Lab,
    folder: tempfile::TempDir,
    running: Option<Child>,
    runtime: tokio::runtime::Runtime,
    relay: Arc<dyn Relay>,
}

impl Site {
    fn new(lab: Lab) -> Site {
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
addresses = ["@nordwind.example"]
send_to = ["{partner}"]
[partners.suedtrade]
addresses = ["@suedtrade.example"]
send_to = ["{partner}"]
[partners.ostwerk]
addresses = ["@ostwerk.example"]
send_to = ["{partner}"]
"#,
            gateway = address("gateway"),
            user = address("gateway").replace('@', "%40"),
            imaps = lab.get("IMAPS_PORT"),
            ca = lab.get("CA"),
            smtp = lab.get("SMTP_PORT"),
            channel = address("channel"),
            approver = address("approver"),
            partner = address("partner"),
            sales = address("sales"),
        );
        std::fs::write(folder.path().join("postern.toml"), config).unwrap();
        std::fs::write(folder.path().join("password"), lab.get("PASSWORD")).unwrap();
        unpack_mappings(&folder.path().join("mappings")).unwrap();
        let relay: Arc<dyn Relay> = Arc::new(SmtpRelay::new(SmtpSettings::new(vec![lab.smtp()])));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let site = Site { lab, folder, running: None, runtime, relay };
        for account in ["gateway", "partner", "approver", "channel", "sales"] {
            site.drain(account);
        }
        site
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.arg("--config").arg(self.folder.path().join("postern.toml"));
        command
    }

    fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        self.running = Some(self.command().arg("run").stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// As a power cut.
    fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn ask(&self, arguments: &[&str]) -> Json {
        let out = self.command().args(arguments).arg("--json").output().unwrap();
        serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&out.stderr)))
    }

    fn register(&self, orders: &[String]) {
        let file = self.folder.path().join("orders.jsonl");
        std::fs::write(&file, orders.join("\n")).unwrap();
        let told = self.ask(&["order", "add", file.to_str().unwrap()]);
        assert_eq!(told["orders"].as_array().unwrap().len(), orders.len(), "{told}");
    }

    fn send(&self, from: &str, to: &str, raw: &[u8]) {
        let envelope = Envelope { from: from.to_string(), to: vec![to.to_string()] };
        self.runtime.block_on(self.relay.send(&envelope, raw)).unwrap();
    }

    /// All mails of an account, moved out of its inbox.
    fn drain(&self, account: &str) -> Vec<Vec<u8>> {
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
    fn await_mail(&self, account: &str, words: &str) -> Mail {
        let mut mailbox = ImapMailbox::new(self.lab.imap(account));
        let began = Instant::now();
        let found = self.runtime.block_on(async {
            while began.elapsed() < PATIENCE {
                for mail in mailbox.fetch(Batch::default()).await.unwrap() {
                    let Body::Whole(raw) = &mail.body else { continue };
                    let parsed = Mail::parse(raw);
                    if parsed.subject.contains(words) {
                        mailbox.file(&[(mail.key.clone(), Drawer::Processed)]).await.unwrap();
                        return Some(parsed);
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

    fn statuses(&self, order: &str) -> Vec<String> {
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

    fn await_statuses(&self, order: &str, wanted: &[&str]) {
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

fn order(number: &str, writing: Writing) -> String {
    format!(
        r#"{{"order_number":"{number}","channel":"shop","currency":"{}","partner":"{}","positions":[{{"position":10,"supplier_sku":"NW-1001","quantity":"8","price_net":"176.80","requested_date":"2026-12-21"}},{{"position":20,"supplier_sku":"NW-2040","quantity":"25","price_net":"3.45","requested_date":"2026-12-21"}}]}}"#,
        writing.currency(),
        writing.partner()
    )
}

const fn line(position: u32, sku: &'static str, quantity: &'static str, price: &'static str) -> AnswerLine {
    AnswerLine { position, sku, quantity, price, date: "2026-12-21", canceled: false }
}

const CLEAN: &[AnswerLine] = &[line(10, "NW-1001", "8", "176.80"), line(20, "NW-2040", "25", "3.45")];
const DEAR: &[AnswerLine] = &[line(10, "NW-1001", "8", "199.00"), line(20, "NW-2040", "25", "3.45")];
const WRONG: &[AnswerLine] = &[line(10, "NW-1001", "80", "176.80"), line(20, "NW-2040", "25", "3.45")];

/// A user's first day: every format closes, a question is answered both ways, a mistake is mended.
#[test]
fn the_main_job_on_real_servers() {
    let Some(lab) = Lab::find("the_main_job_on_real_servers") else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let mut site = Site::new(lab);
    site.start();
    let gateway = site.lab.address("gateway");
    let cases = [
        ("S1", Writing::Text, CLEAN),
        ("S2", Writing::Html, CLEAN),
        ("S3", Writing::Pdf, CLEAN),
        ("S4", Writing::Text, DEAR),
        ("S5", Writing::Html, DEAR),
        ("S6", Writing::Pdf, WRONG),
    ];
    site.register(&cases.iter().map(|(number, writing, _)| order(number, *writing)).collect::<Vec<_>>());
    let say = |number: &str, version: &str, writing: Writing, lines: &[AnswerLine], in_reply_to: Option<&str>| {
        let answer = Answer {
            order: number,
            number: &format!("{}{version}", number.trim_start_matches('S')),
            date: "2026-11-22",
            lines,
            in_reply_to,
        };
        site.send(writing.sender(), &gateway, &writing.mail(&answer).unwrap());
    };
    for (number, writing, lines) in cases {
        say(number, "1", writing, lines, None);
    }
    for number in ["S1", "S2", "S3"] {
        site.await_statuses(number, &["CLOSED"]);
        site.await_mail("channel", number);
    }
    let approver = site.lab.address("approver");
    for (number, words, ends) in [("S4", "APPROVE", "CLOSED"), ("S5", "DECLINE", "FAILED")] {
        let question = site.await_mail("approver", number);
        let reply_to = question.reply_to[0].address.clone();
        assert!(reply_to.starts_with("gateway+"), "the token travels in the reply address: {reply_to}");
        site.send(&approver, &reply_to, story::reply(&question, &approver, &reply_to, words).as_bytes());
        site.await_statuses(number, &[ends]);
    }
    let recall = site.await_mail("partner", "S5");
    assert!(recall.text.unwrap_or_default().contains("RECALLED"), "it says how to answer");
    let request = site.await_mail("partner", "S6");
    say("S6", "2", Writing::Pdf, CLEAN, request.message_id.as_deref());
    site.await_statuses("S6", &["FAILED", "CLOSED"]);
    let counts = site.ask(&["status"]);
    assert_eq!(counts["mails"]["response"], 7, "{counts:#}");
    assert!(site.ask(&["audit", "verify"])["ok"] == true);
    // Nothing is left in the inbox.
    site.kill();
    assert_eq!(site.drain("gateway").len(), 0);
}

/// A power cut at any moment: every mail is processed once, no transmission is missing, and a doubled
/// one is the same to the last byte.
#[test]
fn kills_lose_and_double_nothing() {
    let Some(lab) = Lab::find("kills_lose_and_double_nothing") else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let long = std::env::var_os("POSTERN_LONG").is_some();
    let (count, kills) = if long { (3_000, 500) } else { (300, 40) };
    let mut site = Site::new(lab);
    let gateway = site.lab.address("gateway");
    site.register(&(0..count).map(load::order).collect::<Vec<_>>());
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let mut sent = 0;
    for _ in 0..kills {
        // Mails arrive while the gateway lives and dies.
        let until = (sent + count / kills + 1).min(count);
        for number in sent..until {
            let (writing, raw) = load::mail(number).unwrap();
            site.send(writing.sender(), &gateway, &raw);
        }
        sent = until;
        site.start();
        std::thread::sleep(Duration::from_millis(random.u64(30..700)));
        site.kill();
    }
    site.start();
    let began = Instant::now();
    let sent_all = |site: &Site| {
        let counts = site.ask(&["status"]);
        let transmissioned = counts["transmissions"]["SEND_RESPONSE_INITIAL"]["TRANSMISSIONED"].as_u64().unwrap_or(0);
        (transmissioned, counts)
    };
    loop {
        let (done, counts) = sent_all(&site);
        if done == count as u64 {
            assert_eq!(counts["responses"]["CLOSED"], count, "{counts:#}");
            assert_eq!(counts["mails"]["response"], count, "{counts:#}");
            break;
        }
        assert!(
            began.elapsed() < PATIENCE * 3,
            "{done} of {count}: {counts:#}\n{}",
            std::fs::read_to_string(site.log()).unwrap()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(site.ask(&["audit", "verify"])["ok"] == true);
    site.kill();
    // What the channel got: every order, and whatever came twice is identical.
    let mut seen: BTreeMap<String, Vec<Mail>> = BTreeMap::new();
    let began = Instant::now();
    while seen.len() < count && began.elapsed() < PATIENCE {
        for raw in site.drain("channel") {
            let mail = Mail::parse(&raw);
            seen.entry(mail.message_id.clone().unwrap()).or_default().push(mail);
        }
    }
    assert_eq!(seen.len(), count, "each order's answer reached the channel");
    let subjects: std::collections::BTreeSet<&str> = seen.values().map(|mails| mails[0].subject.as_str()).collect();
    assert_eq!(subjects.len(), count, "and each only once");
    let mut doubled = 0;
    for mails in seen.values().filter(|mails| mails.len() > 1) {
        doubled += mails.len() - 1;
        assert!(
            mails
                .iter()
                .all(|mail| mail.text == mails[0].text && mail.html == mails[0].html && mail.date == mails[0].date),
            "a repetition is the same"
        );
    }
    assert_eq!(site.drain("gateway").len(), 0, "the inbox is empty");
    println!("{count} mails, {kills} kills: 0 lost, 0 processed twice, {doubled} sent again identically");
}

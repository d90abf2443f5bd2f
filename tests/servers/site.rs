//! Postern with partners, a channel and an approver on the lab's servers, and what tests do with it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use postern::demo::partners::{Answer, AnswerLine, Writing, unpack_mappings};
use postern::mail::Mail;

use crate::maillab::Lab;
pub use crate::program::{LAB, PATIENCE, Program};

pub struct Site {
    program: Program,
}

impl Site {
    /// Postern at the account `gateway`, with channel, approver and partners in the lab; the mailboxes are empty.
    pub fn new(lab: Lab) -> Site {
        Site::at(lab, "gateway", "partner", "approver")
    }

    /// Postern at an account, whose partners and approvers are others.
    pub fn at(lab: Lab, gateway: &str, partner: &str, approver: &str) -> Site {
        let program = Program::new(lab);
        let (lab, folder) = (&program.lab, &program.folder);
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
        unpack_mappings(&folder.path().join("mappings")).unwrap();
        let site = Site { program };
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
        self.await_empty("gateway");
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

    pub fn register(&self, orders: &[String]) {
        let file = self.folder.path().join("orders.jsonl");
        std::fs::write(&file, orders.join("\n")).unwrap();
        let told = self.ask(&["order", "add", file.to_str().unwrap()]);
        assert_eq!(told["orders"].as_array().unwrap().len(), orders.len(), "{told}");
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
        self.until(&format!("order {order} does not come to {wanted:?}"), || {
            let statuses = self.statuses(order);
            (statuses == wanted, statuses)
        });
    }
}

impl Deref for Site {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
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

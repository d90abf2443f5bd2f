//! A gateway in memory with a clock that tests move and a relay that keeps what it is given: the whole
//! way of a mail without a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use postern::config::Loaded;
use postern::document::Limits;
use postern::gateway::desk::{Reply, Request};
use postern::gateway::{Clock, Gateway, Live, Reader};
use postern::mail::Mail;
use postern::model::{OrderNumber, Response, Transmission, TransmissionKind};
use postern::store::memory::Memory;
use postern::store::{MailFilter, MailRecord, ResponseFilter, Store, TransmissionFilter};
use postern::wire::{Accepted, Body, Envelope, Fetched, MailKey, Refusal, Relay};

pub const CONFIG: &str = r#"
operators = ["ops@shop.example"]
[gateway]
address = "orders@shop.example"
authserv_id = "mx.shop.example"
[partners.nord]
name = "Nord GmbH"
addresses = ["ab@nord.example"]
[partners.ost]
addresses = ["ab@ost.example"]
[channels.shop]
addresses = ["responses@shop.example"]
approvers = ["anna@shop.example, ben@shop.example", "chief@shop.example"]
[defaults]
response_trust = "off"
[defaults.waits]
recall_hold = "0"
"#;

/// Confirmations as plain text, for both partners.
pub fn mapping(partner: &str) -> String {
    format!(
        r#"
partner = "{partner}"
kind = "response"
[match]
from = ["@{partner}.example"]
subject = 'Confirmation'
[source]
part = "text"
[formats]
decimal = "."
date = ["%Y-%m-%d"]
currency = "EUR"
[fields]
order_number = {{ find = 'Your order (\S+)' }}
supplier_order_number = {{ find = 'Our order (\S+)', required = false }}
entry_date = {{ find = 'Date (\S+)', required = false }}
[lines]
start = '^Lines'
line = '^(?<position>\d+)\s+(?<supplier_sku>\S+)\s+(?<quantity_confirmed>[\d.]+)\s+(?<price_net>[\d.]+)\s+(?<confirmed_date>\S+)(?:\s+(?<status>\S+))?$'
end = '^End'
[codes.status]
"ok" = "accepted"
"canceled" = "canceled"
"later" = "backordered"
"#
    )
}

pub struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Keeps what it is given; refuses when told to.
#[derive(Default)]
pub struct Keeper {
    pub taken: Mutex<Vec<(Envelope, Vec<u8>)>>,
    pub refuse: Mutex<Option<Refusal>>,
}

#[async_trait]
impl Relay for Keeper {
    async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<Accepted, Refusal> {
        if let Some(refusal) = self.refuse.lock().unwrap().clone() {
            return Err(refusal);
        }
        self.taken.lock().unwrap().push((envelope.clone(), message.to_vec()));
        Ok(Accepted { answer: "250 2.0.0 kept".into() })
    }
}

pub struct House {
    pub gateway: Gateway,
    pub store: Arc<dyn Store>,
    pub clock: Arc<TestClock>,
    pub relay: Arc<Keeper>,
    pub folder: tempfile::TempDir,
    pub runtime: tokio::runtime::Runtime,
    mails: std::cell::Cell<u64>,
}

/// A mail that went out, as its reader gets it.
pub struct Out {
    pub to: Vec<String>,
    pub mail: Mail,
    pub raw: Vec<u8>,
}

impl Out {
    pub fn reply_to(&self) -> String {
        self.mail.reply_to.first().map(|a| a.address.clone()).unwrap_or_default()
    }
}

/// A gateway over a store, as it comes up.
fn start(folder: &Path, store: &Arc<dyn Store>, clock: &Arc<TestClock>) -> Gateway {
    let loaded = Loaded::read(&folder.join("postern.toml")).unwrap_or_else(|c| panic!("{c}"));
    let live =
        Live::from_loaded(loaded).unwrap_or_else(|c| panic!("{}", c.iter().map(|c| c.draw(false)).collect::<String>()));
    let reader: Reader = Arc::new(|input| {
        assert!(!input.bytes.windows(11).any(|words| words == b"KILL-READER"), "a reader that dies");
        postern::document::read(input, &Limits::default())
    });
    Gateway::new(live, Arc::clone(store), clock.clone(), reader, vec![7; 32])
}

impl House {
    /// All that the gateway has in memory is gone.
    pub fn restart(&mut self) {
        self.gateway = start(self.folder.path(), &self.store, &self.clock);
    }

    pub fn new() -> House {
        House::with(CONFIG)
    }

    pub fn with(config: &str) -> House {
        House::with_files(config, &[])
    }

    /// With further files beside the configuration, by their paths.
    pub fn with_files(config: &str, files: &[(&str, &str)]) -> House {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        for partner in ["nord", "ost"] {
            let dir = folder.path().join("mappings").join(partner);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("text.toml"), mapping(partner)).unwrap();
        }
        std::fs::write(folder.path().join("postern.toml"), config).unwrap();
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let clock = Arc::new(TestClock(Mutex::new("2026-11-23T09:00:00Z".parse().unwrap())));
        let gateway = start(folder.path(), &store, &clock);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        House { gateway, store, clock, relay: Arc::default(), folder, runtime, mails: std::cell::Cell::new(0) }
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config_file(&self) -> PathBuf {
        self.path().join("postern.toml")
    }

    /// Time passes, and what is due happens.
    pub fn wait(&self, hours: i64) {
        self.later(SignedDuration::from_hours(hours));
    }

    pub fn later(&self, time: SignedDuration) {
        {
            let mut now = self.clock.0.lock().unwrap();
            *now = now.checked_add(time).unwrap();
        }
        self.gateway.time_passes().unwrap();
        self.gateway.sweep().unwrap();
    }

    pub fn ask(&self, request: Request) -> Reply {
        self.gateway.handle(request)
    }

    /// An order of nord: position 10 of 8 B1 at 100.00 and position 20 of 5 B2 at 12.50, wished for 2026-12-21.
    pub fn order(&self, number: &str) {
        self.order_of(number, "nord");
    }

    pub fn order_of(&self, number: &str, partner: &str) {
        let text = format!(
            r#"{{"order_number":"{number}","channel":"shop","currency":"EUR","partner":"{partner}","positions":[
            {{"position":10,"supplier_sku":"B1","quantity":"8","price_net":"100.00","requested_date":"2026-12-21"}},
            {{"position":20,"supplier_sku":"B2","quantity":"5","price_net":"12.50","requested_date":"2026-12-21"}}]}}"#
        );
        let reply = self.ask(Request::OrderAdd { text, file: "test".into() });
        assert!(reply.ok, "{reply:?}");
    }

    /// A mail comes in; its record says where it ended.
    pub fn feed(&self, raw: &str) -> MailRecord {
        let (fetched, digest) = self.fetched(raw);
        let taken = self.gateway.take(vec![fetched], "test");
        assert!(taken.trouble.is_none(), "{:?}", taken.trouble);
        assert_eq!(taken.filings.len(), 1, "every mail is filed");
        self.store.mail_by_digest(&digest).unwrap().expect("the mail is in the ledger")
    }

    /// A mail as a mailbox hands it out, and what it is known by.
    pub fn fetched(&self, raw: &str) -> (Fetched, postern::model::Digest) {
        self.mails.set(self.mails.get() + 1);
        let raw = raw.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
        let digest = postern::model::Digest::of(&raw);
        let key = MailKey::Maildir(self.mails.get().to_string());
        (Fetched { key, size: raw.len() as u64, body: Body::Whole(raw) }, digest)
    }

    /// A confirmation of `partner` in the layout of [`mapping`].
    pub fn confirm(&self, partner: &str, order: &str, lines: &str) -> MailRecord {
        self.feed(&self.confirmation(partner, order, lines, ""))
    }

    pub fn confirmation(&self, partner: &str, order: &str, lines: &str, headers: &str) -> String {
        let n = self.mails.get();
        format!(
            "From: {partner} <ab@{partner}.example>\nTo: orders@shop.example\nSubject: Confirmation {order}\nMessage-ID: <c{n}@{partner}.example>\nDate: Mon, 23 Nov 2026 08:00:00 +0000\n{headers}\nYour order {order}\nDate 2026-11-23\n\nLines\n{lines}\nEnd\n"
        )
    }

    /// Somebody replies to a mail of ours, authentic unless `proof` says otherwise.
    pub fn reply(&self, to: &Out, from: &str, words: &str) -> MailRecord {
        self.reply_with(to, from, words, "Authentication-Results: mx.shop.example; dmarc=pass header.from=DOMAIN")
    }

    pub fn reply_with(&self, to: &Out, from: &str, words: &str, proof: &str) -> MailRecord {
        self.feed(&self.reply_text(to, from, words, proof))
    }

    /// The bytes of such a reply, not fed yet.
    pub fn reply_text(&self, to: &Out, from: &str, words: &str, proof: &str) -> String {
        let domain = from.rsplit_once('@').unwrap().1;
        let n = self.mails.get();
        let proof = proof.replace("DOMAIN", domain);
        let quoted: String = to.mail.text.as_deref().unwrap_or("").lines().map(|line| format!("> {line}\n")).collect();
        let text = format!(
            "{proof}\nFrom: <{from}>\nTo: {}\nSubject: Re: {}\nMessage-ID: <r{n}@{domain}>\nIn-Reply-To: <{}>\nDate: Mon, 23 Nov 2026 09:00:00 +0000\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{words}\n\nOn Mon, Nov 23, 2026 at 9:00 AM Postern <orders@shop.example> wrote:\n{quoted}",
            to.reply_to(),
            to.mail.subject,
            to.mail.message_id.as_deref().unwrap_or(""),
        );
        text.trim_start().replace("\r\n", "\n").replace('\n', "\r\n")
    }

    /// Sends what is due and gives what went out since the last time.
    pub fn out(&self) -> Vec<Out> {
        let relay: Arc<dyn Relay> = self.relay.clone();
        self.runtime.block_on(async {
            while self.gateway.send_due(&relay, 1).await.unwrap() > 0 {
                if self.relay.refuse.lock().unwrap().is_some() {
                    break;
                }
            }
        });
        let taken = std::mem::take(&mut *self.relay.taken.lock().unwrap());
        taken.into_iter().map(|(envelope, raw)| Out { to: envelope.to, mail: Mail::parse(&raw), raw }).collect()
    }

    /// The one mail that went out to this address since the last time; others are dropped.
    pub fn out_to(&self, address: &str) -> Out {
        let all = self.out();
        let seen: Vec<String> = all.iter().map(|out| format!("{} {}", out.to.join(","), out.mail.subject)).collect();
        let mut to: Vec<Out> = all.into_iter().filter(|out| out.to.iter().any(|to| to == address)).collect();
        assert_eq!(to.len(), 1, "mails to {address} among {seen:?}");
        to.remove(0)
    }

    pub fn responses(&self, order: &str) -> Vec<Response> {
        let filter = ResponseFilter { order: Some(OrderNumber::new(order)), limit: 100, ..Default::default() };
        let mut found = self.store.responses(&filter).unwrap();
        found.reverse();
        found
    }

    /// The statuses of an order's responses, oldest first.
    pub fn statuses(&self, order: &str) -> Vec<&'static str> {
        let all = self.responses(order);
        for response in all.iter().filter(|response| response.error.is_some()) {
            println!("{} stands in {}: {}", response.id, response.status, response.error.as_deref().unwrap_or(""));
        }
        all.iter().map(|response| response.status.name()).collect()
    }

    pub fn transmissions(&self, order: &str) -> Vec<Transmission> {
        let filter = TransmissionFilter { order: Some(OrderNumber::new(order)), limit: 100, ..Default::default() };
        let mut found = self.store.transmissions(&filter).unwrap();
        found.reverse();
        found
    }

    pub fn kinds(&self, order: &str) -> Vec<TransmissionKind> {
        self.transmissions(order).iter().map(|t| t.kind).collect()
    }

    pub fn mails(&self) -> Vec<MailRecord> {
        self.store.mails(&MailFilter { limit: 1_000, ..Default::default() }).unwrap()
    }
}

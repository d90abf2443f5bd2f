//! Two years of work through the whole gateway: 50,000 orders with four responses each, opened evenly
//! over two years and answered over the three weeks after; every mail is looked at, mapped, decided and
//! kept on disk, every fourth order has a deviation that an approver lets pass, everything owed goes out
//! (to a relay that only says yes). Prints, for each eighth of the time, responses per second, CPU time
//! and disk per response, and the peak of memory: flat rows mean that the store's growth costs nothing.
//!
//! `cargo bench --bench years [-- RESPONSES]`, by default 20,000; two years are 200,000.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on stops"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use postern::config::Loaded;
use postern::document::Limits;
use postern::gateway::{Clock, Gateway, Live, Reader};
use postern::model::{OrderNumber, Status, Timestamp};
use postern::process::{Command, Decision, DecisionKind, Input, Scope, Verb};
use postern::store::redb::{Options, Redb};
use postern::store::{ResponseFilter, Store};
use postern::wire::{Accepted, Body, Envelope, Fetched, MailKey, Refusal, Relay};

/// Weeks from the first order to the last.
const WEEKS: u64 = 104;
/// Responses to each order, a week apart.
const RESPONSES_EACH: u64 = 4;
/// Mails looked at in one go, as from a mailbox.
const BATCH: usize = 200;

const CONFIG: &str = r#"
[gateway]
address = "orders@shop.example"
[partners.nord]
addresses = ["ab@nord.example"]
[channels.shop]
addresses = ["responses@shop.example"]
approvers = ["anna@shop.example"]
[defaults]
response_trust = "off"
"#;

const MAPPING: &str = r#"
partner = "nord"
kind = "response"
[match]
from = ["@nord.example"]
[source]
part = "text"
[formats]
decimal = "."
date = ["%Y-%m-%d"]
currency = "EUR"
[fields]
order_number = { find = 'Your order (\S+)' }
response_number = { find = 'Our number (\S+)' }
entry_date = { find = 'Date (\S+)' }
[lines]
start = '^Lines'
line = '^(?<position>\d+)\s+(?<supplier_sku>\S+)\s+(?<quantity_confirmed>[\d.]+)\s+(?<price_net>[\d.]+)\s+(?<confirmed_date>\S+)\s+(?<status>\S+)\s*$'
end = '^End'
[codes.status]
"ok" = "accepted"
"#;

struct Calendar(AtomicI64);

impl Clock for Calendar {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Says yes; remembers nothing.
struct Yes;

#[async_trait]
impl Relay for Yes {
    async fn send(&self, _: &Envelope, _: &[u8]) -> Result<Accepted, Refusal> {
        Ok(Accepted { answer: "250 2.0.0 ok".into() })
    }
}

fn main() {
    let responses = std::env::args().filter_map(|argument| argument.parse::<u64>().ok()).next().unwrap_or(20_000);
    let orders = (responses / RESPONSES_EACH).max(WEEKS);
    let folder = tempfile::tempdir_in(option_env!("CARGO_TARGET_TMPDIR").unwrap_or(".")).unwrap();
    std::fs::create_dir_all(folder.path().join("mappings/nord")).unwrap();
    std::fs::write(folder.path().join("mappings/nord/text.toml"), MAPPING).unwrap();
    std::fs::write(folder.path().join("postern.toml"), CONFIG).unwrap();
    let loaded = Loaded::read(&folder.path().join("postern.toml")).unwrap_or_else(|c| panic!("{c}"));
    let live =
        Live::from_loaded(loaded).unwrap_or_else(|c| panic!("{}", c.iter().map(|c| c.draw(false)).collect::<String>()));
    let store: Arc<dyn Store> = Arc::new(Redb::open(&folder.path().join("data"), Options::default()).unwrap());
    let clock = Arc::new(Calendar(AtomicI64::new(1_735_689_600)));
    let reader: Reader = Arc::new(|input| postern::document::read(input, &Limits::default()));
    let gateway = Gateway::new(live, Arc::clone(&store), clock.clone(), reader, vec![7; 32]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let relay: Arc<dyn Relay> = Arc::new(Yes);

    println!(
        "{:28} {:>11} {:>9} {:>9} {:>9} {:>10}",
        format!("{orders} orders"),
        "responses/s",
        "CPU ms",
        "KB disk",
        "sent",
        "peak MiB"
    );
    let mut part = Part::new(&*store);
    let weeks = WEEKS + RESPONSES_EACH - 1;
    let mut eighth = 1;
    for week in 0..weeks {
        let opened = week_of(week, orders);
        register(&gateway, opened.clone());
        let mut mails = Vec::new();
        for nth in 0..RESPONSES_EACH.min(week + 1) {
            mails.extend(week_of(week - nth, orders).map(|order| (order, nth)));
        }
        for batch in mails.chunks(BATCH) {
            let deviating: Vec<OrderNumber> =
                batch.iter().filter(|(order, nth)| deviates(*order, *nth)).map(|(order, _)| number(*order)).collect();
            let fetched: Vec<Fetched> = batch.iter().map(|(order, nth)| mail(*order, *nth)).collect();
            part.measure(batch.len(), || {
                let taken = gateway.take(fetched, "orders");
                assert!(taken.trouble.is_none() && taken.filings.len() == batch.len(), "{:?}", taken.trouble);
                let approvals = deviating.iter().map(|number| (number.clone(), approval(&*store, number))).collect();
                for (number, decided) in gateway.decide_each(approvals) {
                    assert!(decided.unwrap().changed, "{number} was not approved");
                }
                while runtime.block_on(gateway.send_due(&relay, 4)).unwrap() > 0 {}
            });
        }
        clock.0.fetch_add(7 * 86_400, Ordering::Relaxed);
        if (week + 1) * 8 >= eighth * weeks {
            part.told(&*store, &format!("to week {}", week + 1));
            eighth += 1;
        }
    }
    let started = Instant::now();
    let filter = ResponseFilter { limit: usize::MAX, ..ResponseFilter::default() };
    let mut by_status: BTreeMap<Status, usize> = BTreeMap::new();
    for response in store.responses(&filter).unwrap() {
        *by_status.entry(response.status).or_default() += 1;
    }
    println!("at the end: {by_status:?} (counted in {:.1?})", started.elapsed());
    assert_eq!(by_status.get(&Status::Closed).copied().unwrap_or(0) as u64, orders * RESPONSES_EACH);
}

/// The orders opened in a week.
fn week_of(week: u64, orders: u64) -> std::ops::Range<u64> {
    let at = |week: u64| week.min(WEEKS) * orders / WEEKS;
    at(week)..at(week + 1)
}

fn number(order: u64) -> OrderNumber {
    // Spread, as order numbers of several channels are.
    OrderNumber::new(format!("48{:08}", order * 7919 % 100_000_000))
}

fn deviates(order: u64, nth: u64) -> bool {
    order.is_multiple_of(4) && nth == 2
}

fn register(gateway: &Gateway, orders: std::ops::Range<u64>) {
    for chunk in orders.collect::<Vec<_>>().chunks(500) {
        let text: Vec<String> = chunk
            .iter()
            .map(|order| {
                let position = |n: u32| {
                    format!(
                        r#"{{"position":{n}0,"supplier_sku":"NW-{n:05}","name":"Sechskantschraube DIN 933 M{n} verzinkt","quantity":"{n}0","unit":"PCE","price_net":"12.5{n}","requested_date":"2026-12-01"}}"#
                    )
                };
                let positions: Vec<String> = (1..=4).map(position).collect();
                format!(
                    r#"{{"order_number":"{}","channel":"shop","currency":"EUR","partner":"nord","positions":[{}]}}"#,
                    number(*order),
                    positions.join(",")
                )
            })
            .collect();
        let reply =
            gateway.handle(postern::gateway::desk::Request::OrderAdd { text: text.join("\n"), file: "years".into() });
        assert!(reply.ok, "{}", reply.message);
    }
}

fn mail(order: u64, nth: u64) -> Fetched {
    let price = |n: u32| if deviates(order, nth) && n == 2 { "19.99".to_string() } else { format!("12.5{n}") };
    let lines: String = (1..=4).map(|n: u32| format!("{n}0 NW-{n:05} {n}0 {} 2026-12-01 ok\r\n", price(n))).collect();
    let raw = format!(
        "From: <ab@nord.example>\r\nTo: <orders@shop.example>\r\nMessage-ID: <{order}.{nth}@nord.example>\r\n\
         Subject: Confirmation {order}/{nth}\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\n\
         Dear Sir or Madam,\r\n\r\nYour order {}\r\nOur number {order}-{nth}\r\nDate 2026-11-2{nth}\r\n\r\nLines\r\n{lines}End\r\n\r\n\
         Kind regards\r\nNord GmbH\r\n",
        number(order)
    )
    .into_bytes();
    let size = raw.len() as u64;
    let uid = u32::try_from(order * RESPONSES_EACH + nth).unwrap_or(u32::MAX);
    Fetched { key: MailKey::Imap { uid_validity: 1, uid }, size, body: Body::Whole(raw) }
}

fn approval(store: &dyn Store, number: &OrderNumber) -> Input {
    let dossier = store.dossier(number).unwrap().expect("an order was answered");
    let (id, asked) = dossier
        .responses
        .iter()
        .filter(|(_, response)| response.status == Status::NotCheckedDoApprove)
        .find_map(|(id, response)| response.approval.as_ref().map(|asked| (*id, asked)))
        .unwrap_or_else(|| panic!("order {number} asks for no approval"));
    Input::Decision(Decision {
        response: id,
        version: asked.version,
        by: "anna@shop.example".into(),
        kind: DecisionKind::Decision,
        commands: vec![Command { verb: Verb::Approve, scope: Scope::All }],
        lines: Vec::new(),
    })
}

/// What an eighth of the time took.
struct Part {
    wall: Duration,
    cpu: Duration,
    disk: u64,
    sent: u64,
    responses: usize,
}

impl Part {
    fn new(store: &dyn Store) -> Part {
        Part { wall: Duration::ZERO, cpu: Duration::ZERO, disk: store.health().used_bytes, sent: 0, responses: 0 }
    }

    fn measure(&mut self, responses: usize, work: impl FnOnce()) {
        let (started, before) = (Instant::now(), cpu());
        work();
        self.wall += started.elapsed();
        self.cpu += cpu() - before;
        self.responses += responses;
    }

    fn told(&mut self, store: &dyn Store, what: &str) {
        let disk = store.health().used_bytes;
        let counts = store.counts().unwrap();
        let sent: u64 = counts.transmissions.values().flat_map(|statuses| statuses.values()).sum();
        let per = |value: f64| value / self.responses as f64;
        println!(
            "{what:28} {:>11.0} {:>9.3} {:>9.1} {:>9} {:>10.1}",
            self.responses as f64 / self.wall.as_secs_f64(),
            per(self.cpu.as_secs_f64() * 1e3),
            per((disk - self.disk) as f64 / 1024.0),
            sent - self.sent,
            peak() as f64 / 1024.0,
        );
        *self = Part { disk, sent, ..Part::new(store) };
    }
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

//! The way of a customer's order through the whole gateway, without sockets: mail in, document to the order system,
//! its answer back, the sales desk's word, the confirmation out. A failure here is an order that is lost, delivered
//! twice, or confirmed as something that nobody agreed to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod house;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use house::House;
use postern::gateway::desk::Request;
use postern::gateway::sales::SaleAct;
use postern::model::{AlarmKind, Sale, TransmissionKind as Kind};
use postern::standard::ubl_write;
use postern::store::{SaleFilter, TransmissionFilter};
use postern::wire::WireError;
use postern::wire::order_system::{Answer, HandOver, HandOverError, Handed, OrderSystem, Verdict};

const CONFIG: &str = r#"
operators = ["ops@shop.example"]
[gateway]
address = "orders@shop.example"
authserv_id = "mx.shop.example"
[partners.nord]
name = "Nord GmbH"
addresses = ["ab@nord.example"]
[channels.shop]
addresses = ["responses@shop.example"]
approvers = ["anna@shop.example"]
[defaults]
response_trust = "off"
[sales]
addresses = ["sales@shop.example"]
register_as = "shop"
supplier = "nord"
currency = "EUR"
[sales.options]
order_trust = "off"
[customers.acme]
name = "Acme Ltd"
addresses = ["@acme.example"]
[customers.nova]
addresses = ["@nova.example"]
[order_system]
url = "file:///var/spool/erp"
"#;

const TEXT: &str = r#"
partner = "acme"
kind = "order"
[match]
from = ["@acme.example"]
subject = 'Order'
[source]
part = "text"
[formats]
decimal = "."
date = ["%Y-%m-%d"]
[fields]
order_number = { find = 'Our order (\S+)', required = false }
delivery_address = { find = 'Deliver to (.+)', required = false }
[lines]
start = '^Lines'
line = '^(?<position>\d+)\s+(?<supplier_sku>\S+)\s+(?<quantity>[\d.]+)\s+(?<price_net>[\d.]+)\s+(?<requested_date>\S+)$'
end = '^End'
"#;

const HTML: &str = r#"
partner = "acme"
kind = "order"
[match]
from = ["@acme.example"]
subject = 'Bestellung'
[source]
part = "html"
[formats]
decimal = ","
date = ["%d.%m.%Y"]
[fields]
order_number = { label = "Bestellnummer", side = "beside" }
[table.columns]
position = "Pos"
supplier_sku = "Artikel"
quantity = "Menge"
price_net = "Preis"
requested_date = "Termin"
"#;

const CSV: &str = r#"
partner = "acme"
kind = "order"
[match]
from = ["@acme.example"]
subject = 'Beställning'
[source]
part = "csv"
[formats]
decimal = "."
date = ["%Y-%m-%d"]
[fields]
order_number = { find = 'Beställning (\S+)', from = "subject" }
[table.columns]
position = "line"
supplier_sku = "article"
quantity = "qty"
price_net = "price"
requested_date = "date"
"#;

/// An order system in memory that does what it is told.
#[derive(Default)]
struct Erp(Mutex<State>);

#[derive(Default)]
struct State {
    down: bool,
    refuse: Option<String>,
    /// Every try that reached it, by key.
    tries: Vec<(String, String)>,
    waiting: Vec<Answer>,
    settled: Vec<(String, Verdict)>,
    answers: u32,
}

#[async_trait]
impl OrderSystem for Erp {
    fn name(&self) -> &str {
        "erp"
    }

    async fn hand_over(&self, order: &HandOver) -> Result<Handed, HandOverError> {
        let mut state = self.0.lock().unwrap();
        let said = |said: &str, retryable| Err(HandOverError { retryable, after: None, said: said.into() });
        if state.down {
            return said("connection refused", true);
        }
        if let Some(why) = &state.refuse {
            return said(&why.clone(), false);
        }
        state.tries.push((order.key.clone(), String::from_utf8(order.body.clone()).unwrap()));
        Ok(Handed { reference: None, said: "201 Created".into(), answer: None })
    }

    async fn answers(&self, count_max: usize) -> Result<Vec<Answer>, WireError> {
        Ok(self.0.lock().unwrap().waiting.iter().take(count_max).cloned().collect())
    }

    async fn settle(&self, answer: &str, verdict: &Verdict) -> Result<(), WireError> {
        let mut state = self.0.lock().unwrap();
        state.waiting.retain(|waiting| waiting.id != answer);
        state.settled.push((answer.to_string(), verdict.clone()));
        Ok(())
    }

    async fn wait(&self, _: Duration) {}
}

impl Erp {
    fn new() -> Arc<Erp> {
        Arc::default()
    }

    /// What it made of the last order: the same, changed by `change`.
    fn answer(&self, change: impl Fn(String) -> String) {
        let (key, order) = self.0.lock().unwrap().tries.last().cloned().expect("an order was handed over");
        self.put(Some(key), change(order));
    }

    fn put(&self, key: Option<String>, body: String) {
        let mut state = self.0.lock().unwrap();
        state.answers += 1;
        let name = format!("answer-{}.xml", state.answers);
        state.waiting.push(Answer {
            id: name.clone(),
            name,
            content_type: "application/xml".into(),
            body: body.into_bytes(),
            key,
            reference: Some("E-77".into()),
            unread: None,
        });
    }

    fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().tries.iter().map(|(key, _)| key.clone()).collect()
    }
}

fn house() -> House {
    House::with_files(
        CONFIG,
        &[("mappings/acme/text.toml", TEXT), ("mappings/acme/html.toml", HTML), ("mappings/acme/csv.toml", CSV)],
    )
}

fn order(number: &str, lines: &str) -> String {
    let n = fastrand::u64(..);
    format!(
        "From: Jo <jo@acme.example>\nTo: orders@shop.example\nSubject: Order {number}\nMessage-ID: <o{n}@acme.example>\nDate: Mon, 23 Nov 2026 08:00:00 +0000\n\nOur order {number}\nDeliver to Dock Street 1, Hamburg\n\nLines\n{lines}\nEnd\n"
    )
}

const LINES: &str = "10 A-1 10 5.00 2026-12-01\n20 B-2 4 20.00 2026-12-05";

/// One round with the order system.
fn sell(house: &House, erp: &Arc<Erp>) {
    let system: Arc<dyn OrderSystem> = erp.clone();
    house.block_on(async {
        house.gateway.take_answers(&system).await.unwrap();
        house.gateway.hand_over_due(&system).await.unwrap();
        house.gateway.take_answers(&system).await.unwrap();
    });
}

fn sales(house: &House) -> Vec<Sale> {
    let mut all = house.store.sales(&SaleFilter { limit: 100, ..SaleFilter::default() }).unwrap();
    all.reverse();
    for sale in all.iter().filter(|sale| sale.error.is_some()) {
        println!("{} stands in {}: {}", sale.id, sale.status, sale.error.as_deref().unwrap_or(""));
    }
    all
}

fn statuses(house: &House) -> Vec<&'static str> {
    sales(house).iter().map(|sale| sale.status.name()).collect()
}

fn alarms(house: &House) -> Vec<AlarmKind> {
    house.store.alarms(true, 100).unwrap().iter().map(|alarm| alarm.kind).collect()
}

fn minutes(house: &House, minutes: i64) {
    house.later(jiff::SignedDuration::from_mins(minutes));
}

/// The plain case: if this fails nothing works. `order show` tells one story from the mail to CLOSED.
#[test]
fn a_clean_order_is_confirmed_and_goes_on_as_an_order() {
    let (house, erp) = (house(), Erp::new());
    let record = house.feed(&order("4711", LINES));
    assert_eq!(
        (record.drawer.as_str(), record.order.as_ref().map(|o| o.as_str())),
        ("order", Some("4711")),
        "{}",
        record.reason
    );
    assert_eq!(statuses(&house), ["DO_CREATE_TRANSMISSION"]);
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CREATED_TRANSMISSION"]);
    assert!(erp.0.lock().unwrap().tries[0].1.contains("<cbc:ID>4711</cbc:ID>"));
    minutes(&house, 3);
    erp.answer(|order| order);
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CLOSED"]);
    let told = house.out_to("jo@acme.example");
    assert!(told.mail.subject.contains("4711"), "{}", told.mail.subject);
    let text = told.mail.text.clone().unwrap();
    assert!(text.contains("A-1") && text.contains("20.00"), "{text}");
    assert_eq!(told.mail.in_reply_to.len(), 1, "on the customer's own thread");
    let pdf = told.mail.attachments.iter().find(|file| file.media_type == "application/pdf").expect("a PDF");
    assert!(pdf.bytes.starts_with(b"%PDF"));
    // It is an order like any other now, and its supplier answers.
    house.confirm("nord", "4711", "10 A-1 10 4.00 2026-12-01 ok\n20 B-2 4 15.00 2026-12-05 ok");
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
    let story = house.ask(Request::OrderShow { number: "4711".into() }).value;
    assert_eq!(story["sale"]["status"], "CLOSED");
    let drawers: Vec<&str> = story["mails"].as_array().unwrap().iter().filter_map(|m| m["drawer"].as_str()).collect();
    assert_eq!(drawers, ["order", "order-answer", "response"]);
    let status = house.ask(Request::Status).value;
    assert_eq!(status["sales"]["mail_to_confirmation"]["p50_seconds"], 180, "{status:#}");
    assert_eq!(status["sales"]["by_status"]["CLOSED"], 1);
    assert!(alarms(&house).is_empty());
}

/// Customers write as they like; each way must come to the same order.
#[test]
fn every_format_comes_to_the_same_order() {
    let (house, erp) = (house(), Erp::new());
    let head = |subject: &str, number: &str| {
        format!(
            "From: Jo <jo@acme.example>\nTo: orders@shop.example\nSubject: {subject}\nMessage-ID: <f{number}@acme.example>\nMIME-Version: 1.0\n"
        )
    };
    let attached = |subject: &str, number: &str, media_type: &str, name: &str, body: &str| {
        format!(
            "{}Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nPlease find our order attached.\n--b\nContent-Type: {media_type}; charset=utf-8; name=\"{name}\"\nContent-Disposition: attachment; filename=\"{name}\"\n\n{body}\n--b--\n",
            head(subject, number)
        )
    };
    let html = format!(
        "{}Content-Type: text/html; charset=utf-8\n\n<html><body><table><tr><td>Bestellnummer</td><td>F-2</td></tr></table><table><tr><th>Pos</th><th>Artikel</th><th>Menge</th><th>Preis</th><th>Termin</th></tr><tr><td>10</td><td>A-1</td><td>10</td><td>5,00</td><td>01.12.2026</td></tr><tr><td>20</td><td>B-2</td><td>4</td><td>20,00</td><td>05.12.2026</td></tr></table></body></html>\n",
        head("Bestellung", "F-2")
    );
    let csv = "line;article;qty;price;date\n10;A-1;10;5.00;2026-12-01\n20;B-2;4;20.00;2026-12-05";
    house.feed(&order("F-1", LINES));
    sell(&house, &erp);
    let ubl = erp.0.lock().unwrap().tries[0].1.replace("F-1", "F-4");
    let edifact = "UNB+UNOC:3+BUYER+SELLER+261123:0800+1'UNH+1+ORDERS:D:96A:UN:EAN008'BGM+220+F-5+9'DTM+137:20261123:102'CUX+2:EUR:9'LIN+10++A-1:SA'QTY+21:10:PCE'DTM+2:20261201:102'PRI+AAA:5.00'LIN+20++B-2:SA'QTY+21:4:PCE'DTM+2:20261205:102'PRI+AAA:20.00'UNS+S'UNT+14+1'UNZ+1+1'";
    for (raw, number) in [
        (html, "F-2"),
        (attached("=?utf-8?q?Best=C3=A4llning_F-3?=", "F-3", "text/csv", "order.csv", csv), "F-3"),
        (attached("UBL", "F-4", "application/xml", "order.xml", &ubl), "F-4"),
        (attached("EDI", "F-5", "application/edifact", "order.edi", edifact), "F-5"),
    ] {
        let record = house.feed(&raw);
        assert_eq!(record.drawer, "order", "{number}: {}", record.reason);
        let sale = house.store.sale_by_customer_order(&"acme".into(), number).unwrap().expect(number);
        assert_eq!(sale.status.name(), "DO_CREATE_TRANSMISSION", "{number}: {:?}", sale.faults);
        let line = |index: usize| {
            let line = &sale.wanted.lines[index];
            let said = |name: &str| {
                let field = postern::model::Field::from_name(name).unwrap();
                match line.get(&field).map(|said| &said.value) {
                    Some(postern::model::Value::Number(number)) => number.normalize().to_string(),
                    Some(value) => value.to_string(),
                    None => String::new(),
                }
            };
            [said("position"), said("supplier_sku"), said("quantity"), said("price_net"), said("requested_date")]
        };
        assert_eq!(line(0), ["10", "A-1", "10", "5", "2026-12-01"], "{number}");
        assert_eq!(line(1), ["20", "B-2", "4", "20", "2026-12-05"], "{number}");
    }
}

/// The sales desk changes a line and the new answer fits: the customer is told what is not as ordered.
#[test]
fn a_difference_is_settled_by_the_sales_desk() {
    let (house, erp) = (house(), Erp::new());
    house.feed(&order("4711", LINES));
    sell(&house, &erp);
    erp.answer(|order| order.replace("\"EUR\">20<", "\"EUR\">23.00<"));
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CHECK_ANNOUNCED"]);
    let question = house.out_to("sales@shop.example");
    let text = question.mail.text.clone().unwrap();
    assert!(text.contains("23.00") && text.contains("20.00") && text.contains("Dock Street 1"), "{text}");
    // Nobody else decides, and nothing that is not clear.
    for (from, words, drawer) in [
        ("mallory@shop.example", "RELEASE", "stranger"),
        ("sales@shop.example", "RELEASE if they agree", "decision"),
        ("sales@shop.example", "RELEASE 10", "decision"),
    ] {
        let record = house.reply(&question, from, words);
        assert!(record.drawer == drawer, "{from} {words}: {} {}", record.drawer, record.reason);
        assert_eq!(statuses(&house), ["CHECK_ANNOUNCED"], "{from} {words}");
    }
    house.out();
    let record = house.reply(&question, "sales@shop.example", "CHANGE line 20 qty = 3 price = 23.00");
    assert_eq!(record.drawer, "decision", "{}", record.reason);
    assert_eq!(statuses(&house), ["DO_CREATE_TRANSMISSION"], "{}", record.reason);
    sell(&house, &erp);
    erp.answer(|order| order);
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CLOSED"]);
    assert_eq!(erp.keys().len(), 2);
    assert_ne!(erp.keys()[0], erp.keys()[1], "another version, another key");
    let out = house.out();
    let told = out.iter().find(|out| out.to == ["jo@acme.example"]).expect("the customer is told");
    let text = told.mail.text.clone().unwrap();
    assert!(text.contains("23.00") && text.contains('3'), "{text}");
    assert!(out.iter().any(|out| out.to == ["sales@shop.example"]), "the desk gets a receipt");
    let late = house.reply(&question, "sales@shop.example", "DECLINE");
    assert_eq!(late.drawer, "decision");
    assert_eq!(statuses(&house), ["CLOSED"], "a question that was decided is not decided again");
}

/// A declined order is taken back from the order system, and the customer hears of it.
#[test]
fn a_declined_order_is_canceled_everywhere() {
    let (house, erp) = (house(), Erp::new());
    house.feed(&order("4711", LINES));
    sell(&house, &erp);
    erp.answer(|order| order.replace("\"EUR\">5<", "\"EUR\">9.00<"));
    sell(&house, &erp);
    let question = house.out_to("sales@shop.example");
    house.reply(&question, "sales@shop.example", "DECLINE");
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CANCELED"]);
    assert!(erp.0.lock().unwrap().tries[1].1.contains("<OrderCancellation"));
    assert!(house.out().iter().any(|out| out.to == ["jo@acme.example"]));
}

/// What is wrong with an order comes back to its customer, and the corrected mail takes its place.
#[test]
fn a_faulty_order_is_asked_for_again() {
    let (house, erp) = (house(), Erp::new());
    let record = house.feed(&order("4711", "10 A-1 0 5.00 2026-12-01").replace("Our order 4711\n", ""));
    assert_eq!(record.drawer, "order", "{}", record.reason);
    assert_eq!(statuses(&house), ["NOT_CHECKED"]);
    let asked = house.out_to("jo@acme.example");
    let corrected =
        house.feed(&order("4712", LINES).replace("To: orders@shop.example", &format!("To: {}", asked.reply_to())));
    assert_eq!(corrected.drawer, "order", "{}", corrected.reason);
    let all = sales(&house);
    assert_eq!((all.len(), all[0].number.as_str(), all[0].order.as_str()), (1, "4712", "4712"));
    assert_eq!(statuses(&house), ["DO_CREATE_TRANSMISSION"]);
    sell(&house, &erp);
    assert_eq!(erp.keys().len(), 1);
}

/// Whoever answers our question writes under our subject; the mapping that knows the usual one must read it all the same.
#[test]
fn an_answer_under_our_subject_is_read() {
    let (house, erp) = (house(), Erp::new());
    house.feed(&order("4711", "10 A-1 0 5.00 2026-12-01"));
    assert_eq!(statuses(&house), ["NOT_CHECKED"]);
    let asked = house.out_to("jo@acme.example");
    let usual = order("4711", LINES);
    let subject = usual.lines().find(|line| line.starts_with("Subject: ")).unwrap().to_string();
    let reply = usual
        .replace("To: orders@shop.example", &format!("To: {}", asked.reply_to()))
        .replace(&subject, &format!("Subject: Re: {}", asked.mail.subject));
    let record = house.feed(&reply);
    assert_eq!(record.drawer, "order", "{}", record.reason);
    assert_eq!(statuses(&house), ["DO_CREATE_TRANSMISSION"]);
    sell(&house, &erp);
    assert_eq!(erp.keys().len(), 1);
}

/// A customer's mail that is no order must not vanish, and must not be answered by a machine.
#[test]
fn what_is_no_order_is_shown_to_a_person() {
    let house = house();
    let record = house.feed("From: Jo <jo@acme.example>\nTo: orders@shop.example\nSubject: Lunch?\nMessage-ID: <x@acme.example>\n\nHello, are you free on Friday?\n");
    assert_eq!(record.drawer, "unreadable");
    assert_eq!(alarms(&house), [AlarmKind::OrderUnreadable]);
    assert!(house.out().iter().all(|out| out.to == ["ops@shop.example"]));
    let stranger = house.feed("From: Eve <eve@evil.example>\nTo: orders@shop.example\nSubject: Order 1\nMessage-ID: <y@evil.example>\n\nOur order 1\n\nLines\n10 A-1 1 1.00 2026-12-01\nEnd\n");
    assert_eq!((stranger.drawer.as_str(), sales(&house).len()), ("stranger", 0));
}

/// The same order twice is one order; a changed one is a new version that the desk sees; two customers may use one number.
#[test]
fn duplicates_changes_and_shared_numbers() {
    let (house, erp) = (house(), Erp::new());
    house.feed(&order("4711", LINES));
    let again = house.feed(&order("4711", LINES));
    assert_eq!(again.drawer, "duplicate", "{}", again.reason);
    sell(&house, &erp);
    let changed = house.feed(&order("4711", "10 A-1 12 5.00 2026-12-01"));
    assert_eq!(changed.drawer, "order");
    sell(&house, &erp);
    assert_eq!(sales(&house).len(), 1);
    let [first, second] = &erp.keys()[..] else { panic!("two versions were handed over: {:?}", erp.keys()) };
    assert_ne!(first, second);
    // The answer to the first version comes late and changes nothing.
    let document = erp.0.lock().unwrap().tries[0].1.clone();
    erp.put(Some(first.clone()), document);
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CREATED_TRANSMISSION"]);
    erp.answer(|order| order);
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CHECK_ANNOUNCED"], "the desk sees that the customer changed it");
    let text = house.out_to("sales@shop.example").mail.text.unwrap();
    assert!(text.contains("12"), "{text}");
    let ubl = erp.0.lock().unwrap().tries[0].1.clone();
    let nova = house.feed(&format!("From: <buy@nova.example>\nTo: orders@shop.example\nSubject: Order\nMessage-ID: <n@nova.example>\nMIME-Version: 1.0\nContent-Type: application/xml; name=\"o.xml\"\nContent-Disposition: attachment; filename=\"o.xml\"\n\n{ubl}\n"));
    assert_eq!(nova.drawer, "order", "{}", nova.reason);
    let names: Vec<String> = sales(&house).iter().map(|sale| sale.order.to_string()).collect();
    assert_eq!(names, ["4711", "4711-nova"]);
}

/// An hour without the order system loses nothing, hands nothing over twice, tells a person, and ends by itself.
#[test]
fn the_order_system_is_down_for_an_hour() {
    let (house, erp) = (house(), Erp::new());
    erp.0.lock().unwrap().down = true;
    house.feed(&order("4711", LINES));
    house.feed(&order("4712", LINES));
    for _ in 0..60 {
        sell(&house, &erp);
        minutes(&house, 1);
    }
    assert!(alarms(&house).contains(&AlarmKind::OrderSystemUnreachable), "{:?}", alarms(&house));
    assert!(alarms(&house).contains(&AlarmKind::OrderStandsStill), "{:?}", alarms(&house));
    assert_eq!(erp.keys().len(), 0);
    let keys: Vec<String> = sales(&house).iter().map(|sale| sale.hand_over().unwrap().key.clone()).collect();
    erp.0.lock().unwrap().down = false;
    for _ in 0..15 {
        minutes(&house, 1);
        sell(&house, &erp);
    }
    assert_eq!(erp.keys(), keys, "the keys that were stored before the first try, each once");
    assert_eq!(statuses(&house), ["CREATED_TRANSMISSION", "CREATED_TRANSMISSION"]);
    assert!(!alarms(&house).contains(&AlarmKind::OrderSystemUnreachable), "{:?}", alarms(&house));
}

/// A document that it refuses is the desk's question; a person hands over the mended one.
#[test]
fn a_refused_document_is_the_desks_question() {
    let (house, erp) = (house(), Erp::new());
    erp.0.lock().unwrap().refuse = Some("422 unknown article".into());
    house.feed(&order("4711", LINES));
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["NOT_ANNOUNCED"]);
    house.out_to("sales@shop.example");
    erp.0.lock().unwrap().refuse = None;
    let act = |action| Request::SaleAct { name: "S1".into(), action, by: "anna".into(), reason: "mended".into() };
    let refused = house.ask(act(SaleAct::Release));
    assert!(!refused.ok && refused.message.contains("not possible"), "{refused:?}");
    let done = house.ask(act(SaleAct::HandOver));
    assert!(done.ok, "{done:?}");
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CREATED_TRANSMISSION"]);
    let changed = house.ask(act(SaleAct::Change("10 qty = 8".into())));
    assert!(!changed.ok, "nothing was asked: {changed:?}");
    let shown = house.ask(Request::SaleShow { name: "4711".into() }).value;
    assert_eq!(shown["sale"]["id"], "S1");
    let listed = house.ask(Request::SaleList { status: None, customer: Some("acme".into()), limit: 9 }).value;
    assert_eq!(listed["sales"].as_array().unwrap().len(), 1);
}

/// What the order system sends by mistake is kept and shown, and stops nobody.
#[test]
fn answers_that_nobody_understands_are_kept() {
    let (house, erp) = (house(), Erp::new());
    house.feed(&order("4711", LINES));
    sell(&house, &erp);
    erp.put(None, "<Order".into());
    erp.put(None, "surprise".into());
    erp.answer(|order| order.replace("<cbc:ID>4711</cbc:ID>", "<cbc:ID>9999</cbc:ID>"));
    erp.0.lock().unwrap().waiting.last_mut().unwrap().key = None;
    // Under the key of our order, but about another one.
    erp.answer(|order| order.replace("<cbc:ID>4711</cbc:ID>", "<cbc:ID>9998</cbc:ID>"));
    erp.answer(|order| order);
    erp.answer(|order| order);
    sell(&house, &erp);
    assert_eq!(statuses(&house), ["CLOSED"], "answering twice is harmless");
    let state = erp.0.lock().unwrap();
    let refused: Vec<bool> =
        state.settled.iter().map(|(_, verdict)| matches!(verdict, Verdict::Refused { .. })).collect();
    assert_eq!(refused, [true, true, true, true, false, false]);
    drop(state);
    assert_eq!(alarms(&house), [AlarmKind::OrderAnswerUnknown; 4]);
    let kept: Vec<_> = house.mails().into_iter().filter(|mail| mail.drawer == "order-answer-unknown").collect();
    assert_eq!(kept.len(), 4);
    for number in ["9999", "9998"] {
        assert!(kept.iter().any(|mail| mail.reason.contains(number)), "{kept:?}");
    }
    let confirmations = house
        .store
        .transmissions(&TransmissionFilter { limit: 100, ..TransmissionFilter::default() })
        .unwrap()
        .into_iter()
        .filter(|t| t.kind == Kind::SendOrderConfirmation);
    assert_eq!(confirmations.count(), 1);
}

/// The order system that is written to: the order goes as a mail, its answer comes as one.
#[test]
fn an_order_system_that_is_reached_by_mail() {
    let config = CONFIG.replace(
        "url = \"file:///var/spool/erp\"",
        "url = \"mailto:in@erp.example\"\naddresses = [\"out@erp.example\"]\ntrust = \"off\"",
    );
    let house = House::with_files(&config, &[("mappings/acme/text.toml", TEXT)]);
    house.feed(&order("4711", LINES));
    assert_eq!(statuses(&house), ["CREATED_TRANSMISSION"]);
    let sent = house.out_to("in@erp.example");
    let document = sent.mail.attachments.iter().find(|file| file.media_type.contains("xml")).expect("the order");
    let xml = String::from_utf8(document.bytes.clone()).unwrap();
    let record = house.feed(&format!("From: <out@erp.example>\nTo: orders@shop.example\nSubject: Re: order\nMessage-ID: <e@erp.example>\nMIME-Version: 1.0\nContent-Type: application/xml; name=\"r.xml\"\nContent-Disposition: attachment; filename=\"r.xml\"\n\n{xml}\n"));
    assert_eq!(record.drawer, "order-answer", "{}", record.reason);
    assert_eq!(statuses(&house), ["CLOSED"]);
}

/// Ten minutes are promised: who stands still longer is told of.
#[test]
fn an_order_that_stands_still_raises_an_alarm() {
    let (house, erp) = (house(), Erp::new());
    house.feed(&order("4711", LINES));
    sell(&house, &erp);
    minutes(&house, 9);
    assert!(alarms(&house).is_empty());
    minutes(&house, 2);
    assert_eq!(alarms(&house), [AlarmKind::OrderStandsStill]);
    let status = house.ask(Request::Status).value;
    assert_eq!(status["sales"]["stand_still"][0]["sale"], "S1", "{status:#}");
    erp.answer(|order| order);
    sell(&house, &erp);
    assert!(alarms(&house).is_empty());
}

/// A crash between any two steps hands the same document over under the same key, and confirms once.
#[test]
fn a_crash_between_commits_changes_nothing() {
    for point in [
        "hand_over.looked",
        "hand_over.answered",
        "hand_over.committed",
        "answers.fetched",
        "answers.committed",
        "answers.settled",
    ] {
        let (house, erp) = (house(), Erp::new());
        house.feed(&order("4711", LINES));
        let system: Arc<dyn OrderSystem> = erp.clone();
        let round = || {
            house.block_on(async {
                let _ = house.gateway.take_answers(&system).await;
                let _ = house.gateway.hand_over_due(&system).await;
            });
        };
        postern::drill::fail_here(point);
        round();
        postern::drill::heal();
        minutes(&house, 1);
        round();
        erp.answer(|order| order);
        postern::drill::fail_here(point);
        round();
        postern::drill::heal();
        minutes(&house, 1);
        round();
        round();
        assert_eq!(statuses(&house), ["CLOSED"], "{point}");
        let keys = erp.keys();
        assert!(keys.iter().all(|key| *key == keys[0]), "{point}: {keys:?}");
        assert_eq!(sales(&house)[0].hand_overs.len(), 1, "{point}");
        let bodies: Vec<String> = erp.0.lock().unwrap().tries.iter().map(|(_, body)| body.clone()).collect();
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{point}: the same bytes");
        let told = house.out().into_iter().filter(|out| out.to == ["jo@acme.example"]).count();
        assert_eq!(told, 1, "{point}");
    }
}

/// The house's own documents: an order and its cancellation read back as what they are.
#[test]
fn documents_are_what_their_standard_says() {
    let (house, erp) = (house(), Erp::new());
    house.feed(&order("4711", LINES));
    sell(&house, &erp);
    let sale = sales(&house).remove(0);
    let xml = ubl_write::order_cancellation(&sale.wanted, "S1-1", "Shop", "too <late>");
    assert!(xml.contains("too &lt;late&gt;") && xml.contains("<cbc:ID>4711</cbc:ID>"), "{xml}");
    assert!(postern::standard::recognise(&xml).is_some());
}

/// A customer who orders and writes a word about it a minute later, both before we looked: the word is no second order
/// without lines, for which the customer would be asked.
#[test]
fn a_word_right_behind_an_order_is_a_word() {
    let house = house();
    let word = order("4711", "").replace("Lines\n\nEnd\n", "please ring the bell\n");
    let mails = vec![house.fetched(&order("4711", LINES)).0, house.fetched(&word).0];
    assert!(house.gateway.take(mails, "test").trouble.is_none());
    let drawers = house.store.mails(&postern::store::MailFilter { limit: 10, ..Default::default() }).unwrap();
    let mut drawers: Vec<&str> = drawers.iter().map(|mail| mail.drawer.as_str()).collect();
    drawers.sort_unstable();
    assert_eq!(drawers, ["comment", "order"]);
    assert!(house.out().iter().all(|out| out.to != ["jo@acme.example"]), "nothing is asked");
}

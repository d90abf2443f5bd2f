//! What the people who run a gateway rely on: alarms that start, remind and end, mappings that are watched,
//! orders made one, switches that do what they say. Whole ways of mails, without sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod house;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use house::{CONFIG, House, mapping};
use postern::config::MailboxConfig;
use postern::document::Limits;
use postern::gateway::desk::{Act, Request};
use postern::gateway::{Gateway, News, Reader};
use postern::model::{AlarmKind, Status, TransmissionKind as Kind};
use postern::wire::{Batch, Drawer, Fetched, MailKey, Mailbox, Refusal, WireError};
use tokio_util::sync::CancellationToken;

const CLEAN: &str = "10 B1 8 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok";
const DEAR: &str = "10 B1 8 110.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok";
const WRONG: &str = "10 B1 9 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok";
/// As a mapping reads when two columns changed their places overnight.
const SHIFTED: &str = "10 B1 100 8.00 2027-03-03 ok\n20 B2 12.50 5 2027-03-03 ok";

fn open_alarms(house: &House) -> Vec<String> {
    let reply = house.ask(Request::Alarms { open_only: true, limit: 100 });
    reply.value["alarms"].as_array().unwrap().iter().map(|a| a["kind"].as_str().unwrap().to_string()).collect()
}

fn alarm_mails(house: &House) -> Vec<String> {
    let to_ops = house.out().into_iter().filter(|out| out.to == ["ops@shop.example"]);
    to_ops.map(|out| out.mail.subject).collect()
}

fn act(house: &House, order: &str, at: usize, action: Act) {
    let id = house.responses(order)[at].id;
    let reply = house.ask(Request::ResponseAct { id, action, by: "otto".into(), reason: "test".into() });
    assert!(reply.ok, "{reply:?}");
}

/// On the same store, as after a restart.
fn another_gateway(house: &House) -> Gateway {
    let reader: Reader = Arc::new(|input| postern::document::read(input, &Limits::default()));
    let loaded = postern::config::Loaded::read(&house.config_file()).unwrap();
    let live = postern::gateway::Live::from_loaded(loaded).unwrap_or_else(|_| panic!("the house is sound"));
    Gateway::new(live, Arc::clone(&house.store), house.clock.clone(), reader, vec![7; 32])
}

/// Ten orders answered as ordered: the mapping is known to read well.
fn usual(house: &House) {
    for number in 1..=10 {
        house.order(&format!("u{number}"));
        house.confirm("nord", &format!("u{number}"), CLEAN);
    }
    house.out();
}

/// Two hundred questions to approvers because a partner moved a column would be answered with APPROVE ALL.
#[test]
fn a_drifting_mapping_is_held_and_told_once() {
    let house = House::new();
    usual(&house);
    for number in 1..=8 {
        house.order(&format!("d{number}"));
        house.confirm("nord", &format!("d{number}"), SHIFTED);
    }
    // The first two could still be chance; from the third on nobody is asked any more.
    let statuses: Vec<&str> = (1..=8).map(|n| house.statuses(&format!("d{n}"))[0]).collect();
    assert_eq!(statuses[2..], ["WAIT_PENDING"; 6], "{statuses:?}");
    assert!(!statuses[..2].contains(&"CLOSED"));
    let out = house.out();
    assert_eq!(
        out.iter().filter(|o| o.to == ["ops@shop.example"] && o.mail.subject.contains(title("MAPPING_DRIFT"))).count(),
        1
    );
    let asked = |o: &&house::Out| o.to == ["anna@shop.example"] || o.to == ["ab@nord.example"];
    assert!(out.iter().filter(asked).count() <= 2, "approvers and partner are spared");
    assert_eq!(open_alarms(&house).iter().filter(|kind| *kind == "MAPPING_DRIFT").count(), 1);
    let status = house.ask(Request::Status).value;
    let row = status["mappings"].as_array().unwrap().iter().find(|m| m["name"] == "nord/text").unwrap().clone();
    assert_eq!((row["drifts"].as_bool(), row["held"].as_u64()), (Some(true), Some(6)), "{row}");
    let id = house.responses("d5")[0].id;
    let shown = house.ask(Request::ResponseShow { id }).value;
    assert!(shown["response"]["waits_for"]["reason"].as_str().unwrap().contains("nord/text"), "{shown}");

    // Another gateway on the same store knows it, too.
    let again = another_gateway(&house);
    let row = again.handle(Request::Status).value["mappings"][0].clone();
    assert_eq!((row["drifts"].as_bool(), row["held"].as_u64()), (Some(true), Some(6)), "after a restart");

    // One goes on by itself, because a person says so.
    act(&house, "d3", 0, Act::Release);
    assert_ne!(house.statuses("d3"), ["WAIT_PENDING"]);
    // The mapping is mended: what was held is read anew, and the alarm is over.
    let mended = mapping("nord").replace(
        r"(?<quantity_confirmed>[\d.]+)\s+(?<price_net>[\d.]+)",
        r"(?<price_net>[\d.]+)\s+(?<quantity_confirmed>[\d.]+)",
    );
    std::fs::write(house.path().join("mappings/nord/text.toml"), mended).unwrap();
    assert!(house.ask(Request::Reload).ok);
    let after: BTreeSet<&str> = (4..=8).map(|n| house.statuses(&format!("d{n}"))[0]).collect();
    assert!(!after.contains("WAIT_PENDING"), "{after:?}");
    let read = &house.responses("d4")[0].lines[0];
    assert_eq!(
        (read.quantity_confirmed.to_string(), read.price_net.unwrap().to_string()),
        ("8".into(), "100".into()),
        "read anew"
    );
    assert!(!open_alarms(&house).contains(&"MAPPING_DRIFT".to_string()));
    assert!(
        alarm_mails(&house)
            .iter()
            .any(|subject| subject.starts_with("Over:") && subject.contains(title("MAPPING_DRIFT"))),
        "told that it is over"
    );
}

/// A person who knows that the partner now answers like that must be able to say so.
#[test]
fn a_person_releases_what_a_mapping_holds() {
    for by_alarm in [false, true] {
        let house = House::new();
        usual(&house);
        for number in 1..=5 {
            house.order(&format!("d{number}"));
            house.confirm("nord", &format!("d{number}"), SHIFTED);
        }
        let refused = house.ask(Request::MappingRelease { mapping: "nord/txt".into(), by: "otto".into() });
        assert!(!refused.ok);
        let reply = if by_alarm {
            let alarms = house.ask(Request::Alarms { open_only: true, limit: 100 }).value;
            let drift =
                alarms["alarms"].as_array().unwrap().iter().find(|a| a["kind"] == "MAPPING_DRIFT").unwrap().clone();
            house.ask(Request::AlarmClose {
                id: serde_json::from_value(drift["id"].clone()).unwrap(),
                by: "otto".into(),
            })
        } else {
            house.ask(Request::MappingRelease { mapping: "nord/text".into(), by: "otto".into() })
        };
        assert!(reply.ok, "{reply:?}");
        for number in 3..=5 {
            assert_ne!(house.statuses(&format!("d{number}")), ["WAIT_PENDING"]);
        }
        assert!(!open_alarms(&house).contains(&"MAPPING_DRIFT".to_string()));
        // What was usual is forgotten: the next one is not held.
        house.order("d9");
        house.confirm("nord", "d9", SHIFTED);
        assert_ne!(house.statuses("d9"), ["WAIT_PENDING"]);
        let audit = house.ask(Request::Audit { after: 0, limit: 1_000 }).value.to_string();
        assert!(audit.contains("mapping drift ended") && audit.contains("otto"));
    }
}

/// When a partner goes back to its old layout the alarm must end, but what was read wrongly must not slip through.
#[test]
fn what_agrees_again_goes_on_by_itself() {
    let house = House::new();
    usual(&house);
    for number in 1..=4 {
        house.order(&format!("d{number}"));
        house.confirm("nord", &format!("d{number}"), SHIFTED);
    }
    for number in 1..=3 {
        house.order(&format!("g{number}"));
        house.confirm("nord", &format!("g{number}"), CLEAN);
        assert_eq!(house.statuses(&format!("g{number}")), ["CLOSED"], "what reads as usual is not held");
    }
    house.wait(1);
    assert_eq!(house.statuses("d4"), ["WAIT_PENDING"], "it is still read wrongly");
    assert!(open_alarms(&house).contains(&"MAPPING_DRIFT".to_string()), "and somebody must look at it");
    for number in [3, 4] {
        act(&house, &format!("d{number}"), 0, Act::Release);
    }
    house.wait(1);
    assert!(!open_alarms(&house).contains(&"MAPPING_DRIFT".to_string()));
}

/// A partner sends in one go what a whole morning brought: every mail of it is decided beside the others, and still the
/// operators hear of it once, and each counts.
#[test]
fn a_batch_drifts_once() {
    let house = House::new();
    usual(&house);
    let mails: Vec<_> = (1..=12)
        .map(|number| {
            house.order(&format!("d{number}"));
            house.fetched(&house.confirmation("nord", &format!("d{number}"), SHIFTED, "")).0
        })
        .collect();
    assert!(house.gateway.take(mails, "test").trouble.is_none());
    let held = (1..=12).filter(|n| house.statuses(&format!("d{n}")) == ["WAIT_PENDING"]).count();
    assert_eq!(held, 10, "the first two could still be chance");
    assert_eq!(open_alarms(&house), ["MAPPING_DRIFT"]);
    assert_eq!(alarm_mails(&house).len(), 1);
    let status = house.ask(Request::Status).value;
    let row = status["mappings"].as_array().unwrap().iter().find(|m| m["name"] == "nord/text").unwrap().clone();
    assert_eq!((row["messages"].as_u64(), row["held"].as_u64()), (Some(22), Some(10)), "{row}");
    let row = another_gateway(&house).handle(Request::Status).value["mappings"][0].clone();
    assert_eq!((row["messages"].as_u64(), row["held"].as_u64()), (Some(22), Some(10)), "after a power cut: {row}");
}

/// Two confirmations in one mail, read by one mapping: it must not stay in the mailbox for ever.
#[test]
fn two_messages_of_one_mail_are_judged_together() {
    let house = House::new();
    let csv = r#"
partner = "nord"
kind = "response"
[match]
from = ["@nord.example"]
subject = 'Two'
[source]
part = "csv"
[formats]
decimal = "."
date = ["%Y-%m-%d"]
currency = "EUR"
[fields]
order_number = { label = "Your order" }
[table.columns]
position = "pos"
supplier_sku = "sku"
quantity_confirmed = "quantity"
price_net = "price"
confirmed_date = "date"
"#;
    std::fs::write(house.path().join("mappings/nord/csv.toml"), csv).unwrap();
    let reply = house.ask(Request::Reload);
    assert!(reply.ok, "{reply:?}");
    house.order("4711");
    house.order("4712");
    let file = |order: &str| {
        format!(
            "--b\nContent-Type: text/csv; name={order}.csv\nContent-Disposition: attachment; filename={order}.csv\n\nYour order;{order};;;\npos;sku;quantity;price;date\n10;B1;8;100.00;2026-12-21\n20;B2;5;12.50;2026-12-21\n"
        )
    };
    let (one, two) = (file("4711"), file("4712"));
    let record = house.feed(&format!(
        "From: nord <ab@nord.example>\nTo: orders@shop.example\nSubject: Two\nMessage-ID: <two@nord.example>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{one}{two}--b--\n"
    ));
    assert_eq!((record.drawer.as_str(), record.responses.len()), ("response", 2), "{}", record.reason);
    assert_eq!([house.statuses("4711"), house.statuses("4712")], [["CLOSED"], ["CLOSED"]]);
    let status = house.ask(Request::Status).value;
    let row = status["mappings"].as_array().unwrap().iter().find(|m| m["name"] == "nord/csv").unwrap().clone();
    assert_eq!(row["messages"].as_u64(), Some(2), "{row}");
}

/// A mapping in the making is read beside the live one, and its differences are told, nothing else.
#[test]
fn shadows_only_report() {
    let house = House::new();
    let shadow = mapping("nord").replace("kind = \"response\"", "kind = \"response\"\nstatus = \"shadow\"").replace(
        r"(?<quantity_confirmed>[\d.]+)\s+(?<price_net>[\d.]+)",
        r"(?<price_net>[\d.]+)\s+(?<quantity_confirmed>[\d.]+)",
    );
    std::fs::write(house.path().join("mappings/nord/new.toml"), shadow).unwrap();
    assert!(house.ask(Request::Reload).ok);
    house.order("4711");
    house.confirm("nord", "4711", CLEAN);
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
    let status = house.ask(Request::Status).value;
    let row = status["mappings"].as_array().unwrap().iter().find(|m| m["name"] == "nord/new").unwrap().clone();
    assert_eq!(
        (row["shadow"].as_bool(), row["messages"].as_u64(), row["same"].as_u64()),
        (Some(true), Some(1), Some(0))
    );
    assert!(row["differences"].to_string().contains("quantity_confirmed: 8 -> 100"), "{row}");
    // Mails of one batch are read beside one another; each counts.
    let mails: Vec<_> = (1..=9)
        .map(|number| {
            house.order(&format!("s{number}"));
            house.fetched(&house.confirmation("nord", &format!("s{number}"), CLEAN, "")).0
        })
        .collect();
    assert!(house.gateway.take(mails, "test").trouble.is_none());
    let status = house.ask(Request::Status).value;
    let row = status["mappings"].as_array().unwrap().iter().find(|m| m["name"] == "nord/new").unwrap().clone();
    assert_eq!((row["messages"].as_u64(), row["same"].as_u64()), (Some(10), Some(0)), "{row}");
}

/// Two orders made one: what the partner says of either, or of both as one, reaches its positions.
#[test]
fn merged_orders_are_answered_as_one() {
    let house = House::new();
    house.order("4711");
    house.order("4712");
    house.confirm("nord", "4712", DEAR);
    assert_eq!(house.statuses("4712"), ["NOT_CHECKED_DO_APPROVE"]);
    let question = house.out_to("anna@shop.example");
    let merge = |into: &str, from: &str| {
        house.ask(Request::OrderMerge { first: into.into(), second: from.into(), by: "otto".into() })
    };
    // Refused whole: neither order has changed.
    house.order_of("4799", "nord");
    let canceled = house.ask(Request::OrderCancel { number: "4799".into(), by: "shop".into() });
    assert!(canceled.ok);
    let refused = merge("4799", "4712");
    assert!(!refused.ok && refused.message.contains("canceled"), "{refused:?}");
    assert_eq!(house.statuses("4712"), ["NOT_CHECKED_DO_APPROVE"], "nothing was done");
    assert!(!merge("4711", "nowhere").ok);

    let reply = merge("4711", "4712");
    assert!(reply.ok, "{reply:?}");
    assert_eq!(reply.value["positions"][1], serde_json::json!({"position": 40, "was": 20}));
    assert_eq!((house.statuses("4712"), house.statuses("4711")), (vec!["FAILED"], vec!["WAIT_MERGE"]));
    assert!(!merge("4711", "4712").ok, "once is enough");
    house.reply(&question, "anna@shop.example", "APPROVE");
    assert_eq!(house.statuses("4711"), ["WAIT_MERGE"], "the old question asks nothing any more");
    // The partner answers with the old number, for its old positions.
    house.confirm("nord", "4712", CLEAN);
    assert_eq!(house.statuses("4711"), ["WAIT_MERGE", "WAIT_PENDING"]);
    assert!(house.ask(Request::OrderRelease { number: "4711".into(), by: "otto".into() }).ok);
    assert_eq!(house.statuses("4711"), ["FAILED", "CLOSED"], "the newer answer took the place of the first");
    let order = house.ask(Request::OrderShow { number: "4711".into() }).value["order"].clone();
    let confirmed = |at: usize| order["positions"][at]["announced"]["quantity_confirmed"].as_str().map(str::to_string);
    assert_eq!(
        [confirmed(0), confirmed(1), confirmed(2), confirmed(3)],
        [None, None, Some("8".into()), Some("5".into())]
    );
    assert_eq!(order["positions"][2]["origin"], serde_json::json!({"order": "4712", "position": 10}));
    // And with the new one, product by product: 16 of B1 are 8 and 8.
    house.confirm("nord", "4711", "10 B1 16 100.00 2026-12-21 ok\n20 B2 10 12.50 2026-12-21 ok");
    assert_eq!(house.statuses("4711").last(), Some(&"CLOSED"), "{:?}", house.responses("4711").last().unwrap().faults);
    let order = house.ask(Request::OrderShow { number: "4711".into() }).value["order"].clone();
    let confirmed: Vec<&str> =
        (0..4).map(|at| order["positions"][at]["announced"]["quantity_confirmed"].as_str().unwrap()).collect();
    assert_eq!(confirmed, ["8", "5", "8", "5"]);
    assert!(house.ask(Request::AuditVerify).ok);
    let audit = house.ask(Request::Audit { after: 0, limit: 1_000 }).value.to_string();
    assert!(audit.contains("orders merged") && audit.contains("10 is 30"), "{audit}");
}

/// The words of an alarm's mail.
fn title(kind: &str) -> &'static str {
    match kind {
        "UNKNOWN_ORDER" => "Response to an unknown order",
        "FAULTY" => "Faulty response",
        "WAITS_TOO_LONG" => "A response waits too long",
        "APPROVAL_OVERDUE" => "Nobody decides about deviations",
        "RECALL_UNANSWERED" => "A partner does not answer a recall",
        "ORDER_UNANSWERED" => "A partner does not answer an order",
        "RECALL_TOO_LATE" => "A partner delivers what was declined",
        "MAPPING_DRIFT" => "A partner's mails have changed",
        "NO_MAIL_SINCE" => "No mail for a long time",
        other => panic!("{other}"),
    }
}

/// Each kind of alarm comes to the operators when it starts, again while it stands, and when it is over.
#[test]
fn alarms_start_remind_and_end() {
    // Unknown order, not told to the partner: ends when the order is registered.
    let quiet = format!("{CONFIG}[partners.nord.options]\ntell_partner = false\n");
    type Deed = fn(&House);
    let cases: [(&str, &str, Deed, i64, Deed); 7] = [
        ("UNKNOWN_ORDER", &quiet, |h| drop(h.confirm("nord", "4711", CLEAN)), 25, |h| h.order("4711")),
        (
            "FAULTY",
            &quiet,
            |h| {
                h.order("4711");
                h.confirm("nord", "4711", WRONG);
            },
            25,
            |h| act(h, "4711", 0, Act::Fail),
        ),
        (
            "WAITS_TOO_LONG",
            CONFIG,
            |h| {
                h.order("4711");
                h.confirm("nord", "4711", DEAR);
                h.confirm("nord", "4711", "10 B1 8 100.00 2026-12-21 ok");
                h.wait(49);
            },
            25,
            |h| act(h, "4711", 1, Act::Release),
        ),
        (
            "APPROVAL_OVERDUE",
            CONFIG,
            |h| {
                h.order("4711");
                h.confirm("nord", "4711", DEAR);
                (0..20).for_each(|_| h.wait(24));
            },
            25,
            |h| act(h, "4711", 0, Act::AskAgain),
        ),
        (
            "RECALL_UNANSWERED",
            CONFIG,
            |h| {
                h.order("4711");
                h.confirm("nord", "4711", DEAR);
                let question = h.out_to("anna@shop.example");
                h.reply(&question, "anna@shop.example", "DECLINE");
                (0..4).for_each(|_| h.wait(25));
            },
            25,
            |h| {
                let kinds = h.transmissions("4711");
                let recall = kinds.iter().find(|t| t.kind == Kind::SendOrderRecall).unwrap().clone();
                let raw = h.store.blob(&recall.content).unwrap().unwrap();
                let out = house::Out { to: recall.to.clone(), mail: postern::mail::Mail::parse(&raw), raw };
                h.reply(&out, "ab@nord.example", "RECALLED");
            },
        ),
        (
            "ORDER_UNANSWERED",
            CONFIG,
            |h| {
                h.order("4711");
                (0..3).for_each(|_| h.wait(80));
            },
            25,
            |h| drop(h.confirm("nord", "4711", CLEAN)),
        ),
        (
            "RECALL_TOO_LATE",
            CONFIG,
            |h| {
                h.order("4711");
                h.confirm("nord", "4711", DEAR);
                let question = h.out_to("anna@shop.example");
                h.reply(&question, "anna@shop.example", "DECLINE");
                let recall = h.out_to("ab@nord.example");
                h.reply(&recall, "ab@nord.example", "TOO LATE");
            },
            25,
            |h| act(h, "4711", 0, Act::AcceptAfterTooLate),
        ),
    ];
    for (kind, config, begin, hours, end) in cases {
        let house = House::with(config);
        begin(&house);
        let title = title(kind);
        let told = |mails: &[String], news: &str| {
            mails.iter().filter(|subject| subject.starts_with(news) && subject.contains(title)).count()
        };
        assert!(open_alarms(&house).contains(&kind.to_string()), "{kind}: {:?}", open_alarms(&house));
        let mails = alarm_mails(&house);
        assert_eq!(told(&mails, "Alarm:"), 1, "{kind} starts: {mails:?}");
        house.wait(hours);
        let mails = alarm_mails(&house);
        assert_eq!((told(&mails, "Alarm:"), told(&mails, "Still:")), (0, 1), "{kind} is told again: {mails:?}");
        end(&house);
        assert!(!open_alarms(&house).contains(&kind.to_string()), "{kind} stands on");
        let mails = alarm_mails(&house);
        assert_eq!(told(&mails, "Over:"), 1, "{kind} is over: {mails:?}");
        house.wait(12);
        assert_eq!(told(&alarm_mails(&house), "Still:"), 0, "{kind} is told after its end");
    }
}

/// A mailbox that is silent must be noticed even when the gateway was started anew meanwhile.
#[test]
fn silence_is_noticed() {
    let config =
        format!("{CONFIG}[[mailbox]]\nname = \"test\"\nurl = \"maildir:///nowhere\"\nno_mail_alarm = \"12h\"\n");
    let house = House::with(&config);
    house.order("4711");
    house.confirm("nord", "4711", CLEAN);
    house.wait(11);
    assert!(!open_alarms(&house).contains(&"NO_MAIL_SINCE".to_string()));
    let loaded = postern::config::Loaded::read(&house.config_file()).unwrap();
    let live = postern::gateway::Live::from_loaded(loaded).unwrap_or_else(|_| panic!("the house is sound"));
    let reader: Reader = Arc::new(|input| postern::document::read(input, &Limits::default()));
    let again = Gateway::new(live, Arc::clone(&house.store), house.clock.clone(), reader, vec![7; 32]);
    // Two hours later, in the new one, which has seen no mail at all.
    house.wait(2);
    again.sweep().unwrap();
    assert!(open_alarms(&house).contains(&"NO_MAIL_SINCE".to_string()));
    assert!(alarm_mails(&house).iter().any(|subject| subject.contains(title("NO_MAIL_SINCE"))));
    house.order("4712");
    house.confirm("nord", "4712", CLEAN);
    house.wait(0);
    assert!(!open_alarms(&house).contains(&"NO_MAIL_SINCE".to_string()));
}

/// A full disk must stop the reading of mail, not lose one: mails stay on the server until there is room.
#[test]
fn polling_stops_before_the_disk_is_full() {
    use postern::store::redb::{Options, Redb};
    use postern::wire::maildir::{MaildirMailbox, MaildirSettings};
    let house = House::new();
    let maildir = house.path().join("mails");
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(maildir.join(folder)).unwrap();
    }
    std::fs::write(maildir.join("new/1"), house.confirmation("nord", "4711", CLEAN, "").replace('\n', "\r\n")).unwrap();
    let write = |free: u64| {
        let config = format!(
            "{CONFIG}[limits]\ndisk_free_mib = {free}\n[[mailbox]]\nname = \"m\"\nurl = \"maildir://{}\"\n",
            maildir.display()
        );
        std::fs::write(house.config_file(), config).unwrap();
    };
    write(u64::from(u32::MAX));
    let store = Arc::new(Redb::open(&house.path().join("data"), Options::default()).unwrap());
    let loaded = postern::config::Loaded::read(&house.config_file()).unwrap();
    let mailbox = loaded.config.mailboxes[0].clone();
    let live = postern::gateway::Live::from_loaded(loaded).unwrap_or_else(|_| panic!("the house is sound"));
    let reader: Reader = Arc::new(|input| postern::document::read(input, &Limits::default()));
    let gateway = Gateway::new(live, store, Arc::new(postern::gateway::SystemClock), reader, vec![7; 32]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut news = gateway.watch();
        let stop = tokio_util::sync::CancellationToken::new();
        let opened = Box::new(MaildirMailbox::new(MaildirSettings::new("m", maildir.to_str().unwrap())));
        let round = tokio::spawn({
            let (gateway, stop) = (gateway.clone(), stop.clone());
            async move { gateway.take_in(opened, mailbox, stop).await }
        });
        let mut wait_for = async |wanted: &str, ended: bool| {
            let wait = async {
                loop {
                    match news.recv().await.unwrap() {
                        postern::gateway::News::Alarm { kind, over, .. } if kind.name() == wanted && over == ended => {
                            return;
                        }
                        _ => {}
                    }
                }
            };
            tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.expect("an alarm");
        };
        wait_for("DISK_FULL", false).await;
        assert!(maildir.join("new/1").exists(), "the mail stays where it is");
        write(0);
        gateway.reload().unwrap_or_else(|_| panic!("the new configuration is sound"));
        wait_for("DISK_FULL", true).await;
        while maildir.join("new/1").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stop.cancel();
        round.await.unwrap();
    });
}

/// A broken file must never replace a working one, whichever of the three it is.
#[test]
fn reload_is_all_or_nothing() {
    let house = House::new();
    let config = std::fs::read_to_string(house.config_file()).unwrap();
    let file = house.path().join("mappings/nord/text.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let templates = house.path().join("letters/en");
    std::fs::create_dir_all(&templates).unwrap();
    let with_templates = format!("templates = \"letters\"\n{config}");
    let approve_all = "[channels.shop.options]\nautomation = \"approve_all\"\n";
    for (broken, words) in [("config", "CFG"), ("mapping", "MAP"), ("template", "confirm_response")] {
        // Beside the broken one a sound change, which must not come through alone.
        std::fs::write(house.config_file(), format!("{with_templates}{approve_all}")).unwrap();
        match broken {
            "config" => std::fs::write(house.config_file(), format!("{config}{approve_all}[gatway]\n")).unwrap(),
            "mapping" => std::fs::write(&file, good.replace("decimal", "deciml")).unwrap(),
            _ => std::fs::write(templates.join("confirm_response.j2"), "{% if %}").unwrap(),
        }
        let reply = house.ask(Request::Reload);
        assert!(!reply.ok && reply.message.contains(words), "{broken}: {reply:?}");
        house.order(broken);
        house.confirm("nord", broken, CLEAN);
        assert_eq!(house.statuses(broken), ["CLOSED"], "{broken}: the old ones go on");
        std::fs::write(&file, &good).unwrap();
        let _ = std::fs::remove_file(templates.join("confirm_response.j2"));
    }
    std::fs::write(house.config_file(), format!("{config}{approve_all}")).unwrap();
    assert!(house.ask(Request::Reload).ok);
    house.order("4711");
    house.confirm("nord", "4711", CLEAN);
    assert_eq!(house.statuses("4711"), ["NOT_CHECKED_DO_APPROVE"]);
}

/// Mails are forgotten kind by kind, and what became of them stays.
#[test]
fn retention_is_per_kind_of_mail() {
    let house = House::with(&format!("{CONFIG}[retention]\nresponse = \"2d\"\nstranger = \"0\"\n"));
    house.order("4711");
    let response = house.confirm("nord", "4711", CLEAN);
    let unreadable =
        house.feed("From: ab@nord.example\nTo: orders@shop.example\nSubject: Newsletter\nMessage-ID: <n@x>\n\nBuy!\n");
    let kept = |record: &postern::store::MailRecord| house.store.blob(&record.digest).unwrap().is_some();
    house.wait(47);
    assert!(kept(&response) && kept(&unreadable));
    house.wait(2);
    assert!(!kept(&response) && kept(&unreadable));
    assert_eq!(house.statuses("4711"), ["CLOSED"]);
    assert!(house.store.mail(response.id).unwrap().is_some(), "the record stays");
    let raw = house.ask(Request::MailRaw { id: response.id });
    assert!(raw.message.contains("retention"), "{raw:?}");
}

/// Whatever comes at once from several mailboxes, INITIAL comes before CONTINUOUS and older before newer.
#[test]
fn turns_are_kept_under_concurrency() {
    use postern::wire::{Body, Fetched, MailKey};
    for seed in 0..8_u64 {
        let house = House::new();
        let orders: Vec<String> = (0..4).map(|n| format!("c{n}")).collect();
        orders.iter().for_each(|number| house.order(number));
        let mut mails = Vec::new();
        for number in &orders {
            for (day, price) in [(20, "100.00"), (21, "100.00"), (22, "100.00")] {
                let lines = format!("10 B1 8 {price} 2026-12-21 ok\n20 B2 5 12.50 2026-12-{day} ok");
                let raw = house.confirmation("nord", number, &lines, &format!("X-Day: {day}\n"));
                let raw = raw
                    .replace("Date 2026-11-23", &format!("Date 2026-11-{day}"))
                    .replace("<c0@", &format!("<{number}-{day}@"));
                mails.push(raw.replace('\n', "\r\n").into_bytes());
            }
        }
        fastrand::Rng::with_seed(seed).shuffle(&mut mails);
        std::thread::scope(|scope| {
            for (index, part) in mails.chunks(4).enumerate() {
                let gateway = house.gateway.clone();
                scope.spawn(move || {
                    for (at, raw) in part.iter().enumerate() {
                        let key = MailKey::Maildir(format!("{index}-{at}"));
                        let fetched = Fetched { key, size: raw.len() as u64, body: Body::Whole(raw.clone()) };
                        assert!(gateway.take(vec![fetched], &format!("box {index}")).trouble.is_none());
                    }
                });
            }
        });
        for number in &orders {
            let all = house.responses(number);
            assert_eq!(all.len(), 3, "no mail is lost");
            let announced: Vec<_> =
                all.iter().filter(|r| r.history.iter().any(|s| s.to == Status::Announced)).collect();
            let firsts = announced.iter().filter(|r| r.response_type == postern::model::ResponseType::Initial).count();
            assert_eq!(firsts, 1, "one INITIAL: {:?}", house.statuses(number));
            for response in &all {
                let outdated = response.failed_because.as_deref() == Some("OUTDATED");
                let later = all
                    .iter()
                    .any(|o| o.entry_date > response.entry_date && o.history.iter().any(|s| s.to == Status::Announced));
                assert!(
                    response.status == Status::Closed
                        || response.status == Status::WaitPending
                        || (outdated && later)
                        || response.status == Status::NotCheckedDoApprove,
                    "{} {:?}",
                    response.status,
                    response.failed_because
                );
            }
        }
    }
}

/// A server that refuses us once, then lets us in.
struct Locked {
    refusals: u32,
}

#[async_trait::async_trait]
impl Mailbox for Locked {
    fn name(&self) -> &str {
        "orders"
    }

    async fn fetch(&mut self, _: Batch) -> Result<Vec<Fetched>, WireError> {
        match self.refusals.checked_sub(1) {
            Some(left) => {
                self.refusals = left;
                Err(WireError::Refused("the server refuses the password of `orders`".into()))
            }
            None => Ok(Vec::new()),
        }
    }

    async fn file(&mut self, _: &[(MailKey, Drawer)]) -> Result<(), WireError> {
        Ok(())
    }

    async fn wait(&mut self, at_most: Duration) -> Result<(), WireError> {
        tokio::time::sleep(at_most).await;
        Ok(())
    }

    async fn close(&mut self) {}
}

/// A password that expired in the night: the operator must hear of it at once, and that it is over.
#[test]
fn a_mailbox_that_refuses_us_alarms_and_recovers() {
    let house = House::new();
    let stop = CancellationToken::new();
    let mut news = house.gateway.watch();
    let config = MailboxConfig { name: "orders".into(), ..MailboxConfig::default() };
    house.block_on(async {
        let watching = async {
            let mut told = Vec::new();
            while told.len() < 2 {
                if let News::Alarm { kind, subject, over, .. } = news.recv().await.unwrap() {
                    told.push((kind, subject, over));
                    if !over {
                        assert_eq!(open_alarms(&house), ["MAILBOX_UNREACHABLE"]);
                        let trouble = house.gateway.health()["orders"].trouble.clone().unwrap_or_default();
                        assert!(trouble.contains("password"), "{trouble}");
                    }
                }
            }
            stop.cancel();
            told
        };
        let taking = house.gateway.take_in(Box::new(Locked { refusals: 1 }), config, stop.clone());
        let both = async { tokio::join!(taking, watching).1 };
        let told = tokio::time::timeout(Duration::from_secs(60), both).await.expect("the alarm starts and ends");
        let about = "mailbox orders".to_string();
        assert_eq!(
            told,
            [(AlarmKind::MailboxUnreachable, about.clone(), false), (AlarmKind::MailboxUnreachable, about, true)]
        );
    });
    assert!(open_alarms(&house).is_empty());
    house.later(jiff::SignedDuration::ZERO);
    assert_eq!(alarm_mails(&house).len(), 2, "one mail when it starts, one when it is over: {:?}", alarm_mails(&house));
}

/// A relay that takes nothing would be seen in no figure until, hours later, the first mail is given up.
#[test]
fn what_the_relay_does_not_take_is_seen_in_status() {
    let house = House::new();
    house.order("4711");
    house.confirm("nord", "4711", CLEAN);
    let status = |house: &House| house.ask(Request::Status).value;
    assert_ne!(status(&house)["transmissions_due"], 0, "not tried yet");
    assert_eq!(status(&house)["warnings"], serde_json::json!([]));
    *house.relay.refuse.lock().unwrap() = Some(Refusal::Temporary { answer: "nobody listens".into() });
    house.out();
    let said = status(&house);
    assert_ne!(said["transmissions_due"], 0, "{said:#}");
    assert!(said["oldest_due"].is_string(), "{said:#}");
    assert!(said["warnings"][0].as_str().unwrap().contains("nobody listens"), "{said:#}");
    *house.relay.refuse.lock().unwrap() = None;
    house.wait(24);
    house.out();
    assert_eq!(status(&house)["transmissions_due"], 0);
    assert_eq!(status(&house)["warnings"], serde_json::json!([]));
}

/// Whoever mends a password and reloads would wait for ever: connections are made from what the start read.
#[test]
fn reload_says_what_counts_from_the_next_start_on() {
    let house = House::new();
    let restart = |house: &House| house.ask(Request::Reload).value["restart"].clone();
    assert_eq!(restart(&house), serde_json::json!([]));
    let config = std::fs::read_to_string(house.config_file()).unwrap();
    let mailbox = "[[mailbox]]\nname = \"m\"\nurl = \"imaps://me@mail.example\"\npassword_file = \"secret\"\n";
    std::fs::write(house.path().join("secret"), "one").unwrap();
    std::fs::write(house.config_file(), format!("{config}{mailbox}")).unwrap();
    let told = restart(&house);
    assert_eq!(told, serde_json::json!(["the mailboxes", "a password"]));
    assert_eq!(restart(&house), told, "a second reload does not make it count");
    std::fs::write(house.config_file(), config).unwrap();
    assert_eq!(restart(&house), serde_json::json!([]));
    let mut house = House::with_files(&format!("{}{mailbox}", house::CONFIG), &[("secret", "one")]);
    assert_eq!(restart(&house), serde_json::json!([]));
    std::fs::write(house.path().join("secret"), "another").unwrap();
    assert_eq!(restart(&house), serde_json::json!(["a password"]));
    house.restart();
    assert_eq!(restart(&house), serde_json::json!([]));
}

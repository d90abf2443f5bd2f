//! Every switch of PROCESS section 8 (`[defaults]`, a channel's or a partner's `options`): each does what it
//! says, seen from outside. A key without a case fails, so that none is only read and never obeyed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod house;

use house::{CONFIG, House};
use postern::gateway::desk::Request;
use postern::model::TransmissionKind as Kind;

const CLEAN: &str = "10 B1 8 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok";
const DEAR: &str = "10 B1 8 110.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok";
const WRONG: &str = "10 B1 9 100.00 2026-12-21 ok\n20 B2 5 12.50 2026-12-21 ok";

/// One switch: where it stands, how it is set, what is done, and what is seen without and with it.
type Case = (&'static str, &'static str, fn(&House) -> String, &'static str, &'static str);

/// Where the response to these lines comes to stand.
fn stands(house: &House, lines: &str) -> String {
    house.order("4711");
    house.confirm("nord", "4711", lines);
    house.statuses("4711").join(" ")
}

fn first(lines: &str) -> String {
    format!("{lines}\n20 B2 5 12.50 2026-12-21 ok")
}

fn with_first(house: &House, line: &str) -> String {
    stands(house, &first(line))
}

/// How many mails of a kind there are for order 4711.
fn count(house: &House, kind: Kind) -> String {
    house.kinds("4711").iter().filter(|one| **one == kind).count().to_string()
}

fn alarms(house: &House) -> String {
    let reply = house.ask(Request::Alarms { open_only: true, limit: 100 });
    let all = reply.value["alarms"].as_array().unwrap().iter().map(|a| a["kind"].as_str().unwrap().to_string());
    all.collect::<Vec<_>>().join(" ")
}

fn declined(house: &House) -> String {
    stands(house, DEAR);
    let question = house.out_to("anna@shop.example");
    house.reply(&question, "anna@shop.example", "DECLINE");
    house.statuses("4711").join(" ")
}

/// Orders whose sales price is known.
fn with_sales_price(house: &House) -> String {
    let text = r#"{"order_number":"4711","channel":"shop","currency":"EUR","partner":"nord","positions":[
        {"position":10,"supplier_sku":"B1","quantity":"8","price_net":"100.00","price_sales_net":"100.50","requested_date":"2026-12-21"}]}"#;
    assert!(house.ask(Request::OrderAdd { text: text.into(), file: "test".into() }).ok);
    house.confirm("nord", "4711", "10 B1 8 101.00 2026-12-21 ok");
    house.statuses("4711").join(" ")
}

const ASKED: &str = "NOT_CHECKED_DO_APPROVE";

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("language", "language = \"de\"", |h| { stands(h, WRONG); h.out_to("ab@nord.example").mail.subject.contains("Bestellung").to_string() }, "false", "true"),
    // One working hour: in Auckland it is night when it is nine in Europe.
    ("time_zone", "time_zone = \"Pacific/Auckland\"\n[defaults.waits]\napproval_reminder = \"1wh\"", |h| { stands(h, DEAR); h.wait(2); count(h, Kind::Reminder) }, "", "0"),
    ("tolerances.price_percent", "tolerances.price_percent = \"5\"", |h| with_first(h, "10 B1 8 104.00 2026-12-21 ok"), ASKED, "CLOSED"),
    ("tolerances.price_absolute", "tolerances.price_absolute = \"4\"", |h| with_first(h, "10 B1 8 104.00 2026-12-21 ok"), ASKED, "CLOSED"),
    ("tolerances.price_lower_ok", "tolerances.price_lower_ok = false", |h| with_first(h, "10 B1 8 90.00 2026-12-21 ok"), "CLOSED", ASKED),
    ("tolerances.price_above_sales", "tolerances = { price_above_sales = false, price_percent = \"2\" }", with_sales_price, ASKED, "CLOSED"),
    ("tolerances.days_late", "tolerances.days_late = 7", |h| with_first(h, "10 B1 8 100.00 2026-12-28 ok"), ASKED, "CLOSED"),
    ("tolerances.days_early", "tolerances.days_early = 3", |h| with_first(h, "10 B1 8 100.00 2026-12-01 ok"), "CLOSED", ASKED),
    ("tolerances.quantity_less", "tolerances.quantity_less = \"1\"", |h| with_first(h, "10 B1 7 100.00 2026-12-21 ok"), ASKED, "CLOSED"),
    ("tolerances.backorder_ok", "tolerances.backorder_ok = true", |h| with_first(h, "10 B1 5 100.00 2026-12-21 later"), ASKED, "CLOSED"),
    ("tolerances.cancel_ok", "tolerances.cancel_ok = true", |h| with_first(h, "10 B1 8 100.00 2026-12-21 canceled"), ASKED, "CLOSED"),
    ("required_fields", "required_fields = [\"gtin\"]", |h| stands(h, CLEAN), "CLOSED", "IN_EXTERNAL_PROCESSING"),
    ("tell_partner", "tell_partner = false", |h| stands(h, WRONG), "IN_EXTERNAL_PROCESSING", "NOT_CHECKED"),
    ("additional_positions", "additional_positions = \"error\"", |h| stands(h, &format!("{CLEAN}\n30 X9 1 1.00 2026-12-21 ok")), "CLOSED", "IN_EXTERNAL_PROCESSING"),
    ("automation", "automation = \"approve_all\"", |h| stands(h, CLEAN), "CLOSED", ASKED),
    ("channel_gets_response", "channel_gets_response = false", |h| { stands(h, CLEAN); count(h, Kind::SendResponseInitial) }, "1", "0"),
    ("recreate_documents", "recreate_documents = true", |h| { stands(h, CLEAN); count(h, Kind::CreateDocuments) }, "0", "1"),
    ("response_trust", "response_trust = \"require\"", |h| { h.order("4711"); h.confirm("nord", "4711", CLEAN).drawer }, "response", "stranger"),
    ("decision_trust", "decision_trust = \"off\"", |h| { stands(h, DEAR); let q = h.out_to("anna@shop.example"); h.reply_with(&q, "anna@shop.example", "APPROVE", "X-Nothing: here"); h.statuses("4711").join(" ") }, ASKED, "CLOSED"),
    ("waits.request_reminder", "waits.request_reminder = \"1d\"", |h| { stands(h, WRONG); h.wait(30); count(h, Kind::Reminder) }, "0", "1"),
    ("waits.request_reminders", "waits.request_reminders = 0", |h| { stands(h, WRONG); h.wait(49); alarms(h) }, "", "REQUEST_UNANSWERED"),
    ("waits.approval_reminder", "waits.approval_reminder = \"2h\"", |h| { stands(h, DEAR); h.wait(3); count(h, Kind::Reminder) }, "0", "2"),
    ("waits.approval_reminders", "waits.approval_reminders = 0", |h| { stands(h, DEAR); h.out(); h.wait(25); h.out().iter().any(|o| o.to == ["chief@shop.example"]).to_string() }, "false", "true"),
    ("waits.approval_expiry", "waits.approval_expiry = \"2h\"", |h| { stands(h, DEAR); let q = h.out_to("anna@shop.example"); h.wait(3); h.reply(&q, "anna@shop.example", "APPROVE"); h.statuses("4711").join(" ") }, "CLOSED", ASKED),
    ("waits.recall_reminder", "waits.recall_reminder = \"2h\"", |h| { declined(h); h.wait(3); count(h, Kind::Reminder) }, "0", "1"),
    ("waits.recall_reminders", "waits.recall_reminders = 0", |h| { declined(h); h.wait(25); alarms(h) }, "", "RECALL_UNANSWERED"),
    ("waits.recall_hold", "waits.recall_hold = \"2h\"", |h| { declined(h); h.out().iter().any(|o| o.to == ["ab@nord.example"]).to_string() }, "true", "false"),
    ("waits.pending_limit", "waits.pending_limit = \"1h\"", |h| { stands(h, DEAR); h.confirm("nord", "4711", "10 B1 8 100.00 2026-12-21 ok"); h.wait(2); alarms(h) }, "", "WAITS_TOO_LONG"),
    ("waits.unanswered_reminder", "waits.unanswered_reminder = \"1d\"", |h| { h.order("4711"); h.wait(25); count(h, Kind::Reminder) }, "0", "1"),
    ("waits.unanswered_reminders", "waits.unanswered_reminders = 0", |h| { h.order("4711"); h.wait(73); alarms(h) }, "", "ORDER_UNANSWERED"),
    ("waits.alarm_reminder", "tell_partner = false\nwaits.alarm_reminder = \"2h\"", |h| { stands(h, WRONG); h.out(); h.wait(3); h.out().len().to_string() }, "0", "1"),
];

/// Switches whose case is a page of its own: the page sets it.
const PAGES: &[(&str, &str)] = &[("merges_positions", "46-merged-positions"), ("units", "47-states-and-units")];

/// The tables of [`CONFIG`] are there already: options of the channel override them.
fn config(layer: &str, set: &str) -> String {
    let set = set.replace("[defaults.", &format!("[{layer}."));
    format!("{CONFIG}[{layer}]\n{set}\n")
}

/// A switch that is documented and not obeyed is a promise broken where nobody looks.
#[test]
fn every_switch_does_what_it_says() {
    let plain = format!("{CONFIG}[channels.shop.options]\nrecreate_documents = false\n");
    let plain = plain.replace("approvers =", "documents_to = [\"docs@shop.example\"]\napprovers =");
    for (key, set, deed, without, with) in CASES {
        if !without.is_empty() || key.starts_with("waits") {
            let set_elsewhere = plain.clone();
            assert_eq!(deed(&House::with(&set_elsewhere)), *without, "{key}: without it");
        }
        for layer in ["channels.shop.options", "partners.nord.options"] {
            // The order, and with it its channel, is not known before a mail is read.
            if *key == "response_trust" && layer.starts_with("channels") {
                continue;
            }
            // Approvers, and who may decide, are the channel's affair; what the channel gets, too.
            let text = config(layer, set).replace("approvers =", "documents_to = [\"docs@shop.example\"]\napprovers =");
            assert_eq!(deed(&House::with(&text)), *with, "{key}: with it, in [{layer}]");
        }
    }
    // The same hour in working time, where it is day.
    let day = config("channels.shop.options", "[defaults.waits]\napproval_reminder = \"1wh\"");
    let house = House::with(&day.replace("[channels.shop.options]\n[", "["));
    stands(&house, DEAR);
    house.wait(2);
    assert_eq!(count(&house, Kind::Reminder), "2", "both approvers");
}

/// Whoever adds a switch must show what it does.
#[test]
fn no_switch_is_without_a_case() {
    let reference = postern::config::reference();
    let keys = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `defaults."))
        .filter_map(|line| line.split('`').next());
    let keys: Vec<String> = keys.map(|key| key.split(".*").next().unwrap().to_string()).collect();
    assert!(keys.len() > 25, "{keys:?}");
    for key in &keys {
        let case = CASES.iter().any(|case| case.0 == key);
        let page = PAGES.iter().find(|page| page.0 == key).is_some_and(|(_, page)| {
            let file = format!("{}/tests/journeys/{page}.txt", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(file)
                .unwrap()
                .lines()
                .any(|line| line.starts_with("< settings") && line.contains(key.as_str()))
        });
        assert!(case || page, "`{key}` has no case");
    }
    for (key, ..) in CASES {
        assert!(keys.iter().any(|known| known == key), "`{key}` is no key any more");
    }
}

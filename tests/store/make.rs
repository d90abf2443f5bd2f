//! Things to store.

use std::collections::BTreeSet;

use postern::model::*;
use postern::store::{DossierChange, MailRecord, MailTaken, TokenRecord};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn number(text: &str) -> OrderNumber {
    OrderNumber::from(text)
}

pub fn partner(text: &str) -> PartnerId {
    PartnerId::from(text)
}

/// A mail whose bytes are some repetition of `words`.
pub fn mail(id: u64, words: &str, drawer: &str) -> MailTaken {
    let raw = words.repeat(3).into_bytes();
    let record = MailRecord {
        id: MailId(id),
        digest: Digest::of(&raw),
        message_id: Some(format!("{words}@nordwind.example")),
        mailbox: "orders".into(),
        from: "orders@nordwind.example".into(),
        subject: "Auftragsbestätigung".into(),
        date: Some(at(-5)),
        received_at: at(id as i64),
        size: raw.len() as u64,
        drawer: drawer.into(),
        reason: String::new(),
        review: false,
        partner: Some(partner("nordwind")),
        order: None,
        responses: Vec::new(),
        mapping: None,
        linked: Vec::new(),
    };
    MailTaken { record, raw: Some(raw.into()) }
}

pub fn order(name: &str, supplier: &str, positions: u32) -> Order {
    let json: Vec<String> = (1..=positions)
        .map(|n| {
            format!(
                r#"{{"position":{},"partner":"{supplier}","supplier_sku":"NW-{n:05}","name":"Sechskantschraube M{n} verzinkt","quantity":"{n}.5","price_net":"12.{n:02}","requested_date":"2026-12-01"}}"#,
                n * 10
            )
        })
        .collect();
    let text = format!(
        r#"{{"order_number":{},"channel":"shop","currency":"EUR","positions":[{}]}}"#,
        serde_json::to_string(name).unwrap(),
        json.join(",")
    );
    Order::read(&text, at(0)).unwrap().remove(0)
}

pub fn response(id: u64, order: &str, from: &str, status: Status) -> Response {
    let mut message = Message::new(MessageKind::Response);
    let place = Place::text("text", 3, 5, 9);
    message
        .fields
        .insert(Field::OrderNumber, Said::new(Value::Text(order.into()), order, "fields.order_number", place));
    // From its written form, which may leave out what is not said.
    let written = serde_json::json!({
        "id": format!("R{id}"), "order": order, "partner": from, "type": "INITIAL", "status": status.name(),
        "mail": format!("M{id}"), "message": message, "arrived_at": at(id as i64), "state": "ACC",
        "lines": [Line { position: Some(10), quantity_confirmed: "1.50".parse().unwrap(), ..Line::default() }],
        "faults": [], "deviations": [], "history": [],
    });
    serde_json::from_value(written).unwrap()
}

/// A dossier with these responses, all of them touched.
pub fn dossier(name: &str, responses: Vec<Response>) -> DossierChange {
    let mut dossier = Dossier::new(number(name));
    let touched: BTreeSet<ResponseId> = responses.iter().map(|response| response.id).collect();
    dossier.responses.extend(responses.into_iter().map(|response| (response.id, response)));
    DossierChange { dossier, touched }
}

pub fn registered(name: &str, supplier: &str) -> DossierChange {
    let mut change = dossier(name, Vec::new());
    change.dossier.order = Some(order(name, supplier, 2));
    change
}

pub fn transmission(id: u64, status: TransmissionStatus) -> Transmission {
    Transmission {
        id: TransmissionId(id),
        kind: TransmissionKind::ConfirmResponse,
        status,
        recipient: Recipient::Approvers { channel: "shop".into(), addresses: vec!["anna@shop.example".into()] },
        to: vec!["anna@shop.example".into()],
        subject: "Please confirm".into(),
        message_id: format!("t{id}@postern.example"),
        content: Digest::of(b"mime"),
        order: None,
        response: None,
        created_at: at(0),
        next_retry: None,
        retry_count: 0,
        attempts: Vec::new(),
        error: None,
        revision: 0,
    }
}

pub fn token(words: &str, transmission: u64) -> TokenRecord {
    TokenRecord {
        hash: Digest::of(words.as_bytes()),
        transmission: TransmissionId(transmission),
        order: Some(number("4711")),
        response: Some(ResponseId(1)),
        sale: None,
        version: 1,
        recipient: "anna@shop.example".into(),
        expires_at: Some(at(100)),
        used_at: None,
    }
}

pub fn alarm(id: u64, ended: bool) -> Alarm {
    Alarm {
        id: AlarmId(id),
        kind: AlarmKind::Faulty,
        subject: format!("R{id}"),
        message: "is faulty".into(),
        order: None,
        response: Some(ResponseId(id)),
        transmission: None,
        started_at: at(0),
        reminded_at: None,
        ended_at: ended.then(|| at(1)),
    }
}

pub fn entry(what: &str) -> AuditEntry {
    AuditEntry {
        number: 0,
        at: at(7),
        who: "anna@shop.example".into(),
        what: what.into(),
        on: "R1".into(),
        detail: String::new(),
        chain: None,
    }
}

/// An order of `customer` that has just been received.
pub fn sale(id: u64, customer: &str, number: &str) -> Sale {
    let mut sale = Sale::new(SaleId(id), customer.into(), number, OrderNumber::new(format!("{number}-{id}")), at(1));
    sale.due = Some(at(id as i64));
    sale
}

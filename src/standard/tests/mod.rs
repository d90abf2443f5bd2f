//! What documents say, one page a standard: small documents of our own, each code and each trap.

mod corpora;
mod cxml;
mod edifact;
mod opentrans;
mod robust;
mod ubl;
mod write;
mod x12;

use std::fmt::Write as _;

use super::*;
use crate::model::{Field, MessageKind, MissingPolicy};

/// A reading as a page: one row a head, one row a line (`-`), one row a complaint (`!` error, `?` warning).
fn show(text: &str) -> String {
    let Some(reading) = read(text, "doc") else { return "not recognised\n".into() };
    let mut out = String::new();
    let row = |fields: &Fields| {
        let cells = fields.iter().map(|(field, said)| format!("{}={}", field.name(), said.value).replace('\n', " / "));
        cells.collect::<Vec<_>>().join(" ")
    };
    for message in &reading.messages {
        let kind = match message.kind {
            MessageKind::Order => "order",
            _ => "response",
        };
        let missing = match message.habits.missing {
            MissingPolicy::Unchanged => "",
            MissingPolicy::Accepted => " [missing accepted]",
            MissingPolicy::Canceled => " [missing canceled]",
            MissingPolicy::Error => " [missing error]",
        };
        let _ = writeln!(out, "{kind}{missing} {}", row(&message.fields));
        for line in &message.lines {
            let _ = writeln!(out, "- {}", row(line));
        }
    }
    for dispatch in &reading.dispatches {
        let _ = writeln!(out, "dispatch {}", row(&dispatch.fields));
        for line in &dispatch.lines {
            let _ = writeln!(out, "- {}", row(line));
        }
    }
    if let Some(words) = &reading.not_ours {
        let _ = writeln!(out, "{words}");
    }
    for fault in &reading.faults {
        let _ = writeln!(out, "{} {} {}", if fault.is_error() { "!" } else { "?" }, fault.code, fault.message);
    }
    out
}

/// The rows after the head.
fn lines(text: &str) -> String {
    let page = show(text);
    page.split_once('\n').map(|(_, rest)| rest.trim_end().to_string()).unwrap_or_default()
}

/// Each row of the table: a document made from a snippet, and the page it must give.
fn table(make: impl Fn(&str) -> String, tell: impl Fn(&str) -> String, rows: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (snippet, expected) in rows {
        let page = tell(&make(snippet));
        if page.trim_end() != expected.trim_end() {
            let _ = writeln!(wrong, "{snippet}\n  expected: {expected}\n  read:     {}\n", page.trim_end());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Every value must lead back to its words, or nobody can check an automatic reader.
#[test]
fn every_value_has_a_witness() {
    let text = ubl::response(
        "<cbc:OrderResponseCode>CA</cbc:OrderResponseCode>",
        "<cac:OrderLine><cac:LineItem><cbc:ID>1</cbc:ID><cbc:LineStatusCode>3</cbc:LineStatusCode>
         <cbc:Quantity unitCode='PCE'>18</cbc:Quantity></cac:LineItem>
         <cac:OrderLineReference><cbc:LineID>10</cbc:LineID></cac:OrderLineReference></cac:OrderLine>",
    );
    let reading = read(&text, "AB_1.xml").unwrap();
    assert_eq!(reading.standard.to_string(), "ubl-2.1 OrderResponse");
    let message = &reading.messages[0];
    let said = &message.lines[0][&Field::QuantityConfirmed];
    assert_eq!((said.raw.as_str(), said.rule.as_str()), ("18", "ubl Quantity"));
    assert_eq!(said.place.to_string(), "AB_1.xml, /OrderResponse/OrderLine/LineItem/Quantity");
    assert_eq!(message.fields[&Field::OrderNumber].rule, "ubl OrderReference/ID");
    for said in message.fields.values().chain(message.lines.iter().flat_map(|line| line.values())) {
        assert!(!said.raw.is_empty() && said.rule.starts_with("ubl ") && said.place.part == "AB_1.xml", "{said:?}");
    }
    let edi = read(&edifact::ordrsp("30", "LIN+1+3'QTY+113:5:PCE'"), "mail").unwrap();
    let said = &edi.messages[0].lines[0][&Field::QuantityConfirmed];
    assert_eq!((said.rule.as_str(), said.place.to_string().as_str()), ("edifact QTY+113", "mail, LIN[1]/QTY[1]/6060"));
}

/// A complaint without its place sends a person searching through thousands of segments.
#[test]
fn complaints_point_at_their_place() {
    let text = "<OrderResponse xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:OrderResponse-2\">\n<ID>7</ID>\n<IssueDate>soon</IssueDate>\n</OrderResponse>";
    let reading = read(text, "a.xml").unwrap();
    let fault = &reading.faults[0];
    assert_eq!((fault.code.as_str(), fault.file.as_str(), fault.line, fault.column), ("INVALID_VALUE", "a.xml", 3, 1));
    assert_eq!(fault.message, "`soon` is no date like 2026-12-01, at /OrderResponse/IssueDate");
    assert!(fault.draw(text, false).contains("<IssueDate>soon"), "{}", fault.draw(text, false));
    let edi = edifact::ordrsp("30", "LIN+1+3'\nQTY+113:many'");
    let fault = &read(&edi, "m").unwrap().faults[0];
    assert_eq!(edi.get(fault.span.clone().unwrap()), Some("many"));
}

/// The process must know which line a fault belongs to, also when a document speaks of two orders.
#[test]
fn faults_go_with_their_message_and_line() {
    let two = "UNB+UNOC:3+S+B+261120:1200+7'UNH+1+ORDRSP:D:01B:UN'BGM+231+A1+30'LIN+1+5'RFF+ON:1:10'LIN+2+3'QTY+113:x'RFF+ON:2:20'LIN+3+3'QTY+113:y'RFF+ON:1:30'UNT+11+1'UNH+2+ORDRSP:D:01B:UN'BGM+231+A2+27'DTM+137:z:102'UNT+4+2'UNZ+2+7'";
    let reading = read(two, "m").unwrap();
    let show = |faults: &Vec<crate::model::Fault>| {
        let row = |fault: &crate::model::Fault| {
            (fault.line, fault.position, fault.field, fault.read.clone().unwrap_or_default())
        };
        faults.iter().map(row).collect::<Vec<_>>()
    };
    let all: Vec<_> = reading.message_faults.iter().map(show).collect();
    assert_eq!(all[0], [(Some(1), Some(30), None, "y".to_string())]);
    assert_eq!(all[1], [(Some(0), Some(20), None, "x".to_string())]);
    assert_eq!(all[2].len(), 1);
    assert_eq!(all[2][0].3, "z");
    assert_eq!(reading.faults.len(), 3);
}

/// Documents that are none of ours must stay with the mappings.
#[test]
fn strangers_are_not_recognised() {
    for text in [
        "",
        "Hello, UNB is not EDIFACT",
        "<html><body>Order</body></html>",
        "<ORDER><ITEM/></ORDER>",
        "<OrderResponse><ID>1</ID></OrderResponse>",
        "ISA is a word",
        "ISA*00",
        "UNABLE TO DELIVER YOUR MAIL",
        "<",
        "<!-- ",
        "{\"a\": 1}",
    ] {
        assert_eq!(recognise(text), None, "{text}");
    }
}

/// A recognised document that is for somebody else must be told from one that cannot be read.
#[test]
fn other_documents_are_named() {
    let ubl = |name: &str| {
        format!(
            "<{name} xmlns='urn:oasis:names:specification:ubl:schema:xsd:{name}-2' xmlns:cac='urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2'><cac:OrderReference><ID>4711</ID></cac:OrderReference></{name}>"
        )
    };
    let rows = [
        (
            ubl("OrderCancellation"),
            "ubl-2.1 OrderCancellation: recognised, but neither an order, an order response nor a dispatch notice (order 4711)",
        ),
        (
            ubl("Invoice"),
            "ubl-2.1 Invoice: recognised, but neither an order, an order response nor a dispatch notice (order 4711)",
        ),
        (
            "<cXML><Message><QuoteMessage/></Message></cXML>".to_string(),
            "cxml-1.2 document: recognised, but neither an order, an order response nor a dispatch notice",
        ),
        (
            "UNH+1+INVOIC:D:96A:UN'BGM+380+1'UNT+3+1'".to_string(),
            "edifact-D96A INVOIC: recognised, but neither an order, an order response nor a dispatch notice",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(show(&text).trim_end(), expected);
    }
}

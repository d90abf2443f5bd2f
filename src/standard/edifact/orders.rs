//! ORDERS and ORDCHG (what a customer orders) and DESADV (what left).

use super::super::shape::{self, Line};
use super::super::take::{Fields, Found, Heard, Take};
use super::super::{Dispatch, LINES_MAX};
use super::interchange::{self, Placed};
use super::ordrsp::{check_count, line_code};
use super::values;
use crate::model::{FaultCode, Field, HeadState, Message, MessageKind, Value};

/// DTM 2005 for a wished delivery, the plainest first: requested, not later than, not earlier than.
const WISHED: [&str; 3] = ["2", "63", "64"];

pub fn read(edi: &interchange::Message, take: &mut Take) -> Heard {
    let layout = interchange::layout(edi);
    let mut message = Message::new(MessageKind::Order);
    let fields = &mut message.fields;
    let head = &layout.head;
    let bgm = head.iter().find(|placed| placed.is("BGM"));
    let number = bgm.and_then(|bgm| bgm.found(2, 1, "1004", "BGM"));
    if edi.kind == "ORDCHG" {
        take.text(fields, Field::OrderNumber, values::reference(head, "ON", 2));
        take.text(fields, Field::ResponseNumber, number.map(|found| found.remark("number of the change")));
    } else {
        take.text(fields, Field::OrderNumber, number);
    }
    // 1 takes the order back; every other function (original, change, replacement ...) orders something.
    if let Some(found) = bgm.and_then(|bgm| bgm.found(3, 1, "1225", "BGM 1225"))
        && found.raw == "1"
    {
        take.state(fields, HeadState::Canceled, &found);
    }
    values::put_date(take, fields, Field::EntryDate, head, &["137"]);
    values::put_date(take, fields, Field::RequestedDate, head, &WISHED);
    values::currency(take, fields, head);
    parties(take, fields, head);
    for placed in head {
        match placed.segment.tag.as_str() {
            "FTX" => values::words(take, fields, placed, false),
            "PAT" | "PYT" => {
                let words = placed.found(2, 4, "4276", "PAT").or_else(|| placed.found(2, 1, "4277", "PAT"));
                take.more_text(fields, Field::PaymentTerms, words);
            }
            "TOD" => {
                take.more_text(fields, Field::DeliveryTerms, placed.found(3, 1, "4053", "TOD"));
                take.more_text(fields, Field::DeliveryTerms, placed.found(3, 4, "4052", "TOD"));
            }
            _ => {}
        }
    }
    values::money(take, fields, Field::Total, &layout.tail, &["86", "128", "79", "39"]);
    let mut numbers = Vec::new();
    for (index, placed) in layout.lines.iter().enumerate() {
        if index == LINES_MAX {
            take.fault(FaultCode::Unreadable, format!("more than {LINES_MAX} lines"), "LIN", edi.span.clone());
            break;
        }
        numbers.push(take.begin_line());
        message.lines.push(line(take, placed));
        take.end_line();
    }
    check_count(take, &layout);
    take.heard(message, numbers)
}

fn parties(take: &Take, fields: &mut Fields, head: &[Placed]) {
    let find = |roles: &[&str]| {
        roles.iter().find_map(|role| head.iter().position(|placed| placed.is("NAD") && placed.text(1, 1) == *role))
    };
    if let Some(buyer) = find(&["BY", "OB"]) {
        let group: Vec<&Placed> = head
            .iter()
            .skip(buyer)
            .enumerate()
            .take_while(|(n, placed)| *n == 0 || !placed.is("NAD"))
            .map(|(_, p)| p)
            .collect();
        let nad = group.first().copied();
        let assigned = group.iter().find(|placed| placed.is("RFF") && matches!(placed.text(1, 1), "IT" | "ADE"));
        let number = assigned.and_then(|placed| placed.found(1, 2, "1154", &format!("RFF+{}", placed.text(1, 1))));
        let number = number.or_else(|| nad?.found(2, 1, "3039", "NAD+BY"));
        take.text(fields, Field::CustomerNumber, number);
        let name = nad.and_then(|nad| nad.found(4, 1, "3036", "NAD+BY").or_else(|| nad.found(3, 1, "3124", "NAD+BY")));
        take.text(fields, Field::CustomerName, name);
        let contact = group.iter().find(|placed| placed.is("CTA"));
        take.text(fields, Field::Contact, contact.and_then(|cta| cta.found(2, 2, "3412", "CTA")));
        let mail = group.iter().find(|placed| placed.is("COM") && placed.text(1, 2) == "EM");
        take.text(fields, Field::CustomerEmail, mail.and_then(|com| com.found(1, 1, "3148", "COM+EM")));
    }
    let address = |roles: &[&str]| find(roles).and_then(|at| head.get(at)).and_then(values::label);
    take.text(fields, Field::BillingAddress, address(&["IV", "BY", "OB"]));
    take.text(fields, Field::DeliveryAddress, address(&["DP", "ST", "UC", "CN"]));
}

fn line(take: &mut Take, placed: &[Placed]) -> Fields {
    let mut fields = Fields::new();
    let Some(lin) = placed.first() else { return fields };
    take.position(&mut fields, lin.found(1, 1, "1082", "LIN 1082"));
    if let Some(found) = lin.found(2, 1, "1229", "LIN 1229") {
        match line_code(&found.raw) {
            Some(status) => take.status(&mut fields, status, &found),
            None => take.unknown_code(Field::Status, &found, "line code"),
        }
    }
    values::articles(take, &mut fields, placed);
    values::name(take, &mut fields, placed);
    for text in placed.iter().filter(|placed| placed.is("FTX")) {
        values::words(take, &mut fields, text, false);
    }
    let quantity = placed.iter().find(|placed| placed.is("QTY") && matches!(placed.text(1, 1), "21" | "1"));
    if let Some(quantity) = quantity {
        let rule = format!("QTY+{}", quantity.text(1, 1));
        take.number(&mut fields, Field::Quantity, quantity.found(1, 2, "6060", &rule));
        take.text(&mut fields, Field::Unit, quantity.found(1, 3, "6411", &format!("{rule} 6411")));
    }
    values::price(take, &mut fields, placed);
    values::money(take, &mut fields, Field::LineTotal, placed, &["203"]);
    values::put_date(take, &mut fields, Field::RequestedDate, placed, &WISHED);
    fields
}

/// DESADV: one notice an order number.
pub fn dispatches(edi: &interchange::Message, take: &mut Take) -> Vec<Dispatch> {
    let layout = interchange::layout(edi);
    let mut message = Message::new(MessageKind::Response);
    let head = &layout.head;
    let bgm = head.iter().find(|placed| placed.is("BGM"));
    take.text(&mut message.fields, Field::ResponseNumber, bgm.and_then(|bgm| bgm.found(2, 1, "1004", "BGM")));
    take.text(&mut message.fields, Field::OrderNumber, values::reference(head, "ON", 2));
    take.text(&mut message.fields, Field::SupplierOrderNumber, values::reference(head, "VN", 2));
    values::put_date(take, &mut message.fields, Field::EntryDate, head, &["11", "137"]);
    values::put_date(take, &mut message.fields, Field::DeliveryDate, head, &["17", "67", "69", "2", "191"]);
    let mut lines = Vec::new();
    for placed in layout.lines.iter().take(LINES_MAX) {
        let mut line = Line::begin(take);
        let (order, position) = values::line_reference(placed);
        let mut own = Fields::new();
        take.text(&mut own, Field::OrderNumber, order);
        line.order = own.remove(&Field::OrderNumber);
        let own_number = || placed.first().and_then(|lin| lin.found(1, 1, "1082", "LIN 1082"));
        take.position(&mut line.fields, position.or_else(own_number));
        values::articles(take, &mut line.fields, placed);
        values::name(take, &mut line.fields, placed);
        sent(take, &mut line.fields, placed);
        lines.push(line);
        take.end_line();
    }
    check_count(take, &layout);
    let split = shape::by_order(take, message, lines);
    split.into_iter().map(Dispatch::from).collect()
}

/// QTY+12 is what was sent; a line may say it in several pieces.
fn sent(take: &mut Take, fields: &mut Fields, placed: &[Placed]) {
    let mut total: Option<(crate::model::Decimal, Found)> = None;
    for quantity in placed.iter().filter(|placed| placed.is("QTY") && placed.text(1, 1) == "12") {
        let found = quantity.found(1, 2, "6060", "QTY+12");
        take.text(fields, Field::Unit, quantity.found(1, 3, "6411", "QTY+12 6411"));
        let (Some(number), Some(found)) = (take.amount(found.as_ref()), found) else { continue };
        total = match total {
            None => Some((number, found)),
            Some((sum, first)) => match sum.checked_add(number) {
                Some(sum) => Some((sum, first)),
                None => {
                    take.invalid(&found, "the quantities are too large to add up");
                    None
                }
            },
        };
    }
    if let Some((sum, found)) = total {
        take.put(fields, Field::Quantity, Value::Number(sum), &found);
    }
}

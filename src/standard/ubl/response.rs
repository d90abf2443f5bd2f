//! UBL OrderResponse, OrderResponseSimple and DespatchAdvice.

use std::collections::BTreeMap;

use super::super::shape::{self, Delivery, Line};
use super::super::take::{Fields, Found, Heard, Take, shorten};
use super::super::xml::Element;
use super::super::{Dispatch, LINES_MAX};
use super::{currency, item, order_of_line, period, price, quantity};
use crate::model::{FaultCode, Field, HeadState, LineStatus, Message, MessageKind, MissingPolicy};

pub fn read(root: Element, take: &mut Take) -> Vec<Heard> {
    let mut message = Message::new(MessageKind::Response);
    head(root, take, &mut message.fields);
    let code = root.find("OrderResponseCode").or_else(|| root.find("ResponseCode"));
    if let Some(found) = code {
        match response_code(&found.raw) {
            Some((state, missing)) => {
                take.state(&mut message.fields, state, &found);
                message.habits.missing = missing;
            }
            None => take.unknown_code(Field::State, &found, "order response code"),
        }
    }
    if let Some((date, found)) = delivery_date(take, root) {
        take.put(&mut message.fields, Field::DeliveryDate, crate::model::Value::Date(date), &found);
    }
    let advanced = root.find("ProfileID").filter(|found| found.raw.contains("advanced_ordering"));
    if let Some(found) = advanced.filter(|_| root.at("OrderLine").is_none() && message.state().is_some()) {
        // T116: the same AP and RE answer an order, a change or a cancellation.
        let words = "advanced ordering: a yes or no to the order or to its change or cancellation, which is not said";
        take.warn(words, &found.path, found.span);
    }
    let mut lines = Vec::new();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for (index, order_line) in root.all("OrderLine").enumerate() {
        if index == LINES_MAX {
            take.fault(
                FaultCode::Unreadable,
                format!("more than {LINES_MAX} lines"),
                &order_line.path(),
                order_line.span(),
            );
            break;
        }
        if let Some(id) = order_line.find("LineItem/ID")
            && let Some(before) = ids.insert(id.raw.clone(), id.path.clone())
        {
            take.invalid(&id, format!("the line id `{}` stands twice, first at {before}", shorten(&id.raw)));
        }
        lines.push(line(order_line, take));
        take.end_line();
    }
    if lines.is_empty() && message.state() == Some(HeadState::AcceptedWithChanges) {
        let message = "accepted with changes, but no line says which (T76-R007)";
        take.fault(FaultCode::StateConflict, message, &root.path(), root.span());
    }
    shape::inherit_date(&message.fields, &mut lines);
    shape::by_order(take, message, lines)
}

fn head(root: Element, take: &mut Take, fields: &mut Fields) {
    take.text(fields, Field::OrderNumber, root.find("OrderReference/ID"));
    let sales = root.find("SalesOrderID").or_else(|| root.find("OrderReference/SalesOrderID"));
    take.text(fields, Field::SupplierOrderNumber, sales);
    take.text(fields, Field::ResponseNumber, root.find("ID"));
    take.date(fields, Field::EntryDate, root.find("IssueDate"));
    for note in root.all("Note") {
        take.more_text(fields, Field::Note, note.own("Note"));
    }
    currency(take, fields, root);
}

/// UNCL4343 as Peppol T76 has it, and the older UNCL1225.
fn response_code(code: &str) -> Option<(HeadState, MissingPolicy)> {
    Some(match code {
        "AB" | "12" => (HeadState::Received, MissingPolicy::Unchanged),
        "AP" | "29" => (HeadState::Accepted, MissingPolicy::Accepted),
        "RE" | "27" => (HeadState::Canceled, MissingPolicy::Canceled),
        "CA" | "30" => (HeadState::AcceptedWithChanges, MissingPolicy::Unchanged),
        _ => return None,
    })
}

/// UNCL1229 as Peppol has it, and the names of UBL's own list (Added, Cancelled, Revised).
fn line_code(code: &str) -> Option<LineStatus> {
    Some(match code {
        "1" | "Added" => LineStatus::Added,
        "3" | "Revised" => LineStatus::Changed,
        "5" => LineStatus::Accepted,
        "7" | "Cancelled" => LineStatus::Canceled,
        "42" => LineStatus::Unchanged,
        _ => return None,
    })
}

fn line(order_line: Element, take: &mut Take) -> Line {
    let mut line = order_of_line(take, order_line);
    let Some(line_item) = order_line.at("LineItem") else { return line };
    let fields = &mut line.fields;
    let mut status = None;
    if let Some(found) = line_item.find("LineStatusCode") {
        status = line_code(&found.raw);
        match (status, found.raw.as_str()) {
            (Some(status), code) => {
                line.added = status == LineStatus::Added;
                take.status(fields, status, &found);
                if status == LineStatus::Canceled {
                    shape::nothing_comes(take, fields, &found);
                }
                if code == "42" {
                    let reason = Found { raw: "already delivered".into(), ..found };
                    take.text(fields, Field::Reason, Some(reason));
                }
            }
            (None, "NoStatus") => {}
            (None, "Disputed") => {
                take.warn("`Disputed` says neither yes nor no", &found.path, found.span.clone());
                take.text(fields, Field::Reason, Some(found));
            }
            (None, _) => take.unknown_code(Field::Status, &found, "line status code"),
        }
    }
    let reference = order_line.find("OrderLineReference/LineID");
    let reference = match reference {
        Some(found) => Some(found),
        None if line.added => None,
        None => line_item.find("ID").map(|found| found.remark("no OrderLineReference")),
    };
    take.position(fields, reference.map(|found| Found { rule: prefixed(&found.rule), ..found }));
    for note in line_item.all("Note").chain(order_line.all("Note")) {
        take.more_text(fields, Field::Note, note.own("LineItem/Note"));
    }
    if status == Some(LineStatus::Canceled) {
        take.text(fields, Field::Reason, line_item.find("Note").or_else(|| order_line.find("Note")));
    }
    item(take, fields, line_item);
    price(take, fields, line_item);
    take.number(fields, Field::LineTotal, line_item.find("LineExtensionAmount"));
    quantities(take, fields, line_item, status);
    let substitute = order_line.at("SellerSubstitutedLineItem").and_then(|other| {
        let seller = other.find("Item/SellersItemIdentification/ID");
        seller.or_else(|| other.find("Item/StandardItemIdentification/ID"))
    });
    take.text(
        fields,
        Field::SubstituteSku,
        substitute.map(|found| Found { rule: format!("SellerSubstitutedLineItem/{}", found.rule), ..found }),
    );
    line
}

fn prefixed(rule: &str) -> String {
    if rule.starts_with("ID") { format!("LineItem/{rule}") } else { rule.to_string() }
}

fn quantities(take: &mut Take, fields: &mut Fields, line_item: Element, status: Option<LineStatus>) {
    let said = if shape::confirms(status) { Field::QuantityConfirmed } else { Field::Quantity };
    let deliveries: Vec<Element> =
        line_item.all("Delivery").filter(|delivery| delivery.at("Quantity").is_some()).collect();
    if deliveries.len() > 1 && shape::confirms(status) {
        let mut each = Vec::new();
        for delivery in deliveries {
            let found = delivery.find("Quantity").map(|found| Found { rule: "Delivery/Quantity".into(), ..found });
            let number = take.amount(found.as_ref());
            let date = delivery_period(take, delivery).map(|(date, _)| date);
            if let (Some(quantity), Some(found)) = (number, found) {
                each.push(Delivery { quantity, date, backorder: false, found });
            }
        }
        let mut whole = Fields::new();
        quantity(take, &mut whole, Field::Quantity, line_item, "Quantity");
        let total = whole.get(&Field::Quantity).and_then(|said| said.value.as_number());
        fields.extend(whole.remove(&Field::Unit).map(|unit| (Field::Unit, unit)));
        shape::deliver(take, fields, each, total);
        return;
    }
    quantity(take, fields, said, line_item, "Quantity");
    take.number(fields, Field::QuantityBackordered, line_item.find("MaximumBackorderQuantity"));
    if shape::confirms(status)
        && let Some((date, found)) = delivery_date(take, line_item)
    {
        take.put(fields, Field::ConfirmedDate, crate::model::Value::Date(date), &found);
    }
}

/// Promised, else estimated, else at the latest.
fn delivery_date(take: &mut Take, parent: Element) -> Option<(crate::model::Date, Found)> {
    let (date, found) = parent.all("Delivery").find_map(|delivery| delivery_period(take, delivery))?;
    Some((date, Found { rule: format!("Delivery/{}", found.rule), ..found }))
}

fn delivery_period(take: &mut Take, delivery: Element) -> Option<(crate::model::Date, Found)> {
    let said = |path: &str| delivery.at(path).is_some();
    if said("PromisedDeliveryPeriod") {
        return period(take, delivery, "PromisedDeliveryPeriod");
    }
    if said("EstimatedDeliveryPeriod") {
        return period(take, delivery, "EstimatedDeliveryPeriod");
    }
    let latest = delivery.find("LatestDeliveryDate");
    Some((take.day(latest.as_ref())?, latest?))
}

/// OrderResponseSimple: yes or no to the whole order.
pub fn simple(root: Element, take: &mut Take) -> Heard {
    let mut message = Message::new(MessageKind::Response);
    head(root, take, &mut message.fields);
    if let Some(found) = root.find("AcceptedIndicator") {
        match found.raw.as_str() {
            "true" | "1" => {
                take.state(&mut message.fields, HeadState::Accepted, &found);
                message.habits.missing = MissingPolicy::Accepted;
            }
            "false" | "0" => {
                take.state(&mut message.fields, HeadState::Canceled, &found);
                message.habits.missing = MissingPolicy::Canceled;
            }
            other => take.invalid(&found, format!("`{}` is neither true nor false", shorten(other))),
        }
    }
    take.more_text(&mut message.fields, Field::Note, root.find("RejectionNote"));
    take.heard(message, Vec::new())
}

/// DespatchAdvice: what left, for which order lines.
pub fn dispatches(root: Element, take: &mut Take) -> Vec<Dispatch> {
    let mut message = Message::new(MessageKind::Response);
    head(root, take, &mut message.fields);
    let shipped = root.find("Shipment/Delivery/Despatch/ActualDespatchDate");
    let shipped = shipped.or_else(|| root.find("Shipment/ShipmentStage/TransitPeriod/StartDate"));
    if shipped.is_some() && !message.fields.contains_key(&Field::EntryDate) {
        take.date(&mut message.fields, Field::EntryDate, shipped);
    }
    if let Some((date, found)) =
        root.at("Shipment/Delivery").and_then(|delivery| period(take, delivery, "EstimatedDeliveryPeriod"))
    {
        take.put(&mut message.fields, Field::DeliveryDate, crate::model::Value::Date(date), &found);
    }
    let mut lines = Vec::new();
    for (index, despatch_line) in root.all("DespatchLine").enumerate() {
        if index == LINES_MAX {
            let path = despatch_line.path();
            take.fault(FaultCode::Unreadable, format!("more than {LINES_MAX} lines"), &path, despatch_line.span());
            break;
        }
        let mut line = order_of_line(take, despatch_line);
        take.position(&mut line.fields, despatch_line.find("OrderLineReference/LineID"));
        quantity(take, &mut line.fields, Field::Quantity, despatch_line, "DeliveredQuantity");
        let outstanding = despatch_line.find("OutstandingQuantity").or_else(|| despatch_line.find("BackorderQuantity"));
        take.number(&mut line.fields, Field::QuantityBackordered, outstanding);
        item(take, &mut line.fields, despatch_line);
        for note in despatch_line.all("Note") {
            take.more_text(&mut line.fields, Field::Note, note.own("Note"));
        }
        lines.push(line);
        take.end_line();
    }
    let split = shape::by_order(take, message, lines);
    split.into_iter().map(Dispatch::from).collect()
}

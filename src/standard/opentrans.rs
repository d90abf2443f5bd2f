//! openTRANS 2.1 and 1.0: ORDERRESPONSE, ORDER, ORDERCHANGE and DISPATCHNOTIFICATION.
//!
//! Source: opentrans_2_1.xsd (Fraunhofer IAO) and the DTDs of 1.0. There is no accept or reject code:
//! what a response says is found by comparing it with the order, and a line it leaves out says nothing.

use super::shape::{self, Delivery, Line};
use super::take::{Fields, Found, Heard, Take, shorten, whole_number};
use super::xml::Element;
use super::{Dispatch, Family, Harvest, LINES_MAX, Standard, not_ours};
use crate::model::{Date, Decimal, FaultCode, Field, Message, MessageKind, Value};

const KNOWN: [&str; 9] = [
    "ORDERRESPONSE",
    "ORDER",
    "ORDERCHANGE",
    "DISPATCHNOTIFICATION",
    "RECEIPTACKNOWLEDGEMENT",
    "INVOICE",
    "QUOTATION",
    "RFQ",
    "INVOICELIST",
];

pub fn recognise(name: &str, namespace: &str, text: &str) -> Option<Standard> {
    let start: String = text.chars().take(3000).collect();
    let named = namespace.contains("opentrans") || start.contains("opentrans");
    // 1.0 was a DTD: no namespace, but heads of its own.
    let head = || start.contains(&format!("<{name}_HEADER"));
    if !KNOWN.contains(&name) || !(named || namespace.is_empty() && head()) {
        return None;
    }
    let from_namespace =
        namespace.rsplit('/').next().filter(|version| version.starts_with(|c: char| c.is_ascii_digit()));
    let attribute = || {
        let tag = start.split_once(&format!("<{name}")).and_then(|(_, rest)| rest.split('>').next())?;
        tag.split_once("version=").and_then(|(_, rest)| rest.get(1..4))
    };
    let version = from_namespace.or_else(attribute).unwrap_or("1.0");
    Some(Standard { family: Family::OpenTrans, version: shorten(version).into_owned(), document: name.to_string() })
}

pub fn read(root: Element, take: &mut Take, harvest: &mut Harvest) {
    match root.name() {
        "ORDERRESPONSE" => harvest.heard = respond(root, take),
        "ORDER" | "ORDERCHANGE" => harvest.heard = vec![order(root, take)],
        "DISPATCHNOTIFICATION" => harvest.dispatches = dispatches(root, take),
        _ => harvest.not_ours = Some(not_ours(&harvest.standard)),
    }
}

fn items<'a, 't>(root: Element<'a, 't>, take: &mut Take, name: &str) -> Vec<Element<'a, 't>> {
    let list = root.at(&format!("{name}_ITEM_LIST"));
    let item_name = format!("{name}_ITEM");
    let items: Vec<_> = list.into_iter().flat_map(|list| list.all(&item_name).collect::<Vec<_>>()).collect();
    if let Some(over) = items.get(LINES_MAX) {
        take.fault(FaultCode::Unreadable, format!("more than {LINES_MAX} lines"), &over.path(), over.span());
    }
    let said = root.find(&format!("{name}_SUMMARY/TOTAL_ITEM_NUM"));
    if let Some(said) = said.filter(|said| whole_number(&said.raw).unwrap_or_default() != Decimal::from(items.len())) {
        let text = format!("the document says {} lines, {} are there", shorten(&said.raw), items.len());
        take.fault(FaultCode::Unreadable, text, &said.path, said.span);
    }
    items.into_iter().take(LINES_MAX).collect()
}

fn respond(root: Element, take: &mut Take) -> Vec<Heard> {
    let mut message = Message::new(MessageKind::Response);
    if let Some(info) = root.at("ORDERRESPONSE_HEADER/ORDERRESPONSE_INFO") {
        let fields = &mut message.fields;
        take.text(fields, Field::OrderNumber, info.find("ORDER_ID"));
        take.text(fields, Field::SupplierOrderNumber, info.find("SUPPLIER_ORDER_ID"));
        take.date(fields, Field::EntryDate, info.find("ORDERRESPONSE_DATE"));
        take.text(fields, Field::Currency, info.find("CURRENCY").or_else(|| info.find("PRICE_CURRENCY")));
        for remark in info.all("REMARKS").chain(info.all("REMARK")) {
            take.more_text(fields, Field::Note, remark.own("REMARKS"));
        }
        delivery_date(take, fields, Field::DeliveryDate, info);
    }
    total(take, &mut message.fields, root, "ORDERRESPONSE");
    let mut lines = Vec::new();
    for item in items(root, take, "ORDERRESPONSE") {
        let mut line = Line::begin(take);
        let fields = &mut line.fields;
        article(item, take, fields);
        let partial =
            item.all("PARTIAL_DELIVERY_LIST").flat_map(|list| list.all("PARTIAL_DELIVERY").collect::<Vec<_>>());
        let mut deliveries = Vec::new();
        for delivery in partial {
            let found =
                delivery.find("QUANTITY").map(|found| Found { rule: "PARTIAL_DELIVERY/QUANTITY".into(), ..found });
            let quantity = take.amount(found.as_ref());
            let date = last_day(take, delivery).map(|(date, _)| date);
            if let (Some(quantity), Some(found)) = (quantity, found) {
                deliveries.push(Delivery { quantity, date, backorder: false, found });
            }
        }
        if deliveries.is_empty() {
            take.number(fields, Field::QuantityConfirmed, item.find("QUANTITY"));
            delivery_date(take, fields, Field::ConfirmedDate, item);
        } else {
            let total = take.amount(item.find("QUANTITY").as_ref());
            shape::deliver(take, fields, deliveries, total);
        }
        lines.push(line);
        take.end_line();
    }
    shape::inherit_date(&message.fields, &mut lines);
    shape::by_order(take, message, lines)
}

/// What items of orders and responses share.
fn article(item: Element, take: &mut Take, fields: &mut Fields) {
    take.position(fields, item.find("LINE_ITEM_ID"));
    let sku = item.find("PRODUCT_ID/SUPPLIER_PID").or_else(|| item.find("ARTICLE_ID/SUPPLIER_AID"));
    take.text(fields, Field::SupplierSku, sku);
    let own = item.find("PRODUCT_ID/BUYER_PID").or_else(|| item.find("ARTICLE_ID/BUYER_AID"));
    take.text(fields, Field::ShopSku, own);
    let ids = item.at("PRODUCT_ID").into_iter().flat_map(|id| id.all("INTERNATIONAL_PID").collect::<Vec<_>>());
    let gtin =
        ids.into_iter().find(|id| matches!(id.flag("type").to_ascii_lowercase().as_str(), "" | "ean" | "gtin" | "upc"));
    let gtin = gtin.and_then(|id| id.own("PRODUCT_ID/INTERNATIONAL_PID"));
    take.text(fields, Field::Gtin, gtin.or_else(|| item.find("ARTICLE_ID/INTERNATIONAL_AID")));
    let name = item.find("PRODUCT_ID/DESCRIPTION_SHORT").or_else(|| item.find("ARTICLE_ID/DESCRIPTION_SHORT"));
    take.text(fields, Field::Name, name);
    take.text(fields, Field::Unit, item.find("ORDER_UNIT"));
    for remark in item.all("REMARKS").chain(item.all("REMARK")) {
        take.more_text(fields, Field::Note, remark.own("REMARKS"));
    }
    price(item, take, fields);
    take.number(
        fields,
        Field::LineTotal,
        item.find("PRICE_LINE_AMOUNT").or_else(|| {
            item.find("PRODUCT_PRICE_FIX/PRICE_LINE_AMOUNT").or_else(|| item.find("ARTICLE_PRICE/PRICE_LINE_AMOUNT"))
        }),
    );
}

/// PRICE_AMOUNT ÷ PRICE_QUANTITY; a price that includes tax (or is a gross list price) is not the net one.
fn price(item: Element, take: &mut Take, fields: &mut Fields) {
    let Some(price) = item.at("PRODUCT_PRICE_FIX").or_else(|| item.at("ARTICLE_PRICE")) else { return };
    let kind = price.flag("type");
    let taxed = price.all("PRICE_FLAG").find(|flag| {
        matches!(flag.flag("type"), "incl_tax" | "incl_vat")
            && flag.own("").is_some_and(|own| own.raw.eq_ignore_ascii_case("true"))
    });
    if taxed.is_some() || kind.starts_with("gros") {
        take.warn("this price includes tax: no net price is taken from it", &price.path(), price.span());
        return;
    }
    let basis = price.find("PRICE_QUANTITY");
    take.price(fields, price.find("PRICE_AMOUNT"), basis, Decimal::ONE);
}

/// The end of the delivery window, else its start; 1.0 also writes a bare date.
fn last_day(take: &mut Take, parent: Element) -> Option<(Date, Found)> {
    let window = parent.at("DELIVERY_DATE")?;
    let (start, end) = (window.find("DELIVERY_START_DATE"), window.find("DELIVERY_END_DATE"));
    let (first, last) = (take.day(start.as_ref()), take.day(end.as_ref()));
    if let (Some(first), Some(last), Some(found)) = (first, last, &end)
        && last < first
    {
        take.invalid(found, format!("the delivery window ends on {last}, before it starts on {first}"));
        return None;
    }
    let rule = |found: Found| Found { rule: format!("DELIVERY_DATE/{}", found.rule), ..found };
    match (last, end) {
        (Some(last), Some(end)) => Some((last, rule(end))),
        (None, Some(_)) => None,
        _ => match start {
            Some(start) => Some((first?, rule(start))),
            None => {
                let own = window.own("DELIVERY_DATE");
                Some((take.day(own.as_ref())?, own?))
            }
        },
    }
}

fn delivery_date(take: &mut Take, fields: &mut Fields, field: Field, parent: Element) {
    if let Some((date, found)) = last_day(take, parent) {
        take.put(fields, field, Value::Date(date), &found);
    }
}

fn total(take: &mut Take, fields: &mut Fields, root: Element, name: &str) {
    take.number(fields, Field::Total, root.find(&format!("{name}_SUMMARY/TOTAL_AMOUNT")));
}

fn order(root: Element, take: &mut Take) -> Heard {
    let mut message = Message::new(MessageKind::Order);
    let name = root.name();
    if let Some(info) = root.at(&format!("{name}_HEADER/{name}_INFO")) {
        let fields = &mut message.fields;
        take.text(fields, Field::OrderNumber, info.find("ORDER_ID"));
        take.text(
            fields,
            Field::ResponseNumber,
            info.find("ORDERCHANGE_SEQUENCE_ID").map(|found| found.remark("number of the change")),
        );
        let date = info.find("ORDERCHANGE_DATE").or_else(|| info.find("ORDER_DATE"));
        take.date(fields, Field::EntryDate, date);
        take.text(fields, Field::Currency, info.find("CURRENCY").or_else(|| info.find("PRICE_CURRENCY")));
        for remark in info.all("REMARKS").chain(info.all("REMARK")) {
            take.more_text(fields, Field::Note, remark.own("REMARKS"));
        }
        delivery_date(take, fields, Field::RequestedDate, info);
        parties(info, take, fields);
        take.text(fields, Field::PaymentTerms, payment_terms(info));
        take.more_text(fields, Field::DeliveryTerms, info.find("TRANSPORT/INCOTERM"));
        take.more_text(fields, Field::DeliveryTerms, info.find("TRANSPORT/LOCATION"));
    }
    total(take, &mut message.fields, root, name);
    let mut numbers = Vec::new();
    for item in items(root, take, name) {
        let mut fields = Fields::new();
        numbers.push(take.begin_line());
        article(item, take, &mut fields);
        take.number(&mut fields, Field::Quantity, item.find("QUANTITY"));
        delivery_date(take, &mut fields, Field::RequestedDate, item);
        message.lines.push(fields);
        take.end_line();
    }
    take.heard(message, numbers)
}

/// PAYMENT/PAYMENT_TERMS/TIME_FOR_PAYMENT/DAYS: `30 days`.
fn payment_terms(info: Element) -> Option<Found> {
    let found = info.find("PAYMENT/PAYMENT_TERMS/TIME_FOR_PAYMENT/DAYS")?;
    Some(Found { raw: format!("{} days", found.raw), ..found })
}

/// 2.1 has a list of PARTY with a role each; 1.0 wraps each party in an element named after its role.
fn parties(info: Element, take: &Take, fields: &mut Fields) {
    let list = info.at("PARTIES").or_else(|| info.at("ORDER_PARTIES"));
    let Some(list) = list else { return };
    let with_role = |role: &str, old: &str| {
        let by_role = list.all("PARTY").find(|party| {
            let mut roles = party.all("PARTY_ROLE").filter_map(|said| said.own(""));
            roles.any(|said| said.raw == role)
        });
        by_role.or_else(|| list.at(&format!("{old}/PARTY")))
    };
    let (buyer, payer) = (with_role("buyer", "BUYER_PARTY"), with_role("invoice_recipient", "INVOICE_PARTY"));
    let delivery = with_role("delivery", "SHIPMENT_PARTIES/DELIVERY_PARTY");
    if let Some(buyer) = buyer {
        take.text(fields, Field::CustomerNumber, buyer.find("PARTY_ID"));
        if let Some(address) = buyer.at("ADDRESS") {
            take.text(fields, Field::CustomerName, address.find("NAME"));
            let mail = address.find("CONTACT_DETAILS/EMAILS/EMAIL").or_else(|| address.find("EMAIL"));
            take.text(fields, Field::CustomerEmail, mail.or_else(|| address.find("CONTACT/EMAIL")));
            let contact = address.at("CONTACT_DETAILS").or_else(|| address.at("CONTACT"));
            take.text(fields, Field::Contact, contact.and_then(person));
        }
    }
    take.text(fields, Field::BillingAddress, payer.or(buyer).and_then(|party| label(party.at("ADDRESS")?)));
    take.text(fields, Field::DeliveryAddress, delivery.and_then(|party| label(party.at("ADDRESS")?)));
}

fn person(contact: Element) -> Option<Found> {
    let first = contact.find("FIRST_NAME").map(|found| found.raw);
    let last = contact.find("CONTACT_NAME")?;
    let raw = first.map_or_else(|| last.raw.clone(), |first| format!("{first} {}", last.raw));
    Some(Found { raw, ..last })
}

/// Names, department, street, "postcode city", state, country: one line each, as on a label.
fn label(address: Element) -> Option<Found> {
    let text = |name: &str| address.find(name).map(|found| found.raw);
    let mut lines: Vec<String> =
        ["NAME", "NAME2", "NAME3", "DEPARTMENT", "STREET"].iter().filter_map(|name| text(name)).collect();
    lines.push([text("ZIP"), text("CITY")].into_iter().flatten().collect::<Vec<_>>().join(" "));
    lines.extend(text("STATE"));
    lines.extend(text("COUNTRY_CODED").or_else(|| text("COUNTRY")));
    lines.retain(|line| !line.is_empty());
    let (raw, rule) = (lines.join("\n"), "PARTY/ADDRESS".to_string());
    (!raw.is_empty()).then(|| Found { raw, rule, path: address.path(), span: address.span() })
}

fn dispatches(root: Element, take: &mut Take) -> Vec<Dispatch> {
    let mut message = Message::new(MessageKind::Response);
    if let Some(info) = root.at("DISPATCHNOTIFICATION_HEADER/DISPATCHNOTIFICATION_INFO") {
        take.text(&mut message.fields, Field::ResponseNumber, info.find("DISPATCHNOTIFICATION_ID"));
        take.date(&mut message.fields, Field::EntryDate, info.find("DISPATCHNOTIFICATION_DATE"));
        delivery_date(take, &mut message.fields, Field::DeliveryDate, info);
    }
    let mut lines = Vec::new();
    for item in items(root, take, "DISPATCHNOTIFICATION") {
        let mut line = Line::begin(take);
        let mut own = Fields::new();
        take.text(&mut own, Field::OrderNumber, item.find("ORDER_REFERENCE/ORDER_ID"));
        line.order = own.remove(&Field::OrderNumber);
        take.position(&mut line.fields, item.find("ORDER_REFERENCE/LINE_ITEM_ID"));
        article(item, take, &mut line.fields);
        take.number(&mut line.fields, Field::Quantity, item.find("QUANTITY"));
        lines.push(line);
        take.end_line();
    }
    let split = shape::by_order(take, message, lines);
    split.into_iter().map(Dispatch::from).collect()
}

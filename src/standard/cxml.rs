//! cXML: ConfirmationRequest, OrderRequest and ShipNoticeRequest.
//!
//! Source: cXML 1.2 (Fulfill.dtd and cXML.dtd with their comments). A DOCTYPE is ignored, never fetched.

use super::shape::{self, Delivery, Line};
use super::take::{Fields, Found, Heard, Take, decimal, shorten};
use super::xml::Element;
use super::{Dispatch, Family, Harvest, LINES_MAX, Standard, not_ours};
use crate::model::{
    Date, Decimal, FaultCode, Field, HeadState, LineStatus, Message, MessageKind, MissingPolicy, Value,
};

pub fn recognise(name: &str, text: &str) -> Option<Standard> {
    if name != "cXML" {
        return None;
    }
    let start: String = text.chars().take(600).collect();
    let named = start.split_once("/schemas/cXML/").or_else(|| start.split_once("/cXML/"));
    let version = named.and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    let version = if version.starts_with("1.") && version.len() <= 10 { version } else { "1.2" };
    let known = ["ConfirmationRequest", "OrderRequest", "ShipNoticeRequest"];
    let document = known.iter().find(|name| text.contains(&format!("<{name}"))).copied().unwrap_or("document");
    Some(Standard { family: Family::Cxml, version: version.to_string(), document: document.to_string() })
}

pub fn read(root: Element, take: &mut Take, harvest: &mut Harvest) {
    let Some(request) = root.at("Request") else {
        harvest.not_ours = Some(not_ours(&harvest.standard));
        return;
    };
    if let Some(confirmation) = request.at("ConfirmationRequest") {
        harvest.heard = confirm(confirmation, take);
    } else if let Some(order) = request.at("OrderRequest") {
        harvest.heard = vec![self::order(order, take)];
    } else if let Some(notice) = request.at("ShipNoticeRequest") {
        harvest.dispatches = dispatches(notice, take);
    } else {
        let name = request.children().next().map_or("an empty request", |child| child.name());
        let standard = Standard { document: shorten(name).into_owned(), ..harvest.standard.clone() };
        harvest.not_ours = Some(not_ours(&standard));
    }
}

fn confirm(request: Element, take: &mut Take) -> Vec<Heard> {
    let mut message = Message::new(MessageKind::Response);
    let mut whole_is_backordered = None;
    let reference = request.at("OrderReference").or_else(|| request.at("OrderIDInfo"));
    if let Some(reference) = reference {
        let rule = format!("{}/@orderID", reference.name());
        take.text(&mut message.fields, Field::OrderNumber, reference.attribute("orderID", &rule));
    }
    if let Some(header) = request.at("ConfirmationHeader") {
        whole_is_backordered = head(header, take, &mut message);
    }
    let mut lines = Vec::new();
    for (index, item) in request.all("ConfirmationItem").enumerate() {
        if index == LINES_MAX {
            take.fault(FaultCode::Unreadable, format!("more than {LINES_MAX} lines"), &item.path(), item.span());
            break;
        }
        lines.push(line(item, take));
        take.end_line();
    }
    if let Some(found) = whole_is_backordered.filter(|_| lines.is_empty()) {
        take.fault(
            FaultCode::MissingDate,
            "all is backordered, but no line says how much until when",
            &found.path,
            found.span,
        );
    }
    shape::by_order(take, message, lines)
}

/// ConfirmationHeader; gives back its type when that is `backordered`.
fn head(header: Element, take: &mut Take, message: &mut Message) -> Option<Found> {
    let fields = &mut message.fields;
    take.text(fields, Field::ResponseNumber, header.attribute("confirmID", "ConfirmationHeader/@confirmID"));
    take.date(fields, Field::EntryDate, header.attribute("noticeDate", "ConfirmationHeader/@noticeDate"));
    take.number(fields, Field::Total, header.find("Total/Money"));
    let currency = header.at("Total/Money").and_then(|money| money.attribute("currency", "Total/Money/@currency"));
    take.text(fields, Field::Currency, currency);
    for comments in header.all("Comments") {
        take.more_text(fields, Field::Note, comments.own("Comments"));
    }
    take.text(fields, Field::SupplierOrderNumber, supplier_number(header));
    let found = header.attribute("type", "ConfirmationHeader/@type")?;
    let (state, missing) = match found.raw.as_str() {
        "accept" => (HeadState::Accepted, MissingPolicy::Accepted),
        "except" => (HeadState::AcceptedWithChanges, MissingPolicy::Accepted),
        "detail" | "allDetail" | "backordered" => (HeadState::AcceptedWithChanges, MissingPolicy::Unchanged),
        "reject" => (HeadState::Canceled, MissingPolicy::Canceled),
        other => {
            take.invalid(&found, format!("a confirmation of type `{}` cannot be read", shorten(other)));
            return None;
        }
    };
    take.state(fields, state, &found);
    message.habits.missing = missing;
    (found.raw == "backordered").then_some(found)
}

/// The supplier's own order number has no place of its own: partners put it into an IdReference or Extrinsic.
fn supplier_number(header: Element) -> Option<Found> {
    let known = |name: &str| {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let names = ["supplierordernumber", "supplierorderid", "salesordernumber", "salesorderid", "supplierreference"];
        names.contains(&plain.as_str())
    };
    let reference = header.all("IdReference").find(|reference| known(reference.flag("domain")));
    let reference = reference.and_then(|reference| reference.attribute("identifier", "IdReference/@identifier"));
    reference.or_else(|| header.all("Extrinsic").find(|extrinsic| known(extrinsic.flag("name")))?.own("Extrinsic"))
}

/// One ConfirmationStatus.
struct Part {
    status: &'static str,
    quantity: Decimal,
    found: Found,
    date: Option<(Date, Found)>,
}

fn line(item: Element, take: &mut Take) -> Line {
    let mut line = Line::begin(take);
    let fields = &mut line.fields;
    take.position(fields, item.attribute("lineNumber", "ConfirmationItem/@lineNumber"));
    let ordered_found = item.attribute("quantity", "ConfirmationItem/@quantity");
    let ordered = take.number(fields, Field::Quantity, ordered_found.clone());
    take.text(fields, Field::Unit, item.find("UnitOfMeasure"));
    let mut parts = Vec::new();
    let mut broken = false;
    for status in item.all("ConfirmationStatus") {
        match part(status, take, fields) {
            Some(part) => parts.push(part),
            None => broken = true,
        }
    }
    if broken {
        return line; // Complained of; a sum over the rest would be wrong.
    }
    let sum = parts.iter().try_fold(Decimal::ZERO, |sum, part| sum.checked_add(part.quantity));
    if let (Some(ordered), Some(found), false) = (ordered, &ordered_found, parts.is_empty())
        && sum != Some(ordered)
    {
        let sum = sum.map_or("too much".to_string(), |sum| sum.normalize().to_string());
        take.invalid(found, format!("the statuses add up to {sum}, the item says {}", ordered.normalize()));
        return line;
    }
    quantities(take, fields, parts);
    line
}

fn part(status: Element, take: &mut Take, fields: &mut Fields) -> Option<Part> {
    let kind = status.attribute("type", "ConfirmationStatus/@type");
    let Some(kind_found) = kind else {
        let at = status.path();
        take.fault(FaultCode::InvalidValue, "a status without its type", &at, status.span());
        return None;
    };
    let known = ["accept", "detail", "allDetail", "backordered", "reject", "unknown", "requestToPay"];
    let Some(kind) = known.into_iter().find(|kind| *kind == kind_found.raw) else {
        take.invalid(&kind_found, format!("`{}` is no status of an item", shorten(&kind_found.raw)));
        return None;
    };
    let rule = format!("ConfirmationStatus[@type='{kind}']/@quantity");
    let found = status.attribute("quantity", &rule);
    let Some(quantity) = take.amount(found.as_ref()) else {
        if found.is_none() {
            take.fault(FaultCode::MissingQuantity, "a status without its quantity", &status.path(), status.span());
        }
        return None;
    };
    for comments in status.all("Comments") {
        take.more_text(fields, Field::Note, comments.own("ConfirmationStatus/Comments"));
    }
    if kind == "reject" {
        take.text(fields, Field::Reason, status.find("Comments"));
    }
    detail(status, take, fields);
    let date_found = status.attribute("deliveryDate", "ConfirmationStatus/@deliveryDate");
    let date = take.day(date_found.as_ref());
    Some(Part { status: kind, quantity, found: found?, date: date.zip(date_found) })
}

/// Price and article. ItemIn repeats the whole item; whether it is another one shows beside the order.
fn detail(status: Element, take: &mut Take, fields: &mut Fields) {
    take.text(fields, Field::Unit, status.find("UnitOfMeasure"));
    if status.at("UnitPrice").is_some() {
        unit_price(status, take, fields);
    }
    if let Some(item) = status.at("ItemIn") {
        articles(item, take, fields);
        if let Some(detail) = item.at("ItemDetail") {
            unit_price(detail, take, fields);
            take.text(fields, Field::Name, detail.find("Description"));
        }
    }
}

fn articles(item: Element, take: &Take, fields: &mut Fields) {
    take.text(fields, Field::SupplierSku, item.find("ItemID/SupplierPartID"));
    take.text(fields, Field::ShopSku, item.find("ItemID/BuyerPartID"));
    let known = |domain: &str| ["EAN", "GTIN", "UPC"].iter().any(|kind| domain.to_ascii_uppercase().contains(kind));
    let ids = item.at("ItemID").into_iter().flat_map(|id| id.all("IdReference").collect::<Vec<_>>());
    let gtin = ids.into_iter().find(|id| known(id.flag("domain")));
    let gtin = gtin.and_then(|id| id.attribute("identifier", "ItemID/IdReference/@identifier"));
    take.text(fields, Field::Gtin, gtin.or_else(|| item.find("ItemDetail/ItemDetailIndustry/ItemDetailRetail/EANID")));
}

/// UnitPrice/Money, for PriceBasisQuantity units where that is given.
fn unit_price(parent: Element, take: &mut Take, fields: &mut Fields) {
    let basis = parent.at("PriceBasisQuantity");
    let quantity = basis.and_then(|basis| basis.attribute("quantity", "PriceBasisQuantity/@quantity"));
    let factor = basis.and_then(|basis| basis.attribute("conversionFactor", "PriceBasisQuantity/@conversionFactor"));
    // One ordered unit is `factor` price units; dividing the basis by it brings the price to ordered units.
    let per = match &factor {
        None => Decimal::ONE,
        Some(found) => match decimal(&found.raw).ok().and_then(|factor| Decimal::ONE.checked_div(factor)) {
            Some(per) if !per.is_sign_negative() => per,
            _ => {
                take.invalid(found, format!("`{}` is no conversion factor", shorten(&found.raw)));
                return;
            }
        },
    };
    take.price(fields, parent.find("UnitPrice/Money"), quantity, per);
}

fn quantities(take: &mut Take, fields: &mut Fields, parts: Vec<Part>) {
    let of = |kinds: &[&str]| -> Option<(Decimal, Found)> {
        let mut all = parts.iter().filter(|part| kinds.contains(&part.status));
        let first = all.next()?;
        let sum = all.try_fold(first.quantity, |sum, part| sum.checked_add(part.quantity))?;
        Some((sum, first.found.clone()))
    };
    let (accepted, changed) = (of(&["accept", "requestToPay"]), of(&["detail", "allDetail"]));
    let (backordered, rejected) = (of(&["backordered"]), of(&["reject"]));
    let status = match (&accepted, &changed, &backordered, &rejected) {
        (Some(_), None, None, None) => Some(LineStatus::Accepted),
        (None, None, Some(_), None) => Some(LineStatus::Backordered),
        (None, None, None, Some(_)) => Some(LineStatus::Canceled),
        (None, None, None, None) => None, // `unknown`, or nothing: says nothing.
        _ => Some(LineStatus::Changed),
    };
    if let Some(status) = status
        && let Some(first) = parts.iter().find(|part| part.status != "unknown")
    {
        let witness =
            Found { rule: "ConfirmationStatus/@type".into(), raw: first.status.into(), ..first.found.clone() };
        take.status(fields, status, &witness);
    }
    if let Some((quantity, found)) = &rejected {
        take.put(fields, Field::QuantityCanceled, Value::Number(*quantity), found);
    }
    let deliveries = parts.iter().filter(|part| !matches!(part.status, "reject" | "unknown"));
    let deliveries: Vec<Delivery> = deliveries
        .map(|part| Delivery {
            quantity: part.quantity,
            date: part.date.as_ref().map(|(date, _)| *date),
            backorder: part.status == "backordered",
            found: part.found.clone(),
        })
        .collect();
    shape::deliver(take, fields, deliveries, None);
    // All parts are known: what is neither accepted nor changed is not confirmed, and that is said.
    if status.is_some()
        && accepted.is_none()
        && changed.is_none()
        && let Some((_, found)) = backordered.or(rejected)
    {
        let found = found.remark("no part is accepted");
        take.put(fields, Field::QuantityConfirmed, Value::Number(Decimal::ZERO), &found);
    }
}

/// OrderRequest: what a customer orders.
fn order(request: Element, take: &mut Take) -> Heard {
    let mut message = Message::new(MessageKind::Order);
    let fields = &mut message.fields;
    if let Some(header) = request.at("OrderRequestHeader") {
        take.text(fields, Field::OrderNumber, header.attribute("orderID", "OrderRequestHeader/@orderID"));
        take.date(fields, Field::EntryDate, header.attribute("orderDate", "OrderRequestHeader/@orderDate"));
        // `delete` takes the order back; `new` and `update` order something.
        if let Some(found) = header.attribute("type", "OrderRequestHeader/@type").filter(|found| found.raw == "delete")
        {
            take.state(fields, HeadState::Canceled, &found);
        }
        let wished = header.attribute("requestedDeliveryDate", "OrderRequestHeader/@requestedDeliveryDate");
        take.date(fields, Field::RequestedDate, wished);
        take.number(fields, Field::Total, header.find("Total/Money"));
        let currency = header.at("Total/Money").and_then(|money| money.attribute("currency", "Total/Money/@currency"));
        take.text(fields, Field::Currency, currency);
        if let Some(bill) = header.at("BillTo/Address") {
            take.text(fields, Field::CustomerNumber, bill.attribute("addressID", "BillTo/Address/@addressID"));
            take.text(fields, Field::CustomerName, bill.find("Name"));
            take.text(fields, Field::CustomerEmail, bill.find("Email"));
            take.text(fields, Field::BillingAddress, label(bill));
        }
        if let Some(ship) = header.at("ShipTo/Address") {
            take.text(fields, Field::DeliveryAddress, label(ship));
        }
        if let Some(contact) = header.at("Contact") {
            take.text(fields, Field::Contact, contact.find("Name"));
            take.text(fields, Field::CustomerEmail, contact.find("Email"));
        }
        for comments in header.all("Comments") {
            take.more_text(fields, Field::Note, comments.own("Comments"));
        }
        take.text(fields, Field::PaymentTerms, payment_terms(header));
        take.more_text(fields, Field::DeliveryTerms, header.find("TermsOfDelivery/TermsOfDeliveryCode"));
    }
    let mut numbers = Vec::new();
    for (index, item) in request.all("ItemOut").enumerate() {
        if index == LINES_MAX {
            take.fault(FaultCode::Unreadable, format!("more than {LINES_MAX} lines"), &item.path(), item.span());
            break;
        }
        let mut fields = Fields::new();
        numbers.push(take.begin_line());
        take.position(&mut fields, item.attribute("lineNumber", "ItemOut/@lineNumber"));
        take.number(&mut fields, Field::Quantity, item.attribute("quantity", "ItemOut/@quantity"));
        let wished = item.attribute("requestedDeliveryDate", "ItemOut/@requestedDeliveryDate");
        take.date(&mut fields, Field::RequestedDate, wished);
        articles(item, take, &mut fields);
        if let Some(detail) = item.at("ItemDetail") {
            take.text(&mut fields, Field::Name, detail.find("Description"));
            take.text(&mut fields, Field::Unit, detail.find("UnitOfMeasure"));
            unit_price(detail, take, &mut fields);
        }
        for comments in item.all("Comments") {
            take.more_text(&mut fields, Field::Note, comments.own("Comments"));
        }
        message.lines.push(fields);
        take.end_line();
    }
    take.heard(message, numbers)
}

/// ShipNoticeRequest: what left, one notice an order.
fn dispatches(notice: Element, take: &mut Take) -> Vec<Dispatch> {
    let mut message = Message::new(MessageKind::Response);
    if let Some(header) = notice.at("ShipNoticeHeader") {
        let fields = &mut message.fields;
        take.text(fields, Field::ResponseNumber, header.attribute("shipmentID", "ShipNoticeHeader/@shipmentID"));
        take.date(fields, Field::EntryDate, header.attribute("shipmentDate", "ShipNoticeHeader/@shipmentDate"));
        take.date(fields, Field::DeliveryDate, header.attribute("deliveryDate", "ShipNoticeHeader/@deliveryDate"));
    }
    let mut lines = Vec::new();
    for portion in notice.all("ShipNoticePortion") {
        let mut own = Fields::new();
        let order =
            portion.at("OrderReference").and_then(|order| order.attribute("orderID", "OrderReference/@orderID"));
        take.text(&mut own, Field::OrderNumber, order);
        let order = own.remove(&Field::OrderNumber);
        for item in portion.all("ShipNoticeItem").take(LINES_MAX) {
            let mut line = Line { order: order.clone(), ..Line::begin(take) };
            take.position(&mut line.fields, item.attribute("lineNumber", "ShipNoticeItem/@lineNumber"));
            take.number(&mut line.fields, Field::Quantity, item.attribute("quantity", "ShipNoticeItem/@quantity"));
            take.text(&mut line.fields, Field::Unit, item.find("UnitOfMeasure"));
            articles(item, take, &mut line.fields);
            lines.push(line);
            take.end_line();
        }
    }
    shape::by_order(take, message, lines).into_iter().map(Dispatch::from).collect()
}

/// PaymentTerm/@payInNumberOfDays: `30 days`.
fn payment_terms(header: Element) -> Option<Found> {
    let term = header.at("PaymentTerm").or_else(|| header.at("Payment/PaymentTerm"))?;
    let found = term.attribute("payInNumberOfDays", "PaymentTerm/@payInNumberOfDays")?;
    Some(Found { raw: format!("{} days", found.raw), ..found })
}

/// Name, recipients, streets, "postcode city", state, country: one line each, as on a label.
fn label(address: Element) -> Option<Found> {
    let mut lines: Vec<String> = address.find("Name").map(|found| found.raw).into_iter().collect();
    if let Some(postal) = address.at("PostalAddress") {
        let each = |name: &'static str| postal.all(name).filter_map(|element| element.own("")).map(|found| found.raw);
        lines.extend(each("DeliverTo"));
        lines.extend(each("Street"));
        let city: Vec<String> = each("PostalCode").chain(each("City")).collect();
        lines.push(city.join(" "));
        lines.extend(each("State"));
        let country = postal.at("Country").map(|country| country.flag("isoCountryCode").to_string());
        lines.extend(country.filter(|code| !code.is_empty()).or_else(|| each("Country").next()));
    }
    lines.retain(|line| !line.is_empty());
    let path = address.path();
    let rule = path.rsplit_once("Header/").map_or("Address", |(_, rest)| rest).to_string();
    (!lines.is_empty()).then(|| Found { raw: lines.join("\n"), rule, path, span: address.span() })
}

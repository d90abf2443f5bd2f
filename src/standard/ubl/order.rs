//! UBL Order and OrderChange: what a customer orders.

use super::super::LINES_MAX;
use super::super::take::{Fields, Found, Heard, Take};
use super::super::xml::Element;
use super::{currency, item, period, price, quantity};
use crate::model::{FaultCode, Field, LineStatus, Message, MessageKind, Value};

pub fn read(root: Element, take: &mut Take) -> Heard {
    let mut message = Message::new(MessageKind::Order);
    let fields = &mut message.fields;
    if root.name() == "OrderChange" {
        take.text(fields, Field::OrderNumber, root.find("OrderReference/ID"));
        take.text(fields, Field::ResponseNumber, root.find("ID").map(|found| found.remark("number of the change")));
    } else {
        take.text(fields, Field::OrderNumber, root.find("ID"));
    }
    take.text(fields, Field::SupplierOrderNumber, root.find("SalesOrderID"));
    take.date(fields, Field::EntryDate, root.find("IssueDate"));
    for note in root.all("Note") {
        take.more_text(fields, Field::Note, note.own("Note"));
    }
    currency(take, fields, root);
    customer(root, take, fields);
    let terms = root.find("DeliveryTerms/ID");
    take.more_text(fields, Field::DeliveryTerms, terms);
    take.more_text(fields, Field::DeliveryTerms, root.find("DeliveryTerms/SpecialTerms"));
    take.text(fields, Field::PaymentTerms, root.find("PaymentTerms/Note"));
    let total = root.find("AnticipatedMonetaryTotal/PayableAmount");
    let total = total.or_else(|| root.find("AnticipatedMonetaryTotal/LineExtensionAmount"));
    take.number(fields, Field::Total, total);
    requested(take, fields, root);
    let mut numbers = Vec::new();
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
        numbers.push(take.begin_line());
        message.lines.push(line(order_line, take));
        take.end_line();
    }
    take.heard(message, numbers)
}

fn customer(root: Element, take: &mut Take, fields: &mut Fields) {
    let buyer = root.at("BuyerCustomerParty");
    if let Some(buyer) = buyer {
        let number = buyer.find("SupplierAssignedAccountID").or_else(|| buyer.find("Party/PartyIdentification/ID"));
        take.text(fields, Field::CustomerNumber, below("BuyerCustomerParty", number));
        take.text(fields, Field::CustomerName, below("BuyerCustomerParty", name(buyer, "Party")));
        let mail = buyer.find("Party/Contact/ElectronicMail");
        let mail = mail.or_else(|| buyer.find("Party/EndpointID").filter(|found| found.raw.contains('@')));
        take.text(fields, Field::CustomerEmail, below("BuyerCustomerParty", mail));
        take.text(fields, Field::Contact, below("BuyerCustomerParty", buyer.find("Party/Contact/Name")));
    }
    let payer = root.at("AccountingCustomerParty").filter(|payer| payer.at("Party/PostalAddress").is_some());
    if let Some(payer) = payer.or(buyer) {
        let address = payer.at("Party/PostalAddress");
        take.text(fields, Field::BillingAddress, address_of(name(payer, "Party"), address));
    }
    if let Some(delivery) = root.at("Delivery") {
        let place = delivery.at("DeliveryLocation/Address").or_else(|| delivery.at("DeliveryAddress"));
        let place = place.or_else(|| delivery.at("DeliveryParty/PostalAddress"));
        let name = name(delivery, "DeliveryParty").or_else(|| delivery.find("DeliveryLocation/Name"));
        take.text(fields, Field::DeliveryAddress, address_of(name, place));
    }
}

fn below(parent: &str, found: Option<Found>) -> Option<Found> {
    found.map(|found| Found { rule: format!("{parent}/{}", found.rule), ..found })
}

fn name(parent: Element, party: &str) -> Option<Found> {
    let known = parent.find(&format!("{party}/PartyName/Name"));
    known.or_else(|| parent.find(&format!("{party}/PartyLegalEntity/RegistrationName")))
}

/// Name, street, further lines, "postcode city", region, country: one line each, as on a label.
fn address_of(name: Option<Found>, address: Option<Element>) -> Option<Found> {
    let address = address?;
    let text = |path: &str| address.find(path).map(|found| found.raw);
    let mut lines: Vec<String> = name.map(|found| found.raw).into_iter().collect();
    let street = match (text("StreetName"), text("BuildingNumber")) {
        (Some(street), Some(number)) => Some(format!("{street} {number}")),
        (street, number) => street.or(number),
    };
    lines.extend(street);
    lines.extend(text("AdditionalStreetName"));
    lines.extend(address.all("AddressLine").filter_map(|line| line.find("Line")).map(|found| found.raw));
    let city = [text("PostalZone"), text("CityName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    lines.extend((!city.is_empty()).then_some(city));
    lines.extend(text("CountrySubentity"));
    lines.extend(text("Country/IdentificationCode").or_else(|| text("Country/Name")));
    // A label written line by line (ours is) may begin with the name itself.
    lines.dedup();
    let raw = lines.join("\n");
    let rule = address.path().split('/').skip(2).collect::<Vec<_>>().join("/");
    (!raw.is_empty()).then(|| Found { raw, rule, path: address.path(), span: address.span() })
}

fn requested(take: &mut Take, fields: &mut Fields, parent: Element) {
    let Some(delivery) = parent.at("Delivery") else { return };
    if let Some((date, found)) = period(take, delivery, "RequestedDeliveryPeriod") {
        let found = Found { rule: format!("Delivery/{}", found.rule), ..found };
        take.put(fields, Field::RequestedDate, Value::Date(date), &found);
    } else {
        take.date(fields, Field::RequestedDate, delivery.find("LatestDeliveryDate"));
    }
}

fn line(order_line: Element, take: &mut Take) -> Fields {
    let mut fields = Fields::new();
    let Some(line_item) = order_line.at("LineItem") else { return fields };
    take.position(&mut fields, below("LineItem", line_item.find("ID")));
    if let Some(found) = line_item.find("LineStatusCode") {
        match found.raw.as_str() {
            "1" | "Added" => take.status(&mut fields, LineStatus::Added, &found),
            "2" | "7" | "Cancelled" => take.status(&mut fields, LineStatus::Canceled, &found),
            "3" | "Revised" => take.status(&mut fields, LineStatus::Changed, &found),
            "4" | "5" => take.status(&mut fields, LineStatus::Unchanged, &found),
            "NoStatus" => {}
            _ => take.unknown_code(Field::Status, &found, "line status code"),
        }
    }
    for note in order_line.all("Note").chain(line_item.all("Note")) {
        take.more_text(&mut fields, Field::Note, note.own("Note"));
    }
    item(take, &mut fields, line_item);
    quantity(take, &mut fields, Field::Quantity, line_item, "Quantity");
    price(take, &mut fields, line_item);
    take.number(&mut fields, Field::LineTotal, line_item.find("LineExtensionAmount"));
    requested(take, &mut fields, line_item);
    fields
}

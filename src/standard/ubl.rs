//! UBL 2.1 and Peppol BIS 3: OrderResponse(Simple), Order, OrderChange, OrderCancellation, DespatchAdvice.
//!
//! Source: OASIS UBL 2.1; OpenPEPPOL poacc-upgrade-3, transactions T76 and T116 with their code lists
//! UNCL4343-T76 and UNCL1229; the older UNCL1225 page of the same repository.

mod order;
mod response;

use super::shape::Line;
use super::take::{Fields, Found, Take};
use super::xml::Element;
use super::{Family, Harvest, Standard, not_ours};
use crate::model::{Date, FaultCode, Field};

const NAMESPACE: &str = "urn:oasis:names:specification:ubl:schema:xsd:";

/// UBL's own library has many documents; these move goods or money on an order.
const KNOWN: [&str; 12] = [
    "OrderResponse",
    "OrderResponseSimple",
    "Order",
    "OrderChange",
    "OrderCancellation",
    "DespatchAdvice",
    "ReceiptAdvice",
    "Invoice",
    "CreditNote",
    "Quotation",
    "Catalogue",
    "ApplicationResponse",
];

pub fn recognise(name: &str, namespace: &str, text: &str) -> Option<Standard> {
    if !namespace.starts_with(NAMESPACE) || !KNOWN.contains(&name) {
        return None;
    }
    let start: String = text.chars().take(4000).collect();
    let peppol = start.contains("urn:fdc:peppol.eu:");
    let said = start.split_once("UBLVersionID>").and_then(|(_, rest)| rest.split('<').next()).map(str::trim);
    let version = match said {
        Some(version) if !version.is_empty() && version.len() <= 4 => version.to_string(),
        _ if peppol => "2.1 peppol-3".to_string(),
        _ => "2.1".to_string(),
    };
    Some(Standard { family: Family::Ubl, version, document: name.to_string() })
}

pub fn read(root: Element, take: &mut Take, harvest: &mut Harvest) {
    match root.name() {
        "OrderResponse" => harvest.heard = response::read(root, take),
        "OrderResponseSimple" => harvest.heard = vec![response::simple(root, take)],
        "Order" | "OrderChange" => harvest.heard = vec![order::read(root, take)],
        "DespatchAdvice" => harvest.dispatches = response::dispatches(root, take),
        _ => {
            let order = root.find("OrderReference/ID").map(|found| format!(" (order {})", found.raw));
            harvest.not_ours = Some(format!("{}{}", not_ours(&harvest.standard), order.unwrap_or_default()));
        }
    }
}

/// Articles and name of an Item.
fn item(take: &Take, fields: &mut Fields, line: Element) {
    take.text(fields, Field::SupplierSku, line.find("Item/SellersItemIdentification/ID"));
    take.text(fields, Field::ShopSku, line.find("Item/BuyersItemIdentification/ID"));
    take.text(fields, Field::Gtin, line.find("Item/StandardItemIdentification/ID"));
    take.text(fields, Field::Name, line.find("Item/Name").or_else(|| line.find("Item/Description")));
}

/// PriceAmount ÷ BaseQuantity.
fn price(take: &mut Take, fields: &mut Fields, line: Element) {
    let basis = line.find("Price/BaseQuantity");
    take.price(fields, line.find("Price/PriceAmount"), basis, crate::model::Decimal::ONE);
}

/// A quantity and its unit.
fn quantity(take: &mut Take, fields: &mut Fields, field: Field, line: Element, path: &str) {
    take.number(fields, field, line.find(path));
    let unit = line.at(path).and_then(|element| element.attribute("unitCode", &format!("{path}/@unitCode")));
    take.text(fields, Field::Unit, unit);
}

/// The last day of a period, else its first; a period that ends before it starts is a fault (T76-R004).
fn period(take: &mut Take, parent: Element, path: &str) -> Option<(Date, Found)> {
    let start = parent.find(&format!("{path}/StartDate"));
    let end = parent.find(&format!("{path}/EndDate"));
    let (first, last) = (take.day(start.as_ref()), take.day(end.as_ref()));
    if let (Some(first), Some(last), Some(found)) = (first, last, &end)
        && last < first
    {
        take.invalid(found, format!("the period ends on {last}, before it starts on {first}"));
        return None;
    }
    match (last, first) {
        (Some(last), _) => Some((last, end?)),
        (None, _) if end.is_some() => None,
        (None, first) => Some((first?, start?)),
    }
}

/// DocumentCurrencyCode, else the first amount's; another one among the amounts is a fault (T76-R005).
fn currency(take: &mut Take, fields: &mut Fields, root: Element) {
    let amounts = root
        .descendants()
        .filter_map(|element| element.attribute("currencyID", &format!("{}/@currencyID", element.name())));
    let mut first = root.find("DocumentCurrencyCode");
    let mut other = None;
    for found in amounts {
        match &first {
            None => first = Some(found),
            Some(first) if !first.raw.eq_ignore_ascii_case(&found.raw) => {
                other = Some((found, first.raw.clone()));
                break;
            }
            _ => {}
        }
    }
    if let Some((found, first)) = other {
        let message = format!("an amount in `{}` in a document in `{first}`", super::take::shorten(&found.raw));
        take.fault(FaultCode::WrongCurrency, message, &found.path, found.span);
    }
    take.text(fields, Field::Currency, first);
}

/// The order a line names itself.
fn order_of_line(take: &mut Take, line: Element) -> Line {
    let begun = Line::begin(take);
    let mut own = Fields::new();
    take.text(&mut own, Field::OrderNumber, line.find("OrderLineReference/OrderReference/ID"));
    Line { order: own.remove(&Field::OrderNumber), ..begun }
}

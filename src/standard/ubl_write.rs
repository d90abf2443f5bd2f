//! UBL 2.1 written from our own words: the response that mails carry as an attachment, and the order that
//! the order system gets. The readers of this room read it back as it was meant.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use crate::model::{Date, Decimal, Field, Line, LineStatus, Message, Order, Position, Response, Value};

const CAC: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2";
const CBC: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";

/// Who and when, for the head of a response: what the order and the lines do not say.
#[derive(Clone, Debug, Default)]
pub struct Issue {
    /// The response's own number, e.g. `R18342`.
    pub id: String,
    pub date: Option<Date>,
    /// Names of the parties, as people call them.
    pub seller: String,
    pub buyer: String,
    pub note: Option<String>,
}

/// The OrderResponse of a response as it was announced (as it stands, before that): its lines, dated by the
/// partner's own date or the day it arrived, the parties by their names in the configuration.
pub fn order_response(order: &Order, response: &Response) -> String {
    let issue = Issue {
        id: response.id.to_string(),
        date: response.entry_date.or_else(|| Some(response.arrived_at.to_zoned(jiff::tz::TimeZone::UTC).date())),
        seller: response.partner.to_string(),
        buyer: order.channel.to_string(),
        note: response.message.text(Field::Note).map(str::to_string),
    };
    lines(order, response.composed.as_ref().unwrap_or(&response.lines), &issue)
}

/// An OrderResponse (Peppol T76): AP without lines, RE when all is canceled, else CA with every line.
///
/// A position in two deliveries becomes two lines (3 or 5, then 1 with its own date); where the later
/// date is not known, it is the MaximumBackorderQuantity of one line.
pub fn lines(order: &Order, lines: &[Line], issue: &Issue) -> String {
    let mut out = Writer::start("OrderResponse", "urn:fdc:peppol.eu:poacc:trns:order_response:3");
    let lines: Vec<&Line> = lines.iter().filter(|line| line.ignored.is_none() && line.position.is_some()).collect();
    let refused = |line: &&Line| line.quantity_confirmed.is_zero() && line.quantity_backordered.is_zero();
    let code = match lines.iter().all(refused) {
        _ if lines.is_empty() => "AP",
        true => "RE",
        false => "CA",
    };
    out.text("cbc:ID", &issue.id);
    out.maybe("cbc:IssueDate", issue.date);
    out.text("cbc:OrderResponseCode", code);
    out.maybe("cbc:Note", issue.note.as_deref());
    out.text("cbc:DocumentCurrencyCode", &order.currency);
    out.open("cac:OrderReference");
    out.text("cbc:ID", order.order_number.as_str());
    out.maybe("cbc:SalesOrderID", order.supplier_order_number.as_deref());
    out.close();
    out.party("cac:SellerSupplierParty", &issue.seller);
    out.party("cac:BuyerCustomerParty", &issue.buyer);
    if code == "CA" {
        let mut id = 0;
        for line in lines {
            response_line(&mut out, &mut id, order, line);
        }
    }
    out.finish()
}

/// One delivery of a line, or the whole line.
struct Part<'a> {
    code: &'a str,
    quantity: Option<Decimal>,
    /// MaximumBackorderQuantity: what may come later; 0 = nothing more.
    later: Option<Decimal>,
    date: Option<Date>,
}

fn response_line(out: &mut Writer, id: &mut u32, order: &Order, line: &Line) {
    let position = line.position.and_then(|number| order.position(number));
    for part in parts(position, line) {
        *id += 1;
        out.open("cac:OrderLine");
        out.open("cac:LineItem");
        out.text("cbc:ID", *id);
        out.maybe("cbc:Note", line.reason.as_deref().or(line.note.as_deref()));
        out.text("cbc:LineStatusCode", part.code);
        let unit = line.unit.as_deref().or_else(|| position.and_then(|position| position.unit.as_deref()));
        out.quantity("cbc:Quantity", part.quantity, unit);
        out.quantity("cbc:MaximumBackorderQuantity", part.later, unit);
        if let Some(date) = part.date {
            out.open("cac:Delivery");
            out.open("cac:PromisedDeliveryPeriod");
            out.text("cbc:EndDate", date);
            out.close();
            out.close();
        }
        out.price(line.price_net, &order.currency);
        let name = line.name.as_deref().or_else(|| position.and_then(|position| position.name.as_deref()));
        out.item(name, line.shop_sku.as_deref(), line.supplier_sku.as_deref(), line.gtin.as_deref());
        out.close();
        if let Some(substitute) = &line.substitute_sku {
            out.open("cac:SellerSubstitutedLineItem");
            out.text("cbc:ID", 1);
            out.item(None, None, Some(substitute), None);
            out.close();
        }
        out.open("cac:OrderLineReference");
        out.maybe("cbc:LineID", line.position);
        out.close();
        out.close();
    }
}

fn parts<'a>(position: Option<&Position>, line: &Line) -> Vec<Part<'a>> {
    let (now, later) = (line.quantity_confirmed, line.quantity_backordered);
    if now.is_zero() && later.is_zero() {
        return vec![Part { code: "7", quantity: None, later: None, date: None }];
    }
    let as_ordered = position.is_some_and(|position| {
        let same_date = line.confirmed_date.is_none() || line.confirmed_date == position.requested_date;
        let same_price = line.price_net.is_none() || line.price_net == position.price_net;
        now == position.quantity && later.is_zero() && same_date && same_price && line.substitute_sku.is_none()
    });
    let code = match (line.status, as_ordered) {
        (Some(LineStatus::Added), _) => "1",
        (_, true) => "5",
        _ => "3",
    };
    // Deliveries with a date each are lines of their own, the way UBL splits.
    if line.schedule.len() > 1 && line.schedule.iter().all(|delivery| delivery.date.is_some()) {
        let each = line.schedule.iter().enumerate();
        return each
            .map(|(n, delivery)| Part {
                code: if n == 0 { code } else { "1" },
                quantity: Some(delivery.quantity),
                later: None,
                date: delivery.date,
            })
            .collect();
    }
    if !now.is_zero() && !later.is_zero() && line.confirmed_date.is_some() && line.backordered_date.is_some() {
        let first = Part { code, quantity: Some(now), later: None, date: line.confirmed_date };
        return vec![first, Part { code: "1", quantity: Some(later), later: None, date: line.backordered_date }];
    }
    if now.is_zero() && line.backordered_date.is_some() {
        // All comes later: that is a changed date of the whole.
        return vec![Part { code, quantity: Some(later), later: None, date: line.backordered_date }];
    }
    let less = !later.is_zero() || !line.quantity_canceled.is_zero();
    vec![Part { code, quantity: Some(now), later: less.then_some(later), date: line.confirmed_date }]
}

/// An Order (Peppol T01) from an order message; `seller` is our house, which UBL wants named. Fields that UBL
/// has no place for stay out.
pub fn order(message: &Message, seller: &str) -> String {
    let mut out = Writer::start("Order", "urn:fdc:peppol.eu:poacc:trns:order:3");
    let text = |field| message.text(field);
    let currency = text(Field::Currency).unwrap_or_default().to_string();
    out.maybe("cbc:ID", text(Field::OrderNumber));
    out.maybe("cbc:SalesOrderID", text(Field::SupplierOrderNumber));
    out.maybe("cbc:IssueDate", message.date(Field::EntryDate));
    out.maybe("cbc:Note", text(Field::Note));
    out.maybe("cbc:DocumentCurrencyCode", text(Field::Currency));
    buyer(&mut out, message);
    out.party("cac:SellerSupplierParty", seller);
    if let Some(address) = text(Field::BillingAddress) {
        out.open("cac:AccountingCustomerParty");
        out.open("cac:Party");
        out.label("cac:PostalAddress", address);
        out.close();
        out.close();
    }
    if let (address, wished) = (text(Field::DeliveryAddress), message.date(Field::RequestedDate))
        && (address.is_some() || wished.is_some())
    {
        out.open("cac:Delivery");
        if let Some(address) = address {
            out.open("cac:DeliveryLocation");
            out.label("cac:Address", address);
            out.close();
        }
        out.wished(wished);
        out.close();
    }
    if let Some(terms) = text(Field::DeliveryTerms) {
        out.open("cac:DeliveryTerms");
        out.text("cbc:SpecialTerms", terms);
        out.close();
    }
    if let Some(terms) = text(Field::PaymentTerms) {
        out.open("cac:PaymentTerms");
        out.text("cbc:Note", terms);
        out.close();
    }
    if let Some(total) = message.fields.get(&Field::Total).and_then(|said| said.value.as_number()) {
        out.open("cac:AnticipatedMonetaryTotal");
        out.money("cbc:PayableAmount", total, &currency);
        out.close();
    }
    for (index, line) in message.lines.iter().enumerate() {
        order_line(&mut out, index, line, &currency);
    }
    out.finish()
}

/// An OrderCancellation: the order of this number is not wanted any more, for this reason.
pub fn order_cancellation(message: &Message, id: &str, seller: &str, reason: &str) -> String {
    let mut out = Writer::start("OrderCancellation", "urn:fdc:peppol.eu:poacc:trns:order_cancellation:3");
    out.text("cbc:ID", id);
    out.maybe("cbc:IssueDate", message.date(Field::EntryDate));
    out.text("cbc:CancellationNote", reason);
    out.open("cac:OrderReference");
    out.maybe("cbc:ID", message.text(Field::OrderNumber));
    out.maybe("cbc:SalesOrderID", message.text(Field::SupplierOrderNumber));
    out.close();
    buyer(&mut out, message);
    out.party("cac:SellerSupplierParty", seller);
    out.finish()
}

fn buyer(out: &mut Writer, message: &Message) {
    out.open("cac:BuyerCustomerParty");
    out.maybe("cbc:SupplierAssignedAccountID", message.text(Field::CustomerNumber));
    out.open("cac:Party");
    if let Some(name) = message.text(Field::CustomerName) {
        out.open("cac:PartyName");
        out.text("cbc:Name", name);
        out.close();
    }
    let (contact, mail) = (message.text(Field::Contact), message.text(Field::CustomerEmail));
    if contact.is_some() || mail.is_some() {
        out.open("cac:Contact");
        out.maybe("cbc:Name", contact);
        out.maybe("cbc:ElectronicMail", mail);
        out.close();
    }
    out.close();
    out.close();
}

fn order_line(out: &mut Writer, index: usize, line: &BTreeMap<Field, crate::model::Said>, currency: &str) {
    let value = |field: Field| line.get(&field).map(|said| &said.value);
    let text = |field| value(field).and_then(Value::as_text);
    let number = |field| value(field).and_then(Value::as_number);
    out.open("cac:OrderLine");
    out.maybe("cbc:Note", text(Field::Note));
    out.open("cac:LineItem");
    let position = number(Field::Position).unwrap_or_else(|| Decimal::from(index + 1));
    out.text("cbc:ID", position.normalize());
    out.quantity("cbc:Quantity", number(Field::Quantity), text(Field::Unit));
    if let Some(total) = number(Field::LineTotal) {
        out.money("cbc:LineExtensionAmount", total, currency);
    }
    if let Some(date) = value(Field::RequestedDate).and_then(Value::as_date) {
        out.open("cac:Delivery");
        out.wished(Some(date));
        out.close();
    }
    out.price(number(Field::PriceNet), currency);
    out.item(text(Field::Name), text(Field::ShopSku), text(Field::SupplierSku), text(Field::Gtin));
    out.close();
    out.close();
}

/// XML with a line for each child of the root (an order line is a line): short, and still to be compared and searched
/// by lines. Everything written as text is escaped.
struct Writer {
    out: String,
    open: Vec<&'static str>,
    /// Where the last line begins.
    line: usize,
}

/// A longer line is ended where that is allowed: mail carries no more than 998 characters (RFC 5322 section 2.1.1).
const LINE_BYTES: usize = 700;

impl Writer {
    fn start(root: &'static str, customization: &str) -> Writer {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let namespace = "urn:oasis:names:specification:ubl:schema:xsd:";
        let _ = writeln!(out, "<{root} xmlns=\"{namespace}{root}-2\" xmlns:cac=\"{CAC}\" xmlns:cbc=\"{CBC}\">");
        let mut writer = Writer { line: out.len(), out, open: vec![root] };
        writer.text("cbc:UBLVersionID", "2.1");
        writer.text("cbc:CustomizationID", customization);
        writer.text("cbc:ProfileID", "urn:fdc:peppol.eu:poacc:bis:ordering:3");
        writer
    }

    /// Before a start tag.
    fn breathe(&mut self) {
        if self.open.len() < 2 || self.out.len() - self.line > LINE_BYTES {
            if !self.out.ends_with('\n') {
                self.out.push('\n');
            }
            self.line = self.out.len();
        }
    }

    fn open(&mut self, name: &'static str) {
        self.breathe();
        let _ = write!(self.out, "<{name}>");
        self.open.push(name);
    }

    fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            if self.open.is_empty() {
                self.out.push('\n');
            }
            let _ = write!(self.out, "</{name}>");
        }
    }

    fn text(&mut self, name: &str, value: impl Display) {
        self.element(name, None, value);
    }

    fn maybe(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn element(&mut self, name: &str, attribute: Option<(&str, &str)>, value: impl Display) {
        self.breathe();
        let _ = write!(self.out, "<{name}");
        if let Some((attribute, said)) = attribute.filter(|(_, said)| !said.is_empty()) {
            let _ = write!(self.out, " {attribute}=\"");
            let _ = Escaping(&mut self.out).write_str(said);
            self.out.push('"');
        }
        self.out.push('>');
        let _ = write!(Escaping(&mut self.out), "{value}");
        let _ = write!(self.out, "</{name}>");
    }

    fn quantity(&mut self, name: &str, value: Option<Decimal>, unit: Option<&str>) {
        if let Some(value) = value {
            self.element(name, unit.map(|unit| ("unitCode", unit)), value);
        }
    }

    fn money(&mut self, name: &str, value: Decimal, currency: &str) {
        self.element(name, Some(("currencyID", currency)), value);
    }

    fn price(&mut self, value: Option<Decimal>, currency: &str) {
        if let Some(value) = value {
            self.open("cac:Price");
            self.money("cbc:PriceAmount", value, currency);
            self.close();
        }
    }

    fn party(&mut self, name: &'static str, called: &str) {
        self.open(name);
        self.open("cac:Party");
        self.open("cac:PartyName");
        self.text("cbc:Name", called);
        self.close();
        self.close();
        self.close();
    }

    /// An address as the lines of a label.
    fn label(&mut self, name: &'static str, address: &str) {
        self.open(name);
        for line in address.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.open("cac:AddressLine");
            self.text("cbc:Line", line);
            self.close();
        }
        self.close();
    }

    fn wished(&mut self, date: Option<Date>) {
        if let Some(date) = date {
            self.open("cac:RequestedDeliveryPeriod");
            self.text("cbc:EndDate", date);
            self.close();
        }
    }

    fn item(&mut self, name: Option<&str>, buyers: Option<&str>, sellers: Option<&str>, gtin: Option<&str>) {
        self.open("cac:Item");
        self.maybe("cbc:Name", name);
        let ids = [
            ("cac:BuyersItemIdentification", buyers),
            ("cac:SellersItemIdentification", sellers),
            ("cac:StandardItemIdentification", gtin),
        ];
        for (element, id) in ids {
            if let Some(id) = id {
                self.open(element);
                self.text("cbc:ID", id);
                self.close();
            }
        }
        self.close();
    }

    fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out.push('\n');
        self.out
    }
}

/// Escapes for text and attributes; characters that XML 1.0 cannot carry at all become U+FFFD.
struct Escaping<'a>(&'a mut String);

impl std::fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let out = &mut *self.0;
        for c in text.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\t' | '\n' => out.push(c),
                '\r' => out.push_str("&#13;"),
                '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
                c if c.is_control() && c < ' ' => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
        Ok(())
    }
}

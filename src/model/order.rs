//! What was ordered, and the dossier: one order number with everything that answers it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ids::{ChannelId, OrderNumber, PartnerId, ResponseId};
use super::owed::Owed;
use super::response::{Recall, Response};

/// An order as the channel placed it, with what responses have announced to its positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub order_number: OrderNumber,
    pub channel: ChannelId,
    /// ISO 4217.
    pub currency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Timestamp>,
    /// The partner's number of this order, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier_order_number: Option<String>,
    /// Counts the versions of the order that the channel registered, from 1.
    pub revision: u32,
    /// The whole order was canceled by the channel.
    #[serde(default)]
    pub canceled: bool,
    pub registered_at: Timestamp,
    pub positions: Vec<Position>,
    /// Which orders were merged into this one, or which one it went into.
    #[serde(default, skip_serializing_if = "Merged::is_none")]
    pub merged: Merged,
}

/// `postern order merge`: the positions of one order go on in another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Merged {
    /// The order that its positions went into; nothing is decided here any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<OrderNumber>,
    /// Orders whose positions were joined to these, and when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub from: BTreeMap<OrderNumber, Timestamp>,
}

impl Merged {
    pub fn is_none(&self) -> bool {
        self.into.is_none() && self.from.is_empty()
    }
}

/// Where a joined position stood before the orders were merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub order: OrderNumber,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The line number, from 1, as the channel counts (often in tens).
    pub position: u32,
    pub partner: PartnerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier_sku: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop_sku: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub quantity: Decimal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The purchase price of one unit, net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_net: Option<Decimal>,
    /// The sales price of one unit, net, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_sales_net: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_date: Option<Date>,
    /// Written by N1 of the latest announced response; `None` = nobody has confirmed anything yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Announced>,
    /// Added up over all returns (N4) and recalls that the partner granted.
    #[serde(default)]
    pub quantity_canceled: Decimal,
    #[serde(default)]
    pub quantity_dispatched: Decimal,
    /// A partner added this position; it was not ordered.
    #[serde(default)]
    pub added: bool,
    /// It came with an order that was merged into this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The five fields that announcing copies to an order position (reference, N1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    pub quantity_confirmed: Decimal,
    pub quantity_backordered: Decimal,
    pub confirmed_delivery_date: Option<Date>,
    pub backordered_delivery_date: Option<Date>,
    /// Only where the price was within tolerance or was approved.
    pub supplier_confirmed_purchase_item_net: Option<Decimal>,
    /// The response it came from.
    pub response: ResponseId,
    pub at: Timestamp,
}

/// Everything about one order number, decided together against one revision. `order` is `None` while
/// responses speak of an order that nobody has registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dossier {
    pub number: OrderNumber,
    /// Counts commits; 0 = not stored yet. A commit says which revision it decided on.
    pub revision: u64,
    pub order: Option<Order>,
    pub responses: BTreeMap<ResponseId, Response>,
    #[serde(default)]
    pub recalls: Vec<Recall>,
    /// The earliest moment at which time alone changes something (reminder, expiry, retry).
    #[serde(default)]
    pub next_due: Option<Timestamp>,
    /// ORDER_UNANSWERED per partner: how often it was asked about, so that reminding ends.
    #[serde(default)]
    pub unanswered: BTreeMap<PartnerId, Unanswered>,
    /// Courtesies (receipts, reminders, withdrawals, questions) that could not be put into words yet; they are tried again.
    #[serde(default)]
    pub unwritten: Vec<Unwritten>,
}

/// A courtesy that is still owed because it could not be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unwritten {
    pub owed: Owed,
    pub error: String,
    pub tries: u32,
    pub due: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unanswered {
    pub reminders: u32,
    pub due: Option<Timestamp>,
    pub alarmed: bool,
}

impl Dossier {
    pub fn new(number: OrderNumber) -> Dossier {
        Dossier {
            number,
            revision: 0,
            order: None,
            responses: BTreeMap::new(),
            recalls: Vec::new(),
            next_due: None,
            unanswered: BTreeMap::new(),
            unwritten: Vec::new(),
        }
    }
}

impl Order {
    pub fn position(&self, number: u32) -> Option<&Position> {
        self.positions.iter().find(|position| position.position == number)
    }

    pub fn position_mut(&mut self, number: u32) -> Option<&mut Position> {
        self.positions.iter_mut().find(|position| position.position == number)
    }

    /// The positions that this partner delivers.
    pub fn positions_of<'a>(&'a self, partner: &'a PartnerId) -> impl Iterator<Item = &'a Position> {
        self.positions.iter().filter(move |position| position.partner == *partner)
    }

    pub fn partners(&self) -> impl Iterator<Item = &PartnerId> {
        let all: std::collections::BTreeSet<&PartnerId> =
            self.positions.iter().map(|position| &position.partner).collect();
        all.into_iter()
    }

    /// Whether both say the same was ordered; what was announced since does not count.
    pub fn same_as(&self, other: &Order) -> bool {
        let bare = |order: &Order| {
            let mut order = order.clone();
            (order.revision, order.registered_at) = (0, Timestamp::UNIX_EPOCH);
            order.merged = Merged::default();
            order.positions.retain(|position| !position.added && position.origin.is_none());
            for position in &mut order.positions {
                position.announced = None;
                (position.quantity_canceled, position.quantity_dispatched) = (Decimal::ZERO, Decimal::ZERO);
            }
            order
        };
        bare(self) == bare(other)
    }
}

/// Why an order's JSON was not taken. `line` and `column` count within the text given, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OrderError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

impl Order {
    /// Reads one order, an array of orders, or one order a line (JSON Lines). Decimals may be strings or
    /// numbers and are taken exactly. `now` becomes `registered_at`.
    pub fn read(text: &str, now: Timestamp) -> Result<Vec<Order>, OrderError> {
        let trimmed = text.trim_start_matches('\u{feff}');
        let start = trimmed.trim_start();
        let first = if start.starts_with('[') {
            serde_json::from_str::<Vec<Written>>(trimmed)
        } else {
            serde_json::Deserializer::from_str(trimmed).into_iter::<Written>().collect()
        };
        let written = first.map_err(|e| OrderError {
            message: strip_place(&e.to_string()),
            line: e.line(),
            column: e.column(),
        })?;
        let mut orders = Vec::with_capacity(written.len());
        for (index, order) in written.into_iter().enumerate() {
            let place =
                |message: String| OrderError { message: format!("order {}: {message}", index + 1), line: 0, column: 0 };
            orders.push(order.into_order(now).map_err(place)?);
        }
        if orders.is_empty() {
            return Err(OrderError { message: "no order in it".into(), line: 1, column: 1 });
        }
        Ok(orders)
    }
}

fn strip_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(before, _)| before).to_string()
}

/// The JSON of `order add`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    order_number: String,
    channel: String,
    currency: String,
    #[serde(default)]
    ordered_at: Option<String>,
    #[serde(default)]
    partner: Option<String>,
    #[serde(default)]
    supplier_order_number: Option<String>,
    #[serde(default)]
    canceled: bool,
    positions: Vec<WrittenPosition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPosition {
    position: u32,
    #[serde(default)]
    partner: Option<String>,
    #[serde(default)]
    product_id: Option<String>,
    #[serde(default)]
    supplier_sku: Option<String>,
    #[serde(default)]
    shop_sku: Option<String>,
    #[serde(default)]
    gtin: Option<String>,
    #[serde(default)]
    name: Option<String>,
    quantity: Box<RawValue>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    price_net: Option<Box<RawValue>>,
    #[serde(default)]
    price_sales_net: Option<Box<RawValue>>,
    #[serde(default)]
    requested_date: Option<Date>,
}

/// More positions than any real order has.
const POSITIONS_MAX: usize = 10_000;

impl Written {
    fn into_order(self, now: Timestamp) -> Result<Order, String> {
        let number = self.order_number.trim();
        if number.is_empty() || number.len() > 200 {
            return Err("order_number takes 1 to 200 characters".into());
        }
        if self.currency.len() != 3 || !self.currency.chars().all(|c| c.is_ascii_uppercase()) {
            return Err(format!("currency `{}` is no ISO 4217 code like EUR", self.currency));
        }
        if self.positions.is_empty() || self.positions.len() > POSITIONS_MAX {
            return Err(format!("an order has 1 to {POSITIONS_MAX} positions, this one {}", self.positions.len()));
        }
        let ordered_at = match &self.ordered_at {
            None => None,
            Some(text) => Some(read_moment(text).ok_or_else(|| format!("ordered_at `{text}` is no RFC 3339 time"))?),
        };
        let mut positions: Vec<Position> = Vec::with_capacity(self.positions.len());
        for written in self.positions {
            let position = written.into_position(self.partner.as_deref())?;
            if positions.iter().any(|other| other.position == position.position) {
                return Err(format!("position {} stands twice", position.position));
            }
            positions.push(position);
        }
        Ok(Order {
            order_number: OrderNumber::new(number),
            channel: ChannelId::new(self.channel),
            currency: self.currency,
            ordered_at,
            supplier_order_number: self.supplier_order_number,
            revision: 1,
            canceled: self.canceled,
            registered_at: now,
            positions,
            merged: Merged::default(),
        })
    }
}

impl WrittenPosition {
    fn into_position(self, order_partner: Option<&str>) -> Result<Position, String> {
        let at = self.position;
        if at == 0 {
            return Err("positions count from 1".into());
        }
        let partner = self
            .partner
            .as_deref()
            .or(order_partner)
            .ok_or_else(|| format!("position {at} has no partner, and the order has none either"))?;
        let quantity = decimal(&self.quantity).map_err(|e| format!("position {at}, quantity: {e}"))?;
        if quantity <= Decimal::ZERO {
            return Err(format!("position {at}: quantity {quantity} is not above zero"));
        }
        let money = |name: &str, raw: &Option<Box<RawValue>>| -> Result<Option<Decimal>, String> {
            let Some(raw) = raw.as_ref().filter(|raw| raw.get() != "null") else { return Ok(None) };
            let amount = decimal(raw).map_err(|e| format!("position {at}, {name}: {e}"))?;
            if amount.is_sign_negative() {
                Err(format!("position {at}: {name} {amount} is below zero"))
            } else {
                Ok(Some(amount))
            }
        };
        Ok(Position {
            position: at,
            partner: PartnerId::new(partner),
            price_net: money("price_net", &self.price_net)?,
            price_sales_net: money("price_sales_net", &self.price_sales_net)?,
            product_id: self.product_id,
            supplier_sku: self.supplier_sku,
            shop_sku: self.shop_sku,
            gtin: self.gtin,
            name: self.name,
            quantity,
            unit: self.unit,
            requested_date: self.requested_date,
            announced: None,
            quantity_canceled: Decimal::ZERO,
            quantity_dispatched: Decimal::ZERO,
            added: false,
            origin: None,
        })
    }
}

/// A JSON string or number, exactly; never by way of a float.
fn decimal(raw: &RawValue) -> Result<Decimal, String> {
    let text = raw.get().trim().trim_matches('"');
    let exact = if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
    exact.map(|d| d.normalize()).map_err(|_| format!("`{text}` is no decimal number"))
}

/// RFC 3339, or a date alone (midnight UTC).
fn read_moment(text: &str) -> Option<Timestamp> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"order_number":"4711","channel":"shop","currency":"EUR","ordered_at":"2026-11-01T10:00:00Z","partner":"nordwind",
        "positions":[{"position":10,"supplier_sku":"A","quantity":"3","price_net":176.80,"requested_date":"2026-12-01"},{"position":20,"partner":"ostwerk","quantity":2.5}]}"#;

    fn now() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    /// A price that passed through a float would differ from the partner's by a hair, and be a deviation.
    #[test]
    fn orders_are_read_exactly() {
        let orders = Order::read(ONE, now()).unwrap();
        let order = &orders[0];
        assert_eq!(order.positions[0].price_net.unwrap().to_string(), "176.8");
        assert_eq!(order.positions[0].partner, PartnerId::from("nordwind"));
        assert_eq!(order.positions[1].partner, PartnerId::from("ostwerk"));
        assert_eq!(order.partners().count(), 2);
        let compact = ONE.replace('\n', " ");
        assert_eq!(Order::read(&format!("{compact}\n{compact}\n"), now()).unwrap().len(), 2, "JSON Lines");
        assert_eq!(Order::read(&format!("[{ONE}]"), now()).unwrap().len(), 1);
    }

    /// Whoever sends a wrong order must be told what is wrong, not find an empty order later.
    #[test]
    fn wrong_orders_are_refused_with_a_reason() {
        let cases = [
            (ONE.replace("\"quantity\":2.5", "\"quantity\":0"), "quantity 0 is not above zero"),
            (ONE.replace("\"position\":20", "\"position\":10"), "position 10 stands twice"),
            (ONE.replace("EUR", "euro"), "ISO 4217"),
            (ONE.replace("176.80", "\"12,50\""), "`12,50` is no decimal number"),
            (ONE.replace("\"partner\":\"nordwind\",", ""), "position 10 has no partner"),
            (ONE.replace("\"channel\"", "\"chanel\""), "unknown field `chanel`"),
            ("[]".to_string(), "no order in it"),
        ];
        for (text, expected) in cases {
            let error = Order::read(&text, now()).unwrap_err();
            assert!(error.message.contains(expected), "{} does not say {expected}", error.message);
        }
        let error = Order::read("{\n  \"order_number\": 5}", now()).unwrap_err();
        assert_eq!(error.line, 2);
    }
}

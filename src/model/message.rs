//! What a mail says, gaps and all, in a closed vocabulary: the canonical message.
//!
//! Mappings and standards produce it; the process turns it into a response (or an order) with the
//! order's help. Every value keeps what was read, where, and by which rule.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::place::Place;
use super::response::ResponseType;

/// One message found in a mail: a partner's response, a customer's order, an answer to a recall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub kind: MessageKind,
    /// As the mapping or the document says; `None` = to be derived (PROCESS: "Type").
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub response_type: Option<ResponseType>,
    pub fields: BTreeMap<Field, Said>,
    pub lines: Vec<BTreeMap<Field, Said>>,
    #[serde(default)]
    pub habits: Habits,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    #[default]
    Response,
    Order,
    RecallAnswer,
}

/// A value with its witness: what was read, where, and by which rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub value: Value,
    /// The words as they stand in the mail.
    pub raw: String,
    /// The rule that found it: `fields.order_number label "Ihre Bestellung"`, `ubl OrderReference/ID`.
    pub rule: String,
    pub place: Place,
    /// Not said by the partner but filled in: from the order, an older response, a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<String>,
}

/// A typed value; written as a string in JSON (decimals and dates too), a schedule as a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Number(Decimal),
    Date(Date),
    Status(LineStatus),
    State(HeadState),
    Schedule(Vec<Schedule>),
}

/// One delivery of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub quantity: Decimal,
    pub date: Option<Date>,
}

/// What a partner says of a line (IOM position codes and the words partners use).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineStatus {
    /// ACC: as ordered.
    Accepted,
    /// UNC: as in the last response.
    Unchanged,
    /// CHG: quantity, date or price differ.
    Changed,
    /// Comes later, in part or whole.
    Backordered,
    /// CAN: will not come.
    Canceled,
    /// ADD: was not ordered.
    Added,
}

/// What a partner says of the order as a whole (IOM head codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HeadState {
    /// Accepted unchanged.
    #[serde(rename = "ACC")]
    Accepted,
    /// Accepted with changes.
    #[serde(rename = "AWC")]
    AcceptedWithChanges,
    /// Order canceled.
    #[serde(rename = "CAN")]
    Canceled,
    /// Received, not processed: another response will follow (UBL AB, EDIFACT 12). Changes nothing.
    #[serde(rename = "AB")]
    Received,
}

/// The closed vocabulary. Head fields first, then line fields; some stand in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    // head
    OrderNumber,
    SupplierOrderNumber,
    ResponseNumber,
    EntryDate,
    State,
    Currency,
    DeliveryDate,
    Note,
    Total,
    // head of an order (kind = "order")
    CustomerNumber,
    CustomerName,
    CustomerEmail,
    BillingAddress,
    DeliveryAddress,
    Contact,
    PaymentTerms,
    DeliveryTerms,
    // line
    Position,
    SupplierSku,
    ShopSku,
    Gtin,
    ProductId,
    Name,
    /// As ordered (order kind), or as the partner restates the order.
    Quantity,
    QuantityConfirmed,
    QuantityBackordered,
    QuantityCanceled,
    Unit,
    PriceNet,
    /// The price is for so many units; `price_net` is stored per one.
    PriceBasis,
    LineTotal,
    ConfirmedDate,
    BackorderedDate,
    RequestedDate,
    Status,
    Reason,
    SubstituteSku,
    Schedule,
}

/// What type a field's value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Text,
    Number,
    Date,
    Status,
    State,
    Schedule,
}

impl Field {
    #[rustfmt::skip]
    pub const ALL: &'static [(Field, &'static str, FieldType, Where)] = {
        use {Field::*, FieldType as T, Where::*};
        &[
            (OrderNumber,          "order_number",          T::Text,   Head),
            (SupplierOrderNumber,  "supplier_order_number", T::Text,   Head),
            (ResponseNumber,       "response_number",       T::Text,   Head),
            (EntryDate,            "entry_date",            T::Date,   Head),
            (State,                "state",                 T::State,  Head),
            (Currency,             "currency",              T::Text,   Head),
            (DeliveryDate,         "delivery_date",         T::Date,   Head),
            (Note,                 "note",                  T::Text,   Both),
            (Total,                "total",                 T::Number, Head),
            (CustomerNumber,       "customer_number",       T::Text,   Head),
            (CustomerName,         "customer_name",         T::Text,   Head),
            (CustomerEmail,        "customer_email",        T::Text,   Head),
            (BillingAddress,       "billing_address",       T::Text,   Head),
            (DeliveryAddress,      "delivery_address",      T::Text,   Head),
            (Contact,              "contact",               T::Text,   Head),
            (PaymentTerms,         "payment_terms",         T::Text,   Head),
            (DeliveryTerms,        "delivery_terms",        T::Text,   Head),
            (Position,             "position",              T::Number, Line),
            (SupplierSku,          "supplier_sku",          T::Text,   Line),
            (ShopSku,              "shop_sku",              T::Text,   Line),
            (Gtin,                 "gtin",                  T::Text,   Line),
            (ProductId,            "product_id",            T::Text,   Line),
            (Name,                 "name",                  T::Text,   Line),
            (Quantity,             "quantity",              T::Number, Line),
            (QuantityConfirmed,    "quantity_confirmed",    T::Number, Line),
            (QuantityBackordered,  "quantity_backordered",  T::Number, Line),
            (QuantityCanceled,     "quantity_canceled",     T::Number, Line),
            (Unit,                 "unit",                  T::Text,   Line),
            (PriceNet,             "price_net",             T::Number, Line),
            (PriceBasis,           "price_basis",           T::Number, Line),
            (LineTotal,            "line_total",            T::Number, Line),
            (ConfirmedDate,        "confirmed_date",        T::Date,   Line),
            (BackorderedDate,      "backordered_date",      T::Date,   Line),
            (RequestedDate,        "requested_date",        T::Date,   Both),
            (Status,               "status",                T::Status, Line),
            (Reason,               "reason",                T::Text,   Line),
            (SubstituteSku,        "substitute_sku",        T::Text,   Line),
            (Schedule,             "schedule",              T::Schedule, Line),
        ]
    };

    pub fn name(self) -> &'static str {
        Field::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    pub fn field_type(self) -> FieldType {
        Field::ALL.iter().find(|row| row.0 == self).map_or(FieldType::Text, |row| row.2)
    }

    pub fn stands(self) -> Where {
        Field::ALL.iter().find(|row| row.0 == self).map_or(Where::Both, |row| row.3)
    }

    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

/// Where a field may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    Head,
    Line,
    Both,
}

/// How a partner (or a standard) says things; applied with the order at hand (PROCESS C4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Habits {
    #[serde(default)]
    pub backorder: BackorderEncoding,
    #[serde(default)]
    pub missing: MissingPolicy,
}

/// The four encodings of a partial backorder (facts/standards 4.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackorderEncoding {
    /// One line, status backordered, quantity = accepted; the rest is backordered.
    #[serde(rename = "accepted+rest", alias = "rest")]
    AcceptedRest,
    /// One line, status backordered, quantity = backordered; the rest is accepted.
    #[default]
    BackorderedOnly,
    /// Two lines for one position: one accepted, one backordered.
    TwoLines,
    /// Two lines for one position: one accepted, one "partially backordered" with the rest.
    TwoLinesPartial,
}

/// What a position that is not mentioned means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingPolicy {
    /// Nothing is said of it. In an INITIAL response that is INCOMPLETE_INITIAL.
    #[default]
    Unchanged,
    Accepted,
    Canceled,
    Error,
}

impl Message {
    pub fn new(kind: MessageKind) -> Message {
        Message { kind, response_type: None, fields: BTreeMap::new(), lines: Vec::new(), habits: Habits::default() }
    }

    pub fn text(&self, field: Field) -> Option<&str> {
        self.fields.get(&field).and_then(|said| said.value.as_text())
    }

    pub fn date(&self, field: Field) -> Option<Date> {
        self.fields.get(&field).and_then(|said| said.value.as_date())
    }

    pub fn state(&self) -> Option<HeadState> {
        match self.fields.get(&Field::State)?.value {
            Value::State(state) => Some(state),
            _ => None,
        }
    }

    /// The same values, wherever they stand.
    pub fn says_the_same(&self, other: &Message) -> bool {
        let same_values = |one: &BTreeMap<Field, Said>, other: &BTreeMap<Field, Said>| {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.0 == b.0 && a.1.value == b.1.value)
        };
        self.response_type == other.response_type
            && self.lines.len() == other.lines.len()
            && same_values(&self.fields, &other.fields)
            && self.lines.iter().zip(&other.lines).all(|(one, other)| same_values(one, other))
    }
}

impl Said {
    pub fn new(value: Value, raw: impl Into<String>, rule: impl Into<String>, place: Place) -> Said {
        Said { value, raw: raw.into(), rule: rule.into(), place, filled: None }
    }

    /// A value nobody said: `by` names where it comes from (`order`, `R12`, `person anna@shop.example`).
    pub fn filled(value: Value, by: impl Into<String>) -> Said {
        let raw = value.to_string();
        Said { value, raw, rule: "filled in".into(), place: Place::default(), filled: Some(by.into()) }
    }
}

impl Value {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<Decimal> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_date(&self) -> Option<Date> {
        match self {
            Value::Date(date) => Some(*date),
            _ => None,
        }
    }

    pub fn as_status(&self) -> Option<LineStatus> {
        match self {
            Value::Status(status) => Some(*status),
            _ => None,
        }
    }

    pub fn as_schedule(&self) -> Option<&[Schedule]> {
        match self {
            Value::Schedule(schedule) => Some(schedule),
            _ => None,
        }
    }

    /// Reads the canonical written form (as in our own JSON), not a partner's way of writing.
    pub fn parse(field_type: FieldType, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match field_type {
            FieldType::Text => Ok(Value::Text(text.to_string())),
            FieldType::Number => Decimal::from_str_exact(text)
                .map(Value::Number)
                .map_err(|_| format!("`{text}` is no number like 12.50")),
            FieldType::Date => {
                text.parse().map(Value::Date).map_err(|_| format!("`{text}` is no date like 2026-12-21"))
            }
            FieldType::Status => LineStatus::from_name(text)
                .map(Value::Status)
                .ok_or_else(|| format!("`{text}` is none of {}", LineStatus::NAMES.map(|(_, name)| name).join(", "))),
            FieldType::State => HeadState::from_name(text)
                .map(Value::State)
                .ok_or_else(|| format!("`{text}` is none of ACC, AWC, CAN, AB")),
            FieldType::Schedule => {
                let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
                parts.map(Schedule::parse).collect::<Result<_, _>>().map(Value::Schedule)
            }
        }
    }
}

impl Schedule {
    /// `18 on 2026-12-01`, or `18` without a date.
    fn parse(text: &str) -> Result<Schedule, String> {
        let (quantity, date) = match text.split_once(" on ") {
            Some((quantity, date)) => {
                (quantity, Some(date.trim().parse().map_err(|_| format!("`{date}` is no date like 2026-12-21"))?))
            }
            None => (text, None),
        };
        let quantity = Decimal::from_str_exact(quantity.trim()).map_err(|_| format!("`{quantity}` is no number"))?;
        Ok(Schedule { quantity, date })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => write!(f, "{number}"),
            Value::Date(date) => write!(f, "{date}"),
            Value::Status(status) => f.write_str(status.name()),
            Value::State(state) => f.write_str(state.name()),
            Value::Schedule(schedule) => {
                for (i, delivery) in schedule.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { "; " } else { "" }, delivery.quantity)?;
                    if let Some(date) = delivery.date {
                        write!(f, " on {date}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl LineStatus {
    pub const NAMES: [(LineStatus, &'static str); 6] = [
        (LineStatus::Accepted, "accepted"),
        (LineStatus::Unchanged, "unchanged"),
        (LineStatus::Changed, "changed"),
        (LineStatus::Backordered, "backordered"),
        (LineStatus::Canceled, "canceled"),
        (LineStatus::Added, "added"),
    ];

    pub fn name(self) -> &'static str {
        LineStatus::NAMES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// Our own word, or the IOM code (ACC, UNC, CHG, CAN, ADD); `cancelled` and `rejected` too.
    pub fn from_name(name: &str) -> Option<LineStatus> {
        let lower = name.trim().to_lowercase();
        match lower.as_str() {
            "acc" => Some(LineStatus::Accepted),
            "unc" => Some(LineStatus::Unchanged),
            "chg" => Some(LineStatus::Changed),
            "can" | "cancelled" | "rejected" => Some(LineStatus::Canceled),
            "add" => Some(LineStatus::Added),
            other => LineStatus::NAMES.iter().find(|row| row.1 == other).map(|row| row.0),
        }
    }
}

impl HeadState {
    pub fn name(self) -> &'static str {
        match self {
            HeadState::Accepted => "ACC",
            HeadState::AcceptedWithChanges => "AWC",
            HeadState::Canceled => "CAN",
            HeadState::Received => "AB",
        }
    }

    pub fn from_name(name: &str) -> Option<HeadState> {
        match name.trim().to_lowercase().as_str() {
            "acc" | "accepted" => Some(HeadState::Accepted),
            "awc" | "changed" | "accepted with changes" => Some(HeadState::AcceptedWithChanges),
            "can" | "canceled" | "cancelled" | "rejected" => Some(HeadState::Canceled),
            "ab" | "received" => Some(HeadState::Received),
            _ => None,
        }
    }
}

/// Written with a tag only inside the store; people's JSON (`try --json`) writes the bare string.
impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{}{self}", self.tag()))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Value, D::Error> {
        let text = String::deserialize(d)?;
        let (tag, rest) = text.split_once(':').ok_or_else(|| serde::de::Error::custom("a value without its tag"))?;
        let field_type = match tag {
            "text" => return Ok(Value::Text(rest.to_string())),
            "number" => FieldType::Number,
            "date" => FieldType::Date,
            "status" => FieldType::Status,
            "state" => FieldType::State,
            "schedule" => FieldType::Schedule,
            other => return Err(serde::de::Error::custom(format!("a value of unknown kind `{other}`"))),
        };
        Value::parse(field_type, rest).map_err(serde::de::Error::custom)
    }
}

impl Value {
    fn tag(&self) -> &'static str {
        match self {
            Value::Text(_) => "text:",
            Value::Number(_) => "number:",
            Value::Date(_) => "date:",
            Value::Status(_) => "status:",
            Value::State(_) => "state:",
            Value::Schedule(_) => "schedule:",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field missing from the table could be read but never named, stored or explained.
    #[test]
    fn every_field_has_a_name_and_finds_itself() {
        for (field, name, ..) in Field::ALL {
            assert_eq!(Field::from_name(name), Some(*field));
            assert_eq!(serde_json::to_string(field).unwrap(), format!("\"{name}\""));
        }
    }

    /// A stored value that came back as another one would change what a partner said.
    #[test]
    fn values_survive_being_stored() {
        let schedule = Value::Schedule(vec![
            Schedule { quantity: Decimal::new(18, 0), date: Some("2026-12-01".parse().unwrap()) },
            Schedule { quantity: Decimal::new(125, 1), date: None },
        ]);
        let values = [
            Value::Text("a: b".into()),
            Value::Text("  spaced ".into()),
            Value::Number(Decimal::new(17680, 2)),
            Value::Date("2026-12-21".parse().unwrap()),
            Value::Status(LineStatus::Backordered),
            Value::State(HeadState::AcceptedWithChanges),
            schedule,
        ];
        for value in values {
            let written = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value, "{written}");
        }
    }
}

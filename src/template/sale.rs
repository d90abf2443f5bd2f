//! What a letter of the sales side is written from: an order by mail, what the order system made of it, and what is
//! asked of whom.
//!
//! Plain data. It knows no process and no store: whoever decides fills a [`SaleLetter`], and
//! [`super::Templates::write_sale`] puts it into words.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::model::owed::Receipt;
use crate::model::{Place, TransmissionId, TransmissionKind};

/// All that a letter about one order by mail may say.
#[derive(Clone, Debug, PartialEq)]
pub struct SaleLetter {
    /// SEND_ORDER, CONFIRM_ORDER, SEND_ORDER_CONFIRMATION, REQUEST_NEW_ORDER; RECEIPT, REMINDER, WITHDRAWAL and QUESTION
    /// of them.
    pub kind: TransmissionKind,
    pub about: SaleAbout,
    pub transmission: TransmissionId,
    /// The reader's, as configured: a folder below `templates/`, an IANA time zone.
    pub language: String,
    pub time_zone: String,
    pub now: Timestamp,

    /// Our number of it: `S12`.
    pub sale: String,
    /// The customer's order number.
    pub order: String,
    /// The number that the order system gave it.
    pub order_system_number: Option<String>,
    /// The customer changed an order that was known before.
    pub changed: bool,
    /// The customer's id in the configuration and the name people call it by.
    pub customer: (String, String),
    pub customer_number: Option<String>,
    /// The name the letter is signed with: our house, or its sales desk.
    pub seller: String,
    /// Our address as it stands on the confirmation; lines.
    pub seller_address: Option<String>,
    pub received_at: Timestamp,
    /// The customer's own date of the order.
    pub ordered_on: Option<Date>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// Addresses and terms as they stand in the order, or as the order system has them once it answered; lines.
    pub billing_address: Option<String>,
    pub delivery_address: Option<String>,
    pub contact: Option<String>,
    pub payment_terms: Option<String>,
    pub delivery_terms: Option<String>,
    /// The customer's comment on the whole order.
    pub comment: Option<String>,
    /// The order system has answered: what a line lacks in `confirmed` is not delivered.
    pub answered: bool,
    pub lines: Vec<SaleLine>,
    /// Net, as the order system says it; summed from the lines where it says none.
    pub total: Option<Decimal>,

    pub differences: Vec<SaleDifference>,
    /// The new words of the customer's mail, to be quoted.
    pub customer_words: Option<String>,

    /// As people type it: `7Q2K-9MXT-4CHB`.
    pub token: Option<String>,
    /// Where answers go; ready answers are addressed to it.
    pub reply_to: Option<String>,
    /// When we remind, and when the question ends.
    pub due: Option<Timestamp>,
    pub expires: Option<Timestamp>,
    /// Who is asked, and who is asked next.
    pub asked: Vec<String>,
    pub next_asked: Vec<String>,
}

/// What it says beyond the order itself.
#[derive(Clone, Debug, PartialEq)]
pub enum SaleAbout {
    /// The order tells all: SEND_ORDER, CONFIRM_ORDER, SEND_ORDER_CONFIRMATION.
    Order,
    /// REQUEST_NEW_ORDER: what could not be read or cannot be so.
    Faults(Vec<SaleFault>),
    /// REQUEST_NEW_ORDER: the sales desk does not accept the order.
    Declined { reason: String },
    /// QUESTION (to the customer): ASK in the sales desk's own words.
    Question { by: String, text: String },
    /// RECEIPT: what was understood of a reply and what happens next.
    Receipt(Receipt),
    /// REMINDER of an unanswered CONFIRM_ORDER or REQUEST_NEW_ORDER; `count` from 1.
    Reminder { of: TransmissionId, of_kind: TransmissionKind, count: u32, asked_at: Option<Timestamp> },
    /// WITHDRAWAL: the question `of` need not be answered any more.
    Withdrawal { of: TransmissionId, reason: String },
}

/// One line as ordered and as the order system has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SaleLine {
    /// The line number that commands name: the customer's own, else counted from 1.
    pub position: Option<u32>,
    /// The number the reader knows the article by.
    pub article: Option<String>,
    pub name: Option<String>,
    /// `None`: the customer did not order it, the order system added it.
    pub ordered: Option<SaleAmount>,
    /// `None`: not answered yet, or (with [`SaleLetter::answered`]) not delivered.
    pub confirmed: Option<SaleAmount>,
    /// The article that comes instead.
    pub substitute: Option<String>,
    /// The customer's comment on the line.
    pub comment: Option<String>,
    /// What the order system or the sales desk says of the line.
    pub reason: Option<String>,
}

/// How much, at what price, when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SaleAmount {
    pub quantity: Option<Decimal>,
    pub unit: Option<String>,
    /// Net, of one unit.
    pub price: Option<Decimal>,
    pub date: Option<Date>,
}

/// One difference between what was ordered and what the order system made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SaleDifference {
    /// `PRICE`, `QUANTITY`, `DATE`, `ARTICLE`, `ADDRESS`, `MISSING`, `ADDED`, `CURRENCY`, `UNIT`: `sale_difference.CODE` of
    /// `words.toml`; another code is shown as it is.
    pub code: String,
    /// `None` where it concerns the order as a whole.
    pub position: Option<u32>,
    pub article: Option<String>,
    pub ordered: Shown,
    pub confirmed: Shown,
    /// What would have been taken over without asking: `2 %`; `None` = nothing.
    pub tolerance: Option<Tolerated>,
    /// Within tolerance: told, not asked.
    pub within: bool,
    /// What it costs the customer (net; below zero = it saves).
    pub impact: Option<Decimal>,
}

/// A value that is written the way the reader's language writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    Nothing,
    /// In the order's currency.
    Money(Decimal),
    Quantity(Decimal, Option<String>),
    Date(Date),
    Text(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Tolerated {
    Percent(Decimal),
    Money(Decimal),
    PercentOrMoney(Decimal, Decimal),
    Quantity(Decimal),
    Days(i64),
}

/// Why an order cannot be taken as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct SaleFault {
    /// `sale_fault.CODE` of `words.toml`: MISSING_FIELD, INVALID_VALUE, UNKNOWN_ARTICLE, DUPLICATE_POSITION, NO_LINES,
    /// WRONG_CURRENCY, WRONG_UNIT, UNREADABLE, REFUSED_BY_ORDER_SYSTEM; another code is told as UNREADABLE.
    pub code: String,
    pub position: Option<u32>,
    /// A field by its name in mappings: `quantity`.
    pub field: Option<String>,
    /// What stands there.
    pub read: Option<String>,
    pub place: Option<Place>,
    /// More about it, in English or the order system's words.
    pub detail: Option<String>,
}

//! A sale: a customer's order by mail on its way through the order system and the sales desk to its confirmation.
//! Statuses and ids follow IOM's order status model (KB 29203Z) where one fits; CLOSED is that of responses.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::alarm::AlarmKind;
use super::ids::{CustomerId, Digest, MailId, OrderNumber, SaleId, TransmissionId};
use super::message::Message;
use super::owed::Receipt;
use super::response::{Fault, Override};
use super::transmission::TransmissionKind;

/// Where a sale stands. Ids are labels: never compare them for success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SaleStatus {
    Initial,
    DoCheck,
    NotChecked,
    Checked,
    DoAnnounce,
    CheckAnnounced,
    NotAnnounced,
    NotAnnouncedDoCancel,
    Announced,
    DoPrepareDocument,
    PreparedDocument,
    DoCreateTransmission,
    WaitForTransmit,
    CreatedTransmission,
    Canceled,
    Closed,
}

impl SaleStatus {
    #[rustfmt::skip]
    pub const ALL: [(SaleStatus, &'static str, u32); 16] = [
        (SaleStatus::Initial,              "INITIAL",                 0),
        (SaleStatus::DoCheck,              "DO_CHECK",                500),
        (SaleStatus::NotChecked,           "NOT_CHECKED",             998),
        (SaleStatus::Checked,              "CHECKED",                 1000),
        (SaleStatus::DoAnnounce,           "DO_ANNOUNCE",             2001),
        (SaleStatus::CheckAnnounced,       "CHECK_ANNOUNCED",         2095),
        (SaleStatus::NotAnnounced,         "NOT_ANNOUNCED",           2098),
        (SaleStatus::NotAnnouncedDoCancel, "NOT_ANNOUNCED_DO_CANCEL", 2099),
        (SaleStatus::Announced,            "ANNOUNCED",               2100),
        (SaleStatus::DoPrepareDocument,    "DO_PREPARE_DOCUMENT",     2501),
        (SaleStatus::PreparedDocument,     "PREPARED_DOCUMENT",       2600),
        (SaleStatus::DoCreateTransmission, "DO_CREATE_TRANSMISSION",  4001),
        (SaleStatus::WaitForTransmit,      "WAIT_FOR_TRANSMIT",       4099),
        (SaleStatus::CreatedTransmission,  "CREATED_TRANSMISSION",    4100),
        (SaleStatus::Canceled,             "CANCELED",                6200),
        (SaleStatus::Closed,               "CLOSED",                  8000),
    ];

    pub fn name(self) -> &'static str {
        SaleStatus::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    pub fn id(self) -> u32 {
        SaleStatus::ALL.iter().find(|row| row.0 == self).map_or(0, |row| row.2)
    }

    pub fn from_name(name: &str) -> Option<SaleStatus> {
        SaleStatus::ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Nothing more happens to it by itself.
    pub fn is_end(self) -> bool {
        matches!(self, SaleStatus::Closed | SaleStatus::Canceled)
    }

    /// A document waits to be handed to the order system.
    pub fn hands_over(self) -> bool {
        matches!(
            self,
            SaleStatus::DoCreateTransmission | SaleStatus::WaitForTransmit | SaleStatus::NotAnnouncedDoCancel
        )
    }
}

impl std::fmt::Display for SaleStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One customer's order with everything that became of it. Decided together, against one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sale {
    pub id: SaleId,
    pub customer: CustomerId,
    /// The customer's own number of the order.
    pub number: String,
    /// What it is called towards the order system and in the response process: the customer's number, or, where
    /// another order has it already, that with the customer's name.
    pub order: OrderNumber,
    /// Counts commits; 0 = not stored yet. A commit says which revision it decided on.
    pub revision: u64,
    pub status: SaleStatus,
    /// The order as the customer sent it, every version, oldest first; never changed.
    pub versions: Vec<OrderVersion>,
    /// What the order system is asked for: the customer's last version with the sales desk's changes.
    pub wanted: Message,
    /// Counts the versions of `wanted`, from 1. Each is handed over under one key, whatever happens.
    pub version: u32,
    pub faults: Vec<Fault>,
    /// Oldest first; the last one counts.
    pub hand_overs: Vec<HandOver>,
    /// What the order system answered, oldest first.
    pub answers: Vec<SystemAnswer>,
    /// The last answer against what was wanted.
    pub differences: Vec<Difference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<SalesQuestion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The row steps walked, oldest first.
    pub history: Vec<SaleStep>,
    /// When the customer's first mail was taken in.
    pub received_at: Timestamp,
    /// Since when it stands in its status.
    pub entered_at: Timestamp,
    /// When time alone changes something (retry, reminder, alarm).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The REQUEST_NEW_ORDER that is open with the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<TransmissionId>,
    /// How often somebody was reminded in the present status, and when the next time is.
    #[serde(default)]
    pub reminders: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_at: Option<Timestamp>,
    /// A step that could not be done (a template that does not render ...); it is tried again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default)]
    pub retries: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// A customer changed an order that the order system may have: the sales desk is asked whatever the answer.
    #[serde(default)]
    pub ask_anyway: bool,
    /// A person's override of its faults, audited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Override>,
    /// Why it was canceled: `declined by jo@shop.example: too late`, `given up: ...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled_because: Option<String>,
    /// Alarms that stand for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub alarms: BTreeSet<AlarmKind>,
    /// Receipts, reminders and questions that could not be put into words yet; they are tried again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwritten: Vec<SaleOwed>,
}

/// The order as it came in one mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderVersion {
    pub message: Message,
    pub mail: Option<MailId>,
    /// The address it came from.
    pub from: String,
    pub at: Timestamp,
    /// What the reader could not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// A document for the order system under the key that it keeps for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandOver {
    /// The idempotency key: one version, one key, stored before the first try.
    pub key: String,
    pub version: u32,
    pub what: Handing,
    /// The bytes, kept as a blob; the same for every try.
    pub document: Digest,
    pub made_at: Timestamp,
    pub tries: u32,
    /// Not before this moment; `None` when nothing is to be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// What went wrong the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_at: Option<Timestamp>,
    /// The order system's words when it took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handing {
    Order,
    Cancellation,
}

/// What the order system made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemAnswer {
    /// Of its bytes; the same answer twice is one.
    pub digest: Digest,
    pub at: Timestamp,
    /// The version it answers, where its envelope says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The order system's number of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    pub message: Message,
    /// Where it came from: a file's name, a webhook's id, a mail.
    pub by: String,
    /// Not taken into account, and why: it answers an older version, or comes too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// One difference between what was wanted and what the order system made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    pub code: DifferenceCode,
    /// `None` where it concerns the order as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
    pub wanted: Shown,
    pub confirmed: Shown,
    /// What would have been taken over without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerated>,
    /// Within tolerance: told, but no reason to ask.
    pub within: bool,
    /// What it costs the customer, net; below zero = it saves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Decimal>,
}

/// A value as it stands on one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    Nothing,
    Money(Decimal),
    Quantity(Decimal, Option<String>),
    Date(Date),
    Text(String),
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shown::Nothing => f.write_str("nothing"),
            Shown::Money(amount) => write!(f, "{amount}"),
            Shown::Quantity(quantity, Some(unit)) => write!(f, "{quantity} {unit}"),
            Shown::Quantity(quantity, None) => write!(f, "{quantity}"),
            Shown::Date(date) => write!(f, "{date}"),
            Shown::Text(text) => f.write_str(&text.replace('\n', ", ")),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerated {
    Percent(Decimal),
    Money(Decimal),
    PercentOrMoney(Decimal, Decimal),
    Quantity(Decimal),
    Days(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DifferenceCode {
    Price,
    Quantity,
    Later,
    Date,
    Article,
    Unit,
    Address,
    Currency,
    Missing,
    Added,
    Changed,
}

impl DifferenceCode {
    /// Each code with what it means, for `postern explain`.
    #[rustfmt::skip]
    pub const ALL: &'static [(DifferenceCode, &'static str, &'static str)] = {
        use DifferenceCode::*;
        &[
            (Price,    "PRICE",    "The order system has another price for the line than the customer ordered at."),
            (Quantity, "QUANTITY", "The order system has another quantity for the line than was ordered."),
            (Later,    "LATER",    "A part of the ordered quantity comes later than the rest."),
            (Date,     "DATE",     "The order system promises another date than the customer wished."),
            (Article,  "ARTICLE",  "The order system put another article on the line than was ordered."),
            (Unit,     "UNIT",     "The order system counts the line in another unit than the customer."),
            (Address,  "ADDRESS",  "The order system has another delivery or billing address than the order."),
            (Currency, "CURRENCY", "The order system has the order in another currency."),
            (Missing,  "MISSING",  "The order system left out or canceled a line that was ordered."),
            (Added,    "ADDED",    "The order system has a line that was not ordered."),
            (Changed,  "CHANGED",  "The customer changed an order that the order system may have had before: the sales desk sees it, whatever was answered."),
        ]
    };

    pub fn name(self) -> &'static str {
        DifferenceCode::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// What the sales desk is asked (CONFIRM_ORDER).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SalesQuestion {
    /// Counts the questions asked; a token is good for one version only.
    pub version: u32,
    /// The CONFIRM_ORDER mails that ask.
    pub transmissions: Vec<TransmissionId>,
    pub asked_at: Timestamp,
    /// Who decided, when it is decided or withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// What people of the desk wrote besides commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<SaleComment>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaleComment {
    pub by: String,
    pub at: Timestamp,
    pub words: String,
}

/// What was confirmed to the customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The order as the order system has it.
    pub message: Message,
    /// How it differs from what the customer ordered.
    pub changes: Vec<Difference>,
    pub at: Timestamp,
    pub transmission: TransmissionId,
}

/// One row walked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaleStep {
    pub step: String,
    pub from: Option<SaleStatus>,
    /// The answer's name in the table.
    pub answer: String,
    pub to: SaleStatus,
    pub at: Timestamp,
    /// Who or what caused it: `mail M5`, `jo@shop.example`, `timer`, `order system`.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A transmission decided, not yet worded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaleOwed {
    pub id: TransmissionId,
    pub kind: TransmissionKind,
    /// One address each of the sales desk, all addresses of the customer, none for the order system (its own is known).
    pub to: Vec<String>,
    pub about: SaleAbout,
}

/// What it says, beyond what the sale tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleAbout {
    /// The sale itself tells all: SEND_ORDER, CONFIRM_ORDER, SEND_ORDER_CONFIRMATION, REQUEST_NEW_ORDER about faults.
    Sale,
    /// REQUEST_NEW_ORDER: the order is not accepted.
    Declined { reason: String },
    /// ASK: the sales desk's question to the customer, in its own words.
    Question { by: String, text: String },
    /// What was understood of a reply and what happens next.
    Receipt(Receipt),
    /// An earlier transmission is unanswered; `count` from 1.
    Reminder { of: TransmissionId, of_kind: TransmissionKind, count: u32 },
    /// A question was taken back.
    Withdrawal { of: TransmissionId, reason: String },
}

/// Puts what is owed into words and documents. The process calls it before it walks the row that owes: when
/// it fails, the row is not walked and the sale stays where it is with the error.
pub trait SaleWriter {
    fn write(&mut self, owed: &SaleOwed, sale: &Sale) -> Result<(), String>;
    /// The document for the order system; its bytes are kept with the commit.
    fn document(&mut self, what: Handing, sale: &Sale) -> Result<Digest, String>;
}

impl Sale {
    /// A sale that nothing has happened to yet.
    pub fn new(id: SaleId, customer: CustomerId, number: &str, order: OrderNumber, now: Timestamp) -> Sale {
        Sale {
            id,
            customer,
            number: number.to_string(),
            order,
            revision: 0,
            status: SaleStatus::Initial,
            versions: Vec::new(),
            wanted: Message::new(super::message::MessageKind::Order),
            version: 0,
            faults: Vec::new(),
            hand_overs: Vec::new(),
            answers: Vec::new(),
            differences: Vec::new(),
            question: None,
            confirmation: None,
            history: Vec::new(),
            received_at: now,
            entered_at: now,
            due: None,
            request: None,
            reminders: 0,
            remind_at: None,
            error: None,
            retries: 0,
            retry_at: None,
            ask_anyway: false,
            forced: None,
            canceled_because: None,
            alarms: BTreeSet::new(),
            unwritten: Vec::new(),
        }
    }

    /// The document that counts.
    pub fn hand_over(&self) -> Option<&HandOver> {
        self.hand_overs.last()
    }

    /// The answer that counts: the last one that is not ignored.
    pub fn answer(&self) -> Option<&SystemAnswer> {
        self.answers.iter().rev().find(|answer| answer.ignored.is_none())
    }

    /// The order system's number of the order, once it said one.
    pub fn system_number(&self) -> Option<&str> {
        self.answers.iter().rev().find_map(|answer| answer.reference.as_deref())
    }

    /// The question that may still be decided.
    pub fn open_question(&self) -> Option<&SalesQuestion> {
        self.question.as_ref().filter(|question| question.decided_by.is_none())
    }

    /// The address that the last version came from.
    pub fn sender(&self) -> &str {
        self.versions.last().map_or("", |version| version.from.as_str())
    }

    /// Every mail of the customer that is part of it.
    pub fn mails(&self) -> impl Iterator<Item = MailId> {
        self.versions.iter().filter_map(|version| version.mail)
    }
}

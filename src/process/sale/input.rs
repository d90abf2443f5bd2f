//! What can happen to a sale, and what the process says about it: the front of this part of the room.

use std::fmt;

use rust_decimal::Decimal;

use crate::model::{
    AuditEntry, Date, Digest, Fault, MailId, Message, Numbers, Order, OrderNumber, SaleSettings, SaleStep, SaleWriter,
    SystemAnswer, Timestamp, TransmissionId,
};
use crate::process::AlarmChange;

/// What deciding needs besides the sale: handed in, so that deciding stays pure.
pub struct SaleWorld<'a> {
    pub now: Timestamp,
    pub settings: &'a SaleSettings,
    pub numbers: &'a mut dyn Numbers,
    pub writer: &'a mut dyn SaleWriter,
}

/// Something that happened to one sale.
#[derive(Clone, Debug, PartialEq)]
pub enum SaleInput {
    /// A mail of the customer with this order: the first, the same again, or a changed one.
    OrderReceived(Box<ReceivedOrder>),
    /// A try to hand over what waits under this key.
    Tried {
        key: String,
        result: Tried,
    },
    /// The order system answered.
    Answered(Box<SystemAnswer>),
    /// The sales desk replied to CONFIRM_ORDER (who it is and whether it is authentic was checked before).
    Decision(SaleDecision),
    /// The customer answered a mail of ours with words that are no order.
    CustomerWrote {
        mail: MailId,
        by: String,
    },
    Person(SalePerson),
    /// Time passed: whatever is due at `world.now` happens.
    Timer,
    /// A transmission could not be delivered.
    Bounced {
        transmission: TransmissionId,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedOrder {
    pub message: Message,
    pub mail: Option<MailId>,
    /// The address that it came from.
    pub from: String,
    /// What the reader could not read.
    pub faults: Vec<Fault>,
    /// What the order is to be called when nobody outside knows it by another name yet.
    pub called: Option<OrderNumber>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Tried {
    /// It has it; with its words, and the answer where that came at once.
    Handed { said: String, reference: Option<String>, answer: Option<Box<SystemAnswer>> },
    /// Nobody knows whether it has it: the same bytes under the same key again, not before `after`.
    Away { why: String, after: Option<Timestamp> },
    /// It will never take it.
    Refused { why: String },
}

/// A reply of the sales desk.
#[derive(Clone, Debug, PartialEq)]
pub struct SaleDecision {
    /// The version of the question that the token was good for; 0 = none any more.
    pub version: u32,
    pub by: String,
    pub kind: crate::process::DecisionKind,
    pub commands: Vec<SaleCommand>,
    /// Each line of the reply and how it was read.
    pub lines: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SaleCommand {
    Release,
    Decline,
    /// New values for lines.
    Change {
        lines: Lines,
        values: Vec<LineValue>,
    },
    /// A question to the customer.
    Ask(String),
    Status,
    Help,
    /// A command of the grammar that means nothing here, or names lines where the whole order is meant; in words.
    OutOfPlace(String),
}

/// Which lines a change is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Lines {
    All,
    Some { ranges: Vec<(u32, u32)>, articles: Vec<String> },
}

/// One new value of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum LineValue {
    Quantity(Decimal),
    Price(Decimal),
    Date(Date),
    Article(String),
}

/// Something a person does in shell or console.
#[derive(Clone, Debug, PartialEq)]
pub struct SalePerson {
    pub by: String,
    pub reason: String,
    pub action: SaleAction,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SaleAction {
    /// Check again; with the mail read anew when the mapping was mended. What could not be done is tried at once.
    Recheck(Option<Box<ReceivedOrder>>),
    /// CHECKED in spite of its faults.
    Force,
    /// Given up or declined: the order system takes it back, the customer is told where it was taken.
    Decline,
    /// The differences stand.
    Release,
    Change {
        lines: Lines,
        values: Vec<LineValue>,
    },
    /// A question to the customer, in these words.
    Ask(String),
    /// The question to the sales desk anew, with new tokens.
    AskAgain,
    /// Hand it over now, under the same key; after a refusal as a new version.
    HandOver,
}

/// What an input came to. The sale holds the new state; what was owed went to the writer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SaleOutcome {
    /// Whether the sale differs: there is something to commit.
    pub changed: bool,
    /// The rows walked, in order.
    pub rows: Vec<SaleStep>,
    pub alarms: Vec<AlarmChange>,
    pub audit: Vec<AuditEntry>,
    pub canceled_transmissions: Vec<TransmissionId>,
    pub confirmed_transmissions: Vec<TransmissionId>,
    /// The confirmed order for the response process, in the same commit.
    pub register: Option<Order>,
    /// Why the input changed nothing.
    pub refused: Option<SaleRefused>,
}

/// Why an input changed nothing; what the caller does with it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaleRefused {
    /// The same order, or the same answer, was taken before.
    Duplicate(String),
    /// It cannot be done as things stand; the sender of a reply has been told by a receipt.
    NotPossible(String),
    /// A limit of the house was reached.
    TooMuch(String),
}

impl fmt::Display for SaleRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SaleRefused::Duplicate(what) | SaleRefused::NotPossible(what) | SaleRefused::TooMuch(what) => {
                f.write_str(what)
            }
        }
    }
}

/// The key of a document: the same for ever, another for every version.
pub fn key_of(sale: crate::model::SaleId, version: u32, document: &Digest) -> String {
    let digest = document.to_string();
    format!("{sale}-{version}-{}", digest.get(..12).unwrap_or(&digest))
}

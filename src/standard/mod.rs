//! Structured documents that need no mapping: UBL 2.1 and Peppol, EDIFACT, cXML, openTRANS, X12.
//!
//! A document becomes canonical [`Message`]s (order responses and orders) or [`Dispatch`]es, each value
//! with its words, rule and path. What a standard leaves unsaid stays unsaid: filling in is the process's
//! business, comparing with the order too. A value that cannot be read is a fault with its place.
//!
//! How the standards' ways of speaking become ours, for whoever works with the messages:
//! - Quantities are said outright wherever the standard states them: `quantity_confirmed`,
//!   `quantity_backordered`, `quantity_canceled`; `quantity` is what was ordered, as the partner repeats it.
//!   `quantity_backordered` 0 means that the rest will not come (UBL MaximumBackorderQuantity 0); absent
//!   means that nothing was said. A cancellation without a quantity says `quantity_confirmed` 0.
//! - `price_net` is per one unit; `price_basis` only witnesses what it was divided by.
//! - Several lines for one order line stay several lines, later ones in the backordered slot, with
//!   `habits.backorder = two-lines`. Several deliveries within one line are a `schedule` with its first in
//!   the confirmed slot; the backordered slot stands beside it only where the schedule does not tell it.
//! - Dates are the last day of a period. A head's date is copied to lines without one.
//! - Debatable codes, decided here: EDIFACT LIN 1229 = 24 (accepted with amendment, no confirmation
//!   needed) is `changed`: the partner need not ask, but we must see what it changed. BGM 1225 = 28
//!   (heading amended) is AWC, and lines that are not mentioned are accepted, as the code says.
//!   A despatch date stands in for the delivery date where no other is given, and its rule says so.
//!
//! This room must never know partners, mails, or what the process makes of a message.

mod cxml;
mod decode;
mod edifact;
mod opentrans;
mod shape;
mod take;
#[cfg(test)]
mod tests;
mod ubl;
pub mod ubl_write;
mod x12;
mod xml;

use std::fmt;

use crate::diagnostic::Diagnostic;
use crate::model::{Fault, FaultCode, Message};

pub use decode::decode;
pub use take::Fields;

/// What a document is, by its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standard {
    pub family: Family,
    /// As the standard calls it: `2.1`, `D96A`, `1.2.014`, `004010`; empty when the document does not say.
    pub version: String,
    /// As the standard calls it: `OrderResponse`, `ORDRSP`, `ConfirmationRequest`, `855`.
    pub document: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Ubl,
    Edifact,
    Cxml,
    OpenTrans,
    X12,
}

impl Family {
    pub fn name(self) -> &'static str {
        match self {
            Family::Ubl => "ubl",
            Family::Edifact => "edifact",
            Family::Cxml => "cxml",
            Family::OpenTrans => "opentrans",
            Family::X12 => "x12",
        }
    }
}

impl fmt::Display for Standard {
    /// `ubl-2.1 OrderResponse`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family.name())?;
        if !self.version.is_empty() {
            write!(f, "-{}", self.version)?;
        }
        write!(f, " {}", self.document)
    }
}

/// What a document says.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub standard: Standard,
    /// Order responses and orders; several when the document speaks of several orders.
    pub messages: Vec<Message>,
    /// The errors of each message, as the process wants them: with the line's index, position and field.
    /// What is wrong with the document as a whole stands with every message.
    pub message_faults: Vec<Vec<Fault>>,
    /// Dispatch notices (UBL DespatchAdvice, EDIFACT DESADV).
    pub dispatches: Vec<Dispatch>,
    /// Recognised, but neither an order, a response nor a dispatch notice: what it is, for a person.
    pub not_ours: Option<String>,
    /// All at once, for people, in the document's order. Errors are values or pieces that could not be read; warnings are oddities.
    pub faults: Vec<Diagnostic>,
}

/// A notice that goods left: head (`order_number`, `response_number` = the notice's own number,
/// `entry_date`, `delivery_date`) and lines (`position`, articles, `quantity` = what was sent, `unit`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dispatch {
    pub fields: Fields,
    pub lines: Vec<Fields>,
}

/// What the document is, if it is one of ours at all. Cheap: reads hardly more than its beginning.
pub fn recognise(text: &str) -> Option<Standard> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if start.starts_with('<') {
        let (name, namespace) = xml::root(text)?;
        return ubl::recognise(name, namespace, text)
            .or_else(|| cxml::recognise(name, text))
            .or_else(|| opentrans::recognise(name, namespace, text));
    }
    edifact::recognise(text).or_else(|| x12::recognise(text))
}

/// Reads a document of a standard; `None` when it is none. `part` names it in places: `text`, `AB_1.xml`.
pub fn read(text: &str, part: &str) -> Option<Reading> {
    let standard = recognise(text)?;
    let mut take = take::Take::new(standard.family.name(), text, part);
    let mut harvest = Harvest { standard, heard: Vec::new(), dispatches: Vec::new(), not_ours: None };
    match harvest.standard.family {
        Family::Edifact | Family::X12 if text.len() > INTERCHANGE_BYTES_MAX => {
            let message =
                format!("{} bytes of {}, at most {INTERCHANGE_BYTES_MAX} are read", text.len(), harvest.standard);
            take.fault(FaultCode::Unreadable, message, "", 0..0);
        }
        Family::Edifact => edifact::read(text, &mut take, &mut harvest),
        Family::X12 => x12::read(text, &mut take, &mut harvest),
        family => match xml::Tree::parse(text) {
            Err(refused) => take.fault(FaultCode::Unreadable, refused.message, "", refused.span),
            Ok(tree) => match family {
                Family::Cxml => cxml::read(tree.root(), &mut take, &mut harvest),
                Family::OpenTrans => opentrans::read(tree.root(), &mut take, &mut harvest),
                _ => ubl::read(tree.root(), &mut take, &mut harvest),
            },
        },
    }
    let message_faults = harvest.heard.iter().map(|heard| take.faults_of(heard)).collect();
    Some(Reading {
        standard: harvest.standard,
        messages: harvest.heard.into_iter().map(|heard| heard.message).collect(),
        message_faults,
        dispatches: harvest.dispatches,
        not_ours: harvest.not_ours,
        faults: take.into_faults(),
    })
}

/// What a reader of one family brings home.
struct Harvest {
    standard: Standard,
    heard: Vec<take::Heard>,
    dispatches: Vec<Dispatch>,
    not_ours: Option<String>,
}

impl From<take::Heard> for Dispatch {
    fn from(heard: take::Heard) -> Dispatch {
        Dispatch { fields: heard.message.fields, lines: heard.message.lines }
    }
}

/// Some ten thousand lines with all that EDIFACT can say about them.
const INTERCHANGE_BYTES_MAX: usize = 4 << 20;

/// More lines than any real order has.
const LINES_MAX: usize = 10_000;

/// Words for a document that is recognised and not for us.
fn not_ours(standard: &Standard) -> String {
    format!("{standard}: recognised, but neither an order, an order response nor a dispatch notice")
}

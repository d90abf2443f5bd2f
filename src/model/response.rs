//! The response: the business object made from a message; it has a status and belongs to one order
//! **and** one partner. Statuses and ids follow the reference's Response Status Model (KB 3064F3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::alarm::AlarmKind;
use super::ids::{MailId, OrderNumber, PartnerId, ResponseId, TransmissionId};
use super::message::{Field, HeadState, LineStatus, Message, Said, Schedule, Value};
use super::place::Place;

/// Where a response stands. Ids are labels: never compare them for success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    Initial,
    DoCheck,
    NotCheckedDoApprove,
    NotChecked,
    Checked,
    DoProcess,
    DoAnnounce,
    NotAnnounced,
    Announced,
    DoReturn,
    Returned,
    DoComposeResponse,
    ComposedResponse,
    Processed,
    DoPrepareDocument,
    PreparedDocument,
    DoClose,
    Closed,
    InExternalProcessing,
    Failed,
    CopiedForManualEdit,
    WaitMerge,
    WaitPending,
}

impl Status {
    #[rustfmt::skip]
    pub const ALL: [(Status, &'static str, u32); 23] = [
        (Status::Initial,             "INITIAL",                0),
        (Status::DoCheck,             "DO_CHECK",               500),
        (Status::NotCheckedDoApprove, "NOT_CHECKED_DO_APPROVE", 995),
        (Status::NotChecked,          "NOT_CHECKED",            999),
        (Status::Checked,             "CHECKED",                1000),
        (Status::DoProcess,           "DO_PROCESS",             3001),
        (Status::DoAnnounce,          "DO_ANNOUNCE",            4001),
        (Status::NotAnnounced,        "NOT_ANNOUNCED",          4099),
        (Status::Announced,           "ANNOUNCED",              4100),
        (Status::DoReturn,            "DO_RETURN",              4401),
        (Status::Returned,            "RETURNED",               4500),
        (Status::DoComposeResponse,   "DO_COMPOSE_RESPONSE",    4701),
        (Status::ComposedResponse,    "COMPOSED_RESPONSE",      4800),
        (Status::Processed,           "PROCESSED",              6000),
        (Status::DoPrepareDocument,   "DO_PREPARE_DOCUMENT",    7001),
        (Status::PreparedDocument,    "PREPARED_DOCUMENT",      7100),
        (Status::DoClose,             "DO_CLOSE",               7901),
        (Status::Closed,              "CLOSED",                 8000),
        (Status::InExternalProcessing,"IN_EXTERNAL_PROCESSING", 8900),
        (Status::Failed,              "FAILED",                 9000),
        (Status::CopiedForManualEdit, "COPIED_FOR_MANUAL_EDIT", 9999),
        (Status::WaitMerge,           "WAIT_MERGE",             10000),
        (Status::WaitPending,         "WAIT_PENDING",           11000),
    ];

    pub fn name(self) -> &'static str {
        Status::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    pub fn id(self) -> u32 {
        Status::ALL.iter().find(|row| row.0 == self).map_or(0, |row| row.2)
    }

    /// Our name, or a spelling variant of the reference.
    pub fn from_name(name: &str) -> Option<Status> {
        let name = match name {
            "NOT_ANNOUNCE" => "NOT_ANNOUNCED",
            "COMPOSED" => "COMPOSED_RESPONSE",
            "DO_ANNCOUNCE" => "DO_ANNOUNCE",
            other => other,
        };
        Status::ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Nothing more happens to it by itself.
    pub fn is_end(self) -> bool {
        matches!(self, Status::Closed | Status::Failed | Status::CopiedForManualEdit)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// INITIAL covers every position of the partner; CONTINUOUS is a later change. Never a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ResponseType {
    Initial,
    Continuous,
}

impl ResponseType {
    pub fn name(self) -> &'static str {
        match self {
            ResponseType::Initial => "INITIAL",
            ResponseType::Continuous => "CONTINUOUS",
        }
    }

    pub fn from_name(name: &str) -> Option<ResponseType> {
        match name.to_ascii_uppercase().as_str() {
            "INITIAL" | "INIT" => Some(ResponseType::Initial),
            "CONTINUOUS" | "CONTINIOUS" | "CONTINOUS" | "CONT" => Some(ResponseType::Continuous),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    pub id: ResponseId,
    pub order: OrderNumber,
    pub partner: PartnerId,
    #[serde(rename = "type")]
    pub response_type: ResponseType,
    pub status: Status,
    /// The mail it came in; `None` when it was made in the house (an edited copy keeps the mail).
    pub mail: Option<MailId>,
    /// What the partner said, never changed after it was received.
    pub message: Arc<Message>,
    pub arrived_at: Timestamp,
    /// The partner's own date of the response.
    pub entry_date: Option<Date>,
    pub state: Option<HeadState>,
    /// Made from the message with the order's help (C4).
    pub lines: Vec<Line>,
    pub faults: Vec<Fault>,
    pub deviations: Vec<Deviation>,
    /// The row steps walked, oldest first.
    pub history: Vec<Step>,
    /// WAIT_PENDING and WAIT_MERGE: what it waits for, in words, and the response or status behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<Wait>,
    /// A step that could not be done (a template that does not render ...); it is tried again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// N4: the return made from its canceled positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Return>,
    /// N6: the response for the channel, as announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composed: Option<Vec<Line>>,
    /// Why it FAILED: `OUTDATED`, `superseded by R12`, `declined by anna@shop.example`, `given up: ...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_because: Option<String>,
    /// A person's override (C9 C10), audited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Override>,
    /// The newer response that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<ResponseId>,
    /// The edited copy was made from that one / this one was copied to that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<ResponseId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_to: Option<ResponseId>,
    /// The REQUEST_NEW_RESPONSE that is open with the partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<TransmissionId>,
    /// How often somebody was reminded in the present status, and when the next time is.
    #[serde(default)]
    pub reminders: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Deviations that the channel accepted, so that a recheck does not ask again.
    #[serde(default)]
    pub approved: bool,
    /// What the process remembers of the way besides: not for letters, but kept.
    #[serde(default)]
    pub course: Course,
}

/// What the process remembers of a response's way, so that deciding again comes to the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    /// What the reader of the mail could not read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_faults: Vec<Fault>,
    /// An answer to REQUEST_NEW_RESPONSE named only some lines: the others, from the older response, each
    /// value marked as filled in. Their line numbers follow those of the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken_over: Vec<BTreeMap<Field, Said>>,
    /// Values that a person set in this copy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// Its place in turn; that of the older response when it took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// The type was said, taken over or promoted: it is not derived again.
    pub type_fixed: bool,
    /// A person let it go ahead of its turn.
    pub released: bool,
    /// It and so many answers to REQUEST_NEW_RESPONSE in a row before it said nothing of any line.
    #[serde(skip_serializing_if = "none_of_them")]
    pub unread_answers: u32,
    /// Older responses whose place it took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<ResponseId>,
    /// Made in the house for these positions of an older response only (a decline taken back in part).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<BTreeSet<u32>>,
    /// Positions that it cancels because we asked: they answered this recall and are done.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub answers_recall: BTreeMap<u32, TransmissionId>,
    /// The revision of the order it was last checked against.
    pub order_revision: u32,
    /// How often the step that cannot be done was tried.
    pub retries: u32,
    /// It was read by this mapping while that one drifted: it waits until a person lets it go, or it was read anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Alarms that stand for it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub alarms: BTreeSet<AlarmKind>,
    /// Questions to the partner (ASK), and who asked each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<TransmissionId, String>,
}

fn none_of_them(count: &u32) -> bool {
    *count == 0
}

/// A place in turn: the partner's own date (else the day it arrived), then arrival, then number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Turn {
    pub date: Date,
    pub arrived_at: Timestamp,
    pub id: ResponseId,
}

/// A value that a person set (`response correct R5 --set 20.quantity_confirmed=8`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    pub target: EditTarget,
    pub field: Field,
    pub value: Value,
    pub by: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditTarget {
    /// The message as a whole.
    Head,
    /// The answer to this order position, whatever the partner's lines were.
    Position(u32),
    /// A line of the message as the partner wrote it, from 0.
    Line(usize),
}

/// One row walked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The reference's step number, e.g. `C12`; `-` where it has none.
    pub step: String,
    pub from: Option<Status>,
    /// The answer's name in the table.
    pub answer: String,
    pub to: Status,
    pub at: Timestamp,
    /// Who or what caused it: `mail M5`, `anna@shop.example`, `timer`, `order registered`.
    pub by: String,
    /// Details worth telling, e.g. the reason a person gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    pub reason: String,
    /// The older response it waits behind.
    #[serde(default)]
    pub behind: Option<ResponseId>,
    /// WAIT_MERGE: the status it left.
    #[serde(default)]
    pub left: Option<Status>,
    pub since: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Override {
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

/// One order position as this response answers it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The order position; `None` while none was found.
    pub position: Option<u32>,
    /// The lines of the message (from 0) it was made from; several when merged or split.
    pub said_in: Vec<usize>,
    pub status: Option<LineStatus>,
    pub supplier_sku: Option<String>,
    pub shop_sku: Option<String>,
    pub gtin: Option<String>,
    pub product_id: Option<String>,
    pub name: Option<String>,
    pub unit: Option<String>,
    pub quantity_confirmed: Decimal,
    pub quantity_backordered: Decimal,
    pub quantity_canceled: Decimal,
    pub confirmed_date: Option<Date>,
    pub backordered_date: Option<Date>,
    pub price_net: Option<Decimal>,
    pub substitute_sku: Option<String>,
    /// The partner's words for the reason, and the RCL code they map to.
    pub reason: Option<String>,
    pub rcl: Option<String>,
    pub note: Option<String>,
    /// More than two deliveries: all of them; the slots above are derived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<Schedule>,
    /// What was not said but filled in, and from where (C4).
    #[serde(default)]
    pub filled: BTreeMap<Field, String>,
    /// Not processed, with the reason (no valid reference; policy ignore).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// What makes a response faulty (C6.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub code: FaultCode,
    /// For a person, in English; letters to partners word it in their language by the code.
    pub message: String,
    #[serde(default)]
    pub position: Option<u32>,
    /// The line of the message, from 0.
    #[serde(default)]
    pub line: Option<usize>,
    #[serde(default)]
    pub field: Option<Field>,
    /// What was read there.
    #[serde(default)]
    pub read: Option<String>,
    /// What is needed instead.
    #[serde(default)]
    pub needed: Option<String>,
    #[serde(default)]
    pub place: Option<Place>,
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal, $explained:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $(#[serde(rename = $text)] #[doc = $explained] $variant,)* }
        impl $name {
            /// Each code with its name and what it means, for `postern explain`.
            pub const ALL: &'static [($name, &'static str, &'static str)] = &[$(($name::$variant, $text, $explained),)*];
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            pub fn explained(self) -> &'static str {
                match self { $($name::$variant => $explained,)* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

codes!(
    /// Errors of C6.2; names stable, some after the reference's SOAP codes (KB 277G04).
    FaultCode {
        UnknownOrder = "UNKNOWN_ORDER", "No order with this number is registered. When it is registered later, the response is checked again by itself.";
        UnknownPartner = "UNKNOWN_PARTNER", "The mail came from an address that belongs to no partner.";
        NotPartnerOfOrder = "NOT_PARTNER_OF_ORDER", "The order exists, but this partner supplies none of its positions. Partners are told the words of UNKNOWN_ORDER.";
        UnknownPosition = "UNKNOWN_POSITION", "A line refers to a position or product that the order does not have.";
        AmbiguousProduct = "AMBIGUOUS_PRODUCT", "A line names a product that stands on several positions, and no position number.";
        DuplicatePosition = "DUPLICATE_POSITION", "Two lines answer the same position, and the partner's way of writing does not allow that.";
        MissingQuantity = "MISSING_QUANTITY", "A line has no quantity and does not say that it is accepted as ordered.";
        MissingDate = "MISSING_DATE", "A delivery date is required of this partner and is missing.";
        MissingField = "MISSING_FIELD", "A field that is required of this partner is missing.";
        InvalidValue = "INVALID_VALUE", "A value was found but could not be read as what it should be.";
        WrongCurrency = "WRONG_CURRENCY", "The response names another currency than the order.";
        WrongUnit = "WRONG_UNIT", "A line names another unit than the order, and no conversion is configured.";
        QuantityExceedsOrder = "QUANTITY_EXCEEDS_ORDER", "Confirmed, backordered and canceled quantities add up to more than was ordered.";
        IncompleteInitial = "INCOMPLETE_INITIAL", "The first response to an order must cover every position of the partner; one is left out.";
        StateConflict = "STATE_CONFLICT", "The head says one thing (accepted, changed, canceled) and the lines another.";
        AlreadyDispatched = "ALREADY_DISPATCHED", "A line cancels what has been dispatched already.";
        NoLines = "NO_LINES", "An order has no lines: nothing is ordered, or none of its lines could be read.";
        DuplicateMessage = "DUPLICATE_MESSAGE", "The same message was received before.";
        Unreadable = "UNREADABLE", "No mapping could read the mail, or the mapping found values it could not read.";
    }
);

codes!(
    /// Deviations of C6.3: sound, but different from the order beyond tolerance.
    DeviationCode {
        PriceChanged = "PRICE_CHANGED", "The confirmed purchase price differs from the ordered one.";
        PriceAboveSales = "PRICE_ABOVE_SALES", "The confirmed purchase price is above the position's sales price.";
        DateLater = "DATE_LATER", "The confirmed date is later than requested.";
        DateEarlier = "DATE_EARLIER", "The confirmed date is earlier than requested.";
        Backordered = "BACKORDERED", "A part of the quantity comes later than the rest.";
        QuantityLess = "QUANTITY_LESS", "Less than the ordered quantity is answered for.";
        PositionCanceled = "POSITION_CANCELED", "The partner will not deliver some or all of a position.";
        PositionAdded = "POSITION_ADDED", "The partner confirms something that was not ordered.";
        ProductSubstituted = "PRODUCT_SUBSTITUTED", "The partner will deliver another product instead.";
        ScheduleSplit = "SCHEDULE_SPLIT", "The line comes in more than two deliveries.";
    }
);

/// How a response differs from the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    pub code: DeviationCode,
    #[serde(default)]
    pub position: Option<u32>,
    pub ordered: String,
    pub confirmed: String,
    /// With its sign: `+4.30 EUR (+2.5 %)`, `+6 days`, `-2`.
    pub difference: String,
    /// The tolerance that was passed, in words: `2 % or 5.00 EUR`.
    pub tolerance: String,
    /// What it costs in the order's currency, where that can be said.
    #[serde(default)]
    pub impact: Option<Decimal>,
    #[serde(default)]
    pub days: Option<i32>,
    /// Within tolerance: told, but no reason to ask.
    pub within: bool,
}

/// The order channel's decision on the deviations of one response (C12-C13).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Counts the questions asked; a token is good for one version only.
    pub version: u32,
    /// The CONFIRM_RESPONSE that asks.
    pub question: Option<TransmissionId>,
    pub asked_at: Timestamp,
    /// How far the order of approvers was walked, from 0.
    pub rank: usize,
    /// The addresses that may answer this version.
    pub approvers: Vec<String>,
    pub expires_at: Option<Timestamp>,
    /// Expired: it stays, an alarm is up, and no token is good.
    #[serde(default)]
    pub on_hold: bool,
    /// Per position with a deviation; positions not here are not in question.
    pub lines: BTreeMap<u32, LineDecision>,
    /// Who decided, when all is decided or nobody may decide any more.
    #[serde(default)]
    pub decided_by: Option<String>,
    /// What approvers wrote besides commands.
    #[serde(default)]
    pub comments: Vec<String>,
    /// Questions of this version before `question`: reminders went unanswered, or it was delegated.
    #[serde(default)]
    pub earlier: Vec<TransmissionId>,
    /// The response was declined as a whole, not line by line.
    #[serde(default)]
    pub whole: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineDecision {
    Open,
    Approved { by: String, at: Timestamp },
    Declined { by: String, at: Timestamp },
}

/// A request to the partner to take back what was ordered (C14), followed to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// The SEND_ORDER_RECALL that asks.
    pub transmission: TransmissionId,
    pub response: ResponseId,
    pub partner: PartnerId,
    /// Positions and how much of each.
    pub positions: BTreeMap<u32, Decimal>,
    pub reason: String,
    pub state: RecallState,
    pub asked_at: Timestamp,
    /// Not sent before: a mistaken DECLINE can be undone until then.
    pub held_until: Option<Timestamp>,
    #[serde(default)]
    pub reminders: u32,
    #[serde(default)]
    pub due: Option<Timestamp>,
    #[serde(default)]
    pub answered_at: Option<Timestamp>,
    /// What the partner took back so far.
    #[serde(default)]
    pub taken: BTreeMap<u32, Decimal>,
    #[serde(default)]
    pub alarmed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecallState {
    /// Asked; no answer yet.
    Open,
    /// The partner took it back: the lines are canceled.
    Recalled,
    /// The partner ships anyway: the lines stay.
    #[serde(rename = "TOO_LATE")]
    TooLate,
    /// Withdrawn: dispatched meanwhile, or the decline was undone.
    Canceled,
}

/// One return per response (N4), with a reason code of the reference's RCL list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Return {
    pub created_at: Timestamp,
    pub positions: Vec<ReturnPosition>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReturnPosition {
    pub position: u32,
    pub quantity: Decimal,
    /// `RCL020` unless the partner's reason maps to another code.
    pub rcl: String,
    pub reason: Option<String>,
}

impl Response {
    /// A response as it is when its message has just been stored; the rest is found by checking it.
    pub fn new(
        id: ResponseId,
        order: OrderNumber,
        partner: PartnerId,
        message: impl Into<Arc<Message>>,
        arrived_at: Timestamp,
    ) -> Response {
        let message = message.into();
        Response {
            id,
            order,
            partner,
            response_type: message.response_type.unwrap_or(ResponseType::Initial),
            status: Status::Initial,
            mail: None,
            entry_date: message.date(Field::EntryDate),
            state: message.state(),
            message,
            arrived_at,
            lines: Vec::new(),
            faults: Vec::new(),
            deviations: Vec::new(),
            history: Vec::new(),
            waits_for: None,
            error: None,
            approval: None,
            returned: None,
            composed: None,
            failed_because: None,
            forced: None,
            superseded_by: None,
            copied_from: None,
            copied_to: None,
            request: None,
            reminders: 0,
            due: None,
            approved: false,
            course: Course::default(),
        }
    }

    /// The order positions it speaks of.
    pub fn covers(&self) -> BTreeSet<u32> {
        self.lines.iter().filter(|line| line.ignored.is_none()).filter_map(|line| line.position).collect()
    }
}

//! What can happen to a dossier, and what the process says about it: the room's front.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::merge::Joined;
use crate::model::{
    AlarmKind, AuditEntry, EditTarget, Fault, Field, MailId, Message, Numbers, Order, OrderNumber, PartnerId, Pause,
    Policies, ResponseId, Step, Timestamp, TransmissionId, Writer,
};

/// What deciding needs besides the dossier: handed in, so that deciding stays pure.
pub struct World<'a> {
    pub now: Timestamp,
    pub policies: &'a Policies,
    pub numbers: &'a mut dyn Numbers,
    pub writer: &'a mut dyn Writer,
}

/// Something that happened to one order number.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The channel registered (or revised) the order.
    OrderRegistered(Order),
    /// The channel canceled the whole order.
    OrderCanceled {
        by: String,
    },
    /// A dispatch notice: positions and how much of each left (KB 306C45).
    Dispatched {
        positions: BTreeMap<u32, Decimal>,
        by: String,
    },
    /// A dispatch notice that names an order that was merged into this one.
    DispatchedOf {
        order: OrderNumber,
        positions: BTreeMap<u32, Decimal>,
        by: String,
    },
    /// Another order's positions and open responses come into this order (`order merge`).
    Join(Box<Joined>),
    ResponseReceived(Box<Received>),
    /// An approver replied to CONFIRM_RESPONSE (who it is and whether it is authentic was checked before).
    Decision(Decision),
    /// A partner answered SEND_ORDER_RECALL. Without `recall` the partner's only open recall is meant.
    RecallAnswer {
        recall: Option<TransmissionId>,
        partner: PartnerId,
        answer: RecallAnswer,
        by: String,
    },
    /// A partner answered the question of an approver (ASK) in words that are no response.
    QuestionAnswered(QuestionAnswered),
    Person(Person),
    /// The mapping reads as usual again, or was mended: what was held because of it goes on, with what was read anew.
    HoldOver {
        mapping: String,
        rereads: BTreeMap<ResponseId, Reread>,
        by: String,
    },
    /// A person closed an alarm by hand: it is not told again.
    AlarmClosed {
        kind: AlarmKind,
        subject: String,
        by: String,
    },
    /// Time passed: whatever is due at `world.now` happens.
    Timer,
    /// A transmission could not be delivered.
    Bounced {
        transmission: TransmissionId,
        reason: String,
    },
    /// An approver is away; the delegate named in the automatic reply (or the next approver) is asked at once.
    Absent {
        transmission: TransmissionId,
        by: String,
        delegate: Option<String>,
    },
}

/// A message from a partner, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Who sent it; an id that is not configured gets UNKNOWN_PARTNER.
    pub partner: PartnerId,
    pub message: Arc<Message>,
    pub mail: Option<MailId>,
    pub arrived_at: Timestamp,
    /// The response that it answers a REQUEST_NEW_RESPONSE of, known by token or thread.
    pub answers: Option<ResponseId>,
    /// What the reader could not read.
    pub faults: Vec<Fault>,
    /// The mapping that read it, when its reading is not to be believed at present.
    pub held: Option<String>,
}

/// An approver's reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub response: ResponseId,
    /// The version of the question that the token was good for.
    pub version: u32,
    /// The approver's address.
    pub by: String,
    pub kind: DecisionKind,
    pub commands: Vec<Command>,
    /// Each line of the reply and how it was read.
    pub lines: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionKind {
    Decision,
    /// No command in it.
    Comment,
    /// Mixed, conditional or contradictory: nothing is decided.
    Ambiguous,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    pub verb: Verb,
    pub scope: Scope,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    Approve,
    Decline,
    /// A question to the partner.
    Ask(String),
    /// Another address may decide too.
    Delegate(String),
    /// Ask me again after this.
    Hold(Pause),
    Status,
    Help,
    /// Take back my decline; possible while the recall is held.
    Undo,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Scope {
    All,
    /// The open lines that no other command of the reply names.
    Rest,
    /// Position numbers (from, to; both included) and products.
    Lines {
        ranges: Vec<(u32, u32)>,
        products: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecallAnswer {
    Recalled,
    TooLate,
}

/// A partner's words to an approver's question.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionAnswered {
    /// The QUESTION that asked.
    pub question: TransmissionId,
    pub response: ResponseId,
    pub partner: PartnerId,
    /// The address that wrote.
    pub by: String,
    pub words: Vec<String>,
}

/// Something a person does in shell or console.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Who, for the audit log.
    pub by: String,
    pub reason: String,
    /// Which response; `None` only for what concerns the whole order.
    pub response: Option<ResponseId>,
    pub action: PersonAction,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PersonAction {
    /// The order, the partner's data or the mapping was mended: check again (C11). With the mail read anew
    /// when the mapping was mended. A response whose step failed is tried again at once.
    Correct(Option<Box<Reread>>),
    /// Values are set; the received original is kept, the edited copy goes on.
    Edit(Vec<(EditTarget, Field, String)>),
    /// CHECKED in spite of its faults (C9 C10).
    Force,
    /// Given up: FAILED.
    Fail,
    /// WAIT_PENDING: goes on out of turn. WAIT_MERGE: goes on where it stood.
    Release,
    /// WAIT_PENDING: goes on as the INITIAL response.
    Promote,
    /// A question that expired (or was lost) is asked anew, with a new token.
    AskAgain,
    /// NOT_ANNOUNCED: the errors are handled (N2.2).
    ErrorsHandled,
    /// FAILED that came from NOT_ANNOUNCED (N2.1).
    SetToAnnounce,
    /// A decline is taken back while its recall is held.
    UndoDecline,
    /// The partner answered TOO LATE: the channel accepts the deviations after all.
    AcceptAfterTooLate,
    /// `order merge`: everything open waits.
    Merge { with: OrderNumber },
    /// `order merge`: the positions and open responses of this order go into another one.
    MergeInto { into: OrderNumber },
    /// Everything that waits for merging goes on.
    ReleaseMerge,
}

/// The same mail read by a mended mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Reread {
    pub message: Arc<Message>,
    pub faults: Vec<Fault>,
}

/// What an input came to. The dossier holds the new state; what was owed went to the writer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Whether the dossier differs: there is something to commit.
    pub changed: bool,
    pub touched: BTreeSet<ResponseId>,
    /// The rows walked, in order.
    pub rows: Vec<(ResponseId, Step)>,
    pub alarms: Vec<AlarmChange>,
    pub audit: Vec<AuditEntry>,
    /// No longer wanted: cancel what was not sent yet.
    pub canceled_transmissions: Vec<TransmissionId>,
    /// Answered: CONFIRMED.
    pub confirmed_transmissions: Vec<TransmissionId>,
    /// What follows from it for other orders; belongs into the same commit.
    pub passed_on: Vec<(OrderNumber, Input)>,
    /// Responses of which a reply decided lines: it used up its token. One that decided nothing did not.
    pub decided: BTreeSet<ResponseId>,
    /// Why the input changed nothing.
    pub refused: Option<Refused>,
}

/// An alarm starts, is told again, or is over. An `End` for an alarm that does not stand means nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum AlarmChange {
    Raise {
        kind: AlarmKind,
        subject: String,
        message: String,
        response: Option<ResponseId>,
        transmission: Option<TransmissionId>,
    },
    Remind {
        kind: AlarmKind,
        subject: String,
    },
    End {
        kind: AlarmKind,
        subject: String,
    },
}

/// Why an input changed nothing; what the caller does with it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The same message as this response: file it as a duplicate, answer nothing.
    Duplicate(ResponseId),
    /// It speaks of something that is not here.
    Unknown(String),
    /// Whoever sent it may not do that: answer nothing.
    NotAllowed(String),
    /// It cannot be done as things stand; the sender of a reply has been told by a receipt.
    NotPossible(String),
    /// A limit of the house was reached.
    TooMuch(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Duplicate(id) => write!(f, "{id} says the same already"),
            Refused::Unknown(what)
            | Refused::NotAllowed(what)
            | Refused::NotPossible(what)
            | Refused::TooMuch(what) => f.write_str(what),
        }
    }
}

//! What the process decides to owe, before it is written: the bridge between deciding (process),
//! wording (template) and making MIME of it (gateway).

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use super::ids::{PartnerId, ResponseId, TransmissionId};
use super::order::Dossier;
use super::transmission::{Recipient, TransmissionKind};

/// A transmission decided, not yet worded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owed {
    pub id: TransmissionId,
    pub kind: TransmissionKind,
    pub recipient: Recipient,
    pub response: Option<ResponseId>,
    pub about: About,
    /// Not sent before (a recall that is held back).
    pub not_before: Option<Timestamp>,
}

/// What it says, beyond what the dossier tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The response itself tells all: REQUEST_NEW_RESPONSE (its faults), CONFIRM_RESPONSE (its deviations and
    /// its approval's open lines), SEND_RESPONSE_* (what was composed), CREATE_DOCUMENTS.
    Response,
    /// SEND_ORDER_RECALL.
    Recall {
        positions: BTreeMap<u32, Decimal>,
        reason: String,
    },
    /// An answer to somebody's reply.
    Receipt(Receipt),
    /// An earlier transmission is unanswered; `count` from 1.
    Reminder {
        of: TransmissionId,
        of_kind: TransmissionKind,
        count: u32,
    },
    /// ORDER_UNANSWERED: the partner has not answered these positions.
    Unanswered {
        partner: PartnerId,
        positions: Vec<u32>,
        count: u32,
    },
    /// A question was taken back.
    Withdrawal {
        of: TransmissionId,
        reason: String,
    },
    Alarm {
        alarm: Alarm,
        news: AlarmNews,
    },
    /// All open questions to one approver in one mail; with `lines`, the answer to a reply that was not clear; with
    /// `answers`, the one receipt for all that a reply said.
    Digest {
        questions: Vec<DigestQuestion>,
        /// Each line of the reply and how it was read.
        lines: Vec<(String, String)>,
        #[serde(default)]
        answers: Vec<DigestAnswer>,
    },
    /// ASK: an approver's question to the partner, in the approver's words.
    Question {
        by: String,
        text: String,
    },
}

/// A question of a digest: the response of this dossier that waits for approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestQuestion {
    pub dossier: Dossier,
    pub response: ResponseId,
}

/// What became of one question that a reply to a digest named; the dossier as it stands after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestAnswer {
    pub dossier: Dossier,
    pub response: ResponseId,
    pub receipt: Receipt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmNews {
    Started,
    Reminder,
    Over,
}

/// What was understood of a reply and what happens next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub outcome: Outcome,
    /// Each line of the reply and how it was read; shown when it was not clear. A partner's answer is read by nobody.
    pub lines: Vec<(String, String)>,
    /// Lines approved, declined and still open; a receipt with open lines carries a new token.
    pub approved: Vec<u32>,
    pub declined: Vec<u32>,
    pub open: Vec<u32>,
    /// A free remark: the date of a hold, the delegate's address, who decided before.
    pub detail: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All is decided.
    Decided,
    /// Some lines are decided, others open.
    Partly,
    /// Somebody was first; `detail` tells who.
    AlreadyDecided,
    /// The question was withdrawn, superseded or has expired.
    NoLongerAsked,
    /// Nothing was done: mixed, conditional or contradictory.
    NotUnderstood,
    /// No command: kept as a comment.
    Comment,
    /// ASK: the question went to the partner or operators.
    Asked,
    /// HOLD: reminded again at `detail`.
    OnHold,
    /// DELEGATE: `detail` was asked.
    Delegated,
    /// STATUS or HELP: the mail tells.
    Status,
    Help,
    /// A recall's answer was taken.
    RecallAnswered,
    /// UNDO of a decline in its hold time.
    Undone,
    /// The partner answered an ASK: `lines` are the partner's words.
    PartnerAnswered,
}

/// Puts what is owed into words and MIME. The process calls it before it walks the row that owes: when
/// it fails, the row is not walked and the response stays where it is with the error (reference,
/// "Exceptions").
pub trait Writer {
    fn write(&mut self, owed: &Owed, dossier: &Dossier) -> Result<(), String>;
}

/// New numbers for what is made while deciding.
pub trait Numbers {
    fn response(&mut self) -> ResponseId;
    fn transmission(&mut self) -> TransmissionId;
    fn alarm(&mut self) -> super::ids::AlarmId;
}

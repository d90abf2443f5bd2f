//! Alarms (the reference's escalation workflow) and the audit log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{AlarmId, Digest, OrderNumber, ResponseId, TransmissionId};

/// Something that a person must look at. One alarm per `subject` and kind stands at a time: it is told
/// when it starts, again by reminders, and when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    pub id: AlarmId,
    pub kind: AlarmKind,
    /// What it is about, as a key: `R12`, `mailbox orders`, `T7`.
    pub subject: String,
    pub message: String,
    pub order: Option<OrderNumber>,
    pub response: Option<ResponseId>,
    pub transmission: Option<TransmissionId>,
    pub started_at: Timestamp,
    pub reminded_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmKind {
    UnknownOrder,
    Faulty,
    WaitsTooLong,
    NotAnnounced,
    ApprovalOverdue,
    RequestUnanswered,
    RecallUnanswered,
    OrderUnanswered,
    TransmissionStuck,
    MailboxUnreachable,
    NoMailSince,
    MappingDrift,
    StepFailed,
    DiskFull,
    OrderStandsStill,
}

impl AlarmKind {
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default()
    }
}

/// One entry of the audit log; `chain` is the hash over the previous entry's chain and this entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Counts from 1 without gaps; given by the store.
    #[serde(default)]
    pub number: u64,
    pub at: Timestamp,
    /// `anna@shop.example`, `operator`, `gateway`.
    pub who: String,
    /// What was done, e.g. `forced`, `approved`, `order registered`.
    pub what: String,
    /// On what: `R12`, `T7`, `order 4711`.
    pub on: String,
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub chain: Option<Digest>,
}

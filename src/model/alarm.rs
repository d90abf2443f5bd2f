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
    RecallTooLate,
    CustomerSilent,
    CancellationRefused,
    OrderSystemUnreachable,
    OrderAnswerUnknown,
    OrderUnreadable,
}

impl AlarmKind {
    /// Each kind with its name and what it means, for `postern explain`.
    #[rustfmt::skip]
    pub const ALL: &'static [(AlarmKind, &'static str, &'static str)] = {
        use AlarmKind::*;
        &[
            (UnknownOrder,      "UNKNOWN_ORDER",        "A response names an order that nobody has registered. Registering the order checks it again by itself."),
            (Faulty,            "FAULTY",               "A response is faulty and its partner is not told by mail: a person must correct, force or give it up."),
            (WaitsTooLong,      "WAITS_TOO_LONG",       "A response has waited for its turn longer than `pending_limit`: release, promote or give it up."),
            (NotAnnounced,      "NOT_ANNOUNCED",        "The order refused the values of a checked response: a person must handle the error or give it up."),
            (ApprovalOverdue,   "APPROVAL_OVERDUE",     "Nobody decided a question in time; it stays undecided until a person asks again or decides."),
            (RequestUnanswered, "REQUEST_UNANSWERED",   "The partner did not answer REQUEST_NEW_RESPONSE, reminders included, or could not be reached."),
            (RecallUnanswered,  "RECALL_UNANSWERED",    "The partner did not answer a recall, reminders included, or could not be reached."),
            (OrderUnanswered,   "ORDER_UNANSWERED",     "A partner has not answered an order in time, reminders included."),
            (TransmissionStuck, "TRANSMISSION_STUCK",   "A transmission could not be delivered and stands in DO_MANUAL_CHECK: resend, cancel or mark it as sent."),
            (MailboxUnreachable,"MAILBOX_UNREACHABLE",  "A mailbox cannot be read."),
            (NoMailSince,       "NO_MAIL_SINCE",        "A mailbox has had no mail for longer than it ever should."),
            (MappingDrift,      "MAPPING_DRIFT",        "What a mapping reads suddenly agrees less with the orders: the partner's layout may have changed."),
            (StepFailed,        "STEP_FAILED",          "A step of the process could not be done; it is tried again by itself."),
            (DiskFull,          "DISK_FULL",            "The disk is nearly full; reading mail has stopped so that nothing is lost."),
            (OrderStandsStill,  "ORDER_STANDS_STILL",   "An order from a customer has stood in one status longer than `sales.still_limit`. It is over when the order moves on."),
            (CustomerSilent,    "CUSTOMER_SILENT",      "The customer did not answer REQUEST_NEW_ORDER, reminders included, or could not be reached."),
            (CancellationRefused, "CANCELLATION_REFUSED", "The order system would not cancel an order that was declined or given up: cancel it there, then close the alarm."),
            (OrderSystemUnreachable, "ORDER_SYSTEM_UNREACHABLE", "Orders cannot be handed to the order system or its answers not be fetched. They wait and go on by themselves."),
            (OrderAnswerUnknown, "ORDER_ANSWER_UNKNOWN", "The order system sent something that cannot be read or belongs to no order here. It is kept: `postern sale answers`."),
            (OrderUnreadable,   "ORDER_UNREADABLE",     "A customer's mail could not be read as an order: answer it, or mend the mapping and run `postern mail rerun`."),
            (RecallTooLate,     "RECALL_TOO_LATE",      "The partner delivers what was declined: accept the deviations after all, or settle it with the partner."),
        ]
    };

    pub fn name(self) -> &'static str {
        AlarmKind::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    pub fn explained(self) -> &'static str {
        AlarmKind::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.2)
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

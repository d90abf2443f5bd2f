//! A transmission: something the gateway owes to somebody, usually a mail. It has its own status and
//! retries (reference, "Transmissions"; KB 30S611).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{ChannelId, Digest, OrderNumber, PartnerId, ResponseId, TransmissionId};

macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }
        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            pub fn from_name(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named_enum!(
    /// What is owed. The first six are the reference's; receipts, reminders and alarms are ours, the last ones belong to orders by mail.
    TransmissionKind {
        /// To the partner: the response is faulty, please send a new one (C10).
        RequestNewResponse = "REQUEST_NEW_RESPONSE",
        /// To the channel's approvers: may these deviations stand? (C12)
        ConfirmResponse = "CONFIRM_RESPONSE",
        /// To the partner: please take back these lines (C14).
        SendOrderRecall = "SEND_ORDER_RECALL",
        /// To the channel: the first response (F4).
        SendResponseInitial = "SEND_RESPONSE_INITIAL",
        /// To the channel: a later response (F5).
        SendResponseContinuous = "SEND_RESPONSE_CONTINUOUS",
        /// To the document service (F2).
        CreateDocuments = "CREATE_DOCUMENTS",
        /// What was understood of a reply and what happens next.
        Receipt = "RECEIPT",
        /// An earlier transmission is unanswered.
        Reminder = "REMINDER",
        /// A question was taken back.
        Withdrawal = "WITHDRAWAL",
        /// An approver asks the partner something (ASK).
        Question = "QUESTION",
        /// To operators.
        Alarm = "ALARM",
        /// An order to the order system, by mail.
        SendOrder = "SEND_ORDER",
        /// Differences to the sales desk.
        ConfirmOrder = "CONFIRM_ORDER",
        /// The confirmation to the customer.
        SendOrderConfirmation = "SEND_ORDER_CONFIRMATION",
        /// A question or refusal to the customer.
        RequestNewOrder = "REQUEST_NEW_ORDER",
    }
);

named_enum!(
    /// INITIAL -> DO_PUSH -> PUSHED -> TRANSMISSIONED -> CONFIRMED; errors stay in DO_PUSH with a retry date
    /// until the limit, then DO_MANUAL_CHECK -> CHECKED -> DO_PUSH by a person; DO_CANCEL -> CANCELED.
    TransmissionStatus {
        Initial = "INITIAL",
        DoPush = "DO_PUSH",
        Pushed = "PUSHED",
        Transmissioned = "TRANSMISSIONED",
        Confirmed = "CONFIRMED",
        DoManualCheck = "DO_MANUAL_CHECK",
        Checked = "CHECKED",
        DoCancel = "DO_CANCEL",
        Canceled = "CANCELED",
    }
);

/// Whom a transmission is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    Partner(PartnerId),
    /// The approvers of the channel at this rank of their order, or a delegate by address.
    Approvers {
        channel: ChannelId,
        addresses: Vec<String>,
    },
    Channel(ChannelId),
    Documents(ChannelId),
    Operators,
    /// One address, e.g. the sender of a reply that gets a receipt.
    Address(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transmission {
    pub id: TransmissionId,
    pub kind: TransmissionKind,
    pub status: TransmissionStatus,
    pub recipient: Recipient,
    /// The addresses it goes to.
    pub to: Vec<String>,
    pub subject: String,
    /// With angle brackets removed; the same for every attempt.
    pub message_id: String,
    /// The finished MIME, kept as a blob; the same bytes for every attempt.
    pub content: Digest,
    pub order: Option<OrderNumber>,
    pub response: Option<ResponseId>,
    pub created_at: Timestamp,
    /// DO_PUSH: not before this moment (a hold, or the backoff after an error).
    pub next_retry: Option<Timestamp>,
    pub retry_count: u32,
    pub attempts: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Counts commits of this transmission.
    #[serde(default)]
    pub revision: u64,
}

/// One try, kept for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub at: Timestamp,
    /// The server's answer, or what went wrong.
    pub answer: String,
    pub ok: bool,
}

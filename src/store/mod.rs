//! What we remember. A keeper takes a [`Commit`] whole or not at all and answers domain questions; no
//! handle, iterator, key/value pair or SQL leaks out of it.
//!
//! Optimistic revisions: a commit says which revision of each dossier it decided on; a stale one is
//! refused alone and decided again. Keepers may gather the commits of many callers into one sync.
//! Nothing above this room may assume that there is only one process.

pub mod memory;
pub mod redb;
mod sound;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{
    Alarm, AuditEntry, CustomerId, Digest, Dossier, MailId, OrderNumber, PartnerId, Response, ResponseId, Sale, SaleId,
    SaleStatus, Status, Transmission, TransmissionId, TransmissionStatus,
};

/// Everything that changes at one moment. It lands whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Mails that are ours from now on (or whose record changes, when `raw` is `None`).
    pub mails: Vec<MailTaken>,
    pub dossiers: Vec<DossierChange>,
    /// Whole sales as they shall stand, each decided on its `revision`; the keeper stores it with that plus one.
    pub sales: Vec<Sale>,
    /// New or changed transmissions; `revision` is the one decided on, the keeper stores it plus one.
    pub transmissions: Vec<Transmission>,
    /// Finished MIME of new transmissions and other bytes to be kept by digest.
    pub blobs: Vec<Content>,
    pub tokens: Vec<TokenRecord>,
    pub alarms: Vec<Alarm>,
    pub audit: Vec<AuditEntry>,
    /// Small named facts of a room above (counters, cursors, drift statistics); last writer wins.
    pub notes: Vec<(String, String)>,
}

/// A mail as it was received.
#[derive(Clone, Debug)]
pub struct MailTaken {
    pub record: MailRecord,
    /// The verified bytes, whose SHA-256 is `record.digest`; `None` when only the record changes (a
    /// rerun) or the bytes were too many to be fetched. The digest of a mail never changes.
    pub raw: Option<Content>,
}

/// Bytes with their digest, which is computed once: they are shared and cannot be changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    digest: Digest,
    bytes: Arc<Vec<u8>>,
}

impl Content {
    pub fn of(bytes: impl Into<Arc<Vec<u8>>>) -> Content {
        let bytes = bytes.into();
        Content { digest: Digest::of(&bytes), bytes }
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes for somebody else to hold.
    pub fn shared(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Content {
        Content::of(bytes)
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.digest, self.bytes.len())
    }
}

/// What we know of a mail besides its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MailRecord {
    pub id: MailId,
    pub digest: Digest,
    pub message_id: Option<String>,
    pub mailbox: String,
    pub from: String,
    pub subject: String,
    /// The Date header, when it can be read.
    pub date: Option<Timestamp>,
    pub received_at: Timestamp,
    pub size: u64,
    /// `response`, `order`, `decision`, `recall-answer`, `bounce`, `auto-reply`, `duplicate`, `stranger`, `unreadable` ...
    pub drawer: String,
    pub reason: String,
    /// A person should see it: it goes to the Review folder, also when it is found in the mailbox again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub review: bool,
    pub partner: Option<PartnerId>,
    pub order: Option<OrderNumber>,
    pub responses: Vec<ResponseId>,
    /// The mapping or standard that read it.
    pub mapping: Option<String>,
    /// Pages that its links led to, kept as they were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linked: Vec<Linked>,
}

/// A page that a mail links to, kept as a blob so that the mail can be read again the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linked {
    /// As it stands in the mail.
    pub link: String,
    /// Where it was found in the end.
    pub url: String,
    pub content_type: String,
    pub digest: Digest,
    pub fetched_at: Timestamp,
}

/// The whole dossier as it shall stand, decided on `dossier.revision`; the keeper stores it with that plus one.
#[derive(Clone, Debug)]
pub struct DossierChange {
    pub dossier: Dossier,
    /// The responses that are new or differ from the stored ones; the others are taken as they are stored.
    /// A response that was stored once stays in its dossier.
    pub touched: BTreeSet<ResponseId>,
}

/// A token in a question, stored by its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenRecord {
    pub hash: Digest,
    pub transmission: TransmissionId,
    pub order: Option<OrderNumber>,
    pub response: Option<ResponseId>,
    /// The sale it asks about, where it is not a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale: Option<SaleId>,
    /// The question's version it is good for (`Approval::version`), 0 where there is none.
    pub version: u32,
    /// The address it was sent to.
    pub recipient: String,
    pub expires_at: Option<Timestamp>,
    pub used_at: Option<Timestamp>,
}

/// What a keeper says of a commit that landed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// Counts commits of this keeper, for "everything up to here is on disk".
    pub sequence: u64,
}

/// Why a commit did not land, or a question has no answer; each is a different thing to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody moved a dossier or transmission first: look again, decide again.
    #[error("decided on an old revision of {0}")]
    Stale(String),
    /// A mail with these bytes was taken before: file it and go on.
    #[error("mail {0} was taken before")]
    Known(MailId),
    /// The disk is full or the keeper cannot be reached: try later; nothing was acknowledged.
    #[error("the store is away: {0}")]
    Away(String),
    /// What was read is not what was written: stop and call a person.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The commit contradicts itself or what is stored, whoever moved first: a mistake of the caller,
    /// the same tomorrow. Never try again.
    #[error("the commit makes no sense: {0}")]
    Invalid(String),
}

/// Sequences of ids. What was reserved and not used is lost; gaps are harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sequence {
    Mail,
    Response,
    Transmission,
    Alarm,
    Sale,
}

#[derive(Clone, Debug, Default)]
pub struct SaleFilter {
    pub status: Option<SaleStatus>,
    pub customer: Option<CustomerId>,
    /// Only ids below this one (newest first paging).
    pub before: Option<SaleId>,
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct ResponseFilter {
    pub status: Option<Status>,
    pub order: Option<OrderNumber>,
    pub partner: Option<PartnerId>,
    /// Only ids below this one (newest first paging).
    pub before: Option<ResponseId>,
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct TransmissionFilter {
    pub status: Option<TransmissionStatus>,
    pub order: Option<OrderNumber>,
    pub response: Option<ResponseId>,
    pub before: Option<TransmissionId>,
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct MailFilter {
    pub drawer: Option<String>,
    pub order: Option<OrderNumber>,
    pub since: Option<Timestamp>,
    pub before: Option<MailId>,
    pub limit: usize,
}

/// Numbers for `status` and the demo's summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub mails: BTreeMap<String, u64>,
    pub responses: BTreeMap<String, u64>,
    pub transmissions: BTreeMap<String, BTreeMap<String, u64>>,
    pub orders: u64,
    pub alarms_open: u64,
    /// Sales by status.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sales: BTreeMap<String, u64>,
}

/// So many mails with one Message-ID are told of.
pub const SAME_MESSAGE_ID_MAX: usize = 100;

/// How the keeper stands, for the operator and for deciding to stop taking in mail before the disk is full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// What is left on the disk below the store; `None` where there is no disk.
    pub free_bytes: Option<u64>,
    /// What the store's own files take.
    pub used_bytes: u64,
    /// The reserve that is given up when the disk is full, so that work begun can be finished.
    pub ballast_bytes: u64,
    /// What the reserve should be; more than `ballast_bytes` after the disk was full.
    pub ballast_wanted: u64,
    /// Why the last commit could not be written, until one lands again.
    pub trouble: Option<String>,
}

impl Health {
    /// No new mail should be taken in: the reserve is spent, or less than twice the reserve is left beside it.
    pub fn is_short_of_space(&self) -> bool {
        let spent = self.ballast_bytes < self.ballast_wanted;
        spent || self.free_bytes.is_some_and(|free| free < self.ballast_wanted.saturating_mul(2))
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// A keeper. All calls may block on a disk or a network; call them off the async threads.
pub trait Store: Send + Sync {
    fn commit(&self, commit: Commit) -> Result<Receipt>;
    /// Lands several independent commits, each whole or refused alone, with as few syncs as the keeper can.
    fn commit_many(&self, commits: Vec<Commit>) -> Vec<Result<Receipt>> {
        commits.into_iter().map(|commit| self.commit(commit)).collect()
    }
    /// The same for what may wait so long for others to land with: two that come within a moment share one sync.
    fn commit_with_others(&self, commits: Vec<Commit>, patience: Duration) -> Vec<Result<Receipt>> {
        let _ = patience;
        self.commit_many(commits)
    }
    /// The first of `count` new numbers, which nobody else gets while this keeper is open. Costs no disk access.
    fn reserve(&self, sequence: Sequence, count: u64) -> Result<u64>;

    fn dossier(&self, number: &OrderNumber) -> Result<Option<Dossier>>;
    /// Dossiers whose `next_due` has passed, earliest first.
    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<OrderNumber>>;
    /// The numbers of registered orders in the order of their bytes, after `after`.
    fn orders(&self, after: Option<&OrderNumber>, limit: usize) -> Result<Vec<OrderNumber>>;
    /// The order that carries this supplier order number for this partner, if exactly one does.
    fn order_by_supplier_number(&self, partner: &PartnerId, number: &str) -> Result<Option<OrderNumber>>;
    fn response(&self, id: ResponseId) -> Result<Option<Response>>;
    /// Newest first.
    fn responses(&self, filter: &ResponseFilter) -> Result<Vec<Response>>;

    fn sale(&self, id: SaleId) -> Result<Option<Sale>>;
    /// The sale of this order of the customer. There is at most one: a commit that would make a second is stale.
    fn sale_by_customer_order(&self, customer: &CustomerId, number: &str) -> Result<Option<Sale>>;
    /// The sale that is called so towards the order system; at most one.
    fn sale_by_order(&self, order: &OrderNumber) -> Result<Option<Sale>>;
    /// Newest first.
    fn sales(&self, filter: &SaleFilter) -> Result<Vec<Sale>>;
    /// Sales whose `due` has passed, earliest first.
    fn sales_due(&self, now: Timestamp, limit: usize) -> Result<Vec<SaleId>>;
    /// The earliest `due` of all sales.
    fn next_sale_due(&self) -> Result<Option<Timestamp>>;

    fn mail(&self, id: MailId) -> Result<Option<MailRecord>>;
    fn mail_by_digest(&self, digest: &Digest) -> Result<Option<MailRecord>>;
    /// Oldest first, at most [`SAME_MESSAGE_ID_MAX`]: Message-IDs are written by others and may repeat.
    fn mail_by_message_id(&self, message_id: &str) -> Result<Vec<MailRecord>>;
    /// Newest first.
    fn mails(&self, filter: &MailFilter) -> Result<Vec<MailRecord>>;
    /// Raw bytes by digest: mails, finished MIME. Their digest was checked after reading.
    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>>;

    fn transmission(&self, id: TransmissionId) -> Result<Option<Transmission>>;
    fn transmission_by_message_id(&self, message_id: &str) -> Result<Option<Transmission>>;
    /// Newest first.
    fn transmissions(&self, filter: &TransmissionFilter) -> Result<Vec<Transmission>>;
    /// In DO_PUSH with `next_retry` passed or absent; absent ones first, then oldest due first.
    fn transmissions_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Transmission>>;
    /// The earliest moment a transmission waits for; the Unix epoch for one that waits for nothing.
    fn next_transmission_due(&self) -> Result<Option<Timestamp>>;
    /// The earliest `next_due` of all dossiers.
    fn next_dossier_due(&self) -> Result<Option<Timestamp>>;
    fn token(&self, hash: &Digest) -> Result<Option<TokenRecord>>;
    fn tokens_of(&self, transmission: TransmissionId) -> Result<Vec<TokenRecord>>;

    /// Newest first.
    fn alarms(&self, open_only: bool, limit: usize) -> Result<Vec<Alarm>>;
    /// Oldest first, from number `after + 1` on.
    fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditEntry>>;
    /// Checks the chain of the whole audit log; `Err(Damaged)` names the first broken entry.
    fn audit_verify(&self) -> Result<u64>;
    fn note(&self, name: &str) -> Result<Option<String>>;
    fn counts(&self) -> Result<Counts>;

    /// Writes a consistent copy to the new folder `to` while work goes on. To restore it, open it.
    fn backup(&self, to: &std::path::Path) -> Result<()>;
    /// Forgets the raw bytes of mails in `drawer` received before `before`; records stay. Returns how many.
    fn forget_raw(&self, drawer: &str, before: Timestamp, limit: usize) -> Result<u64>;
    fn health(&self) -> Health;
}

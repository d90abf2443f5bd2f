//! The order system of the house (an ERP, a shop, a broker), seen from the wire: an order goes out whole, under a
//! key that never changes, and what the system makes of it comes back some time later.
//!
//! Like a mailbox, it never loses an answer: nothing that came in changes place (a file is moved, a webhook answered
//! with 200) before the gateway has committed it and says so by [`OrderSystem::settle`]. What is not settled comes
//! again. It must never know what an order or an answer says: bytes go out, bytes come in.

pub mod file_drop;
pub mod http;
pub mod signature;
mod webhook;

use std::time::Duration;

use async_trait::async_trait;

use super::WireError;

/// Where orders go and answers come from. Many callers at once.
#[async_trait]
pub trait OrderSystem: Send + Sync {
    /// Where it is, as people know it: `https://erp.example/orders`, `file:///var/spool/erp`. Without secrets.
    fn name(&self) -> &str;
    /// Hands an order over. The same key again is the same order and never a second one: a try that may have arrived
    /// is repeated with the same bytes under the same key.
    async fn hand_over(&self, order: &HandOver) -> Result<Handed, HandOverError>;
    /// Answers that came and are not settled yet, oldest first, at most `count_max`. Those handed out before and not
    /// settled are handed out again. An error says that nothing can be known, never that there is nothing.
    async fn answers(&self, count_max: usize) -> Result<Vec<Answer>, WireError>;
    /// Says that an answer is committed. A repeated or unknown id is no error.
    async fn settle(&self, answer: &str, verdict: &Verdict) -> Result<(), WireError>;
    /// Returns when an answer may have come, or after `at_most`.
    async fn wait(&self, at_most: Duration);
}

/// One order on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The idempotency key: the same for every try of the same order (`S12-1`). Letters, digits, `-`, `_`, `.`.
    pub key: String,
    /// A name for people and for a file: `S12-1.xml`. Never a path.
    pub name: String,
    /// `application/xml`.
    pub content_type: String,
    pub body: Vec<u8>,
}

/// The order system has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// The number it gave the order, where it says one at once.
    pub reference: Option<String>,
    /// Its words, or where the file lies; kept with the try.
    pub said: String,
    /// The answer itself, where it comes with the receipt. It is not among [`OrderSystem::answers`] and needs no
    /// settling: it is committed with the hand-over, and a repeated hand-over brings it again.
    pub answer: Option<Answer>,
}

/// Why it does not have it, or why we do not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct HandOverError {
    /// Try again later, with the same key. Otherwise a person must look.
    pub retryable: bool,
    /// Not before (`Retry-After`); the caller's own schedule where there is none.
    pub after: Option<Duration>,
    /// What it said, one line, without secrets.
    pub said: String,
}

/// What the order system made of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Names the answer to [`OrderSystem::settle`], nowhere else. Two answers of one id are the same answer.
    pub id: String,
    /// A file name, or the webhook's id: for people.
    pub name: String,
    /// As stated; empty where nobody says.
    pub content_type: String,
    pub body: Vec<u8>,
    /// The key of the order that it answers, where the envelope says it (a header, the file's name).
    pub key: Option<String>,
    /// The order system's number of the order, where the envelope says it.
    pub reference: Option<String>,
    /// Why the body is not all here (too large): it cannot be understood, only kept and shown.
    pub unread: Option<String>,
}

/// What became of an answer, once it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is understood, or known already. A file goes to `done`, a webhook gets 200.
    Taken,
    /// Nobody can make anything of it (malformed, unknown order): kept by the gateway with this reason, too. A file goes
    /// to `error` with the reason beside it, a webhook gets 422 with the reason and is not to be repeated.
    Refused { reason: String },
}

/// An answer above this is not read.
pub const ANSWER_BYTES_MAX: usize = 8 << 20;

//! Sockets and bytes only: where mails come from and where they go.
//!
//! A [`Mailbox`] hands over mails and files them afterwards; a [`Relay`] takes finished MIME. Neither
//! knows what a mail says. Every wait has a time-out, every size a ceiling, and no adapter takes
//! silence, a refusal or a broken connection for "no mail".
//!
//! Mailboxes: [`imap`], [`maildir`], and [`inlet`] for servers that push by SMTP or LMTP. Relays:
//! [`smtp`]. They share [`net`] (sockets and TLS), [`login`] (passwords and tokens) and [`backoff`].

pub mod backoff;
mod header;
pub mod imap;
pub mod inlet;
pub mod login;
pub mod maildir;
pub mod net;
pub mod order_system;
pub mod public;
pub mod smtp;
pub mod utf7;
pub mod web;

use std::time::Duration;

use async_trait::async_trait;

/// One folder of one account, over a connection that is made when it is needed.
///
/// The gateway's order of work: [`Mailbox::fetch`] a batch, commit it, then [`Mailbox::file`] it.
/// Nothing on the server changes before `file`. A mail that was fetched but not filed is fetched
/// again after a reconnect.
#[async_trait]
pub trait Mailbox: Send {
    /// The name of the mailbox in the configuration.
    fn name(&self) -> &str;
    /// The next mails, oldest first, that this connection has not handed out yet; empty when there are
    /// none. An empty answer is a statement of the server, never a lost connection or a refusal.
    async fn fetch(&mut self, batch: Batch) -> Result<Vec<Fetched>, WireError>;
    /// Somebody waits for each mail to be filed: it is done batch by batch instead of many together.
    fn is_prompt(&self) -> bool {
        false
    }
    /// Moves mails out of the inbox. Mails that are gone already are no error.
    async fn file(&mut self, filings: &[(MailKey, Drawer)]) -> Result<(), WireError>;
    /// Returns when the server says that something is new, or after `at_most`.
    async fn wait(&mut self, at_most: Duration) -> Result<(), WireError>;
    /// Says goodbye to the server; the mailbox can be used again afterwards.
    async fn close(&mut self);
}

/// How much one fetch may bring.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub count_max: usize,
    /// A batch ends with the mail that passes this.
    pub bytes_max: usize,
    /// A single mail above this is not fetched whole: see [`Body::TooLarge`].
    pub mail_bytes_max: usize,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch { count_max: 200, bytes_max: 16 << 20, mail_bytes_max: 40 << 20 }
    }
}

/// Names a mail on its server; never used to know a mail again (UIDVALIDITY changes).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailKey {
    Imap {
        uid_validity: u32,
        uid: u32,
    },
    Maildir(String),
    /// A mail that came in by LMTP/SMTP; filing it answers the sender.
    Inlet(u64),
}

#[derive(Clone, Debug)]
pub struct Fetched {
    pub key: MailKey,
    /// The size the server states, in bytes.
    pub size: u64,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub enum Body {
    Whole(Vec<u8>),
    /// Too large to be fetched: its header, for a person to find it. Goes to Review.
    TooLarge {
        header: Vec<u8>,
    },
    /// The server could not deliver just this mail, though asked for it alone. Goes to Review.
    Unfetchable {
        reason: String,
    },
}

/// Where a mail is filed on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawer {
    Processed,
    Review,
}

/// Hands finished MIME to the next server. Pools its connections; many callers at once.
#[async_trait]
pub trait Relay: Send + Sync {
    /// `Ok` only after the server's 250 to the whole message.
    async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<Accepted, Refusal>;
}

/// Sender and recipients of the SMTP dialogue (RFC 5321), bare addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Empty for the null sender `<>`.
    pub from: String,
    pub to: Vec<String>,
}

/// The server's last words on a message it took, e.g. `250 2.0.0 Ok: queued as 4F1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub answer: String,
}

/// Why a message was not taken, sorted by what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 4xx, or the server could not be reached: try again later.
    #[error("not now: {answer}")]
    Temporary { answer: String },
    /// 5xx: a person must look.
    #[error("refused: {answer}")]
    Permanent { answer: String },
    /// The connection broke after the message was sent and before the answer: it may have been taken.
    /// The next try carries the same bytes and Message-ID.
    #[error("no answer: {answer}")]
    Unsure { answer: String },
}

/// What went wrong with a mailbox, sorted by what to do.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Connection lost, time-out, server busy or throttling: reconnect with backoff.
    #[error("{0}")]
    Away(String),
    /// Log-in refused, folder missing, certificate not trusted: reconnecting alone will not help; keep trying slowly and alarm.
    #[error("{0}")]
    Refused(String),
}

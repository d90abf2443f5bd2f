//! What both sides' letters have in common: the mail that they answer, the addresses and ids that they travel under, and
//! the finished MIME. It must never know what a letter says.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::Live;
use crate::mail::encode::{Automatic, Enclosure, Outgoing};
use crate::mail::token::{Bound, Secret, Tagging};
use crate::mail::{Address, Mail};
use crate::model::{
    Digest, MailId, OrderNumber, Recipient, ResponseId, Transmission, TransmissionId, TransmissionKind,
    TransmissionStatus,
};
use crate::store::{Content, Store, TokenRecord};
use crate::template::Words;

/// Original mails above this are named but not attached.
const ORIGINAL_BYTES_MAX: usize = 5 << 20;
/// Of the other side's own words, so much is quoted.
const WORDS_MAX: usize = 4_000;

/// A transmission ready to be committed.
pub(super) struct Written {
    pub transmission: Transmission,
    pub mime: Content,
    pub tokens: Vec<TokenRecord>,
}

/// A mail that is being taken in and cannot be read back from the store yet.
#[derive(Clone)]
pub(super) struct Fresh {
    pub message_id: Option<String>,
    pub references: Vec<String>,
    pub raw: Arc<Vec<u8>>,
    /// Few letters quote them.
    words: Arc<OnceLock<String>>,
}

impl Fresh {
    pub fn of(mail: &Mail, raw: Arc<Vec<u8>>) -> Fresh {
        Fresh { message_id: mail.message_id.clone(), references: mail.references.clone(), raw, words: Arc::default() }
    }

    /// What its reader would read, to be quoted.
    pub fn words(&self) -> &str {
        self.words.get_or_init(|| {
            let mut words = Mail::parse(&self.raw).readable();
            if words.len() > WORDS_MAX {
                let end = (0..=WORDS_MAX).rev().find(|at| words.is_char_boundary(*at)).unwrap_or(0);
                words.truncate(end);
                words.push_str(" ...");
            }
            words
        })
    }

    /// A mail of an earlier decision.
    pub fn kept(store: &dyn Store, id: MailId) -> Option<Fresh> {
        let record = store.mail(id).ok().flatten()?;
        let raw = store.blob(&record.digest).ok().flatten()?;
        Some(Fresh::of(&Mail::parse(&raw), Arc::new(raw)))
    }

    /// The mail itself, to go along.
    pub fn enclosed(&self) -> Option<Enclosure> {
        (self.raw.len() <= ORIGINAL_BYTES_MAX).then(|| Enclosure {
            name: "original.eml".into(),
            media_type: "message/rfc822".into(),
            bytes: self.raw.as_ref().clone(),
        })
    }
}

/// A letter in words, with all that makes a mail of it.
pub(super) struct Sending {
    pub id: TransmissionId,
    pub kind: TransmissionKind,
    pub recipient: Recipient,
    pub to: Vec<String>,
    pub reply_to: Option<String>,
    /// Message-IDs, oldest first.
    pub references: Vec<String>,
    /// The last of the references is a mail that this one follows.
    pub in_reply_to: bool,
    /// It answers a mail (RFC 3834).
    pub replied: bool,
    pub words: Words,
    pub enclosures: Vec<Enclosure>,
    pub order: Option<OrderNumber>,
    pub response: Option<ResponseId>,
    pub not_before: Option<Timestamp>,
    pub tokens: Vec<TokenRecord>,
}

impl Sending {
    /// The transmission and its MIME, ready to be committed.
    pub fn written(self, secret: &Secret, live: &Live, now: Timestamp) -> Result<Written, String> {
        let config = &live.loaded.config.gateway;
        let message_id = message_id(self.id, secret, live);
        let Words { subject, text, html } = self.words;
        let address = |address: &String| Address { name: None, address: address.clone() };
        let outgoing = Outgoing {
            from: Address {
                name: Some(config.name.clone().unwrap_or_else(|| "Postern".into())),
                address: config.address.clone(),
            },
            to: self.to.iter().map(address).collect(),
            cc: Vec::new(),
            reply_to: self.reply_to.as_ref().map(address),
            subject: subject.clone(),
            date: now,
            message_id: message_id.clone(),
            in_reply_to: self.references.last().filter(|_| self.in_reply_to).cloned(),
            references: self.references,
            automatic: if self.replied { Automatic::Replied } else { Automatic::Generated },
            text,
            html: Some(html),
            enclosures: self.enclosures,
            headers: Vec::new(),
        };
        let mime = Content::of(outgoing.build(live.signer.as_ref()).map_err(|e| e.to_string())?);
        let transmission = Transmission {
            id: self.id,
            kind: self.kind,
            status: TransmissionStatus::DoPush,
            recipient: self.recipient,
            to: self.to,
            subject,
            message_id,
            content: mime.digest(),
            order: self.order,
            response: self.response,
            created_at: now,
            next_retry: self.not_before,
            retry_count: 0,
            attempts: Vec::new(),
            error: None,
            revision: 0,
        };
        Ok(Written { transmission, mime, tokens: self.tokens })
    }
}

/// The id that all letters about an order refer to, so that they lie in one thread.
pub(super) fn order_thread(order: &OrderNumber, live: &Live) -> String {
    let digest = Digest::of(order.as_str().as_bytes()).to_string();
    format!("order.{}@{}", digest.get(..16).unwrap_or(&digest), domain(live))
}

/// How tokens travel, from the configuration.
pub(super) fn tagging(live: &Live) -> Tagging {
    let config = &live.loaded.config.gateway;
    match &config.reply_address {
        None => Tagging::Plus { address: config.address.clone() },
        Some(pattern) => match pattern.strip_prefix("{token}@") {
            Some(domain) => Tagging::CatchAll { domain: domain.to_string() },
            None => Tagging::Plus { address: pattern.replace("+{token}", "") },
        },
    }
}

/// The id of a transmission's mail: the same for every try, and recognisable when it comes back. Nobody who did not get
/// the mail can name it, so that nobody else's bounce or absence is believed to be about it.
pub(super) fn message_id(id: TransmissionId, secret: &Secret, live: &Live) -> String {
    let mark = secret.token(Bound { purpose: "message-id", transmission: &id.to_string(), recipient: "" });
    format!("{id}.{}.postern@{}", mark.to_string().replace('-', "").to_ascii_lowercase(), domain(live))
}

/// The transmission that a Message-ID of ours names.
pub(super) fn transmission_of(message_id: &str, live: &Live) -> Option<TransmissionId> {
    let (local, own) = message_id.rsplit_once('@')?;
    let id = local.strip_suffix(".postern")?.split('.').next()?;
    (own.eq_ignore_ascii_case(domain(live)) && id.starts_with(['T', 't'])).then(|| id.parse().ok())?
}

pub(super) fn domain(live: &Live) -> &str {
    live.loaded.config.gateway.address.rsplit_once('@').map_or("postern.invalid", |(_, domain)| domain)
}

//! What the sales side owes becomes finished MIME: addresses, tokens, words, attachments.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::document;
use super::view::{self, Around};
use crate::gateway::envelope::{self, Fresh, Sending, Written, tagging};
use crate::gateway::{Gateway, Live};
use crate::mail::encode::Enclosure;
use crate::mail::token::{Bound, Secret, Token};
use crate::model::{
    Digest, Handing, MailId, Outcome, Recipient, Sale, SaleAbout, SaleOwed, SaleStatus, SaleWriter, TransmissionId,
    TransmissionKind as Kind,
};
use crate::store::{Content, TokenRecord};

pub(super) struct SaleLetterWriter<'a> {
    pub gateway: &'a Gateway,
    pub live: &'a Live,
    pub now: Timestamp,
    pub fresh: &'a BTreeMap<MailId, Fresh>,
    /// The mail that caused this decision; receipts answer it.
    pub cause: Option<MailId>,
    pub written: RefCell<Vec<Written>>,
    /// Documents for the order system, to be kept with the commit.
    pub blobs: RefCell<Vec<Content>>,
}

impl SaleWriter for SaleLetterWriter<'_> {
    fn write(&mut self, owed: &SaleOwed, sale: &Sale) -> Result<(), String> {
        if let Some(written) = self.letter(owed, sale)? {
            self.written.borrow_mut().push(written);
        }
        Ok(())
    }

    fn document(&mut self, what: Handing, sale: &Sale) -> Result<Digest, String> {
        let content = Content::of(document::document(what, sale, self.live)?);
        let digest = content.digest();
        self.blobs.borrow_mut().push(content);
        Ok(digest)
    }
}

/// What an answer to a letter is for, as the token's purpose.
pub(super) const DESK: &str = "sale-decision";
pub(super) const CUSTOMER: &str = "sale-order";

impl SaleLetterWriter<'_> {
    fn letter(&self, owed: &SaleOwed, sale: &Sale) -> Result<Option<Written>, String> {
        let to = self.addressees(owed)?;
        let first = to.first().cloned().unwrap_or_default();
        if owed.kind == Kind::Receipt && !self.gateway.may_answer(&first) {
            tracing::warn!(to = %first, "no receipt: too many automatic answers to this address within an hour (RFC 3834)");
            return Ok(None);
        }
        let (token, tokens) = self.token(owed, sale, &first)?;
        let reply_to = token.as_ref().map(|token| tagging(self.live).address(token));
        let fresh = self.origin(owed, sale);
        let around = Around {
            id: owed.id,
            live: self.live,
            now: self.now,
            token: token.as_ref().map(Token::to_string),
            reply_to: reply_to.clone(),
            customer_words: fresh
                .as_ref()
                .filter(|_| owed.kind != Kind::Receipt)
                .map(|fresh| fresh.words().to_string()),
        };
        let letter = view::letter(owed, sale, around);
        let words = self.live.templates.write_sale(&letter).map_err(|diagnostic| diagnostic.to_string())?;
        let secret = Secret::new(self.gateway.inner.secret.clone()).map_err(|e| e.to_string())?;
        let (references, answers) = self.thread(owed, sale, fresh.as_ref());
        let sending = Sending {
            id: owed.id,
            kind: owed.kind,
            recipient: Recipient::Address(first),
            to,
            reply_to,
            references,
            in_reply_to: answers,
            replied: answers,
            enclosures: self.enclosures(owed, sale, &letter, fresh.as_ref())?,
            words,
            order: Some(sale.order.clone()),
            response: None,
            not_before: None,
            tokens,
        };
        sending.written(&secret, self.live, self.now).map(Some)
    }

    fn addressees(&self, owed: &SaleOwed) -> Result<Vec<String>, String> {
        let to: Vec<String> = owed.to.iter().filter(|address| !address.is_empty()).cloned().collect();
        if !to.is_empty() {
            return Ok(to);
        }
        let system = self.live.loaded.config.order_system.mail_address();
        match system.filter(|_| owed.kind == Kind::SendOrder) {
            Some(address) => Ok(vec![address.to_string()]),
            None => Err(format!("{} has nobody to go to", owed.kind)),
        }
    }

    fn token(&self, owed: &SaleOwed, sale: &Sale, to: &str) -> Result<(Option<Token>, Vec<TokenRecord>), String> {
        let Some(purpose) = asks(owed, sale) else { return Ok((None, Vec::new())) };
        let secret = Secret::new(self.gateway.inner.secret.clone()).map_err(|e| e.to_string())?;
        let token = secret.token(Bound { purpose, transmission: &owed.id.to_string(), recipient: to });
        let record = TokenRecord {
            hash: secret.fingerprint(&token).parse()?,
            transmission: owed.id,
            order: Some(sale.order.clone()),
            response: None,
            sale: Some(sale.id),
            version: if purpose == DESK { sale.question.as_ref().map_or(0, |question| question.version) } else { 0 },
            recipient: to.to_string(),
            expires_at: None,
            used_at: None,
        };
        Ok((Some(token), vec![record]))
    }

    /// The customer's mail behind a letter, or the mail that a receipt answers.
    fn origin(&self, owed: &SaleOwed, sale: &Sale) -> Option<Fresh> {
        let id = match owed.kind {
            Kind::Receipt => self.cause,
            Kind::SendOrder | Kind::Withdrawal => None,
            // The customer's answer to a question of the desk is what the desk wants to read.
            Kind::ConfirmOrder => {
                let asked_again = sale.history.last().filter(|step| step.answer == "asked again");
                let own = self.cause.filter(|id| asked_again.is_some_and(|step| step.by == format!("mail {id}")));
                own.or_else(|| sale.mails().last())
            }
            _ => sale.mails().last(),
        }?;
        if let Some(fresh) = self.fresh.get(&id) {
            return Some(fresh.clone());
        }
        Fresh::kept(&**self.gateway.store(), id)
    }

    /// References, oldest first, and whether the letter answers the last one: on the customer's own thread with the
    /// customer, on the order's with all others.
    fn thread(&self, owed: &SaleOwed, sale: &Sale, fresh: Option<&Fresh>) -> (Vec<String>, bool) {
        let own = owed.kind == Kind::Receipt || !(view::for_the_desk(owed) || owed.kind == Kind::SendOrder);
        if let Some(fresh) = fresh.filter(|_| own)
            && let Some(id) = &fresh.message_id
        {
            let mut thread = fresh.references.clone();
            thread.push(id.clone());
            return (thread, true);
        }
        (vec![envelope::order_thread(&sale.order, self.live)], false)
    }

    fn enclosures(
        &self,
        owed: &SaleOwed,
        sale: &Sale,
        letter: &crate::template::sale::SaleLetter,
        fresh: Option<&Fresh>,
    ) -> Result<Vec<Enclosure>, String> {
        let mut files = Vec::new();
        match owed.kind {
            Kind::ConfirmOrder => {
                files.extend(fresh.and_then(Fresh::enclosed));
            }
            Kind::SendOrder => {
                let cancels = sale.status == SaleStatus::Canceled;
                let what = if cancels { Handing::Cancellation } else { Handing::Order };
                files.push(Enclosure {
                    name: format!("{}-{}.xml", sale.id, sale.version),
                    media_type: "application/xml".into(),
                    bytes: document::document(what, sale, self.live)?,
                });
            }
            Kind::SendOrderConfirmation => files.push(Enclosure {
                name: format!("confirmation-{}.pdf", plain(&sale.number)),
                media_type: "application/pdf".into(),
                bytes: self.live.templates.confirmation_pdf(letter)?,
            }),
            _ => {}
        }
        Ok(files)
    }
}

/// A name for a file, whatever the customer calls its orders.
fn plain(number: &str) -> String {
    number.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' }).take(60).collect()
}

/// What answer a letter expects, if any.
fn asks(owed: &SaleOwed, sale: &Sale) -> Option<&'static str> {
    let open = sale.open_question().is_some();
    match (&owed.about, owed.kind) {
        (SaleAbout::Reminder { of_kind: Kind::ConfirmOrder, .. }, _) | (_, Kind::ConfirmOrder) => Some(DESK),
        (SaleAbout::Receipt(receipt), _) => {
            let unclear = matches!(
                receipt.outcome,
                Outcome::NotUnderstood | Outcome::Comment | Outcome::Status | Outcome::Help | Outcome::Asked
            );
            (open && unclear).then_some(DESK)
        }
        (SaleAbout::Reminder { .. }, _) | (_, Kind::RequestNewOrder | Kind::Question) => Some(CUSTOMER),
        // An answer by mail finds its order by the thread, too.
        (_, Kind::SendOrder) => Some("sale-answer"),
        _ => None,
    }
}

/// The kinds whose answers belong to sales.
pub(super) fn is_sales(kind: Kind, transmission: TransmissionId, sale: &Sale) -> bool {
    match kind {
        Kind::SendOrder | Kind::ConfirmOrder | Kind::SendOrderConfirmation | Kind::RequestNewOrder => true,
        Kind::Question => sale.history.iter().any(|step| step.answer == "customer asked"),
        _ => sale.open_question().is_some_and(|question| question.transmissions.contains(&transmission)),
    }
}

//! What is owed becomes finished MIME: addresses, tokens, words, threading, attachments.
//!
//! Called by the process before it walks the row that owes. What it writes is kept here until the
//! decision is committed; when the decision is thrown away, so is this.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::envelope::{self, Fresh, Sending, Written, tagging};
use super::{Gateway, Live};
use crate::mail::encode::Enclosure;
use crate::mail::token::{Bound, Secret, Token};
use crate::model::owed::{Outcome, Receipt};
use crate::model::{
    About, Digest, Dossier, MailId, OrderNumber, Owed, PartnerId, Recipient, Response, ResponseId, ResponseType,
    TransmissionId, TransmissionKind as Kind, Writer,
};
use crate::standard::ubl_write;
use crate::store::TokenRecord;
use crate::template::Letter;

/// Receipts that explain an unclear or idle reply, to one address about one order within an hour.
const EXPLANATIONS_PER_HOUR: usize = 3;

/// Where a kind of mail expects its answer, as the token's purpose.
pub(super) fn purpose(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ConfirmResponse => Some("decision"),
        Kind::RequestNewResponse => Some("correction"),
        Kind::SendOrderRecall => Some("recall"),
        Kind::Question => Some("question"),
        _ => None,
    }
}

pub(super) struct LetterWriter<'a> {
    pub gateway: &'a Gateway,
    pub live: &'a Live,
    pub now: Timestamp,
    pub fresh: &'a BTreeMap<MailId, Fresh>,
    /// The mail that caused this decision; receipts answer it.
    pub cause: Option<MailId>,
    pub written: RefCell<Vec<Written>>,
    /// Receipts to this address are gathered instead of written: one letter will tell all of them.
    pub gathers: Option<&'a str>,
    pub gathered: RefCell<Vec<(OrderNumber, ResponseId, Receipt)>>,
}

impl<'a> LetterWriter<'a> {
    pub fn new(gateway: &'a Gateway, live: &'a Live, now: Timestamp, fresh: &'a BTreeMap<MailId, Fresh>) -> Self {
        let (written, gathered) = (RefCell::default(), RefCell::default());
        LetterWriter { gateway, live, now, fresh, cause: None, written, gathers: None, gathered }
    }
}

impl Writer for LetterWriter<'_> {
    fn write(&mut self, owed: &Owed, dossier: &Dossier) -> Result<(), String> {
        if let (About::Receipt(receipt), Recipient::Address(to), Some(response)) =
            (&owed.about, &owed.recipient, owed.response)
            && self.gathers.is_some_and(|address| address.eq_ignore_ascii_case(to))
        {
            self.gathered.borrow_mut().push((dossier.number.clone(), response, receipt.clone()));
            return Ok(());
        }
        let groups = self.addressees(owed)?;
        for (index, to) in groups.into_iter().enumerate() {
            // Each approver gets a mail with a token of their own; the first carries the number that was decided.
            let id = if index == 0 {
                owed.id
            } else {
                self.gateway.inner.numbers.transmission().map_err(|e| e.to_string())?
            };
            let written = self.letter(owed, id, to, dossier)?;
            self.written.borrow_mut().extend(written);
        }
        Ok(())
    }
}

impl LetterWriter<'_> {
    /// Whom it goes to: one entry a mail.
    fn addressees(&self, owed: &Owed) -> Result<Vec<Vec<String>>, String> {
        let policies = &self.live.loaded.policies;
        let some = |addresses: Vec<String>, who: String| {
            if addresses.is_empty() { Err(format!("{who} has no address to send to")) } else { Ok(vec![addresses]) }
        };
        match &owed.recipient {
            Recipient::Partner(partner) => some(
                policies.partners.get(partner).map(|p| p.recipients()).unwrap_or_default(),
                format!("partner {partner}"),
            ),
            Recipient::Channel(channel) => some(
                policies.channels.get(channel).map(|c| c.addresses.clone()).unwrap_or_default(),
                format!("channel {channel}"),
            ),
            Recipient::Documents(channel) => some(
                policies.channels.get(channel).map(|c| c.documents_to.clone()).unwrap_or_default(),
                format!("documents of channel {channel}"),
            ),
            Recipient::Approvers { channel, addresses } if addresses.is_empty() => {
                Err(format!("channel {channel} has no approvers"))
            }
            Recipient::Approvers { addresses, .. } => {
                Ok(addresses.iter().map(|address| vec![address.clone()]).collect())
            }
            // Alarms are logged in any case.
            Recipient::Operators if policies.operators.is_empty() => Ok(Vec::new()),
            Recipient::Operators => Ok(vec![policies.operators.clone()]),
            Recipient::Address(address) => Ok(vec![vec![address.clone()]]),
        }
    }

    fn letter(
        &self,
        owed: &Owed,
        id: TransmissionId,
        to: Vec<String>,
        dossier: &Dossier,
    ) -> Result<Option<Written>, String> {
        let response = owed.response.and_then(|id| dossier.responses.get(&id));
        let first = to.first().cloned().unwrap_or_default();
        let may_go = || self.may_explain(owed, &first, dossier) && self.gateway.may_answer(&first);
        if owed.kind == Kind::Receipt && !hands_on_the_token(owed) && !may_go() {
            tracing::warn!(to = %first, "no receipt: too many automatic answers to this address within an hour (RFC 3834)");
            return Ok(None);
        }
        let secret = Secret::new(self.gateway.inner.secret.clone()).map_err(|e| e.to_string())?;
        let asks = self.asks(owed, response);
        let tagging = tagging(self.live);
        let mut tokens = Vec::new();
        let mut token = None;
        if let Some(purpose) = asks {
            let made = secret.token(Bound { purpose, transmission: &id.to_string(), recipient: &first });
            let hash: Digest = secret.fingerprint(&made).parse()?;
            tokens.push(TokenRecord {
                hash,
                transmission: id,
                order: Some(dossier.number.clone()).filter(|number| !number.as_str().is_empty()),
                response: owed.response,
                sale: None,
                version: response
                    .and_then(|r| r.approval.as_ref())
                    .filter(|_| purpose == "decision")
                    .map_or(0, |a| a.version),
                recipient: first.clone(),
                expires_at: response
                    .and_then(|r| r.approval.as_ref())
                    .filter(|_| purpose == "decision")
                    .and_then(|a| a.expires_at),
                used_at: None,
            });
            token = Some(made);
            if let About::Digest { questions, answers, .. } = &owed.about {
                let declined = answers.iter().filter(|answer| !answer.receipt.declined.is_empty());
                let asked = questions.iter().map(|one| (one.response, &one.dossier));
                let asked = asked.chain(declined.map(|one| (one.response, &one.dossier))).collect();
                tokens.extend(digest_tokens(&secret, id, &first, asked)?);
            }
        }
        let reply_to = token.as_ref().map(|token| tagging.address(token));
        let fresh = self.origin(owed, response);
        let fill_in = match (&token, response) {
            (Some(token), Some(response)) if asks == Some("correction") => {
                let settings = self.live.loaded.policies.settings(
                    &dossier.order.as_ref().map(|o| o.channel.clone()).unwrap_or_default(),
                    &response.partner,
                );
                let instruction = self
                    .live
                    .templates
                    .word(&settings.language, "fill_in")
                    .or_else(|| self.live.templates.word("en", "fill_in"));
                Some(super::filled::block(
                    response,
                    dossier,
                    token,
                    instruction.unwrap_or("change the values after \"=\""),
                ))
            }
            _ => None,
        };
        let human = token.as_ref().map(Token::to_string);
        let words = self
            .live
            .templates
            .write(&Letter {
                owed,
                dossier,
                policies: &self.live.loaded.policies,
                token: human.as_deref(),
                reply_to: reply_to.as_deref(),
                partner_words: fresh.as_ref().filter(|_| self.live.templates.quotes(owed)).map(Fresh::words),
                fill_in: fill_in.as_deref(),
                now: self.now,
            })
            .map_err(|diagnostic| diagnostic.to_string())?;
        let references = self.thread(dossier, fresh.as_ref(), owed);
        let replied = answers_a_mail(owed);
        let sending = Sending {
            id,
            kind: owed.kind,
            recipient: owed.recipient.clone(),
            to,
            reply_to,
            in_reply_to: references.len() > 1 || replied,
            replied,
            references,
            enclosures: self.enclosures(owed, response, dossier, fresh.as_ref()),
            words,
            order: Some(dossier.number.clone()).filter(|number| !number.as_str().is_empty()),
            response: owed.response,
            not_before: owed.not_before,
            tokens,
        };
        sending.written(&secret, self.live, self.now).map(Some)
    }

    /// A receipt for words that changed nothing may answer a program that looks like a person, which answers it again:
    /// so few of them about one order that a loop comes to rest.
    fn may_explain(&self, owed: &Owed, to: &str, dossier: &Dossier) -> bool {
        let explains = |receipt: &Receipt| {
            matches!(receipt.outcome, Outcome::Comment | Outcome::NotUnderstood | Outcome::Status | Outcome::Help)
        };
        let only_explains = match &owed.about {
            About::Receipt(receipt) => explains(receipt),
            About::Digest { answers, .. } => answers.iter().all(|answer| explains(&answer.receipt)),
            _ => false,
        };
        let thread = super::answers::thread(to, dossier.number.as_str());
        !only_explains || self.gateway.may_answer_within(&thread, EXPLANATIONS_PER_HOUR)
    }

    /// What answer a letter expects, if any.
    fn asks(&self, owed: &Owed, response: Option<&Response>) -> Option<&'static str> {
        match &owed.about {
            About::Reminder { of_kind, .. } => purpose(*of_kind),
            About::Digest { questions, answers, .. } => {
                let undo = answers.iter().any(|answer| !answer.receipt.declined.is_empty());
                (!questions.is_empty() || undo).then_some("digest")
            }
            // A receipt carries a new token while lines are open and the question stands, and where a decline may be undone.
            About::Receipt(receipt) => {
                let pending = response.and_then(|r| r.approval.as_ref()).is_some_and(|a| a.decided_by.is_none());
                let open = !receipt.open.is_empty() || receipt.outcome == Outcome::NotUnderstood;
                let undo = receipt.outcome == Outcome::Decided && !receipt.declined.is_empty();
                (pending && open || undo).then_some("decision")
            }
            _ => purpose(owed.kind),
        }
    }

    /// The partner's mail behind a letter, from this very decision or from the store.
    fn origin(&self, owed: &Owed, response: Option<&Response>) -> Option<Fresh> {
        let id = match owed.kind {
            Kind::Receipt => self.cause,
            _ => response.and_then(|r| r.mail),
        }?;
        if let Some(fresh) = self.fresh.get(&id) {
            return Some(fresh.clone());
        }
        let needed =
            matches!(owed.kind, Kind::RequestNewResponse | Kind::ConfirmResponse | Kind::Receipt | Kind::Reminder);
        if !needed {
            return None;
        }
        Fresh::kept(&**self.gateway.store(), id)
    }

    /// References, oldest first: the mail that is answered, or the order's own thread.
    fn thread(&self, dossier: &Dossier, fresh: Option<&Fresh>, owed: &Owed) -> Vec<String> {
        let partner_thread =
            answers_a_mail(owed) || matches!(owed.about, About::Reminder { of_kind: Kind::RequestNewResponse, .. });
        if let Some(fresh) = fresh.filter(|_| partner_thread)
            && let Some(id) = &fresh.message_id
        {
            let mut thread = fresh.references.clone();
            thread.push(id.clone());
            return thread;
        }
        vec![envelope::order_thread(&dossier.number, self.live)]
    }

    fn enclosures(
        &self,
        owed: &Owed,
        response: Option<&Response>,
        dossier: &Dossier,
        fresh: Option<&Fresh>,
    ) -> Vec<Enclosure> {
        let mut files = Vec::new();
        match (owed.kind, response) {
            (Kind::ConfirmResponse, _) => {
                files.extend(fresh.and_then(Fresh::enclosed));
            }
            (Kind::Receipt, _) if passes_on(owed) => files.extend(fresh.and_then(Fresh::enclosed)),
            (Kind::SendResponseInitial | Kind::SendResponseContinuous | Kind::CreateDocuments, Some(response)) => {
                files.push(Enclosure {
                    name: format!("response-{}.json", response.id),
                    media_type: "application/json".into(),
                    bytes: data(response, dossier).into_bytes(),
                });
                if let Some(order) = &dossier.order {
                    let xml = ubl_write::order_response(order, response);
                    files.push(Enclosure {
                        name: format!("response-{}.xml", response.id),
                        media_type: "application/xml".into(),
                        bytes: xml.into_bytes(),
                    });
                }
            }
            _ => {}
        }
        files
    }
}

/// What a digest asks or lets undo, question by question. Nobody is told these tokens: the digest's own finds them.
fn digest_tokens(
    secret: &Secret,
    id: TransmissionId,
    recipient: &str,
    asked: BTreeMap<ResponseId, &Dossier>,
) -> Result<Vec<TokenRecord>, String> {
    let asked = asked.into_iter().filter_map(|(response, dossier)| {
        let approval = dossier.responses.get(&response)?.approval.as_ref()?;
        Some((dossier, response, approval))
    });
    asked
        .map(|(dossier, response, approval)| {
            let transmission = format!("{id}/{response}");
            let made = secret.token(Bound { purpose: "decision", transmission: &transmission, recipient });
            Ok(TokenRecord {
                hash: secret.fingerprint(&made).parse()?,
                transmission: id,
                order: Some(dossier.number.clone()),
                response: Some(response),
                version: approval.version,
                recipient: recipient.to_string(),
                expires_at: approval.expires_at,
                used_at: None,
                sale: None,
            })
        })
        .collect()
}

/// A decision on some lines used its token up, and the receipt carries the one for the others. It goes out however many
/// answers the address got: the decisions are fewer than the lines.
fn hands_on_the_token(owed: &Owed) -> bool {
    match &owed.about {
        About::Receipt(receipt) => receipt.outcome == Outcome::Partly,
        About::Digest { answers, .. } => answers.iter().any(|answer| answer.receipt.outcome == Outcome::Partly),
        _ => false,
    }
}

/// RFC 3834: what answers a mail says so.
fn answers_a_mail(owed: &Owed) -> bool {
    matches!(owed.kind, Kind::RequestNewResponse | Kind::Receipt) && !passes_on(owed)
}

/// The mail that it is about came from somebody else than its reader.
fn passes_on(owed: &Owed) -> bool {
    matches!(&owed.about, About::Receipt(receipt) if receipt.outcome == Outcome::PartnerAnswered)
}

/// The response for the channel's machines: what was announced. A position is a line of it.
fn data(response: &Response, dossier: &Dossier) -> String {
    #[derive(Serialize)]
    struct Head<'a> {
        v: u8,
        order_number: &'a OrderNumber,
        supplier_order_number: Option<&'a String>,
        partner: &'a PartnerId,
        response: ResponseId,
        #[serde(rename = "type")]
        response_type: ResponseType,
        entry_date: Option<Date>,
        currency: Option<&'a String>,
    }
    #[derive(Serialize)]
    struct Position<'a> {
        position: Option<u32>,
        supplier_sku: &'a Option<String>,
        shop_sku: &'a Option<String>,
        product_id: &'a Option<String>,
        name: &'a Option<String>,
        unit: &'a Option<String>,
        quantity_confirmed: Decimal,
        confirmed_delivery_date: Option<Date>,
        quantity_backordered: Decimal,
        backordered_delivery_date: Option<Date>,
        quantity_canceled: Decimal,
        reason: &'a Option<String>,
        price_net: Option<Decimal>,
        substitute_sku: &'a Option<String>,
    }
    let order = dossier.order.as_ref();
    let head = Head {
        v: 1,
        order_number: &dossier.number,
        supplier_order_number: order.and_then(|order| order.supplier_order_number.as_ref()),
        partner: &response.partner,
        response: response.id,
        response_type: response.response_type,
        entry_date: response.entry_date,
        currency: order.map(|order| &order.currency),
    };
    let lines = response.composed.as_ref().unwrap_or(&response.lines);
    let positions = lines.iter().filter(|line| line.ignored.is_none()).map(|line| Position {
        position: line.position,
        supplier_sku: &line.supplier_sku,
        shop_sku: &line.shop_sku,
        product_id: &line.product_id,
        name: &line.name,
        unit: &line.unit,
        quantity_confirmed: line.quantity_confirmed,
        confirmed_delivery_date: line.confirmed_date,
        quantity_backordered: line.quantity_backordered,
        backordered_delivery_date: line.backordered_date,
        quantity_canceled: line.quantity_canceled,
        reason: &line.rcl,
        price_net: line.price_net,
        substitute_sku: &line.substitute_sku,
    });
    let mut out = serde_json::to_string(&head).unwrap_or_default();
    out.truncate(out.len().saturating_sub(1));
    out.push_str(",\n\"positions\":[");
    for (index, position) in positions.enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push_str(&serde_json::to_string(&position).unwrap_or_default());
    }
    out.push_str("\n]}\n");
    out
}

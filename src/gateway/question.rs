//! What answers a mail of ours: which one, what it was asked for, and what the answer says. Nothing is decided here.

use jiff::Timestamp;

use super::envelope;
use super::letter;
use super::look::{Finding, Sighted};
use super::{Gateway, Live};
use crate::mail::Mail;
use crate::mail::decision::{self, Argument, Lines as ReadLines, Scope as ReadScope, Verb as ReadVerb};
use crate::mail::token::{self, Secret};
use crate::model::{
    ChannelId, Digest, Dossier, MailId, OrderNumber, PartnerId, Pause, RecallState, Recipient, ResponseId,
    Transmission, TransmissionId, TransmissionKind,
};
use crate::process::{Command, Decision, DecisionKind, Input, RecallAnswer, Scope, Verb};
use crate::store::{StoreError, TokenRecord};

/// A question of ours that a mail answers.
pub(super) struct Question {
    pub transmission: Transmission,
    /// Set when it was found by a token, not only by the thread.
    pub token: Option<TokenRecord>,
}

impl Gateway {
    /// The transmission of ours that a mail answers: by token, else by thread.
    pub(super) fn question(&self, mail: &Mail, live: &Live) -> Result<Option<Question>, StoreError> {
        let Ok(secret) = Secret::new(self.inner.secret.clone()) else { return Ok(None) };
        for (token, _) in token::find(mail, &envelope::tagging(live)) {
            let Ok(hash) = secret.fingerprint(&token).parse::<Digest>() else { continue };
            if let Some(record) = self.store().token(&hash)?
                && let Some(transmission) = self.store().transmission(record.transmission)?
            {
                return Ok(Some(Question { transmission, token: Some(record) }));
            }
        }
        for id in mail.in_reply_to.iter().chain(mail.references.iter().rev()) {
            if envelope::transmission_of(id, live).is_some()
                && let Some(transmission) = self.store().transmission_by_message_id(id)?
            {
                return Ok(Some(Question { transmission, token: None }));
            }
        }
        Ok(None)
    }

    pub(super) fn answer(
        &self,
        id: MailId,
        mail: &Sighted,
        question: Question,
        partner: Option<&PartnerId>,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        if let Some(sale) = self.sale_of_question(&question)? {
            return self.sale_answer(id, mail, &question, &sale, live);
        }
        let author = mail.author().map(|author| author.address.clone()).unwrap_or_default();
        let purpose = self.purpose(&question)?;
        match (purpose, &question.token) {
            (Some("digest"), Some(record)) => self.digest_answer(mail, &author, record, live),
            // A decision takes the token; a reply that lost it is told so by nobody: it decides nothing.
            (Some("decision"), Some(record)) => self.decision(mail, &author, record.clone(), live),
            (Some("decision"), None) => {
                Ok(Finding::new("stranger", "an answer to a question of ours, without its token").review())
            }
            (Some("recall"), _) => match partner {
                Some(partner) => self.recall_answer(id, mail, partner, &question, live),
                None => Ok(Finding::new("stranger", format!("{author} is no address of a partner")).review()),
            },
            (_, _) => match partner {
                Some(partner) => self.partner_mail(id, mail, partner, Some(&question), live),
                None => Ok(Finding::new("stranger", format!("{author} is no address of a partner")).review()),
            },
        }
    }

    /// What kind of answer a transmission expects; a reminder expects what it reminds of.
    fn purpose(&self, question: &Question) -> Result<Option<&'static str>, StoreError> {
        if let Some(purpose) = letter::purpose(question.transmission.kind) {
            return Ok(Some(purpose));
        }
        let Some(record) = &question.token else { return Ok(None) };
        // Reminders and receipts carry tokens of their own; what they are good for shows in what they are bound to.
        if record.version > 0 {
            return Ok(Some("decision"));
        }
        if record.order.is_none() && record.sale.is_none() {
            return Ok(Some("digest"));
        }
        let recalls = match &record.order {
            Some(order) => self.store().dossier(order)?.map(|dossier| dossier.recalls).unwrap_or_default(),
            None => Vec::new(),
        };
        let recall =
            recalls.iter().any(|recall| Some(recall.response) == record.response && recall.state == RecallState::Open);
        Ok(Some(if recall { "recall" } else { "correction" }))
    }

    /// A decision counts only when all hold: the token is good and unused, it was sent to this very
    /// address, the origin is authentic, and the question still stands (the process sees to the last).
    fn decision(&self, mail: &Sighted, author: &str, record: TokenRecord, live: &Live) -> Result<Finding, StoreError> {
        let now = self.now();
        let refuse = |reason: String| Ok(Finding::new("stranger", reason).review());
        if !record.recipient.eq_ignore_ascii_case(author) {
            return refuse(format!("the token was sent to {}, not to {author}", record.recipient));
        }
        let (Some(order), Some(response)) = (record.order.clone(), record.response) else {
            return refuse("the token is bound to no response".into());
        };
        let Some(dossier) = self.store().dossier(&order)? else { return refuse(format!("order {order} is gone")) };
        let (channel, partner) = pair(&dossier, response);
        let settings = live.loaded.policies.settings(&channel, &partner);
        if let Err(refused) = self.trusted(mail, settings.decision_trust, live) {
            return Ok(*refused);
        }
        let reading = decision::decide_mail(mail, &settings.channel_language);
        let (input, used) = decision_of(&reading, record, response, author, now);
        let mut finding =
            Finding::new("decision", format!("{:?} of {author} on {response}", input.kind).to_lowercase());
        finding.extra.tokens.extend(used);
        finding.inputs.push((order, Input::Decision(input)));
        Ok(finding)
    }

    fn recall_answer(
        &self,
        id: MailId,
        mail: &Sighted,
        partner: &PartnerId,
        question: &Question,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        let Some(order) = question.transmission.order.clone() else {
            return Ok(Finding::new("unreadable", "the recall belongs to no order").review());
        };
        let settings = live.loaded.policies.settings(&self.channel_of(&order)?, partner);
        if let Err(refused) = self.trusted(mail, settings.response_trust, live) {
            return Ok(*refused);
        }
        let reading = decision::decide_mail(mail, &settings.language);
        let answers: Vec<RecallAnswer> = reading
            .commands
            .iter()
            .filter_map(|command| match command.verb {
                ReadVerb::Recalled => Some(RecallAnswer::Recalled),
                ReadVerb::TooLate => Some(RecallAnswer::TooLate),
                _ => None,
            })
            .collect();
        let first = answers.first().copied();
        match first
            .filter(|first| answers.iter().all(|answer| answer == first) && reading.kind == decision::Kind::Decision)
        {
            Some(_) if question.transmission.recipient != Recipient::Partner(partner.clone()) => {
                Ok(Finding::new("stranger", format!("{partner} answers a recall that was sent to somebody else"))
                    .review())
            }
            Some(answer) => {
                let recall = self.recall_of(&order, question)?;
                let by = mail.author().map(|a| a.address.clone()).unwrap_or_default();
                let mut finding = Finding::new("recall-answer", format!("{answer:?} by {partner}"));
                finding.inputs.push((order, Input::RecallAnswer { recall, partner: partner.clone(), answer, by }));
                Ok(finding)
            }
            // Perhaps a CAN response to the recalled lines: that is the recall's answer too.
            None => self.partner_mail(id, mail, partner, Some(question), live),
        }
    }

    /// The recall that a question (or its reminder) is about.
    fn recall_of(&self, order: &OrderNumber, question: &Question) -> Result<Option<TransmissionId>, StoreError> {
        if question.transmission.kind == TransmissionKind::SendOrderRecall {
            return Ok(Some(question.transmission.id));
        }
        let recalls = self.store().dossier(order)?.map(|dossier| dossier.recalls).unwrap_or_default();
        Ok(recalls
            .iter()
            .find(|recall| Some(recall.response) == question.transmission.response)
            .map(|recall| recall.transmission))
    }

    pub(super) fn channel_of(&self, order: &OrderNumber) -> Result<ChannelId, StoreError> {
        Ok(self
            .store()
            .dossier(order)?
            .and_then(|dossier| dossier.order)
            .map(|order| order.channel)
            .unwrap_or_default())
    }
}

pub(super) fn pair(dossier: &Dossier, response: ResponseId) -> (ChannelId, PartnerId) {
    let channel = dossier.order.as_ref().map(|order| order.channel.clone()).unwrap_or_default();
    let partner = dossier.responses.get(&response).map(|response| response.partner.clone()).unwrap_or_default();
    (channel, partner)
}

/// Whether any of the commands decides (and so uses the token up); ASK, HOLD, STATUS and HELP do not.
fn decides(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command.verb, Verb::Approve | Verb::Decline))
}

/// A reply as the process takes it, and the token that is used up if the process takes it.
pub(super) fn decision_of(
    reading: &decision::Reading,
    token: TokenRecord,
    response: ResponseId,
    author: &str,
    now: Timestamp,
) -> (Decision, Option<TokenRecord>) {
    let expired = token.expires_at.is_some_and(|at| at <= now);
    // A used or expired token is good for no version: the process answers who decided.
    let version = if token.used_at.is_some() || expired { 0 } else { token.version };
    let input = Decision {
        response,
        version,
        by: author.to_string(),
        kind: match reading.kind {
            decision::Kind::Decision => DecisionKind::Decision,
            decision::Kind::Ambiguous => DecisionKind::Ambiguous,
            decision::Kind::Comment | decision::Kind::None | decision::Kind::Automatic => DecisionKind::Comment,
        },
        commands: reading.commands.iter().filter_map(command).collect(),
        lines: reading.lines.iter().map(|line| (line.text.clone(), line.read_as.clone())).collect(),
    };
    let uses = input.kind == DecisionKind::Decision && version > 0 && decides(&input.commands);
    (input, uses.then_some(TokenRecord { used_at: Some(now), ..token }))
}

/// A command as it was read, in the process's words; recall answers and the sales desk's words are no decision here.
fn command(read: &decision::Command) -> Option<Command> {
    let verb = match (read.verb, &read.argument) {
        (ReadVerb::Approve, _) => Verb::Approve,
        (ReadVerb::Decline, _) => Verb::Decline,
        (ReadVerb::Ask, Argument::Text(text)) => Verb::Ask(text.clone()),
        (ReadVerb::Delegate, Argument::Address(address)) => Verb::Delegate(address.clone()),
        (ReadVerb::Hold, Argument::For(time)) => Verb::Hold(Pause::Calendar { seconds: time.as_secs() }),
        (ReadVerb::Status, _) => Verb::Status,
        (ReadVerb::Help, _) => Verb::Help,
        (ReadVerb::Undo, _) => Verb::Undo,
        _ => return None,
    };
    let scope = match &read.scope {
        ReadScope::All => Scope::All,
        ReadScope::Rest => Scope::Rest,
        ReadScope::Lines(lines) => {
            let mut ranges = Vec::new();
            let mut products = Vec::new();
            for line in lines {
                match line {
                    ReadLines::Position(position) => ranges.push((*position, *position)),
                    ReadLines::Range(from, to) => ranges.push((*from, *to)),
                    ReadLines::Sku(sku) => products.push(sku.clone()),
                }
            }
            Scope::Lines { ranges, products }
        }
    };
    Some(Command { verb, scope })
}

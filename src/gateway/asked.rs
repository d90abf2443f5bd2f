//! What a partner writes back to an approver's question (ASK). Words go to whoever asked; a response goes the way of
//! every response. It must never decide anything, nor tell the partner what to correct.

use super::Gateway;
use super::look::{Finding, Sighted};
use super::question::Question;
use crate::mail::sort::{self, Nature};
use crate::mail::{Mail, reply};
use crate::mapping::MailReading;
use crate::model::{HeadState, MessageKind, PartnerId, Recipient, Response, TransmissionKind};
use crate::process::{Input, QuestionAnswered};
use crate::store::StoreError;

/// Of the partner's words so much is passed on; the mail itself goes along.
const WORDS_MAX: usize = 4_000;

impl Gateway {
    /// A trusted mail of a partner that answers an approver's question without being a response; `None` = it is none of
    /// these and goes the usual way.
    pub(super) fn words_to_a_question(
        &self,
        mail: &Sighted,
        partner: &PartnerId,
        question: &Question,
        reading: &MailReading,
    ) -> Result<Option<Finding>, StoreError> {
        let transmission = &question.transmission;
        let (Some(order), Some(response)) = (transmission.order.clone(), transmission.response) else {
            return Ok(None);
        };
        let to_this_one = transmission.recipient == Recipient::Partner(partner.clone());
        if transmission.kind != TransmissionKind::Question || !to_this_one {
            return Ok(None);
        }
        let dossier = self.store().dossier(&order)?;
        if responds(reading, dossier.as_ref().and_then(|dossier| dossier.responses.get(&response))) {
            return Ok(None);
        }
        let id = transmission.id;
        let told = |finding: Finding| Ok(Some(Finding { order: Some(order.clone()), ..finding }));
        if !matches!(sort::sort(mail), Nature::Ordinary) {
            return told(Finding::new("auto-reply", format!("by a program: no answer to the question of {id}")));
        }
        let words = words(mail);
        if words.is_empty() {
            return told(Finding::new("unreadable", format!("an empty answer to the question of {id}")).review());
        }
        let by = mail.author().map(|author| author.address.clone()).unwrap_or_default();
        let mut finding = Finding::new("acknowledgement", format!("answers the question of {id}"));
        let answered = QuestionAnswered { question: id, response, partner: partner.clone(), by, words };
        finding.inputs.push((order, Input::QuestionAnswered(answered)));
        Ok(Some(finding))
    }
}

/// Whether a mail says something new of an order. Its number alone does not: it stands in the subject of what is
/// answered. Nor do the lines of the response that was asked about, put below once more.
fn responds(reading: &MailReading, asked: Option<&Response>) -> bool {
    reading.messages.iter().map(|read| &read.message).any(|message| {
        let bare = matches!(message.state(), Some(HeadState::Accepted | HeadState::Canceled | HeadState::Received));
        let speaks = message.kind != MessageKind::Response || bare || message.lines.iter().any(|line| !line.is_empty());
        speaks && !asked.is_some_and(|asked| asked.message.says_the_same(message))
    })
}

/// The new words, without what was quoted; all of them where nothing else is left, and what came along.
fn words(mail: &Mail) -> Vec<String> {
    let new = reply::read(mail).visible;
    let text = if new.trim().is_empty() { mail.readable() } else { new };
    let text: String = text.trim().chars().take(WORDS_MAX).collect();
    let files = mail.attachments.iter().filter_map(|file| file.name.clone()).map(|name| format!("[{name}]"));
    text.lines().map(str::to_string).chain(files).collect()
}

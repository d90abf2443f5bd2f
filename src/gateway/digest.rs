//! Several open questions to one approver in one mail, and the reply that answers them line by line.
//!
//! A digest adds nothing to what is asked: each question keeps its own version, and its answer is decided as if it had
//! come alone. It must never know what an answer means for an order.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::letter::LetterWriter;
use super::look::{Finding, Sighted};
use super::question::{decision_of, pair};
use super::{Gateway, Live};
use crate::mail::decision::{self, digest};
use crate::mail::{reply, sort};
use crate::model::owed::{DigestAnswer, DigestQuestion};
use crate::model::policy::Pause;
use crate::model::{
    About, Dossier, LineDecision, OrderNumber, Owed, Recipient, Response, ResponseId, Status, TransmissionKind,
    Writer as _,
};
use crate::process::Input;
use crate::store::{Commit, ResponseFilter, StoreError, TokenRecord};

/// The note on when digests were sent last.
const LAST: &str = "digest.last";
/// Responses looked through, and questions in one mail.
const RESPONSES_MAX: usize = 2_000;
const QUESTIONS_MAX: usize = 40;

/// A reply to a digest, as long as it is decided: what it changes is told in one letter.
#[derive(Clone)]
pub(super) struct DigestReply {
    /// Who wrote it.
    pub by: String,
    pub to: Recipient,
    /// Each line and how it was read, of a reply that decides nothing.
    pub lines: Vec<(String, String)>,
    /// Open questions that it does not name.
    pub left: Vec<DigestQuestion>,
}

impl Gateway {
    /// Sends digests when their time has come: one for each approver with more than one open question.
    pub(super) fn digests(&self) -> Result<(), StoreError> {
        let live = self.live();
        let pause = live.loaded.config.gateway.digest.as_deref().and_then(|text| Pause::parse(text).ok());
        let Some(pause) = pause.filter(|pause| !pause.is_none()) else { return Ok(()) };
        let now = self.now();
        let zone = live.loaded.policies.defaults.time_zone.as_deref().unwrap_or("UTC");
        let last = self.store().note(LAST)?.and_then(|at| at.parse::<Timestamp>().ok());
        if last.is_some_and(|last| pause.after(last, zone) > now) {
            return Ok(());
        }
        let mut commit = Commit { notes: vec![(LAST.into(), now.to_string())], ..Commit::default() };
        // The first pause begins when digests are switched on.
        if last.is_some() {
            for ((channel, address), questions) in self.open_questions()? {
                if questions.len() > 1 {
                    let to = Recipient::Approvers { channel: channel.as_str().into(), addresses: vec![address] };
                    let owed = Owed {
                        id: self.inner.numbers.transmission()?,
                        kind: TransmissionKind::Reminder,
                        recipient: to,
                        response: None,
                        about: About::Digest { questions, lines: Vec::new(), answers: Vec::new() },
                        not_before: None,
                    };
                    self.write_into(&mut commit, &owed, &Dossier::new("".into()));
                }
            }
        }
        self.commit_extra(commit)
    }

    /// What is open, by channel and approver, oldest first.
    fn open_questions(&self) -> Result<BTreeMap<(String, String), Vec<DigestQuestion>>, StoreError> {
        let filter =
            ResponseFilter { status: Some(Status::NotCheckedDoApprove), limit: RESPONSES_MAX, ..Default::default() };
        let mut found: BTreeMap<(String, String), Vec<DigestQuestion>> = BTreeMap::new();
        let mut waiting = self.store().responses(&filter)?;
        waiting.reverse();
        for response in waiting.iter().filter(|response| is_open(response)) {
            let Some(dossier) = self.store().dossier(&response.order)? else { continue };
            let channel = dossier.order.as_ref().map(|order| order.channel.to_string()).unwrap_or_default();
            let approvers = response.approval.iter().flat_map(|approval| &approval.approvers);
            for address in approvers.map(|address| address.to_ascii_lowercase()).collect::<BTreeSet<_>>() {
                let questions = found.entry((channel.clone(), address)).or_default();
                if questions.len() < QUESTIONS_MAX {
                    questions.push(DigestQuestion { dossier: dossier.clone(), response: response.id });
                }
            }
        }
        Ok(found)
    }

    /// The one receipt for a reply to a digest: what became of each question it names, how its lines were read where it
    /// decides nothing, and what is still open, to be answered by the same line.
    pub(super) fn digest_receipt(
        &self,
        writer: &mut LetterWriter<'_>,
        reply: &DigestReply,
        dossiers: &BTreeMap<OrderNumber, (Dossier, BTreeSet<ResponseId>)>,
    ) -> Result<(), StoreError> {
        writer.gathers = None;
        let mut open: BTreeMap<ResponseId, DigestQuestion> =
            reply.left.iter().map(|question| (question.response, question.clone())).collect();
        let mut answers = Vec::new();
        for (number, response, receipt) in writer.gathered.take() {
            let Some((dossier, _)) = dossiers.get(&number) else { continue };
            let dossier = dossier.clone();
            if dossier.responses.get(&response).is_some_and(is_open) {
                open.insert(response, DigestQuestion { dossier: dossier.clone(), response });
            }
            answers.push(DigestAnswer { dossier, response, receipt });
        }
        if answers.is_empty() && reply.lines.is_empty() {
            return Ok(());
        }
        let owed = Owed {
            id: self.inner.numbers.transmission()?,
            kind: TransmissionKind::Receipt,
            recipient: reply.to.clone(),
            response: None,
            about: About::Digest { questions: open.into_values().collect(), lines: reply.lines.clone(), answers },
            not_before: None,
        };
        if let Err(error) = writer.write(&owed, &Dossier::new("".into())) {
            tracing::error!(%error, "the receipt for a reply to a digest could not be put into words");
        }
        Ok(())
    }

    /// A reply to a digest. Each question is answered by the lines that name it; a command that names none decides
    /// nothing, and the receipt tells how each line was read.
    pub(super) fn digest_answer(
        &self,
        mail: &Sighted,
        author: &str,
        record: &TokenRecord,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        if !record.recipient.eq_ignore_ascii_case(author) {
            let why = format!("the token was sent to {}, not to {author}", record.recipient);
            return Ok(Finding::new("stranger", why).review());
        }
        if sort::sort(mail).is_automatic() {
            return Ok(Finding::new("auto-reply", "by a program"));
        }
        let mut asked: BTreeMap<String, (ResponseId, TokenRecord)> = BTreeMap::new();
        let mut language = "en".to_string();
        let mut recipient = Recipient::Address(author.to_string());
        for token in self.store().tokens_of(record.transmission)? {
            let (Some(response), Some(order)) = (token.response, token.order.clone()) else { continue };
            let Some(dossier) = self.store().dossier(&order)? else { continue };
            let (channel, partner) = pair(&dossier, response);
            let settings = live.loaded.policies.settings(&channel, &partner);
            // What one of the questions asks for, all of the reply must have.
            if let Err(refused) = self.trusted(mail, settings.decision_trust, live) {
                return Ok(*refused);
            }
            language = settings.channel_language;
            recipient = Recipient::Approvers { channel, addresses: vec![author.to_string()] };
            asked.insert(response.to_string(), (response, token));
        }
        let labels: Vec<String> = asked.keys().cloned().collect();
        let split = digest::split(&reply::read(mail).visible, &labels, &language);
        let left = asked.iter().filter(|(label, _)| !split.named.contains_key(*label));
        let left = self.still_open(left.map(|(_, (response, _))| *response))?;
        let by = author.to_string();
        if split.named.is_empty() {
            let why = if split.unclear { "names no question clearly" } else { "holds no command" };
            let mut finding = Finding::new("decision", format!("the reply of {author} to a digest {why}"));
            let lines: Vec<_> = split.lines.into_iter().map(|line| (line.text, line.read_as)).collect();
            finding.digest = Some(DigestReply { by, to: recipient, lines, left });
            return Ok(finding);
        }
        let mut finding = Finding::new("decision", String::new());
        finding.digest = Some(DigestReply { by, to: recipient, lines: Vec::new(), left });
        let mut told = Vec::new();
        for (label, text) in &split.named {
            let Some((response, token)) = asked.remove(label) else { continue };
            let Some(order) = token.order.clone() else { continue };
            let reading = decision::decide(text, &language);
            let (input, used) = decision_of(&reading, token, response, author, self.now());
            told.push(format!("{:?} on {response}", input.kind).to_lowercase());
            finding.extra.tokens.extend(used);
            finding.inputs.push((order, Input::Decision(input)));
        }
        finding.reason = format!("{} by {author}, to a digest", told.join(", "));
        Ok(finding)
    }

    fn still_open(&self, responses: impl Iterator<Item = ResponseId>) -> Result<Vec<DigestQuestion>, StoreError> {
        let mut open = Vec::new();
        for id in responses {
            if let Some(response) = self.store().response(id)?.filter(is_open)
                && let Some(dossier) = self.store().dossier(&response.order)?
            {
                open.push(DigestQuestion { dossier, response: id });
            }
        }
        Ok(open)
    }
}

fn is_open(response: &Response) -> bool {
    response.status == Status::NotCheckedDoApprove
        && response
            .approval
            .as_ref()
            .is_some_and(|a| !a.on_hold && a.lines.values().any(|line| *line == LineDecision::Open))
}

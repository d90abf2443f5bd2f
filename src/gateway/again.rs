//! Looking again: stored mails read by the mappings as they are now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Gateway;
use super::decide::Task;
use super::desk::Reply;
use super::envelope::Fresh;
use super::look::{Finding, Sighted};
use super::origin::DEFERRED;
use crate::mail::Mail;
use crate::mail::sort::{self, Nature};
use crate::model::{Field, MailId, Message, MessageKind, PartnerId, Response, ResponseId, Said};
use crate::process::Reread;
use crate::store::{MailFilter, MailRecord, MailTaken, StoreError};

impl Gateway {
    /// A response's mail by the mappings as they are now; `None` when it does not read as one message for it.
    pub(super) fn read_again(&self, raw: &[u8], record: &MailRecord, response: &Response) -> Option<Reread> {
        let live = self.live();
        let mail = Mail::parse(raw);
        let reading = self.read(&mail, record, &response.partner, &live).ok()?;
        let own = |id: &ResponseId| *id == response.id || response.copied_from == Some(*id);
        let index = record.responses.iter().position(own).unwrap_or(0);
        let mut responses: Vec<_> =
            reading.messages.into_iter().filter(|read| read.message.kind == MessageKind::Response).collect();
        if index >= responses.len() {
            return None;
        }
        let read = responses.swap_remove(index);
        Some(Reread { message: read.message.into(), faults: read.faults })
    }

    /// `mail rerun`: a mail that nobody could read is looked at anew, by the mappings as they are now.
    pub(super) fn rerun(&self, id: MailId, by: &str) -> Result<Reply, StoreError> {
        let Some(record) = self.store().mail(id)? else { return Ok(Reply::refused(format!("mail {id} is not known"))) };
        if !record.responses.is_empty() {
            return Ok(Reply::refused(format!(
                "mail {id} became {}; use `response recheck`",
                record.responses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            )));
        }
        if record.drawer == "decision" || record.drawer == "recall-answer" {
            return Ok(Reply::refused(format!("mail {id} is a {} that was taken", record.drawer)));
        }
        let Some(raw) = self.store().blob(&record.digest)? else {
            return Ok(Reply::refused(format!("the bytes of mail {id} are not kept any more")));
        };
        let live = self.live();
        let raw = Arc::new(raw);
        let mail = Sighted::new(&raw, record.received_at);
        let partner =
            mail.author().and_then(|author| live.loaded.policies.partner_of_address(&author.address)).cloned();
        let mut finding = match sort::sort(&mail) {
            _ if record.drawer == DEFERRED
                && let Some(of) = self.duplicate_of(&mail)? =>
            {
                Finding::new("duplicate", format!("the same mail as {of}"))
            }
            Nature::Ordinary | Nature::Generated { .. } => self.of_somebody(id, &mail, partner.as_ref(), &live)?,
            _ => Finding::new("auto-reply", "a robot's mail"),
        };
        if finding.drawer == DEFERRED && record.drawer == DEFERRED {
            return Ok(Reply::done(serde_json::json!({"v": 1, "mail": record})));
        }
        finding.extra.audit.push(self.audit(by, "mail rerun", &id.to_string(), &format!("was {}", record.drawer)));
        let fresh = Fresh::of(&mail, raw);
        let record = MailRecord {
            drawer: finding.drawer.to_string(),
            reason: finding.reason.clone(),
            review: finding.review,
            partner,
            order: finding.order.clone().or_else(|| finding.inputs.first().map(|(number, _)| number.clone())),
            mapping: finding.mapping.clone(),
            linked: finding.linked.clone(),
            ..record
        };
        let mail = MailTaken { record: record.clone(), raw: None };
        let settled = self.settle(vec![Task {
            inputs: finding.inputs,
            sales: finding.sales,
            mail: Some((mail, fresh)),
            extra: finding.extra,
            digest: finding.digest,
            ..Task::default()
        }]);
        for one in settled {
            one?;
        }
        let record = self.store().mail(id)?.unwrap_or(record);
        Ok(Reply::done(serde_json::json!({"v": 1, "mail": record})))
    }

    /// `mapping replay`: stored mails read by the mappings as they are now, compared with what was read then.
    pub(super) fn replay(
        &self,
        since: Timestamp,
        partner: Option<&PartnerId>,
        before: Option<MailId>,
        limit: usize,
    ) -> Result<Reply, StoreError> {
        let filter = MailFilter { since: Some(since), before, limit, ..Default::default() };
        let mut looked = 0_usize;
        let mut last = None;
        let mut changes = Vec::new();
        let mut same = 0_usize;
        for record in self.store().mails(&filter)? {
            looked += 1;
            last = Some(record.id);
            if partner.is_some_and(|partner| record.partner.as_ref() != Some(partner)) {
                continue;
            }
            let Some(raw) = self.store().blob(&record.digest)? else { continue };
            for id in &record.responses {
                let Some(response) = self.store().response(*id)? else { continue };
                let now = self.read_again(&raw, &record, &response).map(|reread| reread.message);
                let differences = differences(&response.message, now.as_deref());
                if differences.is_empty() {
                    same += 1;
                } else {
                    changes.push(serde_json::json!({"mail": record.id, "response": id, "subject": record.subject, "changes": differences}));
                }
            }
            if record.responses.is_empty() && record.drawer == "unreadable" {
                let live = self.live();
                let mail = Mail::parse(&raw);
                let Some(partner) = &record.partner else { continue };
                let reading = self.read(&mail, &record, partner, &live)?;
                if !reading.messages.is_empty() {
                    changes.push(serde_json::json!({"mail": record.id, "subject": record.subject, "now_read_by": reading.mapping}));
                }
            }
        }
        // Where to go on, when there may be more.
        let next = last.filter(|_| looked == limit);
        Ok(Reply::done(serde_json::json!({"v": 1, "mails": looked, "same": same, "changed": changes, "next": next})))
    }
}

/// What a mail's message says now that it did not say then, field by field.
fn differences(then: &Message, now: Option<&Message>) -> Vec<String> {
    let Some(now) = now else { return vec!["it is not read any more".to_string()] };
    let mut found = Vec::new();
    let mut compare = |place: String, then: &BTreeMap<Field, Said>, now: &BTreeMap<Field, Said>| {
        let fields: BTreeSet<&Field> = then.keys().chain(now.keys()).collect();
        for field in fields {
            let words = |said: Option<&Said>| said.map_or_else(|| "nothing".to_string(), |said| said.value.to_string());
            let (old, new) = (words(then.get(field)), words(now.get(field)));
            if old != new {
                found.push(format!("{place}{}: {old} -> {new}", field.name()));
            }
        }
    };
    compare(String::new(), &then.fields, &now.fields);
    let none = BTreeMap::new();
    for index in 0..then.lines.len().max(now.lines.len()) {
        compare(
            format!("line {}, ", index + 1),
            then.lines.get(index).unwrap_or(&none),
            now.lines.get(index).unwrap_or(&none),
        );
    }
    found
}

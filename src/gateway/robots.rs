//! What robots write about mails of ours: returned mail, and absences. They decide nothing and get no answer.

use super::look::{Finding, Sighted};
use super::question::{Question, pair};
use super::sales::{SaleKey, SaleTask};
use super::{Gateway, Live, envelope};
use crate::mail::sort::{self, AutoReply, Dsn};
use crate::model::{Attempt, TransmissionStatus};
use crate::process::Input;
use crate::process::sale::SaleInput;
use crate::store::StoreError;

impl Gateway {
    pub(super) fn bounce(&self, dsn: &Dsn, live: &Live) -> Result<Finding, StoreError> {
        let found = match dsn.original_message_id.as_deref() {
            Some(id) if envelope::transmission_of(id, live).is_some() => self.store().transmission_by_message_id(id)?,
            _ => None,
        };
        let words = dsn_words(dsn);
        let Some(mut transmission) = found else {
            return Ok(Finding::new("bounce", format!("{words}; of no mail of ours")));
        };
        let now = self.now();
        let failed = dsn.recipients.is_empty() || dsn.recipients.iter().any(|r| r.action == sort::Action::Failed);
        let mut finding = Finding::new("bounce", format!("{}: {words}", transmission.id));
        finding.order = transmission.order.clone();
        transmission.attempts.push(Attempt { at: now, answer: format!("delivery status: {words}"), ok: !failed });
        if failed {
            if matches!(transmission.status, TransmissionStatus::Transmissioned | TransmissionStatus::Pushed) {
                transmission.status = TransmissionStatus::DoManualCheck;
                transmission.error = Some(words.clone());
                self.stuck(&mut finding.extra, &transmission, now);
            }
            if let Some(order) = transmission.order.clone() {
                let question = Question { transmission: transmission.clone(), token: None };
                if let Some(sale) = self.sale_of_question(&question)? {
                    finding.sales.push(SaleTask {
                        key: SaleKey::Id(sale.id),
                        input: SaleInput::Bounced { transmission: transmission.id, reason: words.clone() },
                    });
                } else {
                    finding.inputs.push((order, Input::Bounced { transmission: transmission.id, reason: words }));
                }
            }
        }
        finding.extra.transmissions.push(transmission);
        Ok(finding)
    }

    /// A robot's answer decides nothing and gets none. An approver who is away: the delegate whom the notice names is
    /// asked, when the notice is proved to be the approver's and the delegate is of the house; else the next in order.
    pub(super) fn auto_reply(&self, mail: &Sighted, auto: &AutoReply, live: &Live) -> Result<Finding, StoreError> {
        let mut finding =
            Finding::new("auto-reply", if auto.out_of_office { "out of office" } else { "an automatic answer" });
        if auto.out_of_office
            && let Some(question) = self.question(mail, live)?
            && let Some(order) = question.transmission.order.clone()
            && let Some(author) = mail.author()
            && question.transmission.to.iter().any(|to| to.eq_ignore_ascii_case(&author.address))
        {
            finding.order = Some(order.clone());
            let Some(dossier) = self.store().dossier(&order)? else { return Ok(finding) };
            let (channel, partner) = pair(&dossier, question.transmission.response.unwrap_or_default());
            let settings = live.loaded.policies.settings(&channel, &partner);
            if let Err(refused) = self.trusted(mail, settings.decision_trust, live) {
                finding.reason = format!("out of office, but {}; nobody else is asked", refused.reason);
                return Ok(finding);
            }
            let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
            let of_the_house =
                |address: &String| settings.approvers.iter().flatten().any(|known| domain(known) == domain(address));
            let delegate = auto.delegate.clone().filter(of_the_house);
            finding.inputs.push((
                order,
                Input::Absent { transmission: question.transmission.id, by: author.address.clone(), delegate },
            ));
        }
        Ok(finding)
    }
}

fn dsn_words(dsn: &Dsn) -> String {
    let told = dsn.recipients.iter().map(|r| {
        let details =
            [r.status.as_deref(), r.diagnostic.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        format!("{} {:?} {details}", r.address, r.action).trim().to_string()
    });
    let words = told.collect::<Vec<_>>().join("; ");
    if words.is_empty() { "could not be delivered".to_string() } else { words }
}

//! What people see of sales and may do to them.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::decide::SaleKey;
use super::times::seconds_to_confirmation;
use crate::gateway::Gateway;
use crate::gateway::desk::{Reply, message_json};
use crate::mail::Mail;
use crate::mail::decision;
use crate::model::{AlarmKind, CustomerId, MessageKind, OrderNumber, PartnerId, Sale, SaleId, SaleStatus};
use crate::process::sale::{ReceivedOrder, SaleAction, SaleCommand, SaleInput, SalePerson};
use crate::store::{MailFilter, SaleFilter, StoreError, TransmissionFilter};

/// What a person may do to a sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleAct {
    /// Check again, with the mail read anew by the mappings as they are now.
    Recheck,
    Force,
    /// Decline it, or give it up.
    Decline,
    Release,
    /// `10 qty = 8 price = 12.50`, as in a reply.
    Change(String),
    /// A question to the customer.
    Ask(String),
    AskAgain,
    HandOver,
}

const LIST_MAX: usize = 10_000;
/// Sales that the times are worked out from: the latest.
const TIMED_MAX: usize = 2_000;

impl Gateway {
    pub(in crate::gateway) fn sale_list(
        &self,
        status: Option<SaleStatus>,
        customer: Option<CustomerId>,
        limit: usize,
    ) -> Result<Reply, StoreError> {
        let filter = SaleFilter { status, customer, before: None, limit: limit.min(LIST_MAX) };
        let rows: Vec<Json> = self.store().sales(&filter)?.iter().map(row).collect();
        Ok(Reply::done(json!({"v": 1, "sales": rows})))
    }

    /// By its own number (`S12`), else by the order's.
    fn sale_called(&self, name: &str) -> Result<Option<Sale>, StoreError> {
        if name.starts_with(['S', 's'])
            && let Ok(id) = name.parse::<SaleId>()
            && let Some(sale) = self.store().sale(id)?
        {
            return Ok(Some(sale));
        }
        self.store().sale_by_order(&OrderNumber::new(name))
    }

    pub(in crate::gateway) fn sale_show(&self, name: &str) -> Result<Reply, StoreError> {
        let Some(sale) = self.sale_called(name)? else {
            return Ok(Reply::refused(format!("sale {name} is not known")));
        };
        let order = Some(sale.order.clone());
        let transmissions = self.store().transmissions(&TransmissionFilter {
            order: order.clone(),
            limit: LIST_MAX,
            ..TransmissionFilter::default()
        })?;
        let sent: Vec<Json> = transmissions
            .iter()
            .rev()
            .map(|t| json!({"id": t.id, "kind": t.kind, "status": t.status, "to": t.to, "subject": t.subject, "created_at": t.created_at}))
            .collect();
        let mut mails = self.store().mails(&MailFilter { order, limit: LIST_MAX, ..MailFilter::default() })?;
        mails.reverse();
        let mut shown = serde_json::to_value(&sale).unwrap_or(Json::Null);
        if let Some(object) = shown.as_object_mut() {
            object.insert("status_id".into(), json!(sale.status.id()));
            object.insert("wanted".into(), message_json(&sale.wanted));
            object.insert("seconds_to_confirmation".into(), json!(seconds_to_confirmation(&sale)));
            if let Some(confirmation) = &sale.confirmation {
                let values = json!({"message": message_json(&confirmation.message), "changes": confirmation.changes, "at": confirmation.at, "transmission": confirmation.transmission});
                object.insert("confirmation".into(), values);
            }
            let versions: Vec<Json> = sale
                .versions
                .iter()
                .map(|version| json!({"message": message_json(&version.message), "mail": version.mail, "from": version.from, "at": version.at, "faults": version.faults}))
                .collect();
            object.insert("versions".into(), Json::Array(versions));
            let answers: Vec<Json> = sale
                .answers
                .iter()
                .map(|answer| json!({"message": message_json(&answer.message), "at": answer.at, "version": answer.version, "reference": answer.reference, "by": answer.by, "ignored": answer.ignored}))
                .collect();
            object.insert("answers".into(), Json::Array(answers));
        }
        Ok(Reply::done(json!({"v": 1, "sale": shown, "transmissions": sent, "mails": mails})))
    }

    pub(in crate::gateway) fn sale_act(
        &self,
        name: &str,
        action: SaleAct,
        by: &str,
        reason: &str,
    ) -> Result<Reply, StoreError> {
        let Some(sale) = self.sale_called(name)? else {
            return Ok(Reply::refused(format!("sale {name} is not known")));
        };
        let at_once = action == SaleAct::HandOver;
        let action = match action {
            SaleAct::Recheck => SaleAction::Recheck(self.read_sale_again(&sale)?.map(Box::new)),
            SaleAct::Force => SaleAction::Force,
            SaleAct::Decline => SaleAction::Decline,
            SaleAct::Release => SaleAction::Release,
            SaleAct::Ask(text) => SaleAction::Ask(text),
            SaleAct::AskAgain => SaleAction::AskAgain,
            SaleAct::HandOver => SaleAction::HandOver,
            SaleAct::Change(words) => {
                let read = decision::decide(&format!("CHANGE {words}"), "en");
                match read.commands.first().map(super::look::command) {
                    Some(SaleCommand::Change { lines, values }) if read.commands.len() == 1 => {
                        SaleAction::Change { lines, values }
                    }
                    _ => {
                        let why = format!("`{words}` is no change like `10 qty = 8 price = 12.50`");
                        return Ok(Reply::refused(why));
                    }
                }
            }
        };
        let person = SalePerson { by: by.to_string(), reason: reason.to_string(), action };
        let done = self.decide_sale(SaleKey::Id(sale.id), SaleInput::Person(person))?;
        let Some(done) = done else { return Ok(Reply::refused(format!("sale {name} is gone"))) };
        if let Some(why) = done.refused {
            return Ok(Reply::refused(why.to_string()));
        }
        if at_once {
            self.try_system_now();
        }
        tracing::info!(sale = %sale.id, by, "a person acted");
        Ok(Reply::done(json!({"v": 1, "changed": done.changed, "walked": done.steps})))
    }

    /// The last version's mail by the mappings as they are now; `None` when it does not read as one order.
    fn read_sale_again(&self, sale: &Sale) -> Result<Option<ReceivedOrder>, StoreError> {
        let Some(version) = sale.versions.last() else { return Ok(None) };
        let Some(record) = version.mail.map(|id| self.store().mail(id)).transpose()?.flatten() else { return Ok(None) };
        let Some(raw) = self.store().blob(&record.digest)? else { return Ok(None) };
        let live = self.live();
        let mail = Mail::parse(&raw);
        let reading = self.read(&mail, &record, &PartnerId::new(sale.customer.as_str()), &live)?;
        let mut orders: Vec<_> =
            reading.messages.into_iter().filter(|read| read.message.kind == MessageKind::Order).collect();
        let (Some(read), true) = (orders.pop(), orders.is_empty()) else { return Ok(None) };
        let from = version.from.clone();
        Ok(Some(ReceivedOrder { message: read.message, mail: version.mail, from, faults: read.faults, called: None }))
    }

    /// For `status`: how many stand where, which stand still, how long it takes.
    pub(in crate::gateway) fn sales_status(&self) -> Result<Json, StoreError> {
        let latest = self.store().sales(&SaleFilter { limit: TIMED_MAX, ..SaleFilter::default() })?;
        if latest.is_empty() && !self.live().loaded.config.order_system.is_configured() {
            return Ok(Json::Null);
        }
        let still: Vec<Json> = latest
            .iter()
            .filter(|sale| sale.alarms.contains(&AlarmKind::OrderStandsStill))
            .take(100)
            .map(|sale| json!({"sale": sale.id, "order": sale.order, "status": sale.status, "since": sale.entered_at}))
            .collect();
        let health = self.system_health();
        let waiting = latest.iter().filter(|sale| sale.status.hands_over()).count();
        Ok(json!({
            "by_status": self.store().counts()?.sales,
            "mail_to_confirmation": super::times(&latest),
            "stand_still": still,
            "order_system": {"waiting": waiting, "failures": health.failures, "trouble": health.trouble,
                "trouble_since": health.trouble_since, "last_success": health.last_success, "next_try": health.not_before},
        }))
    }
}

fn row(sale: &Sale) -> Json {
    json!({"id": sale.id, "customer": sale.customer, "number": sale.number, "order": sale.order, "status": sale.status,
        "version": sale.version, "received_at": sale.received_at, "since": sale.entered_at,
        "seconds_to_confirmation": seconds_to_confirmation(sale),
        "faults": sale.faults.iter().map(|fault| fault.code).collect::<Vec<_>>(),
        "differences": sale.differences.iter().filter(|d| !d.within).map(|d| d.code).collect::<Vec<_>>(),
        "error": sale.error})
}

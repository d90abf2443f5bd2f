//! What people and scripts ask of the gateway: one list of requests, served the same way through the
//! control socket of a running gateway and by a command that opened the store itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Gateway;
use super::sales::SaleAct;
use crate::model::{
    Attempt, CustomerId, EditTarget, Field, MailId, Order, OrderNumber, PartnerId, ResponseId, SaleStatus, Status,
    Transmission, TransmissionId, TransmissionStatus,
};
use crate::process::{Input, Person, PersonAction, Reread};
use crate::store::{Commit, MailFilter, ResponseFilter, StoreError, TransmissionFilter};

/// One request; its JSON is the control socket's protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    OrderAdd {
        text: String,
        file: String,
    },
    OrderList {
        after: Option<OrderNumber>,
        limit: usize,
    },
    OrderShow {
        number: OrderNumber,
    },
    OrderCancel {
        number: OrderNumber,
        by: String,
    },
    OrderDispatch {
        text: String,
        by: String,
    },
    OrderMerge {
        first: OrderNumber,
        second: OrderNumber,
        by: String,
    },
    /// What waits for a merge goes on.
    OrderRelease {
        number: OrderNumber,
        by: String,
    },
    ResponseList {
        status: Option<Status>,
        order: Option<OrderNumber>,
        partner: Option<PartnerId>,
        limit: usize,
    },
    ResponseShow {
        id: ResponseId,
    },
    ResponseAct {
        id: ResponseId,
        action: Act,
        by: String,
        reason: String,
    },
    SaleList {
        status: Option<SaleStatus>,
        customer: Option<CustomerId>,
        limit: usize,
    },
    /// By `S12`, or by the order's number.
    SaleShow {
        name: String,
    },
    SaleAct {
        name: String,
        action: SaleAct,
        by: String,
        reason: String,
    },
    TransmissionList {
        status: Option<TransmissionStatus>,
        order: Option<OrderNumber>,
        limit: usize,
    },
    TransmissionShow {
        id: TransmissionId,
    },
    TransmissionAct {
        id: TransmissionId,
        action: TransmissionAction,
        by: String,
    },
    MailList {
        drawer: Option<String>,
        order: Option<OrderNumber>,
        limit: usize,
    },
    MailShow {
        id: MailId,
    },
    /// The raw bytes, base64.
    MailRaw {
        id: MailId,
    },
    MailRerun {
        id: MailId,
        by: String,
    },
    MailReplay {
        since: Timestamp,
        partner: Option<PartnerId>,
        /// Mails before this one: the next page.
        #[serde(default)]
        before: Option<MailId>,
        limit: usize,
    },
    /// What was held because a mapping drifted goes on.
    MappingRelease {
        mapping: String,
        by: String,
    },
    Alarms {
        open_only: bool,
        limit: usize,
    },
    AlarmClose {
        id: crate::model::AlarmId,
        by: String,
    },
    Audit {
        after: u64,
        limit: usize,
    },
    AuditVerify,
    Backup {
        to: PathBuf,
    },
    Status,
    Counts,
    Reload,
    Ping,
}

/// What a person may do to a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Check again, with the mail read anew by the mappings as they are now.
    Recheck,
    /// `20.quantity_confirmed=8` for a position, `entry_date=2026-12-01` for the head.
    Edit(Vec<String>),
    Force,
    Fail,
    Release,
    Promote,
    AskAgain,
    /// NOT_ANNOUNCED with its errors handled, or FAILED after NOT_ANNOUNCED.
    Announce,
    UndoDecline,
    AcceptAfterTooLate,
}

/// What a person may do to a transmission (reference: RESEND, CANCEL, SENT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransmissionAction {
    Resend,
    Cancel,
    Sent,
}

/// The answer: `ok` = done; otherwise `message` says what was refused or not found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub ok: bool,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub value: Json,
}

impl Reply {
    pub fn done(value: Json) -> Reply {
        Reply { ok: true, message: String::new(), value }
    }

    pub fn refused(message: impl Into<String>) -> Reply {
        Reply { ok: false, message: message.into(), value: Json::Null }
    }
}

impl From<StoreError> for Reply {
    fn from(error: StoreError) -> Reply {
        Reply::refused(error.to_string())
    }
}

/// A dispatch notice: `{"order_number", "positions": [{"position", "quantity"}]}`, one or an array.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DispatchNotice {
    order_number: String,
    positions: Vec<DispatchedPosition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DispatchedPosition {
    position: u32,
    quantity: Decimal,
}

/// No list is longer than this, whatever was asked.
const LIST_MAX: usize = 10_000;

impl Gateway {
    /// Serves one request. Blocks on the store.
    pub fn handle(&self, request: Request) -> Reply {
        if let Err(why) = crate::drill::pass("desk.asked") {
            return Reply::refused(why);
        }
        let reply = self.serve(request).unwrap_or_else(Reply::from);
        match crate::drill::pass("desk.answered") {
            Ok(()) => reply,
            Err(why) => Reply::refused(why),
        }
    }

    fn serve(&self, request: Request) -> Result<Reply, StoreError> {
        let store = self.store();
        Ok(match request {
            Request::OrderAdd { text, file } => self.add_orders(&text, &file)?,
            Request::OrderList { after, limit } => {
                let mut orders = Vec::new();
                for number in store.orders(after.as_ref(), limit.min(LIST_MAX))? {
                    if let Some(order) = store.dossier(&number)?.and_then(|dossier| dossier.order) {
                        orders.push(json!({"order_number": number, "channel": order.channel, "revision": order.revision, "positions": order.positions.len(),
                            "partners": order.partners().collect::<Vec<_>>(), "registered_at": order.registered_at, "canceled": order.canceled}));
                    }
                }
                Reply::done(json!({"v": 1, "orders": orders}))
            }
            Request::OrderShow { number } => match store.dossier(&number)? {
                None => Reply::refused(format!("order {number} is not known")),
                Some(dossier) => {
                    let responses: Vec<Json> = dossier.responses.values().map(|r| {
                        json!({"id": r.id, "partner": r.partner, "type": r.response_type, "status": r.status, "arrived_at": r.arrived_at, "mail": r.mail})
                    }).collect();
                    let filter =
                        TransmissionFilter { order: Some(number.clone()), limit: LIST_MAX, ..Default::default() };
                    let transmissions: Vec<Json> = store.transmissions(&filter)?.iter().rev().map(|t| {
                        json!({"id": t.id, "kind": t.kind, "status": t.status, "to": t.to, "subject": t.subject, "response": t.response, "created_at": t.created_at})
                    }).collect();
                    let mut mails = store.mails(&MailFilter {
                        order: Some(number.clone()),
                        limit: LIST_MAX,
                        ..Default::default()
                    })?;
                    mails.reverse();
                    let sale = store.sale_by_order(&number)?.map(|sale| {
                        json!({"id": sale.id, "customer": sale.customer, "number": sale.number, "status": sale.status, "received_at": sale.received_at, "history": sale.history})
                    });
                    Reply::done(
                        json!({"v": 1, "sale": sale, "order_number": number, "order": dossier.order, "responses": responses, "recalls": dossier.recalls,
                        "transmissions": transmissions, "mails": mails}),
                    )
                }
            },
            Request::OrderCancel { number, by } => self.act(&number, Input::OrderCanceled { by: by.clone() }, &by)?,
            Request::OrderDispatch { text, by } => self.dispatch(&text, &by)?,
            Request::OrderMerge { first, second, by } => self.merge(&first, &second, &by)?,
            Request::OrderRelease { number, by } => {
                let action = PersonAction::ReleaseMerge;
                let person = Person { by: by.clone(), reason: String::new(), response: None, action };
                self.act(&number, Input::Person(person), &by)?
            }
            Request::ResponseList { status, order, partner, limit } => {
                let list = store.responses(&ResponseFilter {
                    status,
                    order,
                    partner,
                    before: None,
                    limit: limit.min(LIST_MAX),
                })?;
                let rows: Vec<Json> = list.iter().map(|r| {
                    json!({"id": r.id, "order": r.order, "partner": r.partner, "type": r.response_type, "status": r.status, "arrived_at": r.arrived_at,
                        "faults": r.faults.iter().map(|f| f.code).collect::<Vec<_>>(), "deviations": r.deviations.iter().map(|d| d.code).collect::<Vec<_>>(),
                        "waits_for": r.waits_for.as_ref().map(|w| &w.reason), "error": r.error})
                }).collect();
                Reply::done(json!({"v": 1, "responses": rows}))
            }
            Request::ResponseShow { id } => match store.response(id)? {
                None => Reply::refused(format!("response {id} is not known")),
                Some(response) => {
                    let transmissions = store.transmissions(&TransmissionFilter {
                        response: Some(id),
                        limit: LIST_MAX,
                        ..Default::default()
                    })?;
                    let message = message_json(&response.message);
                    let mut shown = serde_json::to_value(&response).unwrap_or(Json::Null);
                    if let Some(object) = shown.as_object_mut() {
                        object.insert("message".into(), message);
                        object.insert("status_id".into(), json!(response.status.id()));
                    }
                    Reply::done(json!({"v": 1, "response": shown, "transmissions": transmissions}))
                }
            },
            Request::ResponseAct { id, action, by, reason } => match store.response(id)? {
                None => Reply::refused(format!("response {id} is not known")),
                Some(response) => {
                    let action = match self.action(action, &response)? {
                        Ok(action) => action,
                        Err(why) => return Ok(Reply::refused(why)),
                    };
                    let person = Person { by: by.clone(), reason, response: Some(id), action };
                    self.act(&response.order, Input::Person(person), &by)?
                }
            },
            Request::SaleList { status, customer, limit } => self.sale_list(status, customer, limit)?,
            Request::SaleShow { name } => self.sale_show(&name)?,
            Request::SaleAct { name, action, by, reason } => self.sale_act(&name, action, &by, &reason)?,
            Request::TransmissionList { status, order, limit } => {
                let list = store.transmissions(&TransmissionFilter {
                    status,
                    order,
                    limit: limit.min(LIST_MAX),
                    ..Default::default()
                })?;
                Reply::done(json!({"v": 1, "transmissions": list}))
            }
            Request::TransmissionShow { id } => match store.transmission(id)? {
                None => Reply::refused(format!("transmission {id} is not known")),
                Some(transmission) => {
                    let content = store.blob(&transmission.content)?;
                    let text = content.as_ref().map(|raw| String::from_utf8_lossy(raw).into_owned());
                    Reply::done(json!({"v": 1, "transmission": transmission, "mime": text}))
                }
            },
            Request::TransmissionAct { id, action, by } => self.transmission_act(id, action, &by)?,
            Request::MailList { drawer, order, limit } => {
                let list = store.mails(&MailFilter {
                    drawer,
                    order,
                    since: None,
                    before: None,
                    limit: limit.min(LIST_MAX),
                })?;
                Reply::done(json!({"v": 1, "mails": list}))
            }
            Request::MailShow { id } => match store.mail(id)? {
                None => Reply::refused(format!("mail {id} is not known")),
                Some(record) => Reply::done(json!({"v": 1, "mail": record})),
            },
            Request::MailRaw { id } => match store.mail(id)? {
                None => Reply::refused(format!("mail {id} is not known")),
                Some(record) => match store.blob(&record.digest)? {
                    None => Reply::refused(format!("the bytes of mail {id} are not kept any more (retention)")),
                    Some(raw) => {
                        use base64::Engine as _;
                        let drawer = json!({"drawer": record.drawer, "reason": record.reason});
                        Reply::done(
                            json!({"v": 1, "raw": base64::engine::general_purpose::STANDARD.encode(raw), "record": drawer}),
                        )
                    }
                },
            },
            Request::MailRerun { id, by } => self.rerun(id, &by)?,
            Request::MailReplay { since, partner, before, limit } => {
                self.replay(since, partner.as_ref(), before, limit.min(LIST_MAX))?
            }
            Request::MappingRelease { mapping, by } => self.release_mapping(&mapping, &by)?,
            Request::Alarms { open_only, limit } => {
                Reply::done(json!({"v": 1, "alarms": store.alarms(open_only, limit.min(LIST_MAX))?}))
            }
            Request::AlarmClose { id, by } => self.close_alarm(id, &by)?,
            Request::Audit { after, limit } => {
                Reply::done(json!({"v": 1, "entries": store.audit(after, limit.min(LIST_MAX))?}))
            }
            Request::AuditVerify => match store.audit_verify() {
                Ok(entries) => Reply::done(json!({"v": 1, "entries": entries, "ok": true})),
                Err(StoreError::Damaged(what)) => {
                    Reply { ok: false, message: what.clone(), value: json!({"v": 1, "ok": false, "broken": what}) }
                }
                Err(error) => return Err(error),
            },
            Request::Backup { to } => {
                match store.backup(&to) {
                    Err(StoreError::Invalid(why)) => return Ok(Reply::refused(why)),
                    done => done?,
                }
                if self.live().loaded.config.gateway.secret_file.is_none() {
                    keep_secret(&to.join("secret"), &self.inner.secret)
                        .map_err(|error| StoreError::Away(format!("{}: {error}", to.join("secret").display())))?;
                }
                Reply::done(json!({"v": 1, "to": to}))
            }
            Request::Status => self.status()?,
            Request::Counts => Reply::done(serde_json::to_value(store.counts()?).unwrap_or(Json::Null)),
            Request::Reload => match self.reload() {
                Ok(restart) => Reply::done(json!({"v": 1, "restart": restart})),
                Err(complaints) => {
                    Reply::refused(complaints.iter().map(|c| c.draw(false)).collect::<Vec<_>>().join("\n"))
                }
            },
            Request::Ping => Reply::done(json!({"v": 1, "pid": std::process::id()})),
        })
    }

    fn add_orders(&self, text: &str, file: &str) -> Result<Reply, StoreError> {
        let orders = match Order::read(text, self.now()) {
            Ok(orders) => orders,
            Err(error) => {
                let place = if error.line > 0 {
                    format!("{file}:{}:{}: ", error.line, error.column)
                } else {
                    format!("{file}: ")
                };
                return Ok(Reply::refused(format!("{place}ORD001 {}", error.message)));
            }
        };
        let live = self.live();
        let mut told = Vec::with_capacity(orders.len());
        let mut warnings = Vec::new();
        let mut inputs = Vec::with_capacity(orders.len());
        for order in orders {
            if !live.loaded.policies.channels.is_empty() && !live.loaded.policies.channels.contains_key(&order.channel)
            {
                warnings.push(format!("order {}: channel `{}` is not configured", order.order_number, order.channel));
            }
            for partner in order.partners() {
                if !live.loaded.policies.partners.contains_key(partner) {
                    warnings.push(format!("order {}: partner `{partner}` is not configured", order.order_number));
                }
            }
            inputs.push((order.order_number.clone(), Input::OrderRegistered(order)));
        }
        for (number, decided) in self.decide_each(inputs) {
            let decided = decided?;
            told.push(json!({"order_number": number, "changed": decided.changed, "revision": decided.order_revision}));
        }
        Ok(Reply {
            ok: true,
            message: warnings.join("\n"),
            value: json!({"v": 1, "orders": told, "warnings": warnings}),
        })
    }

    /// Feeds one input of a person to a dossier and tells what it did.
    fn act(&self, number: &OrderNumber, input: Input, by: &str) -> Result<Reply, StoreError> {
        let decided = self.decide_one(number, input)?;
        if let Some(why) = decided.refused {
            return Ok(Reply::refused(why.to_string()));
        }
        tracing::info!(order = %number, by, "a person acted");
        let walked: Vec<Json> =
            decided.walked.iter().map(|(response, step)| json!({"response": response, "step": step})).collect();
        Ok(Reply::done(json!({"v": 1, "changed": decided.changed, "walked": walked})))
    }

    fn dispatch(&self, text: &str, by: &str) -> Result<Reply, StoreError> {
        let notices: Result<Vec<DispatchNotice>, serde_json::Error> = if text.trim_start().starts_with('[') {
            serde_json::from_str(text)
        } else {
            serde_json::from_str(text).map(|one| vec![one])
        };
        let notices = match notices {
            Ok(notices) => notices,
            Err(error) => return Ok(Reply::refused(format!("{}:{}: DSP001 {error}", error.line(), error.column()))),
        };
        let mut told = Vec::new();
        for notice in notices {
            let number = OrderNumber::new(notice.order_number);
            if self.store().dossier(&number)?.is_none_or(|dossier| dossier.order.is_none()) {
                return Ok(Reply::refused(format!("order {number} is not known")));
            }
            let mut positions: BTreeMap<u32, Decimal> = BTreeMap::new();
            for line in notice.positions {
                *positions.entry(line.position).or_default() += line.quantity;
            }
            let reply = self.act(&number, Input::Dispatched { positions, by: by.to_string() }, by)?;
            if !reply.ok {
                return Ok(reply);
            }
            told.push(json!({"order_number": number, "did": reply.value}));
        }
        Ok(Reply::done(json!({"v": 1, "dispatched": told})))
    }

    /// The process's word for what a person asked, with the mail read anew where that is needed.
    fn action(&self, act: Act, response: &crate::model::Response) -> Result<Result<PersonAction, String>, StoreError> {
        Ok(Ok(match act {
            Act::Recheck => PersonAction::Correct(self.reread(response)?.map(Box::new)),
            Act::Edit(sets) => {
                let mut edits = Vec::with_capacity(sets.len());
                for set in &sets {
                    match parse_set(set) {
                        Ok(edit) => edits.push(edit),
                        Err(why) => return Ok(Err(why)),
                    }
                }
                PersonAction::Edit(edits)
            }
            Act::Force => PersonAction::Force,
            Act::Fail => PersonAction::Fail,
            Act::Release if response.status == Status::WaitMerge => PersonAction::ReleaseMerge,
            Act::Release => PersonAction::Release,
            Act::Promote => PersonAction::Promote,
            Act::AskAgain => PersonAction::AskAgain,
            Act::Announce if response.status == Status::NotAnnounced => PersonAction::ErrorsHandled,
            Act::Announce => PersonAction::SetToAnnounce,
            Act::UndoDecline => PersonAction::UndoDecline,
            Act::AcceptAfterTooLate => PersonAction::AcceptAfterTooLate,
        }))
    }

    /// The response's mail read by the mappings as they are now; `None` when it cannot be read as one message for it.
    fn reread(&self, response: &crate::model::Response) -> Result<Option<Reread>, StoreError> {
        let Some(record) = response.mail.map(|id| self.store().mail(id)).transpose()?.flatten() else {
            return Ok(None);
        };
        let Some(raw) = self.store().blob(&record.digest)? else { return Ok(None) };
        Ok(self.read_again(&raw, &record, response))
    }

    /// The second order's positions and open responses go into the first; whatever is open in both waits
    /// (WAIT_MERGE) until a person releases it. One commit, or nothing.
    fn merge(&self, first: &OrderNumber, second: &OrderNumber, by: &str) -> Result<Reply, StoreError> {
        for number in [first, second] {
            if self.store().dossier(number)?.is_none_or(|dossier| dossier.order.is_none()) {
                return Ok(Reply::refused(format!("order {number} is not known")));
            }
        }
        let action = PersonAction::MergeInto { into: first.clone() };
        let person =
            Person { by: by.to_string(), reason: format!("merged into order {first}"), response: None, action };
        let reply = self.act(second, Input::Person(person), by)?;
        if !reply.ok {
            return Ok(reply);
        }
        let order = self.store().dossier(first)?.and_then(|dossier| dossier.order);
        let joined = order.iter().flat_map(|order| &order.positions).filter_map(|position| {
            let origin = position.origin.as_ref().filter(|origin| origin.order == *second)?;
            Some(json!({"position": position.position, "was": origin.position}))
        });
        let joined: Vec<Json> = joined.collect();
        Ok(Reply::done(json!({"v": 1, "into": first, "from": second, "positions": joined, "did": reply.value})))
    }

    fn transmission_act(&self, id: TransmissionId, action: TransmissionAction, by: &str) -> Result<Reply, StoreError> {
        use TransmissionStatus as S;
        let Some(mut transmission) = self.store().transmission(id)? else {
            return Ok(Reply::refused(format!("transmission {id} is not known")));
        };
        let now = self.now();
        let was = transmission.status;
        let (status, what) = match (action, was) {
            // CHECKED and DO_PUSH at once: the person looked, and it may go.
            (
                TransmissionAction::Resend,
                S::DoManualCheck | S::Checked | S::Transmissioned | S::Confirmed | S::DoPush | S::Canceled,
            ) => (S::DoPush, "resent"),
            (TransmissionAction::Cancel, S::Initial | S::DoPush | S::DoManualCheck | S::Checked) => {
                (S::Canceled, "canceled")
            }
            (TransmissionAction::Sent, S::Initial | S::DoPush | S::DoManualCheck | S::Checked) => {
                (S::Transmissioned, "marked as sent")
            }
            (_, status) => {
                return Ok(Reply::refused(format!("transmission {id} is {status}; that cannot be done to it")));
            }
        };
        transmission.status = status;
        transmission.next_retry = None;
        if status == S::DoPush {
            transmission.retry_count = 0;
        }
        transmission.attempts.push(Attempt { at: now, answer: format!("{what} by {by}"), ok: true });
        let mut commit = Commit::default();
        commit.audit.push(self.audit(by, what, &id.to_string(), &format!("was {was}")));
        self.end_alarm(&mut commit, crate::model::AlarmKind::TransmissionStuck, &id.to_string(), now);
        commit.transmissions.push(transmission.clone());
        self.store().commit(commit)?;
        self.inner.wake_sender.notify_one();
        Ok(Reply::done(json!({"v": 1, "transmission": self.store().transmission(id)?})))
    }

    fn close_alarm(&self, id: crate::model::AlarmId, by: &str) -> Result<Reply, StoreError> {
        let Some(mut alarm) = self.store().alarms(true, LIST_MAX)?.into_iter().find(|alarm| alarm.id == id) else {
            return Ok(Reply::refused(format!("alarm {id} is not open")));
        };
        if alarm.kind == crate::model::AlarmKind::MappingDrift
            && let Some(mapping) = Gateway::mapping_of_alarm(&alarm.subject)
        {
            let reply = self.release_mapping(mapping, by)?;
            return Ok(if reply.ok { Reply::done(json!({"v": 1, "closed": id})) } else { reply });
        }
        tracing::info!(alarm = %alarm.kind.name(), about = %alarm.subject, by, "closed by a person");
        alarm.ended_at = Some(self.now());
        let mut commit = Commit::default();
        commit.audit.push(self.audit(by, "alarm closed", &id.to_string(), &alarm.message));
        commit.alarms.push(alarm.clone());
        self.store().commit(commit)?;
        // What the process remembers of it is settled, too.
        if let Some(order) = &alarm.order {
            let input = Input::AlarmClosed { kind: alarm.kind, subject: alarm.subject, by: by.to_string() };
            self.decide_one(order, input)?;
        }
        Ok(Reply::done(json!({"v": 1, "closed": id})))
    }

    fn status(&self) -> Result<Reply, StoreError> {
        let now = self.now();
        let store = self.store();
        let counts = store.counts()?;
        let live = self.live();
        let health = self.health();
        let mailboxes: Vec<Json> = live.loaded.config.mailboxes.iter().map(|mailbox| {
            let health = health.get(&mailbox.name).cloned().unwrap_or_default();
            json!({"name": mailbox.name, "last_success": health.last_success, "last_mail": health.last_mail, "lag_seconds": health.lag_seconds,
                "trouble": health.trouble, "trouble_since": health.trouble_since, "taken": health.taken})
        }).collect();
        let mut times = self.times();
        times.sort_unstable();
        let percentile =
            |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
        // What waits for another try is late, too; what is held back on purpose is not.
        let mut due = store.transmissions_due(Timestamp::MAX, 1_000)?;
        due.retain(|t| t.retry_count > 0 || t.next_retry.is_none_or(|at| at <= now));
        let oldest_due = due.iter().map(|t| t.created_at).min();
        let mut oldest_waiting: Option<Json> = None;
        for status in [
            Status::WaitPending,
            Status::NotChecked,
            Status::InExternalProcessing,
            Status::NotCheckedDoApprove,
            Status::NotAnnounced,
        ] {
            let waiting =
                store.responses(&ResponseFilter { status: Some(status), limit: 1_000, ..Default::default() })?;
            if let Some(oldest) = waiting.iter().min_by_key(|r| r.arrived_at)
                && oldest_waiting
                    .as_ref()
                    .is_none_or(|o| o["since"].as_str().unwrap_or("") > oldest.arrived_at.to_string().as_str())
            {
                oldest_waiting = Some(
                    json!({"response": oldest.id, "status": oldest.status, "since": oldest.arrived_at.to_string()}),
                );
            }
        }
        let mut warnings = self.warnings()?;
        warnings.extend(untaken(&due));
        Ok(Reply::done(json!({
            "v": 1, "at": now, "warnings": warnings, "mailboxes": mailboxes, "mails": counts.mails, "responses": counts.responses, "transmissions": counts.transmissions,
            "transmissions_due": due.len(), "oldest_due": oldest_due, "oldest_waiting": oldest_waiting, "orders": counts.orders,
            "alarms_open": counts.alarms_open, "mappings": self.mappings_json()?, "disk": self.disk_json(), "sales": self.sales_status()?,
            "times_ms": {"p50": percentile(50), "p95": percentile(95), "count": times.len()},
        })))
    }
}

impl Gateway {
    /// What an operator should mend, though nothing stands still because of it.
    fn warnings(&self) -> Result<Vec<String>, StoreError> {
        let Some(note) = self.store().note(super::look::UNSTRIPPED)? else { return Ok(Vec::new()) };
        let note: Json = serde_json::from_str(&note).unwrap_or(Json::Null);
        let word = |key: &str| note.get(key).and_then(Json::as_str).unwrap_or("").to_string();
        Ok(vec![format!(
            "mail {} of {} ({}) came with {} Authentication-Results fields in our server's name: that server must remove them from mail that comes from outside (RFC 8601 section 5), or a mail that it did not check is believed",
            word("mail"),
            word("from"),
            word("at"),
            note.get("fields").unwrap_or(&Json::Null),
        )])
    }
}

/// What the relay did not take, in one sentence.
fn untaken(due: &[Transmission]) -> Option<String> {
    let tried: Vec<&Transmission> = due.iter().filter(|t| t.retry_count > 0).collect();
    let oldest = tried.iter().min_by_key(|t| t.created_at)?;
    Some(format!(
        "{} transmissions were tried and not taken, the oldest ({}) is of {}: {}",
        tried.len(),
        oldest.id,
        oldest.created_at,
        oldest.error.as_deref().unwrap_or("no reason was given")
    ))
}

/// `20.quantity_confirmed=8` or `entry_date=2026-12-01`.
fn parse_set(text: &str) -> Result<(EditTarget, Field, String), String> {
    let wrong = |why: &str| format!("`{text}`: {why}; write `20.quantity_confirmed=8` or `entry_date=2026-12-01`");
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("no `=` in it"))?;
    let (target, name) = match name.trim().split_once('.') {
        None => (EditTarget::Head, name.trim()),
        Some((position, name)) => {
            (EditTarget::Position(position.parse().map_err(|_| wrong("no position number before the dot"))?), name)
        }
    };
    let field = Field::from_name(name).ok_or_else(|| {
        let near = crate::diagnostic::nearest(name, Field::ALL.iter().map(|row| row.1));
        wrong(&near.map_or_else(
            || format!("`{name}` is no field"),
            |near| format!("`{name}` is no field, did you mean `{near}`?"),
        ))
    })?;
    Ok((target, field, value.trim().to_string()))
}

/// A message as people's JSON: plain values with their witnesses.
pub fn message_json(message: &crate::model::Message) -> Json {
    let fields = |map: &BTreeMap<Field, crate::model::Said>| -> Json {
        let entries = map.iter().map(|(field, said)| {
            let shown = json!({"value": said.value.to_string(), "raw": said.raw, "rule": said.rule, "place": said.place, "filled": said.filled});
            (field.name().to_string(), shown)
        });
        Json::Object(entries.collect())
    };
    json!({"type": message.response_type, "fields": fields(&message.fields), "lines": message.lines.iter().map(fields).collect::<Vec<_>>()})
}

/// The key for tokens goes along: without it nobody's answer would be known after a restore.
fn keep_secret(file: &std::path::Path, secret: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(secret)?;
    out.sync_all()
}

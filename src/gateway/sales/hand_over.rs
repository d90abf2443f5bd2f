//! Handing over: what waits under its key goes to the order system, and what became of it is committed. The key and
//! the bytes were stored before the first try, so a crash at any moment is followed by the same try again.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::decide::SaleKey;
use crate::gateway::Gateway;
use crate::gateway::send_out::blocking;
use crate::model::{AlarmKind, Field, Handing, Message, Sale, SaleStatus, Timestamp};
use crate::process::sale::{SaleInput, Tried};
use crate::store::{Commit, SaleFilter, StoreError};
use crate::wire::order_system::{Answer, HandOver, HandOverError, Handed, OrderSystem};

/// The order system is in trouble when it failed so often in a row.
const FAILURES_BEFORE_ALARM: u32 = 3;
/// Sales looked at in one go.
const BATCH: usize = 1_000;
const WAIT_MAX: Duration = Duration::from_secs(30);
const SUBJECT: &str = "order system";

impl Gateway {
    /// Hands over and takes answers until `stop`.
    pub async fn sell(&self, system: Arc<dyn OrderSystem>, stop: CancellationToken) {
        loop {
            let woken = self.inner.wake_sales.notified();
            let answers = self.take_answers(&system).await;
            let handed = self.hand_over_due(&system).await;
            if stop.is_cancelled() {
                return;
            }
            for error in [answers.err(), handed.as_ref().err().map(ToString::to_string)].into_iter().flatten() {
                tracing::error!(%error, "the order system's round failed; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let pause = self.until_next_hand_over().await.min(WAIT_MAX);
            tokio::select! {
                () = woken => {}
                () = system.wait(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Hands over all that may be tried now; returns how many were tried. When the order system is away the rest waits:
    /// it would not answer them either.
    pub async fn hand_over_due(&self, system: &Arc<dyn OrderSystem>) -> Result<usize, StoreError> {
        let now = self.now();
        if self.system_health().not_before.is_some_and(|at| at > now) {
            return Ok(0);
        }
        let gateway = self.clone();
        let waiting = blocking(move || gateway.to_hand_over()).await?;
        let mut tried = 0;
        for sale in waiting.into_iter().filter(|sale| next_try(sale).is_some_and(|at| at <= now)) {
            tried += 1;
            crate::drill::pass("hand_over.looked").map_err(StoreError::Away)?;
            if !self.hand_over_one(system, &sale).await? {
                break;
            }
        }
        Ok(tried)
    }

    /// `false` = the order system is away.
    async fn hand_over_one(&self, system: &Arc<dyn OrderSystem>, sale: &Sale) -> Result<bool, StoreError> {
        let Some(handing) = sale.hand_over().cloned() else { return Ok(true) };
        let gateway = self.clone();
        let document = handing.document;
        let Some(body) = blocking(move || gateway.store().blob(&document)).await? else {
            return Err(StoreError::Damaged(format!(
                "the document {} of {} is not in the store",
                handing.key, sale.id
            )));
        };
        let what = HandOver {
            name: format!("{}.xml", handing.key),
            key: handing.key.clone(),
            content_type: "application/xml".into(),
            body,
        };
        let result = system.hand_over(&what).await;
        crate::drill::pass("hand_over.answered").map_err(StoreError::Away)?;
        let away = matches!(&result, Err(error) if error.retryable);
        tracing::info!(sale = %sale.id, key = %handing.key, ok = result.is_ok(), "handed to the order system");
        let tried = self.tried(sale, handing.what, result);
        let (gateway, id, key) = (self.clone(), sale.id, handing.key);
        let settled = blocking(move || {
            gateway.decide_sale(SaleKey::Id(id), SaleInput::Tried { key, result: tried })?;
            gateway.store().sale(id)
        })
        .await?;
        crate::drill::pass("hand_over.committed").map_err(StoreError::Away)?;
        if away {
            let why = settled.as_ref().and_then(Sale::hand_over).and_then(|handing| handing.error.clone());
            self.system_away(&why.unwrap_or_default(), settled.as_ref().and_then(next_try));
        } else {
            self.system_well();
        }
        Ok(!away)
    }

    fn tried(&self, sale: &Sale, what: Handing, result: Result<Handed, HandOverError>) -> Tried {
        match result {
            Ok(handed) => {
                let answer = handed.answer.filter(|_| what == Handing::Order);
                let answer = answer.and_then(|answer| match self.reply_to(&answer, sale) {
                    Ok(message) => Some(Box::new(self.system_answer(&answer, message, Some(sale.version)))),
                    Err(why) => {
                        // The receipt counts all the same; what nobody understands is kept and shown.
                        if let Err(error) = self.keep_unknown(&answer, &why) {
                            tracing::error!(%error, "an answer could not be kept");
                        }
                        None
                    }
                });
                Tried::Handed { said: handed.said, reference: handed.reference, answer }
            }
            Err(error) if error.retryable => {
                let after = error.after.and_then(|after| SignedDuration::try_from(after).ok());
                let after = after.map(|after| self.now().saturating_add(after).unwrap_or(Timestamp::MAX));
                Tried::Away { why: error.said, after }
            }
            Err(error) => Tried::Refused { why: error.said },
        }
    }

    /// What came back with the receipt: one answer, to this very order.
    fn reply_to(&self, answer: &Answer, sale: &Sale) -> Result<Message, String> {
        let mut messages = self.understood(answer)?;
        let message = messages.pop().ok_or("it says nothing")?;
        if !messages.is_empty() {
            return Err(format!("it answers {} orders at once, {} was asked", messages.len() + 1, sale.order));
        }
        same_order(sale, &message)?;
        Ok(message)
    }

    /// Sales with a document that waits, oldest first.
    fn to_hand_over(&self) -> Result<Vec<Sale>, StoreError> {
        let mut waiting = Vec::new();
        for status in [SaleStatus::DoCreateTransmission, SaleStatus::WaitForTransmit, SaleStatus::NotAnnouncedDoCancel]
        {
            waiting.extend(self.store().sales(&SaleFilter {
                status: Some(status),
                limit: BATCH,
                ..SaleFilter::default()
            })?);
        }
        waiting.sort_by_key(|sale| sale.id);
        Ok(waiting)
    }

    async fn until_next_hand_over(&self) -> Duration {
        let gateway = self.clone();
        let next = blocking(move || gateway.to_hand_over()).await.ok();
        let next = next.and_then(|waiting| waiting.iter().filter_map(next_try).min());
        let next = next.map(|at| self.system_health().not_before.map_or(at, |not_before| at.max(not_before)));
        next.map_or(WAIT_MAX, |at| {
            let millis = at.duration_since(self.now()).as_millis().clamp(50, 30_000);
            Duration::from_millis(u64::try_from(millis).unwrap_or(30_000))
        })
    }

    pub fn system_health(&self) -> super::SystemHealth {
        self.inner.order_system.lock().map(|health| health.clone()).unwrap_or_default()
    }

    /// A person wants it tried at once.
    pub(super) fn try_system_now(&self) {
        if let Ok(mut health) = self.inner.order_system.lock() {
            health.not_before = None;
        }
        self.inner.wake_sales.notify_one();
    }

    /// It failed: nothing more is tried before its next try, and after a few failures a person is called.
    pub(super) fn system_away(&self, why: &str, not_before: Option<Timestamp>) {
        let now = self.now();
        let failures = match self.inner.order_system.lock() {
            Ok(mut health) => {
                health.failures = health.failures.saturating_add(1);
                health.trouble = Some(why.to_string());
                health.trouble_since.get_or_insert(now);
                health.not_before = not_before.or(health.not_before);
                health.failures
            }
            Err(_) => return,
        };
        tracing::warn!(failures, "the order system cannot be reached: {why}");
        if failures == FAILURES_BEFORE_ALARM {
            let mut commit = Commit::default();
            self.raise_alarm(&mut commit, AlarmKind::OrderSystemUnreachable, SUBJECT, why, None, None, now);
            if let Err(error) = self.commit_extra(commit) {
                tracing::error!(%error, "the alarm could not be kept");
            }
        }
    }

    pub(super) fn system_well(&self) {
        let now = self.now();
        let was = match self.inner.order_system.lock() {
            Ok(mut health) => {
                let first = health.last_success.is_none();
                let was = std::mem::take(&mut *health);
                health.last_success = Some(now);
                was.failures > 0 || first
            }
            Err(_) => return,
        };
        // After a restart an alarm of before may still stand.
        if was {
            let mut commit = Commit::default();
            self.end_alarm(&mut commit, AlarmKind::OrderSystemUnreachable, SUBJECT, now);
            if !commit.alarms.is_empty()
                && let Err(error) = self.commit_extra(commit)
            {
                tracing::error!(%error, "the end of the alarm could not be kept");
            }
        }
    }
}

/// An answer that names another order is not taken for this one, whatever envelope it came in.
pub(super) fn same_order(sale: &Sale, message: &Message) -> Result<(), String> {
    let number = message.text(Field::OrderNumber).map(str::trim).filter(|number| !number.is_empty());
    match number {
        Some(number) if number != sale.order.as_str() && number != sale.number => {
            Err(format!("it came as the answer to order `{}`, but names order `{number}`", sale.order))
        }
        _ => Ok(()),
    }
}

fn next_try(sale: &Sale) -> Option<Timestamp> {
    sale.hand_over().and_then(|handing| handing.next_try)
}

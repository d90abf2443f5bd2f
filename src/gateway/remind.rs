//! Reminding: what time alone changes. Reminders, escalation, expiry, steps that can be done again,
//! alarms that stand too long, mails kept long enough, a disk that fills up.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::send_out::blocking;
use super::take_in::Trouble;
use crate::model::policy::Pause;
use crate::model::{About, AlarmKind, AlarmNews, Dossier, Owed, Recipient, TransmissionKind};
use crate::process::Input;
use crate::store::{Commit, StoreError};

/// Dossiers looked at in one go.
const BATCH: usize = 500;
/// How often the house is swept: retention, alarms, silence.
const SWEEP: Duration = Duration::from_secs(60);
/// Raw mails forgotten in one sweep.
const FORGET_MAX: usize = 5_000;

impl Gateway {
    /// Lets time pass until `stop`.
    pub async fn remind(&self, stop: CancellationToken) {
        let mut swept = tokio::time::Instant::now();
        loop {
            let woken = self.inner.wake_timer.notified();
            let gateway = self.clone();
            match blocking(move || gateway.time_passes()).await {
                Ok(count) if count >= BATCH => continue,
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "what is due could not be decided; trying again"),
            }
            if swept.elapsed() >= SWEEP {
                swept = tokio::time::Instant::now();
                let gateway = self.clone();
                if let Err(error) = blocking(move || gateway.sweep()).await {
                    tracing::error!(%error, "sweeping failed; trying again");
                }
            }
            let gateway = self.clone();
            let next = blocking(move || {
                let store = gateway.store();
                Ok([store.next_dossier_due()?, store.next_sale_due()?].into_iter().flatten().min())
            });
            let next = next.await.ok().flatten();
            let pause = next.map_or(SWEEP, |at| {
                let millis =
                    at.duration_since(self.now()).as_millis().clamp(50, SWEEP.as_millis().try_into().unwrap_or(60_000));
                Duration::from_millis(u64::try_from(millis).unwrap_or(60_000))
            });
            tokio::select! {
                () = woken => tokio::time::sleep(Duration::from_millis(20)).await,
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    /// Decides what is due now; returns how many dossiers were looked at.
    pub fn time_passes(&self) -> Result<usize, StoreError> {
        let due = self.store().due(self.now(), BATCH)?;
        let count = due.len();
        crate::drill::pass("remind.looked").map_err(StoreError::Away)?;
        for (number, decided) in self.decide_each(due.into_iter().map(|number| (number, Input::Timer)).collect()) {
            if let Err(error) = decided {
                tracing::error!(order = %number, %error, "what is due could not be decided");
            }
        }
        let count = count + self.sales_time_passes(BATCH)?;
        crate::drill::pass("remind.decided").map_err(StoreError::Away)?;
        Ok(count)
    }

    /// Retention, alarms that stand, mailboxes that are silent.
    pub fn sweep(&self) -> Result<(), StoreError> {
        if let Err(error) = self.follow_links_again() {
            tracing::error!(%error, "mails that wait for a page could not be looked at");
        }
        let live = self.live();
        let now = self.now();
        for (drawer, keep) in &live.loaded.config.retention {
            let Ok(keep) = Pause::parse(keep) else { continue };
            let span = keep.after(now, "UTC").duration_since(now);
            let before = now.saturating_sub(span).unwrap_or(now);
            let forgotten = self.store().forget_raw(drawer, before, FORGET_MAX)?;
            if forgotten > 0 {
                tracing::info!(drawer = %drawer, forgotten, "raw mails were kept long enough");
            }
        }
        self.look_again()?;
        self.digests()?;
        self.repeat_alarms()?;
        self.review_drift()?;
        self.silence()
    }

    /// An alarm that stands is told again after `alarm_reminder`. Alarms about an order are the process's own
    /// affair; these are the others: mailboxes, transmissions, the disk.
    fn repeat_alarms(&self) -> Result<(), StoreError> {
        let live = self.live();
        let now = self.now();
        let settings = live.loaded.policies.settings(&"".into(), &"".into());
        if settings.alarm_reminder.is_none() {
            return Ok(());
        }
        for mut alarm in self.store().alarms(true, BATCH)? {
            let of_sale = alarm.subject.parse::<crate::model::SaleId>().is_ok() && alarm.subject.starts_with('S');
            if alarm.response.is_some()
                || (alarm.order.is_some() && alarm.kind != AlarmKind::TransmissionStuck && !of_sale)
            {
                continue;
            }
            let last = alarm.reminded_at.unwrap_or(alarm.started_at);
            if settings.alarm_reminder.after(last, &settings.time_zone) > now {
                continue;
            }
            alarm.reminded_at = Some(now);
            let owed = Owed {
                id: self.inner.numbers.transmission()?,
                kind: TransmissionKind::Alarm,
                recipient: Recipient::Operators,
                response: alarm.response,
                about: About::Alarm { alarm: alarm.clone(), news: AlarmNews::Reminder },
                not_before: None,
            };
            let dossier = match &alarm.order {
                Some(number) => self.store().dossier(number)?.unwrap_or_else(|| Dossier::new(number.clone())),
                None => Dossier::new("".into()),
            };
            let mut commit = Commit::default();
            self.write_into(&mut commit, &owed, &dossier);
            tracing::warn!(alarm = %alarm.kind.name(), about = %alarm.subject, "still: {}", alarm.message);
            commit.alarms.push(alarm);
            self.commit_extra(commit)?;
        }
        Ok(())
    }

    /// NO_MAIL_SINCE: a mailbox that always had mail has none.
    fn silence(&self) -> Result<(), StoreError> {
        let live = self.live();
        let now = self.now();
        let health = self.health();
        for mailbox in &live.loaded.config.mailboxes {
            let Some(limit) = mailbox.no_mail_alarm.as_deref().and_then(|text| Pause::parse(text).ok()) else {
                continue;
            };
            // Kept across restarts: a gateway that was just started must not think that all is well.
            let note = format!("last mail {}", mailbox.name);
            let known = self.store().note(&note)?.and_then(|text| text.parse::<jiff::Timestamp>().ok());
            let heard = health.get(&mailbox.name).and_then(|health| health.last_mail);
            let last = known.into_iter().chain(heard).max();
            let newest = last.unwrap_or(now);
            if known != Some(newest) {
                let notes = vec![(note, newest.to_string())];
                self.store().commit(Commit { notes, ..Commit::default() })?;
            }
            let last = newest;
            let zone = live.loaded.policies.defaults.time_zone.as_deref().unwrap_or("UTC");
            let subject = format!("mailbox {}", mailbox.name);
            let mut commit = Commit::default();
            if limit.after(last, zone) < now {
                self.raise_alarm(
                    &mut commit,
                    AlarmKind::NoMailSince,
                    &subject,
                    &format!("no mail since {last}"),
                    None,
                    None,
                    now,
                );
            } else {
                self.end_alarm(&mut commit, AlarmKind::NoMailSince, &subject, now);
            }
            if !commit.alarms.is_empty() {
                self.commit_extra(commit)?;
            }
        }
        Ok(())
    }

    /// Polling stops before the disk is full: a mail on the server is safer than one half in the store.
    pub(super) fn disk_has_room(&self) -> Result<(), Trouble> {
        let live = self.live();
        let needed_mib = live.loaded.config.limits.disk_free_mib.unwrap_or(256);
        let health = self.store().health();
        let Some(free_mib) = health.free_bytes.map(|bytes| bytes >> 20) else { return Ok(()) };
        // The reserve of the store itself counts, too: when it was given up, nothing more is taken in.
        if free_mib < needed_mib || health.is_short_of_space() {
            let needed_mib = needed_mib.max(health.ballast_wanted.saturating_mul(2) >> 20);
            return Err(Trouble::DiskFull { free_mib, needed_mib });
        }
        Ok(())
    }

    /// For `status`.
    pub(super) fn disk_json(&self) -> serde_json::Value {
        let health = self.store().health();
        let mib = |bytes: u64| bytes >> 20;
        serde_json::json!({"free_mib": health.free_bytes.map(mib), "used_mib": mib(health.used_bytes), "reserve_mib": mib(health.ballast_bytes),
            "reserve_wanted_mib": mib(health.ballast_wanted), "trouble": health.trouble})
    }
}

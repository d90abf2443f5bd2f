//! Sending out: what is due goes to the relay, and what the relay said is committed.
//!
//! The bytes and the Message-ID were fixed in the commit that owed the transmission, so every try is
//! the same. Between the relay's 250 and our commit a crash can send it twice, identically: the only
//! possible duplicate in the house.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::{Gateway, News};
use crate::model::{AlarmKind, Attempt, Transmission, TransmissionId, TransmissionKind, TransmissionStatus as Status};
use crate::store::{Commit, Content, Store, StoreError};
use crate::wire::{Accepted, Envelope, Refusal, Relay};

/// Transmissions looked at in one go.
const BATCH: usize = 512;
/// Contents read from the store in one go.
const READ_AT_ONCE: usize = 16;
/// Answers recorded in one commit, and how long the first of them waits for the others. What it waits is the window of
/// the one possible duplicate, and a commit costs about as much as sending ten mails: so that recording takes a fifth
/// of the time at most, it waits four times as long as the commit before took, within these bounds. (A relay on the same
/// disk makes commits slow, and commits make the relay slow.)
const RECORDED_AT_ONCE: usize = 256;
const RECORDED_WITHIN_MIN: Duration = Duration::from_millis(5);
const RECORDED_WITHIN_MAX: Duration = Duration::from_millis(30);
/// Then they wait for mails that are being taken in, whose commit touches the same pages.
const RECORDED_BESIDE: Duration = Duration::from_millis(20);
/// Before contents that could not be read are read again.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// Attempts kept in full; beyond, the oldest give way (the count stays in `retry_count`).
const ATTEMPTS_MAX: usize = 200;

/// A transmission's MIME; `None` when the store does not have it.
type Mime = Result<Option<Arc<Vec<u8>>>, StoreError>;

impl Gateway {
    /// Sends what is due until `stop`.
    pub async fn send_out(&self, relay: Arc<dyn Relay>, connections: usize, stop: CancellationToken) {
        loop {
            let woken = self.inner.wake_sender.notified();
            let sent = self.send_due(&relay, connections).await;
            if stop.is_cancelled() {
                return;
            }
            match sent {
                Ok(sent) if sent > 0 => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "what is to be sent cannot be read; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            let pause = self.until_next_sending().await;
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Sends all that is due now; returns how many were tried.
    pub async fn send_due(&self, relay: &Arc<dyn Relay>, connections: usize) -> Result<usize, StoreError> {
        let gateway = self.clone();
        let due = blocking(move || gateway.store().transmissions_due(gateway.now(), BATCH)).await?;
        if due.is_empty() {
            return Ok(0);
        }
        crate::drill::pass("send_out.looked").map_err(StoreError::Away)?;
        let tried = due.len();
        let (answered, answers) = tokio::sync::mpsc::channel(BATCH);
        let sending = async {
            futures_util::stream::iter(due.chunks(READ_AT_ONCE).map(<[Transmission]>::to_vec))
                // The next contents are read while these are on their way.
                .map(|group| self.contents(group))
                .buffered(2)
                .flat_map(futures_util::stream::iter)
                .for_each_concurrent(connections.max(1) * 2, |(transmission, message)| {
                    let answered = answered.clone();
                    async move {
                        if let Some(done) = self.send_one(&**relay, transmission, message).await {
                            // Nobody listens any more only when recording failed: then all of it is done again.
                            let _ = answered.send(done).await;
                        }
                    }
                })
                .await;
            drop(answered);
            Ok(())
        };
        let ((), recorded) = tokio::try_join!(sending, self.record_all(answers))?;
        if recorded == 0 {
            // All of it is still due: nothing could be read. Not at once again.
            tokio::time::sleep(UNREADABLE_PAUSE).await;
        }
        Ok(tried)
    }

    /// Commits answers as they come, many in one commit, while further transmissions are on their way.
    async fn record_all(&self, mut answers: Receiver<(Transmission, Commit)>) -> Result<usize, StoreError> {
        let mut recorded = 0;
        let mut within = RECORDED_WITHIN_MIN;
        while let Some(first) = answers.recv().await {
            let mut done = vec![first];
            let late = tokio::time::sleep(within);
            tokio::pin!(late);
            while done.len() < RECORDED_AT_ONCE {
                tokio::select! {
                    biased;
                    next = answers.recv() => match next {
                        Some(next) => done.push(next),
                        None => break,
                    },
                    () = &mut late => break,
                }
            }
            recorded += done.len();
            let gateway = self.clone();
            crate::drill::pass("send_out.answered").map_err(StoreError::Away)?;
            let began = tokio::time::Instant::now();
            blocking(move || gateway.record(done)).await?;
            within = (began.elapsed() * 4).clamp(RECORDED_WITHIN_MIN, RECORDED_WITHIN_MAX);
            crate::drill::pass("send_out.recorded").map_err(StoreError::Away)?;
        }
        Ok(recorded)
    }

    /// The finished MIME of some transmissions, as the store has it.
    async fn contents(&self, group: Vec<Transmission>) -> Vec<(Transmission, Mime)> {
        let held = |transmission: &Transmission| self.inner.outbox.take(&transmission.content);
        let group: Vec<_> = group.into_iter().map(|transmission| (held(&transmission), transmission)).collect();
        let content_of = |(held, transmission): (Option<Content>, Transmission), store: &dyn Store| {
            let mime = match held {
                Some(content) => Ok(Some(content.shared())),
                None => store.blob(&transmission.content).map(|bytes| bytes.map(Arc::new)),
            };
            (transmission, mime)
        };
        if group.iter().all(|(held, _)| held.is_some()) {
            return group.into_iter().map(|one| content_of(one, &**self.store())).collect();
        }
        let gateway = self.clone();
        let read = move || Ok(group.into_iter().map(|one| content_of(one, &**gateway.store())).collect());
        // A reader that died leaves them due: they come again with the next look.
        blocking(read).await.unwrap_or_else(|error: StoreError| {
            tracing::error!(%error, "contents cannot be read; trying again");
            Vec::new()
        })
    }

    async fn send_one(
        &self,
        relay: &dyn Relay,
        transmission: Transmission,
        message: Mime,
    ) -> Option<(Transmission, Commit)> {
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => return Some(self.broken(transmission, "its content is not in the store")),
            Err(error) if is_lasting(&error) => return Some(self.broken(transmission, &error.to_string())),
            Err(error) => {
                tracing::error!(transmission = %transmission.id, %error, "its content cannot be read now; trying again");
                return None;
            }
        };
        let live = self.live();
        let relay_config = &live.loaded.config.relay;
        let from = relay_config.envelope_from.clone().unwrap_or_else(|| live.loaded.config.gateway.address.clone());
        let envelope = Envelope { from, to: transmission.to.clone() };
        if crate::drill::pass("send_out.read").is_err() {
            return None;
        }
        let answer = relay.send(&envelope, &message).await;
        if crate::drill::pass("send_out.accepted").is_err() {
            return None;
        }
        Some(self.answered(transmission, answer))
    }

    /// What the relay's answer makes of a transmission.
    fn answered(&self, mut transmission: Transmission, answer: Result<Accepted, Refusal>) -> (Transmission, Commit) {
        let now = self.now();
        let retry = self.live().loaded.retry(transmission.kind);
        let mut commit = Commit::default();
        let (ok, words) = match &answer {
            Ok(accepted) => (true, accepted.answer.clone()),
            Err(refusal) => (false, refusal.to_string()),
        };
        transmission.attempts.push(Attempt { at: now, answer: words.clone(), ok });
        if transmission.attempts.len() > ATTEMPTS_MAX {
            transmission.attempts.remove(1);
        }
        transmission.retry_count += 1;
        match answer {
            Ok(_) => {
                // PUSHED and TRANSMISSIONED in one commit.
                transmission.status = Status::Transmissioned;
                transmission.next_retry = None;
                transmission.error = None;
                if transmission.retry_count > 1 {
                    self.end_alarm(&mut commit, AlarmKind::TransmissionStuck, &transmission.id.to_string(), now);
                }
            }
            Err(Refusal::Temporary { .. } | Refusal::Unsure { .. }) if transmission.retry_count < retry.max => {
                transmission.error = Some(words);
                transmission.next_retry = Some(backoff(now, &retry, transmission.retry_count, transmission.id.0));
            }
            Err(_) => {
                transmission.status = Status::DoManualCheck;
                transmission.next_retry = None;
                transmission.error = Some(words);
                self.stuck(&mut commit, &transmission, now);
            }
        }
        (transmission, commit)
    }

    fn broken(&self, mut transmission: Transmission, why: &str) -> (Transmission, Commit) {
        let now = self.now();
        let mut commit = Commit::default();
        transmission.attempts.push(Attempt { at: now, answer: why.to_string(), ok: false });
        transmission.status = Status::DoManualCheck;
        transmission.next_retry = None;
        transmission.error = Some(why.to_string());
        self.stuck(&mut commit, &transmission, now);
        (transmission, commit)
    }

    /// Raises the alarm that a person must look at a transmission; an alarm mail itself only logs.
    pub(super) fn stuck(&self, commit: &mut Commit, transmission: &Transmission, now: Timestamp) {
        let message = format!(
            "{} {} to {}: {}",
            transmission.kind,
            transmission.id,
            transmission.to.join(", "),
            transmission.error.as_deref().unwrap_or("")
        );
        tracing::warn!(transmission = %transmission.id, kind = %transmission.kind, "{message}");
        if transmission.kind != TransmissionKind::Alarm {
            self.raise_alarm(
                commit,
                AlarmKind::TransmissionStuck,
                &transmission.id.to_string(),
                &message,
                transmission.order.as_ref(),
                None,
                now,
            );
        }
    }

    fn record(&self, done: Vec<(Transmission, Commit)>) -> Result<(), StoreError> {
        let mut commits = Vec::with_capacity(done.len());
        let mut news = Vec::with_capacity(done.len());
        let mut tried = Vec::with_capacity(done.len());
        for (transmission, mut commit) in done {
            tried.push((transmission.id, transmission.attempts.last().cloned()));
            news.push(News::Sent {
                transmission: transmission.id,
                kind: transmission.kind,
                to: transmission.to.clone(),
                subject: transmission.subject.clone(),
                status: transmission.status,
                answer: transmission.attempts.last().map(|attempt| attempt.answer.clone()).unwrap_or_default(),
            });
            commit.transmissions.push(transmission);
            commits.push(commit);
        }
        // One line for many: a relay that is away says the same of each.
        let untaken: Vec<&(TransmissionId, Option<Attempt>)> =
            tried.iter().filter(|(_, attempt)| attempt.as_ref().is_some_and(|attempt| !attempt.ok)).collect();
        if let Some((id, Some(attempt))) = untaken.last() {
            tracing::warn!(count = untaken.len(), last = %id, answer = attempt.answer, "transmissions were not taken");
        }
        let landed = self.store().commit_with_others(commits, RECORDED_BESIDE);
        for ((result, news), (id, attempt)) in landed.into_iter().zip(news).zip(tried) {
            match result {
                Ok(_) => self.tell(news),
                // It was answered, or a person resent, canceled or marked it meanwhile: their word stands, and the
                // attempt is kept beside it.
                Err(StoreError::Stale(what)) => {
                    tracing::info!(%what, "changed while it was being sent");
                    self.keep_attempt(id, attempt)?;
                    self.tell(news);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn keep_attempt(&self, id: crate::model::TransmissionId, attempt: Option<Attempt>) -> Result<(), StoreError> {
        let Some(attempt) = attempt else { return Ok(()) };
        // Somebody else may be quicker once more; after a few times the attempt is only in the log.
        for _ in 0..5 {
            let Some(mut transmission) = self.store().transmission(id)? else { return Ok(()) };
            let sent = attempt.ok && transmission.status == Status::DoPush;
            if sent {
                transmission.status = Status::Transmissioned;
                transmission.next_retry = None;
            }
            transmission.attempts.push(attempt.clone());
            match self.store().commit(Commit { transmissions: vec![transmission], ..Commit::default() }) {
                Err(StoreError::Stale(_)) => continue,
                other => return other.map(|_| ()),
            }
        }
        Ok(())
    }

    async fn until_next_sending(&self) -> Duration {
        let gateway = self.clone();
        let next = blocking(move || gateway.store().next_transmission_due()).await.ok().flatten();
        let longest = Duration::from_secs(30);
        match next {
            None => longest,
            Some(at) => {
                let seconds = at.duration_since(self.now()).as_millis().clamp(5, 30_000);
                Duration::from_millis(u64::try_from(seconds).unwrap_or(30_000)).min(longest)
            }
        }
    }
}

/// Whether a content will be as unreadable tomorrow: only then a person must look.
fn is_lasting(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged(_) | StoreError::Invalid(_))
}

/// Doubling pauses with a little spread, so that a thousand transmissions do not come back at once.
fn backoff(now: Timestamp, retry: &crate::config::Retry, tries: u32, seed: u64) -> Timestamp {
    let seconds = |pause: crate::model::policy::Pause| pause.after(now, "UTC").as_second() - now.as_second();
    let first = seconds(retry.delay).max(1);
    let most = seconds(retry.delay_max).max(first);
    let pause = first.saturating_mul(1_i64.checked_shl(tries.saturating_sub(1).min(30)).unwrap_or(i64::MAX)).min(most);
    let spread = i64::try_from(seed.wrapping_mul(2_654_435_761) % 1_000).unwrap_or(0);
    let millis = pause.saturating_mul(1_000).saturating_add(pause.saturating_mul(spread) / 10);
    now.saturating_add(jiff::SignedDuration::from_millis(millis)).unwrap_or(now)
}

/// Runs store work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::Away(format!("a worker died: {error}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Retry;
    use crate::model::policy::Pause;

    /// A disk that stumbles for a moment must not leave hundreds of mails for a person to resend.
    #[test]
    fn only_what_stays_unreadable_is_given_to_a_person() {
        assert!(!is_lasting(&StoreError::Away("input/output error".into())));
        assert!(is_lasting(&StoreError::Damaged("its digest is another".into())));
    }

    /// A relay that is down for an hour must not be hammered, nor forgotten for a day.
    #[test]
    fn pauses_double_up_to_the_longest() {
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let retry =
            Retry { max: 12, delay: Pause::Calendar { seconds: 30 }, delay_max: Pause::Calendar { seconds: 7200 } };
        let seconds: Vec<i64> =
            (1..=12).map(|tries| backoff(now, &retry, tries, 0).as_second() - now.as_second()).collect();
        assert_eq!(seconds, [30, 60, 120, 240, 480, 960, 1920, 3840, 7200, 7200, 7200, 7200]);
        let spread = backoff(now, &retry, 1, 77).as_second() - now.as_second();
        assert!((30..=33).contains(&spread));
    }
}

//! Taking in: mails are fetched in batches, looked at, decided and committed, and only then filed.
//!
//! Order of work: raw bytes and all they cause in one commit, then the move on the server. A crash
//! before the commit fetches the mail again; a crash after it finds the mail known by its digest.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::decide::Task;
use super::look::Seen;
use super::{Gateway, News};
use crate::config::MailboxConfig;
use crate::model::AlarmKind;
use crate::model::policy::Pause;
use crate::store::{Commit, Content, StoreError};
use crate::wire::backoff::Backoff;
use crate::wire::{Batch, Body, Drawer, Fetched, MailKey, Mailbox, WireError};

/// A mailbox is in trouble when it failed so often in a row.
const FAILURES_BEFORE_ALARM: u32 = 3;
/// Nothing is said on a connection for at most so long.
const WAIT_MAX: Duration = Duration::from_secs(300);

impl Gateway {
    /// Reads one mailbox until `stop`.
    pub async fn take_in(&self, mut mailbox: Box<dyn Mailbox>, config: MailboxConfig, stop: CancellationToken) {
        let poll =
            config.poll.as_deref().and_then(|text| Pause::parse(text).ok()).unwrap_or(Pause::Calendar { seconds: 60 });
        let poll = match poll {
            Pause::Calendar { seconds } | Pause::Working { seconds } => {
                Duration::from_secs(u64::try_from(seconds).unwrap_or(60).max(1))
            }
        };
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
        let mut fresh = true;
        loop {
            let mut count = 0;
            let round = tokio::select! {
                round = self.empty_counting(&mut mailbox, &mut count) => round,
                () = stop.cancelled() => break,
            };
            let waited = match round {
                Ok(()) => {
                    // Told before the wait, which may last; an alarm may stand from before a restart.
                    if backoff.failures() > 0 || fresh {
                        self.mailbox_well(&config.name);
                    }
                    fresh = false;
                    let waited = match count {
                        0 => tokio::select! {
                            waited = mailbox.wait(poll.min(WAIT_MAX)) => waited.map_err(Trouble::from),
                            () = stop.cancelled() => break,
                        },
                        _ => Ok(()),
                    };
                    // A server that lets us look and then hangs up each time is not asked every second.
                    if waited.is_ok() {
                        backoff.succeeded();
                    }
                    waited
                }
                Err(trouble) => {
                    // A line that breaks after every few mails is no server that is away: it is tried again soon.
                    if count > 0 {
                        backoff.succeeded();
                    }
                    Err(trouble)
                }
            };
            if let Err(trouble) = waited {
                let pause = backoff.failed(fastrand::u32(..));
                self.mailbox_trouble(&config.name, &trouble, backoff.failures());
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
        mailbox.close().await;
    }

    /// Takes in all that the mailbox holds; returns how many mails. While one batch is read and
    /// committed the next is fetched, so that the server and we work at the same time.
    pub async fn empty(&self, mailbox: &mut Box<dyn Mailbox>) -> Result<usize, Trouble> {
        let mut count = 0;
        self.empty_counting(mailbox, &mut count).await.map(|()| count)
    }

    /// The same; `count` tells how many were filed even when it ends early.
    async fn empty_counting(&self, mailbox: &mut Box<dyn Mailbox>, count: &mut usize) -> Result<(), Trouble> {
        let name = mailbox.name().to_string();
        let mut next = self.fetch(mailbox).await?;
        self.health_of(&name, |health| health.last_success = Some(self.now()));
        while !next.is_empty() {
            drill("take_in.fetched")?;
            let (gateway, own_name, batch) = (self.clone(), name.clone(), next);
            let work = tokio::task::spawn_blocking(move || gateway.take(batch, &own_name));
            let (taken, fetched) = tokio::join!(work, self.fetch(mailbox));
            let Taken { filings, trouble } = taken.map_err(|e| Trouble::Wire(WireError::Away(e.to_string())))?;
            drill("take_in.committed")?;
            // What is committed is filed even if fetching more went wrong.
            mailbox.file(&filings).await?;
            *count += filings.len();
            drill("take_in.filed")?;
            if let Some(error) = trouble {
                return Err(Trouble::Store(error));
            }
            next = fetched?;
            self.health_of(&name, |health| health.last_success = Some(self.now()));
        }
        Ok(())
    }

    async fn fetch(&self, mailbox: &mut Box<dyn Mailbox>) -> Result<Vec<Fetched>, Trouble> {
        self.disk_has_room()?;
        let live = self.live();
        let limits = &live.loaded.config.limits;
        // Two batches are in memory, one being read and one being fetched: some 100 KiB a mail. More mails share fewer
        // commits, and fewer hold the memory flat.
        let batch = Batch {
            count_max: limits.batch.unwrap_or(48).clamp(1, 5_000),
            mail_bytes_max: limits.mail_mib.unwrap_or(40).clamp(1, 100) << 20,
            ..Batch::default()
        };
        Ok(mailbox.fetch(batch).await?)
    }

    /// Looks at mails, decides and commits; says where each is to be filed. What could not be committed
    /// is not filed and comes again.
    pub fn take(&self, fetched: Vec<Fetched>, mailbox: &str) -> Taken {
        let started = Instant::now();
        let count = fetched.len();
        let seen = self.look_at_all(fetched, mailbox);
        if let Err(why) = crate::drill::pass("take_in.looked") {
            return Taken { filings: Vec::new(), trouble: Some(StoreError::Away(why)) };
        }
        let mut filings = Vec::with_capacity(count);
        let mut keys = Vec::with_capacity(count);
        let mut tasks = Vec::with_capacity(count);
        let mut trouble = None;
        for (key, seen) in seen {
            match seen {
                Ok(Seen::Known) => filings.push((key, Drawer::Processed)),
                Ok(Seen::New { task, drawer }) => {
                    keys.push((key, drawer));
                    tasks.push(*task);
                }
                Err(error) => trouble = Some(error),
            }
        }
        let newest =
            tasks.iter().filter_map(|task: &Task| task.mail.as_ref().and_then(|(taken, _)| taken.record.date)).max();
        for ((key, drawer), settled) in keys.into_iter().zip(self.settle(tasks)) {
            match settled {
                Ok(_) => filings.push((key, drawer)),
                // Two copies in one batch, or another node was first.
                Err(StoreError::Known(_)) => filings.push((key, Drawer::Processed)),
                Err(error) => {
                    tracing::error!(%error, ?key, "a mail could not be committed; it stays where it is");
                    trouble = Some(error);
                }
            }
        }
        let now = self.now();
        let taken = filings.len() as u64;
        self.health_of(mailbox, |health| {
            health.taken += taken;
            health.last_mail = Some(now);
            health.lag_seconds = newest.map(|date: Timestamp| now.as_second().saturating_sub(date.as_second()).max(0));
        });
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        for _ in 0..count.min(64) {
            self.note_time(millis);
        }
        Taken { filings, trouble }
    }

    /// The mails of a batch, looked at on several threads, in their order.
    fn look_at_all(&self, fetched: Vec<Fetched>, mailbox: &str) -> Vec<Looked> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(fetched.len()).max(1);
        let next = std::sync::atomic::AtomicUsize::new(0);
        let slots: Vec<std::sync::Mutex<Option<Fetched>>> =
            fetched.into_iter().map(|mail| std::sync::Mutex::new(Some(mail))).collect();
        let results: Vec<std::sync::Mutex<Option<Looked>>> =
            slots.iter().map(|_| std::sync::Mutex::new(None)).collect();
        let work = || {
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(slot) = slots.get(index) else { break };
                let Some(mail) = slot.lock().ok().and_then(|mut slot| slot.take()) else { continue };
                let key = mail.key.clone();
                let seen = self.look_at(mail, mailbox);
                if let Some(result) = results.get(index)
                    && let Ok(mut result) = result.lock()
                {
                    *result = Some((key, seen));
                }
            }
        };
        std::thread::scope(|scope| {
            // This thread is one of them.
            (1..threads).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        results.into_iter().filter_map(|result| result.into_inner().ok().flatten()).collect()
    }

    fn look_at(&self, fetched: Fetched, mailbox: &str) -> Result<Seen, StoreError> {
        let (raw, unread) = match fetched.body {
            Body::Whole(raw) => (raw, None),
            Body::TooLarge { header } => (header, Some(format!("too large to be read: {} MiB", fetched.size >> 20))),
            Body::Unfetchable { reason } => {
                // Nothing of it is here, so that it is known by its key instead of its bytes.
                let words = format!("a mail that the server could not deliver: {:?}, {reason}", fetched.key);
                (words.clone().into_bytes(), Some(words))
            }
        };
        let content = Content::of(raw);
        if self.store().mail_by_digest(&content.digest())?.is_some() {
            return Ok(Seen::Known);
        }
        self.look(content, fetched.size, mailbox, unread)
    }

    fn mailbox_trouble(&self, name: &str, trouble: &Trouble, failures: u32) {
        let now = self.now();
        let words = trouble.to_string();
        tracing::warn!(mailbox = name, failures, "{words}");
        self.health_of(name, |health| {
            health.trouble = Some(words.clone());
            health.trouble_since.get_or_insert(now);
        });
        self.tell(News::Mailbox { name: name.to_string(), trouble: Some(words.clone()) });
        if matches!(trouble, Trouble::DiskFull { .. }) {
            let mut commit = Commit::default();
            self.raise_alarm(&mut commit, AlarmKind::DiskFull, "disk", &words, None, None, now);
            if let Err(error) = self.commit_extra(commit) {
                tracing::error!(%error, "the alarm could not be kept");
            }
            return;
        }
        let urgent = matches!(trouble, Trouble::Wire(WireError::Refused(_)));
        if failures == FAILURES_BEFORE_ALARM || (urgent && failures == 1) {
            let mut commit = Commit::default();
            self.raise_alarm(
                &mut commit,
                AlarmKind::MailboxUnreachable,
                &format!("mailbox {name}"),
                &words,
                None,
                None,
                now,
            );
            if let Err(error) = self.commit_extra(commit) {
                tracing::error!(%error, "the alarm could not be kept");
            }
        }
    }

    fn mailbox_well(&self, name: &str) {
        let now = self.now();
        tracing::info!(mailbox = name, "the mailbox can be read");
        self.health_of(name, |health| {
            health.trouble = None;
            health.trouble_since = None;
        });
        self.tell(News::Mailbox { name: name.to_string(), trouble: None });
        let mut commit = Commit::default();
        self.end_alarm(&mut commit, AlarmKind::MailboxUnreachable, &format!("mailbox {name}"), now);
        self.end_alarm(&mut commit, AlarmKind::DiskFull, "disk", now);
        if !commit.alarms.is_empty()
            && let Err(error) = self.commit_extra(commit)
        {
            tracing::error!(%error, "the end of the alarm could not be kept");
        }
    }
}

fn drill(point: &'static str) -> Result<(), Trouble> {
    crate::drill::pass(point).map_err(|why| Trouble::Wire(WireError::Away(why)))
}

/// A mail of a batch and what a look at it came to.
type Looked = (MailKey, Result<Seen, StoreError>);

/// What came of a batch.
pub struct Taken {
    pub filings: Vec<(MailKey, Drawer)>,
    pub trouble: Option<StoreError>,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("polling stopped: only {free_mib} MiB are free on the disk, {needed_mib} MiB are kept in reserve")]
    DiskFull { free_mib: u64, needed_mib: u64 },
}

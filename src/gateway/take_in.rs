//! Taking in: mails are fetched in batches, looked at, decided and committed, and only then filed.
//!
//! Order of work: raw bytes and all they cause in one commit, then the move on the server. A crash
//! before the commit fetches the mail again; a crash after it finds the mail known by its digest.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::decide::Task;
use super::look::Seen;
use super::{Gateway, News};
use crate::config::MailboxConfig;
use crate::model::AlarmKind;
use crate::model::policy::Pause;
use crate::store::{Commit, Content, MailRecord, MailTaken, StoreError};
use crate::wire::backoff::Backoff;
use crate::wire::{Batch, Body, Drawer, Fetched, MailKey, Mailbox, WireError};

/// A mailbox is in trouble when it failed so often in a row.
const FAILURES_BEFORE_ALARM: u32 = 3;
/// Nothing is said on a connection for at most so long.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Whoever stops the gateway waits at most so long for a batch that is being taken in.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);

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
                round = self.empty_counting(&mut mailbox, &mut count, &stop) => round,
                () = async { stop.cancelled().await; tokio::time::sleep(STOPPED_WITHIN).await } => break,
            };
            if stop.is_cancelled() {
                break;
            }
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
                // What was handed out and not committed is to come again; a connection hands out a mail once.
                mailbox.close().await;
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

    /// Takes in all that the mailbox holds; returns how many mails.
    pub async fn empty(&self, mailbox: &mut Box<dyn Mailbox>) -> Result<usize, Trouble> {
        let mut count = 0;
        self.empty_counting(mailbox, &mut count, &CancellationToken::new()).await.map(|()| count)
    }

    pub(super) async fn fetch(&self, mailbox: &mut Box<dyn Mailbox>) -> Result<Vec<Fetched>, Trouble> {
        self.disk_has_room()?;
        let live = self.live();
        let limits = &live.loaded.config.limits;
        // Two batches are in memory with all that is read of them, some 100 KiB a mail. More mails share fewer commits,
        // and fewer hold the memory flat.
        let batch = Batch {
            count_max: limits.batch.unwrap_or(28).clamp(1, 5_000),
            mail_bytes_max: limits.mail_mib.unwrap_or(40).clamp(1, 100) << 20,
            ..Batch::default()
        };
        Ok(mailbox.fetch(batch).await?)
    }

    /// Looks at mails, decides and commits; says where each is to be filed. What could not be committed
    /// is not filed and comes again.
    pub fn take(&self, fetched: Vec<Fetched>, mailbox: &str) -> Taken {
        self.take_looked(self.look_at_all(fetched, mailbox), mailbox)
    }

    pub(super) fn take_looked(&self, looked: LookedBatch, mailbox: &str) -> Taken {
        let LookedBatch { mails, began } = looked;
        let count = mails.len();
        if let Err(why) = crate::drill::pass("take_in.looked") {
            return Taken { filings: Vec::new(), trouble: Some(StoreError::Away(why)) };
        }
        let mut taken = Taken { filings: Vec::with_capacity(count), trouble: None };
        let (mails, early) = self.part_early(mails);
        let newest = self.settle_seen(mails, &mut taken);
        // The others are committed now, so that a second look knows what they brought.
        let again = early.into_iter().map(|(key, raw, size)| (key, self.look(raw, size, mailbox, None))).collect();
        self.settle_seen(again, &mut taken);
        let (now, filed) = (self.now(), taken.filings.len() as u64);
        self.health_of(mailbox, |health| {
            health.taken += filed;
            health.last_mail = Some(now);
            health.lag_seconds = newest.map(|date: Timestamp| now.as_second().saturating_sub(date.as_second()).max(0));
        });
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        for _ in 0..count.min(64) {
            self.note_time(millis);
        }
        taken
    }

    /// Sets those apart that were looked at too early: the look could not know what the mails before them bring, in this
    /// batch or in one that landed since. Those whose Message-ID came earlier are copies, and a partner's number may be
    /// known by now.
    fn part_early(&self, mails: Vec<Looked>) -> (Vec<Looked>, Vec<(MailKey, Content, u64)>) {
        let mut ids = BTreeSet::new();
        let mut early = Vec::new();
        let mut is_copy = |record: &MailRecord| {
            let known = !["duplicate", "unreadable"].contains(&record.drawer.as_str());
            let Some(id) = record.message_id.as_ref().filter(|_| known) else { return false };
            !ids.insert(id.clone()) || self.store().mail_by_message_id(id).is_ok_and(|found| !found.is_empty())
        };
        let mut early_one = |key: &MailKey, task: &Task| {
            let (MailTaken { record, raw }, _) = task.mail.as_ref()?;
            let again = is_copy(record) || task.early;
            again.then(|| Some((key.clone(), raw.clone()?, record.size))).flatten()
        };
        let mut firsts = Vec::with_capacity(mails.len());
        for (key, seen) in mails {
            match &seen {
                Ok(Seen::New { task, .. }) if let Some(one) = early_one(&key, task) => early.push(one),
                _ => firsts.push((key, seen)),
            }
        }
        (firsts, early)
    }

    /// Returns when the last of them came to the mailbox.
    fn settle_seen(&self, seen: Vec<Looked>, taken: &mut Taken) -> Option<Timestamp> {
        let mut keys = Vec::with_capacity(seen.len());
        let mut tasks = Vec::with_capacity(seen.len());
        for (key, seen) in seen {
            match seen {
                Ok(Seen::Known { review }) => taken.filings.push((key, drawer_of(review))),
                Ok(Seen::New { task, drawer }) => {
                    keys.push((key, drawer));
                    tasks.push(*task);
                }
                Err(error) => taken.trouble = Some(error),
            }
        }
        let newest = tasks.iter().filter_map(|task: &Task| task.arrived).max();
        for ((key, drawer), settled) in keys.into_iter().zip(self.settle(tasks)) {
            match settled {
                Ok(decided) if decided.iter().any(|one| one.set_aside) => taken.filings.push((key, Drawer::Review)),
                Ok(_) => taken.filings.push((key, drawer)),
                // Two copies in one batch, or another node was first.
                Err(StoreError::Known(_)) => taken.filings.push((key, Drawer::Processed)),
                Err(error) => {
                    tracing::error!(%error, ?key, "a mail could not be committed; it stays where it is");
                    taken.trouble = Some(error);
                }
            }
        }
        newest
    }

    /// The mails of a batch, looked at on several threads, in their order.
    pub(super) fn look_at_all(&self, fetched: Vec<Fetched>, mailbox: &str) -> LookedBatch {
        let began = Instant::now();
        let keys: Vec<MailKey> = fetched.iter().map(|mail| mail.key.clone()).collect();
        let (gateway, mailbox) = (self.clone(), mailbox.to_string());
        let seen = crate::crew::each(fetched, move |mail| gateway.look_at(mail, &mailbox));
        let died = || Err(StoreError::Away("looking at the mail ended badly".into()));
        let mails = keys.into_iter().zip(seen).map(|(key, seen)| (key, seen.unwrap_or_else(died))).collect();
        LookedBatch { mails, began }
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
        if let Some(known) = self.store().mail_by_digest(&content.digest())? {
            return Ok(Seen::Known { review: known.review });
        }
        // A mail that ends a reader badly is kept, and seen by a person: it must not come again for ever.
        let looked = || self.look(content.clone(), fetched.size, mailbox, unread.clone());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(looked)).unwrap_or_else(|_| {
            self.look(content.clone(), fetched.size, mailbox, Some("reading it ended badly".into()))
        })
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

/// Where a mail goes.
pub(super) fn drawer_of(review: bool) -> Drawer {
    if review { Drawer::Review } else { Drawer::Processed }
}

pub(super) fn drill(point: &'static str) -> Result<(), Trouble> {
    crate::drill::pass(point).map_err(|why| Trouble::Wire(WireError::Away(why)))
}

/// A mail of a batch and what a look at it came to.
type Looked = (MailKey, Result<Seen, StoreError>);

/// A batch that was looked at and is not decided yet.
pub(super) struct LookedBatch {
    mails: Vec<Looked>,
    began: Instant,
}

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

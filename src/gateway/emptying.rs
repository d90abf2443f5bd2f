//! Emptying a mailbox: three things go on at the same time, each for one batch after the other. The server is talked to
//! (fetching what comes next, filing what is committed), mails are looked at, mails are decided and committed.
//!
//! A look may not have seen what the batch before it commits: just as within a batch, where all are looked at before the
//! first is decided. What is a copy of another is found again before it is decided.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::take_in::{LookedBatch, Taken, Trouble, drill};
use crate::wire::{Body, Drawer, Fetched, MailKey, Mailbox, WireError};

/// Committed mails are filed together, so many or after so long: each time the server reads and writes the lists of two
/// folders anew, which costs it more than the mails themselves. Until then a crash only has them fetched once more.
const FILED_AT_ONCE: usize = 400;
const FILED_WITHIN: Duration = Duration::from_secs(1);
/// Fetched mails wait to be looked at, so that there is work while the server files: no more are fetched while so many
/// batches or bytes wait.
const BATCHES_AHEAD: usize = 4;
const BYTES_AHEAD: usize = 512 << 10;

/// What the working half tells the talking half.
enum Told {
    /// The next batch is being looked at.
    Begun,
    Taken(Taken),
    Trouble(Trouble),
}

impl Gateway {
    /// Takes in all that the mailbox holds, until `stop`; `count` tells how many were filed even when it ends early.
    pub(super) async fn empty_counting(
        &self,
        mailbox: &mut Box<dyn Mailbox>,
        count: &mut usize,
        stop: &CancellationToken,
    ) -> Result<(), Trouble> {
        let name = mailbox.name().to_string();
        let (batches, fetched) = unbounded_channel();
        let (telling, told) = unbounded_channel();
        // Ends the work early: what is not being decided by then is dropped, and comes again.
        let halt = stop.child_token();
        let mut talk = Talk { gateway: self, mailbox, count, committed: BTreeMap::new(), filed_at: Instant::now() };
        let talking = async {
            let ended = talk.run(batches, told, &halt).await;
            halt.cancel();
            ended
        };
        let ((), ended) = tokio::join!(self.work(&name, fetched, telling, &halt), talking);
        ended
    }

    /// Looks at one batch while the one before is decided and committed.
    async fn work(
        &self,
        name: &str,
        mut fetched: UnboundedReceiver<Vec<Fetched>>,
        telling: UnboundedSender<Told>,
        halt: &CancellationToken,
    ) {
        let tell = |what: Told| {
            // Whoever listened before may be gone already: then nothing of it is filed, and it comes again.
            let _ = telling.send(what);
        };
        let mut looking: Option<JoinHandle<LookedBatch>> = None;
        let mut looked: Option<LookedBatch> = None;
        let mut settling: Option<JoinHandle<Taken>> = None;
        let (mut open, mut halted) = (true, false);
        let trouble = loop {
            if settling.is_none()
                && let Some(batch) = looked.take().filter(|_| !halted)
            {
                let (gateway, name) = (self.clone(), name.to_string());
                settling = Some(spawn_blocking(move || gateway.take_looked(batch, &name)));
            }
            if settling.is_none() && (halted || !open && looking.is_none()) {
                return;
            }
            tokio::select! {
                () = halt.cancelled(), if !halted => halted = true,
                settled = ended(&mut settling) => match settled.and_then(|taken| drill("take_in.committed").map(|()| taken)) {
                    Ok(taken) => {
                        halted |= taken.trouble.is_some();
                        tell(Told::Taken(taken));
                    }
                    Err(trouble) => break trouble,
                },
                done = ended(&mut looking), if looked.is_none() => match done {
                    Ok(batch) => looked = Some(batch),
                    Err(trouble) => break trouble,
                },
                batch = fetched.recv(), if open && !halted && looking.is_none() && looked.is_none() => match batch {
                    Some(batch) => {
                        tell(Told::Begun);
                        if let Err(trouble) = drill("take_in.fetched") {
                            break trouble;
                        }
                        let (gateway, name) = (self.clone(), name.to_string());
                        looking = Some(spawn_blocking(move || gateway.look_at_all(batch, &name)));
                    }
                    None => open = false,
                },
            }
        };
        tell(Told::Trouble(trouble));
    }
}

/// The talking half.
struct Talk<'a> {
    gateway: &'a Gateway,
    mailbox: &'a mut Box<dyn Mailbox>,
    count: &'a mut usize,
    /// What is to be filed. After a line that broke a mail may come again before it is filed.
    committed: BTreeMap<MailKey, Drawer>,
    filed_at: Instant,
}

impl Talk<'_> {
    async fn run(
        &mut self,
        batches: UnboundedSender<Vec<Fetched>>,
        mut told: UnboundedReceiver<Told>,
        halt: &CancellationToken,
    ) -> Result<(), Trouble> {
        let mut batches = Some(batches);
        let mut ahead: VecDeque<usize> = VecDeque::new();
        let mut trouble = None;
        loop {
            let room = ahead.len() < BATCHES_AHEAD && ahead.iter().sum::<usize>() < BYTES_AHEAD;
            let fetching = batches.as_ref().filter(|_| room && trouble.is_none() && !halt.is_cancelled());
            let mut news = told.try_recv().ok();
            if news.is_none() {
                if self.is_due() {
                    self.file().await?;
                } else if let Some(sender) = fetching {
                    match self.gateway.fetch(self.mailbox).await {
                        Ok(batch) if !batch.is_empty() => {
                            self.fetched_well();
                            ahead.push_back(bytes_of(&batch));
                            if sender.send(batch).is_err() {
                                batches = None;
                            }
                        }
                        Ok(_) => {
                            self.fetched_well();
                            batches = None;
                        }
                        // What is fetched already is worked on, and filed.
                        Err(error) => {
                            trouble.get_or_insert(error);
                            batches = None;
                        }
                    }
                    continue;
                } else {
                    if halt.is_cancelled() {
                        batches = None;
                    }
                    match told.recv().await {
                        Some(what) => news = Some(what),
                        None => break,
                    }
                }
            }
            match news {
                Some(Told::Begun) => drop(ahead.pop_front()),
                Some(Told::Taken(taken)) => {
                    self.committed.extend(taken.filings);
                    if let Some(error) = taken.trouble {
                        // This says more than that fetching went wrong, too: what was fetched comes again.
                        trouble = Some(Trouble::Store(error));
                    }
                }
                Some(Told::Trouble(why)) => trouble = Some(trouble.unwrap_or(why)),
                None => {}
            }
        }
        self.file().await?;
        trouble.map_or(Ok(()), Err)
    }

    fn fetched_well(&self) {
        self.gateway.health_of(self.mailbox.name(), |health| health.last_success = Some(self.gateway.now()));
    }

    fn is_due(&self) -> bool {
        let some = !self.committed.is_empty();
        some && (self.mailbox.is_prompt()
            || self.committed.len() >= FILED_AT_ONCE
            || self.filed_at.elapsed() >= FILED_WITHIN)
    }

    async fn file(&mut self) -> Result<(), Trouble> {
        self.filed_at = Instant::now();
        let filings: Vec<(MailKey, Drawer)> = std::mem::take(&mut self.committed).into_iter().collect();
        if filings.is_empty() {
            return Ok(());
        }
        self.mailbox.file(&filings).await?;
        *self.count += filings.len();
        drill("take_in.filed")
    }
}

/// What a task came to, which is then gone; waits for ever where there is none.
async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, Trouble> {
    let Some(running) = task else { return std::future::pending().await };
    let result = running.await;
    *task = None;
    result.map_err(|error| Trouble::Wire(WireError::Away(error.to_string())))
}

fn bytes_of(batch: &[Fetched]) -> usize {
    let of = |mail: &Fetched| match &mail.body {
        Body::Whole(raw) => raw.len(),
        Body::TooLarge { header } => header.len(),
        Body::Unfetchable { reason } => reason.len(),
    };
    batch.iter().map(of).sum()
}

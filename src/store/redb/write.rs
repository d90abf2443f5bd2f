//! The one writer: gathers what is waiting, lands it in one durable transaction, answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use redb::WriteTransaction;

use super::prepare::Prepared;
use super::rows::{Rows, Trouble, durable};
use super::{Shared, blobs};
use crate::model::Timestamp;
use crate::store::{Receipt, Result, StoreError};

/// Something that the writer does.
pub(super) enum Job {
    /// `patience`: it may wait so long for another to land with.
    Commit {
        commits: Vec<Prepared>,
        patience: Duration,
        answer: Sender<Vec<Result<Receipt>>>,
    },
    Forget {
        drawer: String,
        before: Timestamp,
        limit: usize,
        answer: Sender<Result<u64>>,
    },
}

/// How often the reserve is looked after.
const LOOK_AFTER: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
}

/// What is said to each commit of each job.
type Landed = Vec<Vec<Result<Receipt>>>;

impl Writer {
    pub fn new(shared: Arc<Shared>, jobs: Receiver<Job>) -> Writer {
        Writer { shared, jobs }
    }

    /// Until the keeper is dropped.
    pub fn run(self) {
        let mut looked_after = Instant::now();
        loop {
            match self.jobs.recv_timeout(LOOK_AFTER) {
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked_after.elapsed() >= LOOK_AFTER {
                self.shared.ballast.restore();
                looked_after = Instant::now();
            }
        }
    }

    fn work(&self, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Commit { commits, patience, answer } => next = self.gather(commits, patience, answer),
                Job::Forget { drawer, before, limit, answer } => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.forget(&drawer, before, limit));
                }
            }
        }
    }

    /// Lands these commits with those that are waiting; returns a job of another kind that came between.
    fn gather(&self, commits: Vec<Prepared>, patience: Duration, answer: Sender<Vec<Result<Receipt>>>) -> Option<Job> {
        let began = Instant::now();
        let mut until = began + patience;
        let options = &self.shared.options;
        let weigh = |commits: &[Prepared]| commits.iter().map(|commit| commit.weight).sum::<usize>();
        let (mut count, mut weight) = (commits.len(), weigh(&commits));
        let mut group = vec![commits];
        let mut answers = vec![answer];
        let mut other = None;
        while count < options.group_commits_max && weight < options.group_bytes_max {
            match self.jobs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Job::Commit { commits, patience, answer }) => {
                    until = until.min(began + patience);
                    count += commits.len();
                    weight += weigh(&commits);
                    group.push(commits);
                    answers.push(answer);
                }
                Ok(job) => {
                    other = Some(job);
                    break;
                }
                Err(_) => break,
            }
        }
        let results = self.land(&group).unwrap_or_else(|error| {
            let all_away = |commits: &Vec<Prepared>| commits.iter().map(|_| Err(again(&error))).collect();
            group.iter().map(all_away).collect()
        });
        for (answer, results) in answers.into_iter().zip(results) {
            // Whoever asked may have gone.
            let _ = answer.send(results);
        }
        other
    }

    /// On a full disk once more with the reserve.
    fn land(&self, group: &[Vec<Prepared>]) -> Result<Landed> {
        let landed = self.try_to_land(group);
        let landed = match landed {
            Err(Failed { full: true, .. }) if self.shared.ballast.release() => self.try_to_land(group),
            other => other,
        };
        match landed {
            Ok(landed) => {
                self.shared.no_trouble();
                Ok(landed)
            }
            Err(failed) => {
                self.shared.note_trouble(&failed.error);
                Err(failed.error)
            }
        }
    }

    fn try_to_land(&self, group: &[Vec<Prepared>]) -> std::result::Result<Landed, Failed> {
        let transaction = self.begin()?;
        let mut results = Vec::with_capacity(group.len());
        let mut landed = false;
        let mut state;
        {
            let mut rows = Rows::open(&transaction).map_err(|e| self.failed(e))?;
            state = rows.state().map_err(|e| self.failed(e))?;
            for commits in group {
                let mut answers = Vec::with_capacity(commits.len());
                for commit in commits {
                    answers.push(match rows.check(commit) {
                        Ok(stood) => {
                            rows.write(commit, &stood, &mut state).map_err(|e| self.failed(e))?;
                            landed = true;
                            Ok(Receipt { sequence: state.sequence })
                        }
                        Err(Trouble::Refused(error)) => Err(error),
                        Err(broken) => return Err(self.failed(broken)),
                    });
                }
                results.push(answers);
            }
            rows.save(&state).map_err(|e| self.failed(e))?;
        }
        if !landed {
            transaction.abort().map_err(|e| self.failed(e.into()))?;
            return Ok(results);
        }
        if group.iter().flatten().any(|commit| commit.has_files) {
            self.shared.folder.sync().map_err(|e| Failed::of(super::away_io(self.shared.folder.path(), &e)))?;
        }
        transaction.commit().map_err(|e| self.failed(Trouble::Broken(e.into())))?;
        self.shared.moved();
        self.shared.used(&state);
        Ok(results)
    }

    fn begin(&self) -> std::result::Result<WriteTransaction, Failed> {
        let transaction = self.shared.with_database(|database| Ok(database.begin_write()?)).map_err(Failed::of)?;
        Ok(durable(transaction))
    }

    fn failed(&self, trouble: Trouble) -> Failed {
        match trouble {
            Trouble::Refused(error) => Failed::of(error),
            Trouble::Broken(error) => {
                let full = matches!(&error, redb::Error::Io(io) if is_full(io));
                let seen = self.shared.seen::<()>(Err(error));
                Failed { full, error: seen.err().unwrap_or_else(|| StoreError::Away("the disk refuses".into())) }
            }
        }
    }

    fn forget(&self, drawer: &str, before: Timestamp, limit: usize) -> Result<u64> {
        let transaction = self.begin().map_err(|failed| failed.error)?;
        let mut files = Vec::new();
        let count = {
            let mut rows = Rows::open(&transaction).map_err(|e| self.failed(e).error)?;
            rows.forget(drawer, before, limit, &mut files).map_err(|e| self.failed(e).error)?
        };
        transaction.commit().map_err(|e| self.failed(Trouble::Broken(e.into())).error)?;
        self.shared.moved();
        // A copy under way may still need them; then they are swept away at the next opening.
        if self.shared.backups.load(Ordering::SeqCst) == 0 {
            files.iter().for_each(|digest| self.shared.folder.remove(blobs::RAW, digest));
        }
        Ok(count)
    }
}

/// A group that did not land.
struct Failed {
    full: bool,
    error: StoreError,
}

impl Failed {
    fn of(error: StoreError) -> Failed {
        Failed { full: false, error }
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The same error for the next caller.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Damaged(words) => StoreError::Damaged(words.clone()),
        StoreError::Away(words) => StoreError::Away(words.clone()),
        other => StoreError::Away(other.to_string()),
    }
}

//! A folder of an IMAP account as a [`Mailbox`].
//!
//! Knows IMAP and nothing of what mails say. It believes what the server states and nothing that the server leaves out:
//! an empty answer is a tagged OK, everything else is an error; a mail is handed out when its bytes came whole, and a
//! mail that cannot be fetched stands aside for the others until it has been tried alone.

mod fetch;
mod file;
mod greet;
mod guard;
mod session;
mod uids;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::fetch::Suspect;
use self::session::{Refused, Session, judge};
use super::login::Login;
use super::net::{Server, Timeouts, Trust};
use super::{Batch, Drawer, Fetched, MailKey, Mailbox, WireError};

/// Which folder of which account, and how to get there.
#[derive(Clone, Debug)]
pub struct ImapSettings {
    /// The mailbox's name in the configuration.
    pub name: String,
    pub server: Server,
    pub trust: Trust,
    pub login: Login,
    /// Where mails arrive; `/` separates levels whatever the server uses.
    pub folder: String,
    /// Where they are filed; created when missing.
    pub processed: String,
    pub review: String,
    pub timeouts: Timeouts,
    /// How often to look where IDLE is not to be had.
    pub poll: Duration,
    /// IDLE is begun anew after this long, so that a connection that died silently is noticed.
    pub idle_renewal: Duration,
    pub quirks: Quirks,
}

impl ImapSettings {
    /// Everything else as it usually is.
    pub fn new(name: impl Into<String>, server: Server, login: Login) -> ImapSettings {
        ImapSettings {
            name: name.into(),
            server,
            trust: Trust::default(),
            login,
            folder: "INBOX".to_string(),
            processed: "Processed".to_string(),
            review: "Review".to_string(),
            timeouts: Timeouts::default(),
            poll: Duration::from_secs(60),
            idle_renewal: Duration::from_secs(300),
            quirks: Quirks::default(),
        }
    }
}

/// Named allowances for servers that do not do what they announce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// RFC822.SIZE is an estimate (Exchange): a mail counts as too large only beyond a tenth above the limit.
    pub sizes_estimated: bool,
    /// Long commands and large answers are refused or throttled (Exchange): at most this many mails a command.
    pub batch_max: Option<usize>,
    /// Do not use MOVE, though announced.
    pub no_move: bool,
    /// Do not use IDLE, though announced.
    pub no_idle: bool,
    /// Do not introduce ourselves.
    pub no_id: bool,
}

impl Quirks {
    /// Exchange Online and its kin.
    pub fn exchange() -> Quirks {
        Quirks { sizes_estimated: true, batch_max: Some(50), ..Quirks::default() }
    }

    /// Gmail limits bandwidth a day and connections an account: moderate batches keep clear of both.
    pub fn gmail() -> Quirks {
        Quirks { batch_max: Some(100), ..Quirks::default() }
    }

    /// The allowances of both.
    #[must_use]
    pub fn and(self, other: Quirks) -> Quirks {
        Quirks {
            sizes_estimated: self.sizes_estimated || other.sizes_estimated,
            batch_max: [self.batch_max, other.batch_max].into_iter().flatten().min(),
            no_move: self.no_move || other.no_move,
            no_idle: self.no_idle || other.no_idle,
            no_id: self.no_id || other.no_id,
        }
    }

    /// The quirks of a server named in the configuration: `none`, `gmail`, `exchange`.
    pub fn named(name: &str) -> Option<Quirks> {
        match name {
            "none" => Some(Quirks::default()),
            "gmail" => Some(Quirks::gmail()),
            "exchange" => Some(Quirks::exchange()),
            _ => None,
        }
    }
}

/// See the module's head. Connects on first use and after every error.
pub struct ImapMailbox {
    settings: ImapSettings,
    session: Option<Session>,
    /// UIDVALIDITY of the last connection; what is remembered about UIDs goes with it.
    uid_validity: u32,
    /// Listed and not yet handed out, in the order to fetch them.
    waiting: VecDeque<u32>,
    /// Handed out over this connection.
    handed: BTreeSet<u32>,
    /// Mails that did not come when asked for; kept over connections.
    suspects: BTreeMap<u32, Suspect>,
    /// How many mails to ask for at once: halved when a connection breaks over them.
    at_once: usize,
    /// The server asked to be left alone until then.
    not_before: Option<Instant>,
    idle_refused: bool,
}

impl ImapMailbox {
    pub fn new(settings: ImapSettings) -> ImapMailbox {
        ImapMailbox {
            settings,
            session: None,
            uid_validity: 0,
            waiting: VecDeque::new(),
            handed: BTreeSet::new(),
            suspects: BTreeMap::new(),
            at_once: usize::MAX,
            not_before: None,
            idle_refused: false,
        }
    }

    /// Connects, logs in and selects the folder; nothing is fetched. For `check` and health probes.
    pub async fn probe(&mut self) -> Result<(), WireError> {
        let result = self.connected().await.map(|_| ());
        self.settle(result)
    }

    /// The session, made anew when there is none to be used. `true`: it is new.
    async fn connected(&mut self) -> Result<(&mut Session, bool), WireError> {
        if let Some(until) = self.not_before {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let server = &self.settings.server;
                return Err(WireError::Away(format!(
                    "{server}: asked to be left alone for another {} s",
                    left.as_secs() + 1
                )));
            }
            self.not_before = None;
        }
        let sound = self.session.take().filter(Session::is_sound);
        let is_new = sound.is_none();
        let session = match sound {
            Some(session) => session,
            None => {
                self.waiting.clear();
                self.handed.clear();
                self.idle_refused = false;
                let session = Session::open(&self.settings).await?;
                if session.uid_validity != self.uid_validity {
                    self.uid_validity = session.uid_validity;
                    self.suspects.clear();
                }
                session
            }
        };
        Ok((self.session.insert(session), is_new))
    }

    /// An error ends the connection; a server's wish to be left alone is remembered.
    fn settle<T>(&mut self, result: Result<T, WireError>) -> Result<T, WireError> {
        if let Err(error) = &result {
            tracing::debug!(mailbox = %self.settings.name, %error, "the connection is given up");
            self.session = None;
            if let WireError::Away(text) = error
                && let Refused::Busy(Some(wait)) = judge(text)
            {
                self.not_before = Some(Instant::now() + wait);
            }
        }
        result
    }

    async fn wait_for_news(&mut self, at_most: Duration) -> Result<(), WireError> {
        let (poll, renewal, no_idle) =
            (self.settings.poll, self.settings.idle_renewal, self.settings.quirks.no_idle || self.idle_refused);
        let some_wait = !self.waiting.is_empty();
        let (session, is_new) = self.connected().await?;
        if is_new || some_wait || session.has_news() {
            return Ok(());
        }
        if !no_idle && session.capabilities.has("IDLE") {
            if session.idle(at_most, renewal).await? {
                return Ok(());
            }
            self.idle_refused = true;
        }
        tokio::time::sleep(at_most.min(poll)).await;
        Ok(())
    }
}

#[async_trait]
impl Mailbox for ImapMailbox {
    fn name(&self) -> &str {
        &self.settings.name
    }

    async fn fetch(&mut self, batch: Batch) -> Result<Vec<Fetched>, WireError> {
        let result = self.fetch_batch(batch).await;
        self.settle(result)
    }

    async fn file(&mut self, filings: &[(MailKey, Drawer)]) -> Result<(), WireError> {
        let result = self.file_all(filings).await;
        self.settle(result)
    }

    async fn wait(&mut self, at_most: Duration) -> Result<(), WireError> {
        let result = self.wait_for_news(at_most).await;
        self.settle(result)
    }

    async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}

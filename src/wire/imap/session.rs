//! One logged-in IMAP connection with a folder selected. Its commands end in the server's own verdict.
//!
//! async-imap reads and parses the responses; every command is written here and every response up to the
//! tagged line is looked at here, because its own commands take a tagged NO, a BAD or the end of the
//! connection for an empty success.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_imap::Client;
use async_imap::imap_proto::{AttributeValue, MailboxDatum, NameAttribute, Response, ResponseCode, Status};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::ImapSettings;
use super::greet::{Capabilities, greet, quote};
use super::guard::Guard;
use super::uids;
use crate::wire::WireError;
use crate::wire::net::one_line;
use crate::wire::utf7;

/// Untagged responses of one command; a mailbox listing of 20,000 mails fits.
const RESPONSES_MAX: usize = 100_000;
/// What a server may send to a command that asks for no mails.
const TALK_BYTES_MAX: u64 = 4 << 20;

pub(super) struct Session {
    client: Client<Guard>,
    server: String,
    counter: u32,
    /// A command is under way: a connection left in this state (its future was dropped) is of no use.
    busy: bool,
    /// The tag of an IDLE that has not been ended.
    idling: Option<String>,
    pub capabilities: Capabilities,
    delimiter: Option<char>,
    prefix: String,
    pub uid_validity: u32,
    /// Mails in the folder as far as told.
    pub exists: u32,
    /// More mails were announced since [`Session::news_read`].
    news: bool,
    read_timeout: Duration,
    command_timeout: Duration,
}

/// The server's verdict on a command.
#[derive(Debug)]
pub(super) enum Verdict {
    Ok,
    /// NO or BAD, with its words.
    Refused(String),
}

/// One response.
enum Step {
    /// `+`
    GoOn,
    /// Untagged.
    Told,
    Done {
        tag: String,
        verdict: Verdict,
    },
}

/// How a refusal is meant.
pub(super) enum Refused {
    /// Not now: throttled, too many connections. Wait as long as it says.
    Busy(Option<Duration>),
    Plainly,
}

/// Reads the words of a NO or BAD. Exchange throttles with `BAD ... Suggested Backoff Time: N milliseconds`, Gmail with
/// `[THROTTLED]` and `[OVERQUOTA]`, others with the codes of RFC 5530.
pub(super) fn judge(text: &str) -> Refused {
    let lower = text.to_ascii_lowercase();
    if let Some((_, after)) = lower.split_once("suggested backoff time:") {
        let digits: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
        let wait = digits.parse().ok().map(|millis: u64| Duration::from_millis(millis.min(3_600_000)));
        return Refused::Busy(wait);
    }
    const BUSY: [&str; 10] = [
        "throttled",
        "[unavailable]",
        "[inuse]",
        "[limit]",
        "[serverbug]",
        "too many",
        "try again",
        "temporarily",
        "authenticated but not connected",
        "connection limit",
    ];
    if BUSY.iter().any(|word| lower.contains(word)) { Refused::Busy(None) } else { Refused::Plainly }
}

/// What one command brought besides its verdict.
#[derive(Default)]
pub(super) struct Harvest {
    pub mails: Vec<Mail>,
    pub found: Vec<u32>,
    /// A SEARCH response came, empty or not.
    searched: bool,
    /// UIDs that the server says it copied or moved (COPYUID).
    pub copied: Vec<u32>,
    /// LIST named a mailbox that can be selected.
    listed: bool,
    read_only: bool,
    uid_validity: Option<u32>,
}

/// One FETCH response that named a UID.
pub(super) struct Mail {
    pub uid: u32,
    pub size: Option<u64>,
    /// `Some(None)`: the server answered NIL.
    pub body: Option<Option<Vec<u8>>>,
}

impl Session {
    /// Connects, logs in and selects the folder.
    ///
    /// `Refused` when the folder does not exist or cannot be written.
    pub async fn open(settings: &ImapSettings) -> Result<Session, WireError> {
        let welcome = tokio::time::timeout(settings.timeouts.command, greet(settings))
            .await
            .map_err(|_| WireError::Away(format!("{}: the log-in takes too long", settings.server)))??;
        let mut session = Session {
            client: Client::new(Guard::new(welcome.stream)),
            server: settings.server.to_string(),
            counter: 0,
            busy: false,
            idling: None,
            capabilities: welcome.capabilities,
            delimiter: welcome.delimiter,
            prefix: welcome.prefix,
            uid_validity: 0,
            exists: 0,
            news: false,
            read_timeout: settings.timeouts.read,
            command_timeout: settings.timeouts.command,
        };
        session.select(&settings.folder).await?;
        Ok(session)
    }

    async fn select(&mut self, folder: &str) -> Result<(), WireError> {
        let name = self.wire_name(folder);
        let (verdict, harvest) = self.command(&format!("SELECT {}", quote(&name)), TALK_BYTES_MAX).await?;
        if let Verdict::Refused(text) = verdict {
            self.sort(&text)?;
            return Err(WireError::Refused(format!("{}: folder `{folder}`: {text}", self.server)));
        }
        if harvest.read_only {
            return Err(WireError::Refused(format!(
                "{}: folder `{folder}` is read-only: nothing could be filed",
                self.server
            )));
        }
        match harvest.uid_validity {
            Some(validity) if validity > 0 => self.uid_validity = validity,
            _ => return Err(self.away("SELECT without UIDVALIDITY")),
        }
        self.news = false;
        Ok(())
    }

    pub fn away(&self, why: &str) -> WireError {
        WireError::Away(format!("{}: {why}", self.server))
    }

    /// `Err(Away)` when the refusal means "not now".
    pub fn sort(&self, text: &str) -> Result<(), WireError> {
        match judge(text) {
            Refused::Busy(_) => Err(self.away(text)),
            Refused::Plainly => Ok(()),
        }
    }

    /// Whether mails were announced that no listing has shown yet.
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// A listing begins: what is announced from here on is new.
    pub fn news_read(&mut self) {
        self.news = false;
    }

    /// Whether the connection can be used (no command was abandoned).
    pub fn is_sound(&self) -> bool {
        !self.busy
    }

    /// A mailbox name as this server writes it: its own delimiter and namespace, modified UTF-7.
    pub fn wire_name(&self, folder: &str) -> String {
        if folder.eq_ignore_ascii_case("INBOX") {
            return "INBOX".to_string();
        }
        let delimiter = self.delimiter.map(String::from).unwrap_or_else(|| "/".to_string());
        let name = utf7::encode(&folder.replace('/', &delimiter));
        let inside = name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("INBOX"));
        if inside || name.starts_with(&self.prefix) { name } else { format!("{}{name}", self.prefix) }
    }

    /// Creates the folder unless it is there.
    pub async fn create(&mut self, folder: &str) -> Result<(), WireError> {
        let name = quote(&self.wire_name(folder));
        if self.is_listed(&name).await? {
            return Ok(());
        }
        let (verdict, _) = self.command(&format!("CREATE {name}"), TALK_BYTES_MAX).await?;
        if let Verdict::Refused(text) = verdict {
            self.sort(&text)?;
            // Another node may have made it meanwhile.
            if !self.is_listed(&name).await? {
                return Err(WireError::Refused(format!("{}: cannot create folder `{folder}`: {text}", self.server)));
            }
        }
        // For a person's mail program; the server may refuse.
        self.command(&format!("SUBSCRIBE {name}"), TALK_BYTES_MAX).await?;
        Ok(())
    }

    async fn is_listed(&mut self, name: &str) -> Result<bool, WireError> {
        let (verdict, harvest) = self.command(&format!("LIST \"\" {name}"), TALK_BYTES_MAX).await?;
        Ok(matches!(verdict, Verdict::Ok) && harvest.listed)
    }

    /// A command that must succeed; a refusal is an error.
    pub async fn must(&mut self, command: &str) -> Result<Harvest, WireError> {
        match self.command(command, TALK_BYTES_MAX).await? {
            (Verdict::Ok, harvest) => Ok(harvest),
            (Verdict::Refused(text), _) => {
                let word = command.split(' ').take(2).collect::<Vec<_>>().join(" ");
                Err(self.away(&format!("{word} refused: {text}")))
            }
        }
    }

    /// UID SEARCH. The standard demands a SEARCH response even for no mails; where none came it is asked for once more
    /// before its absence is believed.
    pub async fn search(&mut self, criteria: &str) -> Result<Vec<u32>, WireError> {
        let command = format!("UID SEARCH {criteria}");
        let first = self.must(&command).await?;
        let harvest = if first.searched { first } else { self.must(&command).await? };
        Ok(harvest.found)
    }

    /// Runs one command to its tagged answer. The end of the connection, a BYE, silence or more than `allowed` bytes
    /// are `Away`; what was read whole before that is lost with it (see [`Session::fetch`]).
    pub async fn command(&mut self, command: &str, allowed: u64) -> Result<(Verdict, Harvest), WireError> {
        let mut harvest = Harvest::default();
        let verdict = self.run(command, allowed, &mut harvest).await?;
        Ok((verdict, harvest))
    }

    /// As [`Session::command`], keeping what came whole before a failure.
    pub async fn fetch(&mut self, command: &str, allowed: u64) -> (Result<Verdict, WireError>, Harvest) {
        let mut harvest = Harvest::default();
        let verdict = self.run(command, allowed, &mut harvest).await;
        (verdict, harvest)
    }

    async fn run(&mut self, command: &str, allowed: u64, harvest: &mut Harvest) -> Result<Verdict, WireError> {
        if self.busy {
            return Err(self.away("an earlier command was abandoned"));
        }
        self.end_idle().await?;
        self.busy = true;
        let limit = self.command_timeout;
        let result = tokio::time::timeout(limit, async {
            let tag = self.send(command, allowed).await?;
            self.read_to(&tag, harvest).await
        })
        .await;
        match result {
            Ok(Ok(verdict)) => {
                self.busy = false;
                Ok(verdict)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.away("the answer takes too long")),
        }
    }

    async fn send(&mut self, command: &str, allowed: u64) -> Result<String, WireError> {
        self.counter = self.counter.wrapping_add(1);
        let tag = format!("P{}", self.counter);
        let stream = &mut self.client.get_mut().stream;
        stream.allow(allowed);
        stream.set_read_timeout(self.read_timeout);
        match stream.say(format!("{tag} {command}\r\n").as_bytes()).await {
            Ok(()) => Ok(tag),
            Err(error) => Err(self.away(&error.to_string())),
        }
    }

    async fn read_to(&mut self, tag: &str, harvest: &mut Harvest) -> Result<Verdict, WireError> {
        for _ in 0..RESPONSES_MAX {
            match self.next(harvest).await? {
                Step::Done { tag: answered, .. } if answered != tag => {
                    return Err(self.away("answers a command that was not given"));
                }
                Step::Done { verdict, .. } => return Ok(verdict),
                Step::GoOn | Step::Told => {}
            }
        }
        Err(self.away("answers without end"))
    }

    /// Reads one response and takes note of it.
    async fn next(&mut self, harvest: &mut Harvest) -> Result<Step, WireError> {
        // The parser slices behind a response code as if ASCII came next and panics where none does.
        let response = match AssertUnwindSafe(self.client.read_response()).catch_unwind().await {
            Ok(Ok(Some(response))) => response,
            Ok(Ok(None)) => return Err(self.away("closed the connection")),
            Ok(Err(error)) => return Err(self.away(&one_line(&error.to_string()))),
            Err(_) => return Err(self.away("sent a response that cannot be read")),
        };
        self.note(response.parsed(), harvest)?;
        Ok(match response.parsed() {
            Response::Continue(_) => Step::GoOn,
            Response::Done { tag, status, outcome } => {
                let verdict = match status {
                    Status::Ok => Verdict::Ok,
                    _ => Verdict::Refused(one_line(outcome.information.as_deref().unwrap_or_default())),
                };
                Step::Done { tag: tag.0.clone(), verdict }
            }
            _ => Step::Told,
        })
    }

    /// What any response may tell at any time.
    fn note(&mut self, response: &Response<'_>, harvest: &mut Harvest) -> Result<(), WireError> {
        match response {
            Response::MailboxData(MailboxDatum::Exists(count)) => {
                self.news |= *count > self.exists;
                self.exists = *count;
            }
            Response::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            Response::MailboxData(MailboxDatum::Search(uids)) => {
                harvest.found.extend(uids);
                harvest.searched = true;
            }
            Response::MailboxData(MailboxDatum::List(list)) => {
                let gone = |name: &NameAttribute<'_>| {
                    matches!(name, NameAttribute::NoSelect)
                        || matches!(name, NameAttribute::Extension(other) if other.eq_ignore_ascii_case("\\NonExistent"))
                };
                harvest.listed |= !list.name_attributes.iter().any(gone);
            }
            Response::Fetch(_, attributes) => harvest.mails.extend(mail(attributes)),
            Response::Data { status, outcome } | Response::Done { status, outcome, .. } => {
                if *status == Status::Bye {
                    let text = one_line(outcome.information.as_deref().unwrap_or_default());
                    return Err(self.away(&format!("says goodbye: {text}")));
                }
                match &outcome.code {
                    Some(ResponseCode::UidValidity(validity)) => {
                        if self.uid_validity != 0 && self.uid_validity != *validity {
                            return Err(self.away("UIDVALIDITY changed"));
                        }
                        harvest.uid_validity = Some(*validity);
                    }
                    Some(ResponseCode::ReadOnly) => harvest.read_only = true,
                    Some(ResponseCode::CopyUid(_, from, _)) => harvest.copied.extend(uids::members(from)),
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Idles until mails are announced, at most `at_most` and never longer than `renewal`. `false`: IDLE was refused.
    pub async fn idle(&mut self, at_most: Duration, renewal: Duration) -> Result<bool, WireError> {
        if self.busy {
            return Err(self.away("an earlier command was abandoned"));
        }
        let mut ignored = Harvest::default();
        if self.idling.is_none() {
            self.busy = true;
            let tag = self.send("IDLE", TALK_BYTES_MAX).await?;
            // EXISTS may come before the `+`; NO comes instead of it.
            let patience = Instant::now() + self.read_timeout;
            loop {
                match tokio::time::timeout_at(patience, self.next(&mut ignored)).await {
                    Err(_) => return Err(self.away("does not begin to IDLE")),
                    Ok(step) => match step? {
                        Step::GoOn => break,
                        Step::Done { tag: answered, .. } if answered == tag => {
                            self.busy = false;
                            return Ok(false);
                        }
                        Step::Done { .. } | Step::Told => {}
                    },
                }
            }
            self.busy = false;
            self.idling = Some(tag);
        }
        let until = Instant::now() + at_most.min(renewal);
        // The wait itself is bounded by `until`; the read time-out would only interrupt it.
        self.client.get_mut().stream.set_read_timeout(renewal.saturating_mul(2));
        let mut end = Ok(());
        while !self.news {
            match tokio::time::timeout_at(until, self.next(&mut ignored)).await {
                Err(_) => break,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    end = Err(error);
                    break;
                }
            }
        }
        match end {
            Ok(()) => self.end_idle().await.map(|()| true),
            Err(error) => {
                self.busy = true;
                Err(error)
            }
        }
    }

    /// Ends an IDLE that is under way. A server that does not answer within 15 s is gone.
    async fn end_idle(&mut self) -> Result<(), WireError> {
        let Some(tag) = self.idling.take() else {
            return Ok(());
        };
        self.busy = true;
        let patience = Duration::from_secs(15);
        let ended = tokio::time::timeout(patience, async {
            let stream = &mut self.client.get_mut().stream;
            stream.set_read_timeout(patience);
            stream.allow(TALK_BYTES_MAX);
            if let Err(error) = stream.say(b"DONE\r\n").await {
                return Err(self.away(&error.to_string()));
            }
            self.read_to(&tag, &mut Harvest::default()).await
        })
        .await;
        match ended {
            Ok(Ok(_)) => {
                self.busy = false;
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.away("does not answer after IDLE")),
        }
    }

    /// LOGOUT, answered or not.
    pub async fn close(mut self) {
        let goodbye = async {
            if self.end_idle().await.is_ok() && !self.busy {
                let _ = self.send("LOGOUT", TALK_BYTES_MAX).await;
                while self.next(&mut Harvest::default()).await.is_ok() {}
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(3), goodbye).await;
    }
}

/// The parts of a FETCH response that we ask for; `None` when it names no UID (an unsolicited flag change).
fn mail(attributes: &[AttributeValue<'_>]) -> Option<Mail> {
    let mut uid = None;
    let mut mail = Mail { uid: 0, size: None, body: None };
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(number) => uid = Some(*number),
            AttributeValue::Rfc822Size(size) => mail.size = Some(u64::from(*size)),
            AttributeValue::BodySection { data, .. } => mail.body = Some(data.as_ref().map(|data| data.to_vec())),
            _ => {}
        }
    }
    mail.uid = uid?;
    Some(mail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A throttled mailbox that reads as empty or as broken loses or parks every mail in it.
    #[test]
    fn throttling_is_not_a_refusal() {
        let wait = |text: &str| match judge(text) {
            Refused::Busy(wait) => Some(wait),
            Refused::Plainly => None,
        };
        let exchange = "Request is throttled. Suggested Backoff Time: 299961 milliseconds";
        assert_eq!(wait(exchange), Some(Some(Duration::from_millis(299_961))));
        assert_eq!(wait("[THROTTLED] slow down"), Some(None));
        assert_eq!(wait("User is authenticated but not connected."), Some(None));
        assert_eq!(wait("[AUTHENTICATIONFAILED] Authentication failed."), None);
        assert_eq!(wait("Suggested Backoff Time: 99999999999999 milliseconds"), Some(Some(Duration::from_secs(3600))));
    }
}

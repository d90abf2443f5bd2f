//! The sandbox's IMAP server. Commands are read by imap-codec, but for those younger than it (ID, NAMESPACE, UID EXPUNGE).

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imap_codec::CommandCodec;
use imap_codec::decode::{CommandDecodeError, Decoder};
use imap_codec::imap_types::command::{Command, CommandBody};
use imap_codec::imap_types::core::LiteralMode;
use imap_codec::imap_types::sequence::SequenceSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fault::Fault;
use super::imap_folder::{expunge, list, name_of, selected};
use super::imap_view::View;
use super::world::World;
use crate::wire::utf7;

const COMMAND_BYTES_MAX: usize = 64 << 20;

struct Connection {
    socket: TcpStream,
    world: Arc<World>,
    input: Vec<u8>,
    account: Option<String>,
    view: Option<View>,
}

/// What to do after a command.
enum Then {
    Answer(Vec<u8>),
    Idle { tag: String },
    Close(Vec<u8>),
}

/// Serves one connection to its end.
pub(super) async fn converse(socket: TcpStream, world: Arc<World>) -> io::Result<()> {
    let mut connection = Connection { socket, world, input: Vec::new(), account: None, view: None };
    let capabilities = connection.world.settings.imap_capabilities.clone();
    let greeting = format!("* OK [CAPABILITY {capabilities}] sandbox ready\r\n");
    let fault = connection.world.faults().due("GREETING", "", &[]);
    if !connection.deliver("*", fault.as_ref(), Then::Answer(greeting.into_bytes())).await? {
        return Ok(());
    }
    while let Some((tag, request)) = connection.next_command().await? {
        if !connection.serve(&tag, request).await? {
            break;
        }
    }
    Ok(())
}

enum Request {
    Codec(Box<Command<'static>>),
    /// Younger than imap-codec: the words behind the tag.
    Line(String),
    Bad,
}

impl Connection {
    /// The next command with its tag; `None` at the end of the connection.
    async fn next_command(&mut self) -> io::Result<Option<(String, Request)>> {
        let mut asked = 0;
        loop {
            if let Some((tag, line)) = self.line() {
                let words: Vec<String> = line.split(' ').take(2).map(str::to_ascii_uppercase).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                if matches!(words.as_slice(), ["ID" | "NAMESPACE", ..] | ["UID", "EXPUNGE"]) {
                    self.take_line();
                    return Ok(Some((tag, Request::Line(line))));
                }
            }
            match CommandCodec::default().decode(&self.input) {
                Ok((rest, command)) => {
                    let tag = command.tag.inner().to_string();
                    let command = own(command);
                    self.input = rest.to_vec();
                    return Ok(Some((tag, command.map_or(Request::Bad, |command| Request::Codec(Box::new(command))))));
                }
                Err(CommandDecodeError::LiteralFound { mode: LiteralMode::Sync, .. }) if asked != self.input.len() => {
                    asked = self.input.len();
                    self.socket.write_all(b"+ go on\r\n").await?;
                }
                Err(CommandDecodeError::LiteralFound { .. } | CommandDecodeError::Incomplete) => {}
                Err(CommandDecodeError::Failed) => {
                    let (tag, _) = self.line().unwrap_or_else(|| ("*".to_string(), String::new()));
                    self.take_line();
                    return Ok(Some((tag, Request::Bad)));
                }
            }
            if self.input.len() > COMMAND_BYTES_MAX || self.socket.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Tag and rest of the first line, when it is there whole.
    fn line(&self) -> Option<(String, String)> {
        let end = self.input.windows(2).position(|two| two == b"\r\n")?;
        let line = String::from_utf8_lossy(self.input.get(..end)?).into_owned();
        let (tag, rest) = line.split_once(' ')?;
        Some((tag.to_string(), rest.to_string()))
    }

    fn take_line(&mut self) {
        let end = self.input.windows(2).position(|two| two == b"\r\n").map_or(self.input.len(), |at| at + 2);
        self.input.drain(..end);
    }

    /// `false`: the connection is over.
    async fn serve(&mut self, tag: &str, request: Request) -> io::Result<bool> {
        let (word, line, uids) = self.describe(&request);
        self.world.hear(&line);
        let fault = self.world.faults().due(&word, &line, &uids);
        match &fault {
            Some(Fault::Vanish) => {
                if let (Some(account), Some(view)) = (&self.account, &self.view) {
                    self.world.expunge(account, &view.folder, &uids);
                }
            }
            Some(Fault::NewValidity) => {
                if let (Some(account), Some(view)) = (&self.account, &self.view) {
                    self.world.renew_validity(account, &view.folder);
                }
            }
            Some(Fault::Tell(lines)) => self.socket.write_all(lines.as_bytes()).await?,
            Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
            Some(Fault::Silence) => {
                // Until the client gives up.
                while self.socket.read_buf(&mut self.input).await? > 0 {
                    self.input.clear();
                }
                return Ok(false);
            }
            Some(Fault::Bye) => {
                self.socket.write_all(b"* BYE going down\r\n").await?;
                return Ok(false);
            }
            Some(Fault::Drop) => return Ok(false),
            Some(Fault::Answer(answer)) => {
                self.socket.write_all(format!("{tag} {answer}\r\n").as_bytes()).await?;
                return Ok(true);
            }
            Some(Fault::Pretend) => {
                self.socket.write_all(format!("{tag} OK done\r\n").as_bytes()).await?;
                return Ok(true);
            }
            _ => {}
        }
        let then = self.execute(tag, request, fault.as_ref()).await?;
        self.deliver(tag, fault.as_ref(), then).await
    }

    /// Sends the answer, or what a fault leaves of it.
    async fn deliver(&mut self, tag: &str, fault: Option<&Fault>, then: Then) -> io::Result<bool> {
        let (answer, goes_on) = match then {
            Then::Answer(answer) => (answer, true),
            Then::Close(answer) => (answer, false),
            Then::Idle { tag } => return self.idle(&tag).await,
        };
        match fault {
            Some(Fault::Drop | Fault::DropAfter) => return Ok(false),
            Some(Fault::Bye) => {
                self.socket.write_all(b"* BYE going down\r\n").await?;
                return Ok(false);
            }
            Some(Fault::Answer(text)) => {
                self.socket.write_all(format!("{tag} {text}\r\n").as_bytes()).await?;
                return Ok(true);
            }
            Some(Fault::Say(text)) => {
                self.socket.write_all(text.replace("{tag}", tag).as_bytes()).await?;
                return Ok(goes_on);
            }
            Some(Fault::Cut(bytes)) => {
                self.socket.write_all(answer.get(..*bytes).unwrap_or(&answer)).await?;
                return Ok(false);
            }
            Some(Fault::CutInLiteral) => {
                let literal = answer.windows(3).position(|three| three == b"}\r\n").map_or(0, |at| at + 3);
                let end = literal + answer.len().saturating_sub(literal) / 3;
                self.socket.write_all(answer.get(..end).unwrap_or(&answer)).await?;
                return Ok(false);
            }
            _ => {}
        }
        self.socket.write_all(&answer).await?;
        Ok(goes_on && !matches!(fault, Some(Fault::AnswerAndDrop)))
    }

    /// The command's word, its line for the record, and the UIDs it is about.
    fn describe(&self, request: &Request) -> (String, String, Vec<u32>) {
        let uids = |set: &SequenceSet, by_uid: bool| {
            self.view.as_ref().map(|view| view.resolve(set, by_uid)).unwrap_or_default()
        };
        match request {
            Request::Bad => ("BAD".to_string(), "BAD".to_string(), Vec::new()),
            Request::Line(line) => {
                let upper = line.to_ascii_uppercase();
                let word =
                    if upper.starts_with("UID ") { "UID EXPUNGE" } else { upper.split(' ').next().unwrap_or_default() };
                let set = line.split(' ').nth(2).and_then(|set| SequenceSet::try_from(set).ok());
                (word.to_string(), line.clone(), set.map(|set| uids(&set, true)).unwrap_or_default())
            }
            Request::Codec(command) => {
                use imap_codec::encode::Encoder;
                let (by_uid, about) = match &command.body {
                    CommandBody::Fetch { sequence_set, uid, .. }
                    | CommandBody::Store { sequence_set, uid, .. }
                    | CommandBody::Copy { sequence_set, uid, .. }
                    | CommandBody::Move { sequence_set, uid, .. } => (*uid, uids(sequence_set, *uid)),
                    CommandBody::Search { uid, .. } => (*uid, Vec::new()),
                    _ => (false, Vec::new()),
                };
                let word = format!("{}{}", if by_uid { "UID " } else { "" }, command.body.name());
                let line = match &command.body {
                    CommandBody::Login { .. } | CommandBody::Authenticate { .. } => word.clone(),
                    _ => {
                        let bytes = imap_codec::CommandCodec::default().encode(command).dump();
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        text.split_once(' ').map_or(word.clone(), |(_, rest)| rest.trim_end().to_string())
                    }
                };
                (word, line, about)
            }
        }
    }

    async fn execute(&mut self, tag: &str, request: Request, fault: Option<&Fault>) -> io::Result<Then> {
        let body = match request {
            Request::Codec(command) => command.body,
            Request::Bad => return Ok(Then::Answer(format!("{tag} BAD not understood\r\n").into_bytes())),
            Request::Line(line) => return Ok(Then::Answer(self.young(tag, &line))),
        };
        match body {
            CommandBody::Authenticate { mechanism, initial_response } => {
                let response = match initial_response {
                    Some(response) => response.declassify().to_vec(),
                    None => self.challenge().await?,
                };
                let name = mechanism.to_string().to_ascii_uppercase();
                Ok(Then::Answer(self.authenticate(tag, &name, &response)))
            }
            CommandBody::Idle if self.world.settings.imap_capabilities.contains("IDLE") => {
                Ok(Then::Idle { tag: tag.to_string() })
            }
            CommandBody::Logout => Ok(Then::Close(format!("* BYE farewell\r\n{tag} OK done\r\n").into_bytes())),
            body => Ok(Then::Answer(self.plain(tag, &body, fault))),
        }
    }

    async fn challenge(&mut self) -> io::Result<Vec<u8>> {
        self.socket.write_all(b"+ \r\n").await?;
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.input.drain(..end + 2).take(end).collect();
                return Ok(STANDARD.decode(line).unwrap_or_default());
            }
            if self.input.len() > 64 << 10 || self.socket.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn authenticate(&mut self, tag: &str, mechanism: &str, response: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(response).into_owned();
        let (user, secret) = match mechanism {
            "PLAIN" => {
                let mut parts = text.splitn(3, '\0').skip(1);
                (parts.next().unwrap_or_default().to_string(), parts.next().unwrap_or_default().to_string())
            }
            "XOAUTH2" => {
                let field = |name: &str| text.split('\x01').find_map(|part| part.strip_prefix(name).map(String::from));
                (field("user=").unwrap_or_default(), field("auth=Bearer ").unwrap_or_default())
            }
            _ => Default::default(),
        };
        self.log_in(tag, &user, &secret)
    }

    fn log_in(&mut self, tag: &str, user: &str, secret: &str) -> Vec<u8> {
        self.account = self.world.account_of(user).filter(|_| secret == self.world.settings.password);
        match self.account {
            Some(_) => format!("{tag} OK [CAPABILITY {}] welcome\r\n", self.world.settings.imap_capabilities),
            // A server that talks too much.
            None => format!("{tag} NO [AUTHENTICATIONFAILED] wrong password {secret}\r\n"),
        }
        .into_bytes()
    }

    /// ID, NAMESPACE and UID EXPUNGE.
    fn young(&mut self, tag: &str, line: &str) -> Vec<u8> {
        let mut out = String::new();
        let upper = line.to_ascii_uppercase();
        if upper.starts_with("ID") {
            out.push_str("* ID (\"name\" \"sandbox\")\r\n");
        } else if upper.starts_with("NAMESPACE") {
            out.push_str("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
        } else {
            let set = line.split(' ').nth(2).and_then(|set| SequenceSet::try_from(set).ok());
            let (Some(set), Some(account), Some(view)) = (set, &self.account, &mut self.view) else {
                return format!("{tag} BAD what?\r\n").into_bytes();
            };
            let uids = view.resolve(&set, true);
            expunge(&self.world, account, &view.folder, Some(&uids));
            view.sync(&self.world, account, &mut out);
        }
        let _ = write!(out, "{tag} OK done\r\n");
        out.into_bytes()
    }

    /// Commands that need nothing but the world.
    fn plain(&mut self, tag: &str, body: &CommandBody<'_>, fault: Option<&Fault>) -> Vec<u8> {
        let world = self.world.clone();
        let mut out = Vec::new();
        let mut told = String::new();
        let answer: String = match (body, self.account.clone()) {
            (CommandBody::Capability, _) => {
                let _ = write!(told, "* CAPABILITY {}\r\n", world.settings.imap_capabilities);
                "OK done".to_string()
            }
            (CommandBody::Login { username, password }, _) => {
                let secret = String::from_utf8_lossy(password.declassify().as_ref()).into_owned();
                return self.log_in(tag, &String::from_utf8_lossy(username.as_ref()), &secret);
            }
            (_, None) => "NO log in first".to_string(),
            (CommandBody::Noop | CommandBody::Check, Some(_)) => "OK done".to_string(),
            (CommandBody::Select { mailbox }, Some(account)) => {
                self.select(&account, &name_of(mailbox), false, &mut told)
            }
            (CommandBody::Examine { mailbox }, Some(account)) => {
                self.select(&account, &name_of(mailbox), true, &mut told)
            }
            (CommandBody::Create { mailbox }, Some(account)) => match world.create(&account, &name_of(mailbox)) {
                true => "OK created".to_string(),
                false => "NO [ALREADYEXISTS] is there".to_string(),
            },
            (CommandBody::Subscribe { .. } | CommandBody::Unsubscribe { .. }, Some(_)) => "OK done".to_string(),
            (CommandBody::List { mailbox_wildcard, .. }, Some(account)) => {
                list(&world, &account, mailbox_wildcard, &mut told)
            }
            (CommandBody::Status { mailbox, .. }, Some(account)) => {
                let name = name_of(mailbox);
                let told_now = world.look(&account, &name, |folder| {
                    let (count, next, validity) = (folder.mails.len(), folder.uid_next, folder.uid_validity);
                    let _ = write!(
                        told,
                        "* STATUS \"{}\" (MESSAGES {count} UIDNEXT {next} UIDVALIDITY {validity})\r\n",
                        utf7::encode(&name)
                    );
                });
                told_now.map_or("NO [NONEXISTENT] no such folder", |()| "OK done").to_string()
            }
            (body, Some(account)) => match &mut self.view {
                None => "BAD select a folder first".to_string(),
                Some(view) => selected(&world, &account, view, body, fault, &mut out),
            },
        };
        if let (Some(view), Some(account)) = (&mut self.view, &self.account)
            && !matches!(body, CommandBody::Fetch { .. } | CommandBody::Search { .. } | CommandBody::Store { .. })
        {
            view.sync(&world, account, &mut told);
        }
        out.splice(0..0, told.into_bytes());
        out.extend_from_slice(format!("{tag} {answer}\r\n").as_bytes());
        out
    }

    fn select(&mut self, account: &str, name: &str, examine: bool, told: &mut String) -> String {
        self.view = None;
        let view = self.world.look(account, name, |folder| {
            let uids: Vec<u32> = folder.mails.keys().copied().collect();
            let _ = write!(
                told,
                "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* {} EXISTS\r\n* 0 RECENT\r\n\
                 * OK [UIDVALIDITY {}] valid\r\n* OK [UIDNEXT {}] next\r\n",
                uids.len(),
                folder.uid_validity,
                folder.uid_next
            );
            View { folder: name.to_string(), read_only: examine || folder.read_only, uids }
        });
        let answer = match &view {
            Some(view) if view.read_only => "OK [READ-ONLY] done",
            Some(_) => "OK [READ-WRITE] done",
            None => "NO [NONEXISTENT] no such folder",
        };
        self.view = view;
        answer.to_string()
    }

    async fn idle(&mut self, tag: &str) -> io::Result<bool> {
        let mut changed = self.world.changed.subscribe();
        self.socket.write_all(b"+ idling\r\n").await?;
        loop {
            changed.borrow_and_update();
            let mut told = String::new();
            if let (Some(view), Some(account)) = (&mut self.view, &self.account) {
                view.sync(&self.world, account, &mut told);
            }
            self.socket.write_all(told.as_bytes()).await?;
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                self.input.drain(..end + 2);
                self.socket.write_all(format!("{tag} OK done\r\n").as_bytes()).await?;
                return Ok(true);
            }
            tokio::select! {
                _ = changed.changed() => {}
                read = self.socket.read_buf(&mut self.input) => {
                    if read? == 0 {
                        return Ok(false);
                    }
                }
            }
        }
    }
}

/// A command of its own, by way of the codec: its types borrow from the input.
fn own(command: Command<'_>) -> Option<Command<'static>> {
    use imap_codec::imap_types::bounded_static::IntoBoundedStatic;
    Some(command.into_static())
}

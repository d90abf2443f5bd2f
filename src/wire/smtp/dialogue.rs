//! One SMTP connection and one message over it, with the exact point at which it went wrong.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;

use super::RelayServer;
use super::body::Stuffed;
use crate::wire::login::Login;
use crate::wire::net::{Security, Stream, Timeouts, one_line};
use crate::wire::{Envelope, WireError};

/// What kept a message from being taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No connection, no log-in, or the connection broke before the message was sent: nothing was handed over.
    Unreachable(String),
    /// The server's refusal of this message.
    Said { code: u16, answer: String },
    /// The message cannot be sent to this server at all, found out before trying.
    Unfit(String),
    /// The message left whole and no answer came.
    Unsure(String),
}

/// What the server said it can do (EHLO).
#[derive(Clone, Copy, Debug, Default)]
struct Features {
    pipelining: bool,
    eight_bit: bool,
    utf8: bool,
    size: bool,
    /// Largest message in bytes; 0 for no limit stated.
    size_max: usize,
}

pub(super) struct Dialogue {
    connection: AsyncSmtpConnection,
    server: String,
    features: Features,
    unsent: Arc<AtomicBool>,
    answer_timeout: Duration,
    message_timeout: Duration,
    /// It may carry another message.
    pub sound: bool,
}

impl Dialogue {
    /// Connects, protects the connection, logs in.
    pub async fn open(relay: &RelayServer, hello: &str, timeouts: &Timeouts) -> Result<Dialogue, Trouble> {
        match Self::open_once(relay, hello, timeouts, false).await {
            // A token that expired early gets one successor, over a new connection.
            Err(Failure::Login(_)) if matches!(relay.login, Some(Login::OAuth { .. })) => {
                Self::open_once(relay, hello, timeouts, true).await.map_err(Failure::trouble)
            }
            other => other.map_err(Failure::trouble),
        }
    }

    async fn open_once(
        relay: &RelayServer,
        hello: &str,
        timeouts: &Timeouts,
        renew: bool,
    ) -> Result<Dialogue, Failure> {
        let server = relay.server.to_string();
        // The whole wait for an answer is watched here; the stream's own time-out is for the longest of them.
        let stream_timeouts = Timeouts { read: timeouts.command, ..*timeouts };
        let mut stream = Stream::connect(&relay.server, &relay.trust, &stream_timeouts).await?;
        stream.allow(u64::MAX);
        let hello = client_id(hello);
        if relay.server.security == Security::StartTls {
            within(timeouts.read, &server, ask_for_tls(&mut stream, &hello)).await??;
            stream = stream.upgrade(&relay.server, &relay.trust, timeouts).await?;
            // lettre waits for a greeting, which comes once a connection only.
            stream.unread(b"220 after STARTTLS\r\n");
        }
        stream.set_lazy(true);
        let unsent = stream.unsent();
        let opening = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
        let mut connection = within(timeouts.read, &server, opening).await?.map_err(|error| said(&server, &error))?;
        if let Some(login) = &relay.login {
            let (mechanisms, credentials, secret) = match login {
                Login::Password { user, password } => {
                    let credentials = Credentials::new(user.clone(), password.reveal().to_string());
                    (vec![Mechanism::Plain, Mechanism::Login], credentials, password.clone())
                }
                Login::OAuth { user, tokens } => {
                    let token = tokens.token(renew).await?;
                    let credentials = Credentials::new(user.clone(), token.reveal().to_string());
                    (vec![Mechanism::Xoauth2], credentials, token)
                }
            };
            within(timeouts.read, &server, connection.auth(&mechanisms, &credentials)).await?.map_err(|error| {
                Failure::Login(format!("{server}: log-in refused: {}", secret.blot(&answer_of(&error))))
            })?;
        }
        // Asked again: lettre keeps only some of the features, and they may differ after the log-in.
        let told = within(timeouts.read, &server, connection.command(Ehlo::new(hello))).await?;
        let features = features(&told.map_err(|error| said(&server, &error))?);
        Ok(Dialogue {
            connection,
            server,
            features,
            unsent,
            answer_timeout: timeouts.read,
            message_timeout: timeouts.command,
            sound: true,
        })
    }

    /// Hands one message over. `body` has CRLF line ends and no last one. Returns the server's words.
    pub async fn send(&mut self, envelope: &Envelope, body: &[u8]) -> Result<String, Trouble> {
        let (mail, recipients) = self.commands(envelope, body)?;
        self.sound = false;
        self.ready_for_data(&mail, &recipients).await?;
        let handing_over = async {
            match std::str::from_utf8(body) {
                Ok(text) => self.connection.command(Stuffed(text)).await,
                // Byte by byte.
                Err(_) => self.connection.message(body).await,
            }
        };
        let message = tokio::time::timeout(self.message_timeout, handing_over).await;
        match message {
            Ok(Ok(response)) => {
                self.sound = true;
                Ok(one_line(&words(&response)))
            }
            Ok(Err(error)) if error.status().is_some() => {
                self.sound = error.status().is_some_and(|code| u16::from(code) != 421);
                Err(self.said(&error))
            }
            // The end of the message never left: the server cannot have taken it.
            _ if self.unsent.load(Ordering::Acquire) => {
                Err(Trouble::Unreachable(format!("{}: the connection broke within the message", self.server)))
            }
            Ok(Err(error)) => Err(Trouble::Unsure(format!("{}: {}", self.server, answer_of(&error)))),
            Err(_) => Err(Trouble::Unsure(format!("{}: no answer in time", self.server))),
        }
    }

    /// MAIL and RCPT, or why this server cannot take the message.
    fn commands(&self, envelope: &Envelope, body: &[u8]) -> Result<(Mail, Vec<Rcpt>), Trouble> {
        let address = |text: &str| -> Result<Address, Trouble> {
            text.parse().map_err(|_| Trouble::Unfit(format!("`{}` is no mail address", one_line(text))))
        };
        let from = if envelope.from.is_empty() { None } else { Some(address(&envelope.from)?) };
        let to = envelope.to.iter().map(|to| address(to)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(Trouble::Unfit("no recipient".to_string()));
        }
        let features = self.features;
        let mut parameters = Vec::new();
        if features.size {
            // Room for the dots that are doubled is the server's business (RFC 1870 section 3).
            if features.size_max > 0 && body.len() > features.size_max {
                let (size, most) = (body.len(), features.size_max);
                return Err(Trouble::Unfit(format!("{}: takes {most} bytes, the message has {size}", self.server)));
            }
            parameters.push(MailParameter::Size(body.len() + 2));
        }
        if !body.is_ascii() {
            if !features.eight_bit {
                return Err(Trouble::Unfit(format!("{}: takes no 8-bit message (8BITMIME)", self.server)));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let foreign = |address: &Address| !AsRef::<str>::as_ref(address).is_ascii();
        if to.iter().chain(&from).any(foreign) {
            if !features.utf8 {
                return Err(Trouble::Unfit(format!("{}: takes no address beyond ASCII (SMTPUTF8)", self.server)));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        Ok((Mail::new(from, parameters), to.into_iter().map(|to| Rcpt::new(to, Vec::new())).collect()))
    }

    /// MAIL, RCPT and DATA up to the server's 354. With several recipients DATA waits until all are taken: all or none.
    async fn ready_for_data(&mut self, mail: &Mail, recipients: &[Rcpt]) -> Result<(), Trouble> {
        let mut commands = vec![mail.to_string()];
        commands.extend(recipients.iter().map(Rcpt::to_string));
        let at_once = self.features.pipelining && recipients.len() == 1;
        if at_once {
            commands.push(Data.to_string());
        }
        let answers = if self.features.pipelining {
            self.converse(&commands).await?
        } else {
            let mut answers = Vec::new();
            for command in &commands {
                let answer = self.converse(std::slice::from_ref(command)).await?;
                let refused = answer.iter().any(Result::is_err);
                answers.extend(answer);
                if refused {
                    break;
                }
            }
            answers
        };
        let go_ahead = at_once.then(|| answers.last()).flatten().is_some_and(Result::is_ok);
        for answer in answers {
            if let Err(error) = answer {
                // Asked for DATA all the same: nothing but hanging up leads out of it.
                self.sound =
                    !go_ahead && error.status().is_some_and(|code| u16::from(code) != 421) && self.reset().await;
                return Err(self.said(&error));
            }
        }
        if at_once {
            return Ok(());
        }
        match self.converse(&[Data.to_string()]).await?.pop() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => {
                self.sound = self.reset().await;
                Err(self.said(&error))
            }
            None => Err(Trouble::Unreachable(format!("{}: no answer to DATA", self.server))),
        }
    }

    /// Sends commands in one piece and reads an answer to each. Broken connections are `Unreachable`, refusals stand
    /// in the list.
    async fn converse(&mut self, commands: &[String]) -> Result<Vec<Result<Response, Error>>, Trouble> {
        let mut answers = Vec::new();
        for at in 0..commands.len() {
            let answer = async {
                match at {
                    0 => self.connection.command(commands.concat()).await,
                    _ => self.connection.read_response().await,
                }
            };
            let answer = tokio::time::timeout(self.answer_timeout, answer).await;
            match answer {
                Err(_) => return Err(Trouble::Unreachable(format!("{}: no answer in time", self.server))),
                Ok(Err(error)) if error.status().is_none() => {
                    return Err(Trouble::Unreachable(format!("{}: {}", self.server, answer_of(&error))));
                }
                // The server hangs up with it.
                Ok(Err(error)) if error.status().is_some_and(|code| u16::from(code) == 421) => {
                    return Err(Trouble::Unreachable(format!("{}: {}", self.server, answer_of(&error))));
                }
                Ok(answer) => answers.push(answer),
            }
        }
        Ok(answers)
    }

    async fn reset(&mut self) -> bool {
        matches!(self.converse(&["RSET\r\n".to_string()]).await.as_deref(), Ok([Ok(_)]))
    }

    fn said(&self, error: &Error) -> Trouble {
        match error.status() {
            Some(code) => Trouble::Said { code: code.into(), answer: answer_of(error) },
            None => Trouble::Unreachable(format!("{}: {}", self.server, answer_of(error))),
        }
    }

    /// QUIT, answered or not.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.connection.quit()).await;
    }
}

/// Why a connection could not be opened.
enum Failure {
    Login(String),
    Other(Trouble),
}

impl Failure {
    fn trouble(self) -> Trouble {
        match self {
            Failure::Login(why) => Trouble::Unreachable(why),
            Failure::Other(trouble) => trouble,
        }
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Failure {
        Failure::Other(Trouble::Unreachable(error.to_string()))
    }
}

async fn within<T>(limit: Duration, server: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    let late = |_| Failure::Other(Trouble::Unreachable(format!("{server}: no answer in time")));
    tokio::time::timeout(limit, work).await.map_err(late)
}

fn said(server: &str, error: &Error) -> Failure {
    Failure::Other(Trouble::Unreachable(format!("{server}: {}", answer_of(error))))
}

/// The greeting, EHLO and STARTTLS in the clear.
async fn ask_for_tls(stream: &mut Stream, hello: &ClientId) -> Result<(), Failure> {
    let steps =
        [(None, "220"), (Some(Ehlo::new(hello.clone()).to_string()), "250"), (Some("STARTTLS\r\n".into()), "220")];
    let broken = |error: std::io::Error| Failure::Other(Trouble::Unreachable(one_line(&error.to_string())));
    for (command, expected) in steps {
        if let Some(command) = command {
            stream.say(command.as_bytes()).await.map_err(broken)?;
        }
        let mut last = String::new();
        for _ in 0..100 {
            last = String::from_utf8_lossy(&stream.read_line(1000).await.map_err(broken)?).into_owned();
            if last.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
        if !last.starts_with(expected) {
            return Err(Failure::Other(Trouble::Unreachable(format!("no STARTTLS: {}", one_line(&last)))));
        }
    }
    Ok(())
}

fn client_id(hello: &str) -> ClientId {
    let bare = hello.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hello);
    match bare.strip_prefix("IPv6:").unwrap_or(bare).parse() {
        Ok(std::net::IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(std::net::IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => {
            let clean = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
            ClientId::Domain(hello.chars().filter(|c| clean(*c)).collect())
        }
    }
}

fn features(response: &Response) -> Features {
    let mut features = Features::default();
    for line in response.message() {
        let mut words = line.split_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("PIPELINING") => features.pipelining = true,
            Some("8BITMIME") => features.eight_bit = true,
            Some("SMTPUTF8") => features.utf8 = true,
            Some("SIZE") => {
                features.size = true;
                features.size_max = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            }
            _ => {}
        }
    }
    features
}

/// `250 2.0.0 Ok: queued as 4F1`
fn words(response: &Response) -> String {
    let mut text = response.code().to_string();
    for line in response.message() {
        let _ = write!(text, " {line}");
    }
    text
}

/// The server's words when it said some, else what went wrong.
fn answer_of(error: &Error) -> String {
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    one_line(&match error.status() {
        Some(code) => format!("{code} {source}"),
        None if source.is_empty() => error.to_string(),
        None => source,
    })
}

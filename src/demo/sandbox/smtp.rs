//! The sandbox's SMTP server: takes mails for the sandbox's accounts.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::fault::Fault;
use super::world::World;

const LINE_BYTES_MAX: u64 = 64 << 10;
const MESSAGE_BYTES_MAX: usize = 64 << 20;

struct Connection {
    stream: BufStream<TcpStream>,
    world: Arc<World>,
    logged_in: bool,
    from: Option<String>,
    to: Vec<String>,
}

/// Serves one connection to its end.
pub(super) async fn converse(socket: TcpStream, world: Arc<World>) -> io::Result<()> {
    let mut connection =
        Connection { stream: BufStream::new(socket), world, logged_in: false, from: None, to: Vec::new() };
    if !connection.step("SMTP GREETING", "", |_| "220 sandbox ready".to_string()).await? {
        return Ok(());
    }
    while let Some(line) = connection.line().await? {
        let upper = line.to_ascii_uppercase();
        let word = upper.split([' ', ':']).next().unwrap_or_default().to_string();
        let goes_on = match word.as_str() {
            "DATA" => connection.data(&line).await?,
            "AUTH" => connection.auth(&line).await?,
            "QUIT" => {
                connection.step("QUIT", &line, |_| "221 farewell".to_string()).await?;
                false
            }
            word => connection.step(word, &line, |connection| connection.command(word, &line)).await?,
        };
        if !goes_on {
            break;
        }
    }
    Ok(())
}

impl Connection {
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let count = (&mut self.stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        Ok((count > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_string()))
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        self.flush().await
    }

    /// Answers of commands that came in one piece leave in one piece.
    async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }

    /// Does what a command asks, with the fault that is due. `false`: the connection is over.
    async fn step(&mut self, word: &str, line: &str, act: impl FnOnce(&mut Connection) -> String) -> io::Result<bool> {
        if word != "SMTP GREETING" {
            self.world.hear(line);
        }
        let fault = self.world.faults().due(word, line, &[]);
        match fault {
            Some(Fault::Answer(text)) => {
                self.say(&text).await?;
                return Ok(true);
            }
            Some(Fault::Bye) => {
                self.say("421 4.3.2 going down").await?;
                return Ok(false);
            }
            Some(Fault::Drop) => return Ok(false),
            Some(Fault::Silence) => {
                let mut nothing = Vec::new();
                self.stream.read_to_end(&mut nothing).await?;
                return Ok(false);
            }
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::Tell(ref lines)) => self.stream.write_all(lines.as_bytes()).await?,
            _ => {}
        }
        let answer = act(self);
        match fault {
            Some(Fault::DropAfter) => Ok(false),
            Some(Fault::Say(text)) => {
                self.stream.write_all(text.as_bytes()).await?;
                self.flush().await?;
                Ok(true)
            }
            Some(Fault::Cut(bytes)) => {
                self.stream.write_all(answer.as_bytes().get(..bytes).unwrap_or(answer.as_bytes())).await?;
                self.flush().await?;
                Ok(false)
            }
            fault => {
                self.say(&answer).await?;
                Ok(!matches!(fault, Some(Fault::AnswerAndDrop)))
            }
        }
    }

    fn command(&mut self, word: &str, line: &str) -> String {
        match word {
            "EHLO" | "LHLO" => {
                let mut lines = vec!["sandbox".to_string()];
                lines.extend(self.world.settings.smtp_features.iter().cloned());
                let last = lines.len() - 1;
                let lines = lines.iter().enumerate();
                let lines: Vec<String> =
                    lines.map(|(at, line)| format!("250{}{line}", if at == last { ' ' } else { '-' })).collect();
                lines.join("\r\n")
            }
            "HELO" => "250 sandbox".to_string(),
            "MAIL" if self.world.settings.smtp_login && !self.logged_in => "530 5.7.0 log in first".to_string(),
            "MAIL" if self.from.is_some() => "503 5.5.1 one mail at a time".to_string(),
            "MAIL" => match address(line) {
                Some(from) => {
                    self.from = Some(from);
                    "250 2.1.0 ok".to_string()
                }
                None => "501 5.1.7 no address".to_string(),
            },
            "RCPT" if self.from.is_none() => "503 5.5.1 MAIL first".to_string(),
            "RCPT" => match address(line) {
                Some(to) if self.world.account_of(&to).is_some() => {
                    self.to.push(to);
                    "250 2.1.5 ok".to_string()
                }
                Some(to) => format!("550 5.1.1 <{to}>: no such mailbox here"),
                None => "501 5.1.3 no address".to_string(),
            },
            "RSET" => {
                self.from = None;
                self.to.clear();
                "250 2.0.0 ok".to_string()
            }
            "NOOP" => "250 2.0.0 ok".to_string(),
            _ => "502 5.5.2 not known here".to_string(),
        }
    }

    async fn data(&mut self, line: &str) -> io::Result<bool> {
        let mut go_ahead = false;
        let goes_on = self
            .step("DATA", line, |connection| {
                go_ahead = !connection.to.is_empty();
                if go_ahead { "354 go ahead".to_string() } else { "554 5.5.1 no valid recipients".to_string() }
            })
            .await?;
        if !goes_on || !go_ahead {
            return Ok(goes_on);
        }
        let Some(message) = self.message().await? else {
            return Ok(false);
        };
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        self.step("MESSAGE", "MESSAGE", |connection| {
            for to in &to {
                let mut raw = format!("Return-Path: <{from}>\r\nDelivered-To: {to}\r\n").into_bytes();
                raw.extend_from_slice(&message);
                connection.world.deliver(to, &raw);
            }
            "250 2.0.0 ok: queued".to_string()
        })
        .await
    }

    /// The message behind DATA, dots undone; `None` when the connection ends before it does.
    async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        loop {
            let start = message.len();
            let room = u64::try_from(MESSAGE_BYTES_MAX.saturating_sub(start)).unwrap_or(0);
            (&mut self.stream).take(room).read_until(b'\n', &mut message).await?;
            // Strictly CRLF: what another line end hides must not be read as the end.
            while !message.ends_with(b"\r\n") {
                let room = u64::try_from(MESSAGE_BYTES_MAX.saturating_sub(message.len())).unwrap_or(0);
                if (&mut self.stream).take(room).read_until(b'\n', &mut message).await? == 0 {
                    return Ok(None);
                }
            }
            let line = message.get(start..).unwrap_or_default();
            if line == b".\r\n" {
                message.truncate(start);
                return Ok(Some(message));
            }
            if line.first() == Some(&b'.') {
                message.remove(start);
            }
        }
    }

    async fn auth(&mut self, line: &str) -> io::Result<bool> {
        let mut words = line.split_whitespace().skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let mut response = words.next().map(String::from);
        let mut replies = Vec::new();
        let prompts: &[&str] = if mechanism == "LOGIN" { &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"] } else { &[""] };
        for prompt in prompts {
            let reply = match response.take() {
                Some(reply) => reply,
                None => {
                    self.say(&format!("334 {prompt}")).await?;
                    let Some(reply) = self.line().await? else { return Ok(false) };
                    reply
                }
            };
            replies.push(String::from_utf8_lossy(&STANDARD.decode(reply).unwrap_or_default()).into_owned());
        }
        let password = self.world.settings.password.clone();
        let (user, secret) = match (mechanism.as_str(), replies.as_slice()) {
            ("LOGIN", [user, secret]) => (user.clone(), secret.clone()),
            ("PLAIN", [plain]) => {
                let mut parts = plain.splitn(3, '\0').skip(1);
                (parts.next().unwrap_or_default().to_string(), parts.next().unwrap_or_default().to_string())
            }
            (_, [token]) => {
                let field = |name: &str| token.split('\x01').find_map(|part| part.strip_prefix(name).map(String::from));
                (field("user=").unwrap_or_default(), field("auth=Bearer ").unwrap_or_default())
            }
            _ => Default::default(),
        };
        let good = secret == password && self.world.account_of(&user).is_some();
        self.step("AUTH", "AUTH", |connection| {
            connection.logged_in = good;
            if good { "235 2.7.0 welcome".to_string() } else { format!("535 5.7.8 wrong: {secret}") }
        })
        .await
    }
}

/// What stands between `<` and `>`.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    Some(rest.split_once('>')?.0.to_string())
}

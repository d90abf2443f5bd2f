//! From the greeting to the log-in, in our own words over the bare stream.
//!
//! This part is not left to async-imap: it reads a greeting `BYE` as a greeting, loses the connection over
//! a capability list it cannot parse, and writes passwords to its trace log. What comes after the log-in
//! (literals, mails) is read through it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ImapSettings;
use super::session::{Refused, judge};
use crate::wire::WireError;
use crate::wire::login::{Login, xoauth2};
use crate::wire::net::{Security, Stream, one_line};

const LINE_MAX: usize = 64 << 10;
const LINES_MAX: usize = 1000;

/// A logged-in connection and what is known of its server.
#[derive(Debug)]
pub(super) struct Welcome {
    pub stream: Stream,
    pub capabilities: Capabilities,
    /// Between the levels of a mailbox name; `None` for a flat server.
    pub delimiter: Option<char>,
    /// What the names of our own mailboxes begin with, e.g. `INBOX.`.
    pub prefix: String,
}

/// What the server said it can do, in capitals.
#[derive(Clone, Debug, Default)]
pub(super) struct Capabilities(Vec<String>);

impl Capabilities {
    pub fn has(&self, name: &str) -> bool {
        let announced = |name: &str| self.0.iter().any(|known| known == name);
        // What the second revision (RFC 9051) made part of the protocol need not be announced beside it.
        let included = ["IDLE", "MOVE", "NAMESPACE", "SASL-IR", "UIDPLUS"].contains(&name) && announced("IMAP4REV2");
        announced(name) || included
    }

    /// Any run of blanks separates; the list may stand in brackets.
    fn parse(list: &str) -> Capabilities {
        Capabilities(list.split_whitespace().map(str::to_ascii_uppercase).collect())
    }
}

/// Connects, protects the connection, logs in.
pub(super) async fn greet(settings: &ImapSettings) -> Result<Welcome, WireError> {
    let server = &settings.server;
    let stream = Stream::connect(server, &settings.trust, &settings.timeouts).await?;
    let mut talk = Talk { stream, server: server.to_string(), counter: 0, capabilities: None };
    let greeting = talk.line().await?;
    let upper = greeting.to_ascii_uppercase();
    if !upper.starts_with("* OK") {
        // PREAUTH would mean that somebody else decided who we are.
        return Err(talk.away(&format!("greets with `{}`", one_line(&greeting))));
    }
    talk.note_capabilities(&greeting);
    if server.security == Security::StartTls {
        talk.must("STARTTLS").await?;
        talk.capabilities = None;
        talk.stream = talk.stream.upgrade(server, &settings.trust, &settings.timeouts).await?;
    }
    let before = talk.capabilities().await?;
    talk.capabilities = None;
    talk.log_in(&settings.login, &before).await?;
    let capabilities = talk.capabilities().await?;
    if capabilities.has("ID") && !settings.quirks.no_id {
        // Some servers (163.com and its kin) serve nobody who has not introduced himself. A refusal is no harm.
        talk.ask(&format!("ID (\"name\" \"postern\" \"version\" \"{}\")", env!("CARGO_PKG_VERSION"))).await?;
    }
    let (prefix, delimiter) = talk.namespace(&capabilities).await?;
    Ok(Welcome { stream: talk.stream, capabilities, delimiter, prefix })
}

struct Talk {
    stream: Stream,
    server: String,
    counter: u32,
    capabilities: Option<Capabilities>,
}

struct Answer {
    ok: bool,
    /// The tagged line without its tag.
    text: String,
    untagged: Vec<String>,
}

impl Talk {
    fn away(&self, why: &str) -> WireError {
        WireError::Away(format!("{}: {why}", self.server))
    }

    /// One line; literals in it are read along and stand in it as they are.
    async fn line(&mut self) -> Result<String, WireError> {
        let mut whole = Vec::new();
        for _ in 0..20 {
            let piece = self.stream.read_line(LINE_MAX).await.map_err(|error| self.away(&error.to_string()))?;
            let literal = literal_length(&piece);
            whole.extend_from_slice(&piece);
            let Some(length) = literal else {
                return Ok(String::from_utf8_lossy(&whole).into_owned());
            };
            if length > LINE_MAX {
                break;
            }
            let mut bytes = vec![0; length];
            tokio::io::AsyncReadExt::read_exact(&mut self.stream, &mut bytes)
                .await
                .map_err(|error| self.away(&error.to_string()))?;
            whole.extend_from_slice(b"\r\n");
            whole.extend_from_slice(&bytes);
        }
        Err(self.away("sends too much before the log-in"))
    }

    async fn begin(&mut self, command: &str) -> Result<String, WireError> {
        self.stream.allow(1 << 20);
        self.counter += 1;
        let tag = format!("L{}", self.counter);
        self.say(&format!("{tag} {command}\r\n")).await?;
        Ok(tag)
    }

    async fn say(&mut self, text: &str) -> Result<(), WireError> {
        self.stream.say(text.as_bytes()).await.map_err(|error| self.away(&error.to_string()))
    }

    /// Reads up to the tagged answer; `more` answers each `+` line, `None` to cancel.
    async fn end(&mut self, tag: &str, mut more: impl FnMut(&str) -> Option<String>) -> Result<Answer, WireError> {
        let mut untagged = Vec::new();
        for _ in 0..LINES_MAX {
            let line = self.line().await?;
            if let Some(rest) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                let ok = rest.get(..2).is_some_and(|status| status.eq_ignore_ascii_case("OK"));
                if ok {
                    self.note_capabilities(rest);
                }
                return Ok(Answer { ok, text: rest.to_string(), untagged });
            }
            if let Some(challenge) = line.strip_prefix('+') {
                let reply = more(challenge.trim()).unwrap_or_else(|| "*".to_string());
                self.say(&format!("{reply}\r\n")).await?;
                continue;
            }
            let upper = line.to_ascii_uppercase();
            if upper.starts_with("* BYE") {
                return Err(self.away(&format!("says `{}`", one_line(&line))));
            }
            if upper.starts_with("* CAPABILITY") {
                self.note_capabilities(&line);
            }
            untagged.push(line);
        }
        Err(self.away("sends too many lines before the log-in"))
    }

    async fn ask(&mut self, command: &str) -> Result<Answer, WireError> {
        let tag = self.begin(command).await?;
        self.end(&tag, |_| None).await
    }

    async fn must(&mut self, command: &str) -> Result<Answer, WireError> {
        let answer = self.ask(command).await?;
        if answer.ok {
            return Ok(answer);
        }
        Err(WireError::Refused(format!("{}: {command} refused: {}", self.server, one_line(&answer.text))))
    }

    fn note_capabilities(&mut self, line: &str) {
        let upper = line.to_ascii_uppercase();
        let list = match upper.split_once("[CAPABILITY ") {
            Some((_, after)) => after.split(']').next(),
            None => upper.trim_start().strip_prefix("* CAPABILITY "),
        };
        if let Some(list) = list {
            self.capabilities = Some(Capabilities::parse(list));
        }
    }

    /// The announced ones, asked for unless the server told them unasked.
    async fn capabilities(&mut self) -> Result<Capabilities, WireError> {
        if self.capabilities.is_none() {
            self.must("CAPABILITY").await?;
        }
        self.capabilities.clone().ok_or_else(|| self.away("does not list its capabilities"))
    }

    async fn log_in(&mut self, login: &Login, capabilities: &Capabilities) -> Result<(), WireError> {
        match login {
            Login::Password { user, password } => {
                let answer = if capabilities.has("AUTH=PLAIN") {
                    let response = STANDARD.encode(format!("\0{user}\0{}", password.reveal()));
                    self.authenticate("PLAIN", response, capabilities).await?
                } else if capabilities.has("LOGINDISABLED") {
                    let server = &self.server;
                    return Err(WireError::Refused(format!("{server}: takes no password over this connection")));
                } else {
                    self.login_command(user, password.reveal()).await?
                };
                self.verdict(answer, |text| password.blot(text))
            }
            Login::OAuth { user, tokens } => {
                let mut renew = false;
                loop {
                    let token = tokens.token(renew).await?;
                    let response = STANDARD.encode(xoauth2(user, &token));
                    let answer = self.authenticate("XOAUTH2", response, capabilities).await?;
                    // A token that expired early gets one successor.
                    if answer.ok || renew {
                        return self.verdict(answer, |text| token.blot(text));
                    }
                    renew = true;
                }
            }
        }
    }

    async fn authenticate(
        &mut self,
        mechanism: &str,
        response: String,
        capabilities: &Capabilities,
    ) -> Result<Answer, WireError> {
        let mut response = Some(response);
        let command = match response.take_if(|_| capabilities.has("SASL-IR")) {
            Some(initial) => format!("AUTHENTICATE {mechanism} {initial}"),
            None => format!("AUTHENTICATE {mechanism}"),
        };
        let tag = self.begin(&command).await?;
        // A challenge after our response explains a refusal (XOAUTH2): an empty line asks for the verdict.
        self.end(&tag, |_| Some(response.take().unwrap_or_default())).await
    }

    /// LOGIN with both arguments as literals where they are more than plain words.
    async fn login_command(&mut self, user: &str, password: &str) -> Result<Answer, WireError> {
        let mut pieces = vec!["LOGIN".to_string()];
        for argument in [user, password] {
            if let Some(last) = pieces.last_mut() {
                last.push(' ');
                match argument.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                    true => last.push_str(&quote(argument)),
                    false => {
                        last.push_str(&format!("{{{}}}", argument.len()));
                        pieces.push(argument.to_string());
                    }
                }
            }
        }
        let mut pieces = pieces.into_iter();
        let tag = self.begin(&pieces.next().unwrap_or_default()).await?;
        self.end(&tag, |_| pieces.next()).await
    }

    fn verdict(&self, answer: Answer, blot: impl Fn(&str) -> String) -> Result<(), WireError> {
        if answer.ok {
            return Ok(());
        }
        let text = one_line(&blot(&answer.text));
        let why = format!("{}: log-in refused: {text}", self.server);
        Err(match judge(&text) {
            Refused::Busy(_) => WireError::Away(why),
            Refused::Plainly => WireError::Refused(why),
        })
    }

    /// Where our own mailboxes live (RFC 2342), else the delimiter alone.
    async fn namespace(&mut self, capabilities: &Capabilities) -> Result<(String, Option<char>), WireError> {
        if capabilities.has("NAMESPACE") {
            let answer = self.ask("NAMESPACE").await?;
            let found = answer.untagged.iter().find_map(|line| parse_namespace(line));
            if let (true, Some(found)) = (answer.ok, found) {
                return Ok(found);
            }
        }
        let answer = self.ask("LIST \"\" \"\"").await?;
        Ok((String::new(), answer.untagged.iter().find_map(|line| parse_list_delimiter(line))))
    }
}

fn literal_length(line: &[u8]) -> Option<usize> {
    let inside = line.strip_suffix(b"}")?;
    let start = inside.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(inside.get(start + 1..)?).ok()?.parse().ok()
}

/// `* NAMESPACE (("INBOX." ".")) NIL NIL` gives `INBOX.` and `.`.
fn parse_namespace(line: &str) -> Option<(String, Option<char>)> {
    let rest = line.get("* NAMESPACE ".len()..).filter(|_| line.to_ascii_uppercase().starts_with("* NAMESPACE "))?;
    let rest = rest.trim_start().strip_prefix("((")?.trim_start();
    let (prefix, rest) = parse_quoted(rest)?;
    Some((prefix, parse_delimiter(rest)))
}

/// `* LIST (\Noselect) "/" ""` gives `/`.
fn parse_list_delimiter(line: &str) -> Option<char> {
    if !line.to_ascii_uppercase().starts_with("* LIST ") {
        return None;
    }
    parse_delimiter(line.split_once(')')?.1)
}

fn parse_delimiter(text: &str) -> Option<char> {
    parse_quoted(text.trim_start()).and_then(|(delimiter, _)| delimiter.chars().next())
}

fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.char_indices();
    let mut out = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, text.get(at + 2..)?)),
            '\\' => out.push(chars.next()?.1),
            c => out.push(c),
        }
    }
    None
}

/// An IMAP quoted string. Only for printable ASCII.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folders created in the wrong namespace are refused by half of the older servers.
    #[test]
    fn namespaces_and_delimiters() {
        let table = [
            (r#"* NAMESPACE (("INBOX." ".")) NIL NIL"#, Some(("INBOX.", Some('.')))),
            (r#"* NAMESPACE (("" "/")) (("~" "/")) NIL"#, Some(("", Some('/')))),
            (r#"* namespace (("" NIL)) NIL NIL"#, Some(("", None))),
            (r#"* NAMESPACE (("" "\\")) NIL NIL"#, Some(("", Some('\\')))),
            ("* NAMESPACE NIL NIL NIL", None),
        ];
        for (line, expected) in table {
            let expected = expected.map(|(prefix, delimiter)| (prefix.to_string(), delimiter));
            assert_eq!(parse_namespace(line), expected, "{line}");
        }
        assert_eq!(parse_list_delimiter(r#"* LIST (\Noselect) "/" """#), Some('/'));
        assert_eq!(parse_list_delimiter(r#"* LIST (\Noselect) NIL """#), None);
    }

    /// Two blanks between capabilities (seen at a national carrier) must not keep a customer from logging in.
    #[test]
    fn capabilities_are_split_at_any_blank() {
        let capabilities = Capabilities::parse("IMAP4rev1  idle\tMOVE ");
        assert!(capabilities.has("IDLE") && capabilities.has("MOVE") && !capabilities.has("UIDPLUS"));
    }

    #[test]
    fn literal_lengths() {
        assert_eq!(literal_length(b"* LIST () \"/\" {5}"), Some(5));
        assert_eq!(literal_length(b"no literal}"), None);
    }
}
